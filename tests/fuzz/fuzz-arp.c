/*
 * fuzz-arp.c - an ARP packet that is accepted, written and read again is the same packet
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/arp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buf[ARP_BYTES];
	struct arp a;

	if (arp_parse(data, size, &a) < 0)
		return 0;
	arp_format(&a, buf);
	if (memcmp(buf, data, sizeof(buf)) != 0)
		abort();
	return 0;
}

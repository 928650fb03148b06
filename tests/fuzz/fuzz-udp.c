/*
 * fuzz-udp.c - a datagram that is accepted lies within its packet, and written again is read the
 * same
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[66000];
	struct udp_datagram d, again;
	size_t n;

	/* with checksums the fuzzer would rarely get far; the first byte says whether they count */
	if (size < 1 || udp_parse(data + 1, size - 1, data[0] & 1, &d) < 0)
		return 0;
	if (d.bytes > size || (d.bytes && (d.data < data || d.data + d.bytes > data + size)))
		abort();
	if (udp_format(&d, buf, sizeof(buf), &n) <
	    0) { /* options in the header of the longest packet */
		if (d.bytes + UDP_IP_HEADER_BYTES <= UINT16_MAX)
			abort();
		return 0;
	}
	if (udp_parse(buf, n, false, &again) < 0 || again.bytes != d.bytes ||
	    again.src.s_addr != d.src.s_addr || again.dst_port != d.dst_port ||
	    (d.bytes && memcmp(again.data, d.data, d.bytes)))
		abort();
	return 0;
}

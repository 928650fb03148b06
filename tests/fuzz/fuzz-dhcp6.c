/*
 * fuzz-dhcp6.c - a DHCPv6 answer that is accepted, written and read again is the same answer
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/dhcp6.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mac mac = { { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } };
	struct dhcp6_reply p, again;
	uint8_t buf[DHCP6_MESSAGE_MAX];
	size_t n;

	if (dhcp6_reply_parse(data, size, &mac, &p) < 0)
		return 0;
	if (p.n_dns > DHCP6_DNS_MAX || p.server.n > DHCP6_DUID_MAX || p.client.n > DHCP6_DUID_MAX ||
	    (p.have_address && (p.valid_s == 0 || p.preferred_s > p.valid_s)))
		abort();
	if (dhcp6_reply_format(&p, &mac, buf, sizeof(buf), &n) < 0)
		abort();
	if (dhcp6_reply_parse(buf, n, &mac, &again) < 0 || memcmp(&p, &again, sizeof(p)) != 0)
		abort();
	return 0;
}

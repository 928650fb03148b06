/*
 * fuzz-dhcp.c - a DHCP answer that is accepted, written and read again is the same answer
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/dhcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dhcp_reply p, again;
	uint8_t buf[DHCP_MESSAGE_MAX];
	size_t n;

	/* what is compared byte for byte must be written byte for byte */
	memset(&p, 0x55, sizeof(p));
	memset(&again, 0xaa, sizeof(again));
	if (dhcp_reply_parse(data, size, &p) < 0)
		return 0;
	if (p.lease.prefix > 32 || p.lease.n_routers > DHCP_ROUTERS_MAX ||
	    p.lease.n_routes > DHCP_ROUTES_MAX || p.lease.n_dns > DHCP_SERVERS_MAX ||
	    p.lease.n_ntp > DHCP_SERVERS_MAX || p.lease.renew_s > p.lease.rebind_s ||
	    p.lease.rebind_s > p.lease.lease_s)
		abort();
	if (dhcp_reply_format(&p, buf, sizeof(buf), &n) < 0)
		abort();
	if (dhcp_reply_parse(buf, n, &again) < 0 || memcmp(&p, &again, sizeof(p)) != 0)
		abort();
	return 0;
}

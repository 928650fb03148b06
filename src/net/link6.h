/*
 * link6.h - IPv6 on a link: addresses, the default route, and what a router has advertised
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "base/lang.h"

/* What the kernel has on a link now. Addresses that it still checks for conflicts do not count. */
struct link6 {
	bool have_local, have_global, have_gateway;
	bool conflict; /* one of its addresses is in use elsewhere */
	bool have_asked, asked_conflict; /* the same of the address that was asked about */
	struct in6_addr local, global, gateway;
	unsigned prefix;
	bool advertised;     /* a router advertisement was heard */
	bool managed, other; /* it said: addresses by DHCPv6; other things by DHCPv6 */
};

/* Return of all: 0 or negative errno of the kernel. @asked may be NULL. */
_must_check_ int link6_look(int ifindex, const struct in6_addr *asked, struct link6 *ret);
_must_check_ int link6_add_address(int ifindex, const struct in6_addr *a, unsigned prefix);
_must_check_ int link6_remove_address(int ifindex, const struct in6_addr *a, unsigned prefix);
_must_check_ int link6_add_gateway(int ifindex, const struct in6_addr *gateway); /* ::/0 */

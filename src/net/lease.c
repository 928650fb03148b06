/*
 * lease.c - put a DHCP lease into force on a link
 *
 * The address is what the boot cannot do without; a route or MTU that does not work is worth a
 * warning and no more.
 */
#include "base/log.h"
#include "net/lease.h"
#include "net/link.h"

static void add_route(int ifindex, const struct dhcp_route *rt, struct in_addr src)
{
	char dst[INET_ADDRSTRLEN], gw[INET_ADDRSTRLEN];
	int r = link_add_route(ifindex, rt->dst, rt->prefix, rt->gateway, src, 0);

	if (r < 0)
		log_warn(r, "ignoring route %s/%u by %s of the DHCP answer",
			 ipv4_format(rt->dst, dst), rt->prefix, ipv4_format(rt->gateway, gw));
}

int lease_apply(int ifindex, const struct dhcp_lease *l)
{
	int r = link_flush(ifindex);

	if (r < 0)
		log_warn(r, "cannot remove old addresses, going on with them");
	if (l->mtu) {
		r = link_set_mtu(ifindex, l->mtu);
		if (r < 0)
			log_warn(r, "ignoring MTU %u of the DHCP answer", l->mtu);
	}
	r = link_add_address(ifindex, l->address, l->prefix, l->broadcast);
	if (r < 0)
		return r;
	for (size_t i = 0; i < l->n_routes; i++)
		add_route(ifindex, &l->routes[i], l->address);
	if (l->n_routes == 0 && l->n_routers > 0)
		add_route(ifindex, &(struct dhcp_route){ .gateway = l->routers[0] }, l->address);
	return 0;
}

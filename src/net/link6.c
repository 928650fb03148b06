/*
 * link6.c - IPv6 on a link: addresses, the default route, and what a router has advertised
 *
 * The kernel listens to router advertisements by itself: it makes addresses and routes of them, and
 * remembers in its link's flags whether it heard one and what the router said of DHCPv6.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "net/link6.h"
#include "net/netlink.h"

/* Of the kernel's net/if_inet6.h, which no header for programs has. */
#define IF_RA_OTHERCONF 0x80
#define IF_RA_MANAGED	0x40
#define IF_RA_RCVD	0x20

static int address_change(uint16_t type, uint16_t flags, int ifindex, const struct in6_addr *a,
			  unsigned prefix)
{
	struct ifaddrmsg m = {
		.ifa_family = AF_INET6,
		.ifa_prefixlen = (uint8_t)prefix,
		.ifa_index = (uint32_t)ifindex,
	};
	struct netlink_request q;

	netlink_begin(&q, type, flags, &m, sizeof(m));
	netlink_attr(&q, IFA_LOCAL, a, sizeof(*a));
	netlink_attr(&q, IFA_ADDRESS, a, sizeof(*a));
	return netlink_ask(&q, NULL, NULL);
}

int link6_add_address(int ifindex, const struct in6_addr *a, unsigned prefix)
{
	int r = address_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, a, prefix);

	return r == -EEXIST ? 0 : r;
}

int link6_remove_address(int ifindex, const struct in6_addr *a, unsigned prefix)
{
	return address_change(RTM_DELADDR, 0, ifindex, a, prefix);
}

int link6_add_gateway(int ifindex, const struct in6_addr *gateway)
{
	struct rtmsg m = {
		.rtm_family = AF_INET6,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = RTNH_F_ONLINK,
	};
	uint32_t index = (uint32_t)ifindex;
	struct netlink_request q;

	netlink_begin(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));
	netlink_attr(&q, RTA_OIF, &index, sizeof(index));
	netlink_attr(&q, RTA_GATEWAY, gateway, sizeof(*gateway));
	return netlink_ask(&q, NULL, NULL);
}

/* --- what there is --- */

struct look {
	int ifindex;
	const struct in6_addr *asked;
	struct link6 found;
};

static int on_address(void *ctx, uint16_t type, struct reader r)
{
	struct look *l = ctx;
	struct in6_addr a = { 0 };
	struct ifaddrmsg m;
	struct reader v;
	uint16_t attr;
	uint32_t flags;
	bool asked;

	reader_copy(&r, &m, sizeof(m));
	if (r.err || type != RTM_NEWADDR || m.ifa_family != AF_INET6 ||
	    m.ifa_index != (uint32_t)l->ifindex)
		return 0;
	flags = m.ifa_flags;
	while (netlink_next_attr(&r, &attr, &v)) {
		if (attr == IFA_ADDRESS && v.left == sizeof(a))
			reader_copy(&v, &a, sizeof(a));
		else if (attr == IFA_FLAGS)
			flags = netlink_u32(&v);
	}
	asked = l->asked && IN6_ARE_ADDR_EQUAL(l->asked, &a);
	if (flags & IFA_F_DADFAILED) {
		l->found.conflict = true;
		l->found.asked_conflict |= asked;
	}
	if (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED))
		return 0;
	l->found.have_asked |= asked;
	if (m.ifa_scope == RT_SCOPE_LINK) {
		l->found.local = a;
		l->found.have_local = true;
	} else if (m.ifa_scope == RT_SCOPE_UNIVERSE && !l->found.have_global) {
		l->found.global = a;
		l->found.prefix = m.ifa_prefixlen;
		l->found.have_global = true;
	}
	return 0;
}

static int on_route(void *ctx, uint16_t type, struct reader r)
{
	struct look *l = ctx;
	struct in6_addr gateway = { 0 };
	struct rtmsg m;
	struct reader v;
	uint16_t attr;
	uint32_t oif = 0;

	reader_copy(&r, &m, sizeof(m));
	if (r.err || type != RTM_NEWROUTE || m.rtm_family != AF_INET6 || m.rtm_dst_len != 0)
		return 0;
	while (netlink_next_attr(&r, &attr, &v)) {
		if (attr == RTA_GATEWAY && v.left == sizeof(gateway))
			reader_copy(&v, &gateway, sizeof(gateway));
		else if (attr == RTA_OIF)
			oif = netlink_u32(&v);
	}
	if (oif == (uint32_t)l->ifindex && !IN6_IS_ADDR_UNSPECIFIED(&gateway)) {
		l->found.gateway = gateway;
		l->found.have_gateway = true;
	}
	return 0;
}

/* Asked for AF_INET6, the kernel nests the flags in IFLA_PROTINFO. */
static int on_link(void *ctx, uint16_t type, struct reader r)
{
	struct look *l = ctx;
	struct ifinfomsg m;
	struct reader spec, v;
	uint16_t attr;
	uint32_t flags = 0;

	reader_copy(&r, &m, sizeof(m));
	if (r.err || type != RTM_NEWLINK || m.ifi_index != l->ifindex)
		return 0;
	while (netlink_next_attr(&r, &attr, &spec)) {
		if (attr != IFLA_PROTINFO)
			continue;
		while (netlink_next_attr(&spec, &attr, &v)) {
			if (attr == IFLA_INET6_FLAGS)
				flags = netlink_u32(&v);
		}
	}
	l->found.advertised = flags & IF_RA_RCVD;
	l->found.managed = flags & IF_RA_MANAGED;
	l->found.other = flags & IF_RA_OTHERCONF;
	return 0;
}

int link6_look(int ifindex, const struct in6_addr *asked, struct link6 *ret)
{
	struct look l = { .ifindex = ifindex, .asked = asked };
	struct ifaddrmsg am = { .ifa_family = AF_INET6 };
	struct ifinfomsg lm = { .ifi_family = AF_INET6 };
	struct rtmsg rm = { .rtm_family = AF_INET6 };
	struct netlink_request q;
	int r;

	netlink_begin(&q, RTM_GETADDR, NLM_F_DUMP, &am, sizeof(am));
	r = netlink_ask(&q, on_address, &l);
	netlink_begin(&q, RTM_GETLINK, NLM_F_DUMP, &lm, sizeof(lm));
	r = r ? r : netlink_ask(&q, on_link, &l);
	netlink_begin(&q, RTM_GETROUTE, NLM_F_DUMP, &rm, sizeof(rm));
	r = r ? r : netlink_ask(&q, on_route, &l);
	if (r == 0)
		*ret = l.found;
	return r;
}

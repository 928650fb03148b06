/*
 * link_config.c - change a link: up, MTU, addresses, routes
 *
 * One rtnetlink request each. What the kernel has already (EEXIST) is success.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/link.h"
#include "net/netlink.h"

#define FLUSH_MAX 64 /* addresses of one link that link_flush() removes */

int link_set_up(int ifindex, bool up)
{
	struct ifinfomsg m = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = ifindex,
		.ifi_flags = up ? IFF_UP : 0,
		.ifi_change = IFF_UP,
	};
	struct netlink_request q;

	netlink_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	return netlink_ask(&q, NULL, NULL);
}

void link_set_aside(const int *ifindexes, size_t n, bool up, int *errs)
{
	pid_t pid = n > 0 ? fork() : -1;

	if (pid > 0 || n == 0)
		return;
	for (size_t i = 0; i < n; i++) { /* without a process it is done here */
		int r = link_set_up(ifindexes[i], up);

		if (errs)
			errs[i] = r;
	}
	if (pid == 0)
		_exit(0);
}

int *link_errs_new(void)
{
	int *p = mmap(NULL, LINK_ERRS_MAX * sizeof(*p), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void link_errs_free(int *errs)
{
	if (errs)
		(void)munmap(errs, LINK_ERRS_MAX * sizeof(*errs));
}

int link_set_mtu(int ifindex, uint32_t mtu)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
	struct netlink_request q;

	netlink_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	netlink_attr(&q, IFLA_MTU, &mtu, sizeof(mtu));
	return netlink_ask(&q, NULL, NULL);
}

static int address_change(uint16_t type, uint16_t flags, int ifindex, struct in_addr a,
			  unsigned prefix, struct in_addr broadcast)
{
	struct ifaddrmsg m = {
		.ifa_family = AF_INET,
		.ifa_prefixlen = (uint8_t)prefix,
		.ifa_index = (uint32_t)ifindex,
	};
	struct netlink_request q;

	netlink_begin(&q, type, flags, &m, sizeof(m));
	netlink_attr(&q, IFA_LOCAL, &a, sizeof(a));
	netlink_attr(&q, IFA_ADDRESS, &a, sizeof(a));
	if (broadcast.s_addr)
		netlink_attr(&q, IFA_BROADCAST, &broadcast, sizeof(broadcast));
	return netlink_ask(&q, NULL, NULL);
}

int link_add_address(int ifindex, struct in_addr a, unsigned prefix, struct in_addr broadcast)
{
	int r = address_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, a, prefix,
			       broadcast);

	return r == -EEXIST ? 0 : r;
}

/* The addresses of one link, while they are listed. */
struct addresses {
	int ifindex;
	struct in_addr a[FLUSH_MAX];
	uint8_t prefix[FLUSH_MAX];
	size_t n;
};

static int on_address(void *ctx, uint16_t type, struct reader r)
{
	struct addresses *as = ctx;
	struct ifaddrmsg m;
	struct reader a;
	uint16_t attr;

	reader_copy(&r, &m, sizeof(m));
	if (r.err || type != RTM_NEWADDR || m.ifa_family != AF_INET ||
	    m.ifa_index != (uint32_t)as->ifindex)
		return 0;
	while (netlink_next_attr(&r, &attr, &a)) {
		if (attr != IFA_LOCAL || a.left != sizeof(as->a[0]) || as->n == FLUSH_MAX)
			continue;
		reader_copy(&a, &as->a[as->n], sizeof(as->a[0]));
		as->prefix[as->n++] = m.ifa_prefixlen;
	}
	return 0;
}

static int addresses_list(int ifindex, struct addresses *ret)
{
	struct ifaddrmsg m = { .ifa_family = AF_INET };
	struct netlink_request q;

	*ret = (struct addresses){ .ifindex = ifindex };
	netlink_begin(&q, RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	return netlink_ask(&q, on_address, ret);
}

int link_flush(int ifindex)
{
	struct addresses as;
	int r = addresses_list(ifindex, &as);

	for (size_t i = 0; i < as.n && r == 0; i++)
		r = address_change(RTM_DELADDR, 0, ifindex, as.a[i], as.prefix[i],
				   (struct in_addr){ 0 });
	return r == -EADDRNOTAVAIL ? 0 : r;
}

/* Whether a neighbour @a is in one of the link's subnets; if that cannot be told, it is not. */
static bool on_subnet(int ifindex, struct in_addr a)
{
	struct addresses as;

	if (addresses_list(ifindex, &as) < 0)
		return false;
	for (size_t i = 0; i < as.n; i++) {
		in_addr_t mask = ipv4_mask(as.prefix[i]).s_addr;

		if (as.prefix[i] < 32 && (as.a[i].s_addr & mask) == (a.s_addr & mask))
			return true;
	}
	return false;
}

int link_add_route(int ifindex, struct in_addr dst, unsigned prefix, struct in_addr gateway,
		   struct in_addr src, uint32_t metric)
{
	struct rtmsg m = {
		.rtm_family = AF_INET,
		.rtm_dst_len = (uint8_t)prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = gateway.s_addr ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
	};
	uint32_t index = (uint32_t)ifindex;
	struct netlink_request q;

	if (gateway.s_addr && !on_subnet(ifindex, gateway))
		m.rtm_flags |= RTNH_F_ONLINK;
	netlink_begin(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));
	if (prefix > 0)
		netlink_attr(&q, RTA_DST, &dst, sizeof(dst));
	netlink_attr(&q, RTA_OIF, &index, sizeof(index));
	if (gateway.s_addr)
		netlink_attr(&q, RTA_GATEWAY, &gateway, sizeof(gateway));
	if (src.s_addr)
		netlink_attr(&q, RTA_PREFSRC, &src, sizeof(src));
	if (metric)
		netlink_attr(&q, RTA_PRIORITY, &metric, sizeof(metric));
	return netlink_ask(&q, NULL, NULL);
}

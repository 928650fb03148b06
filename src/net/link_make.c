/*
 * link_make.c - links that are made of others: VLANs and bonds
 *
 * The kernel needs the modules 8021q and bonding; without them it answers -EOPNOTSUPP.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "net/link.h"
#include "net/netlink.h"

/* A request that only serves as the buffer of a nested attribute. */
static void nest_begin(struct netlink_request *q)
{
	q->w = WRITER(q->buf, sizeof(q->buf));
}

static void nest_put(struct netlink_request *q, uint16_t type, const struct netlink_request *nest)
{
	netlink_attr(q, type, nest->buf, nest->w.len);
	q->w.err = q->w.err ? q->w.err : nest->w.err;
}

static int add(const char *name, const char *kind, int under, const struct netlink_request *data)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC };
	uint32_t below = (uint32_t)under;
	struct netlink_request q, info;
	int r;

	nest_begin(&info);
	netlink_attr(&info, IFLA_INFO_KIND, kind, strlen(kind));
	if (data)
		nest_put(&info, IFLA_INFO_DATA, data);
	netlink_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	netlink_attr(&q, IFLA_IFNAME, name, strlen(name) + 1);
	if (under)
		netlink_attr(&q, IFLA_LINK, &below, sizeof(below));
	nest_put(&q, IFLA_LINKINFO, &info);
	r = netlink_ask(&q, NULL, NULL);
	return r == -EEXIST ? 0 : r;
}

int link_add_vlan(const char *name, int under, uint16_t id)
{
	struct netlink_request data;

	nest_begin(&data);
	netlink_attr(&data, IFLA_VLAN_ID, &id, sizeof(id));
	return add(name, "vlan", under, &data);
}

int link_add_bond(const char *name)
{
	return add(name, "bond", 0, NULL);
}

int link_enslave(int ifindex, int master)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
	uint32_t index = (uint32_t)master;
	struct netlink_request q;

	netlink_begin(&q, RTM_NEWLINK, 0, &m, sizeof(m));
	netlink_attr(&q, IFLA_MASTER, &index, sizeof(index));
	return netlink_ask(&q, NULL, NULL);
}

int link_remove(int ifindex)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
	struct netlink_request q;

	netlink_begin(&q, RTM_DELLINK, 0, &m, sizeof(m));
	return netlink_ask(&q, NULL, NULL);
}

/*
 * link.c - network interfaces through rtnetlink
 *
 * The table is filled by one dump and kept true by the kernel's notifications; when those overflow,
 * it is dumped again. The kernel's messages are read with the bounds-checked reader like any other
 * bytes.
 */
#include <errno.h>
#include <ev.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>

#include "base/fd.h"
#include "net/link.h"
#include "net/netlink.h"

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP (1 << 16)
#endif

struct watch {
	link_watch_fn fn; /* NULL: free */
	void *ctx;
};

struct links {
	struct ev_loop *loop;
	struct ev_io io;
	int fd;
	struct link table[LINKS_MAX];
	size_t n;
	struct watch watches[LINKS_WATCHES_MAX];
	bool quiet;	      /* first listing: nobody to tell */
	bool seen[LINKS_MAX]; /* while listing: which entries the kernel still has */
};

/*
 * Kinds of virtual links that stand for a NIC; every other link that has a kind is made of
 * something else.
 */
static const char *const nic_kinds[] = { "veth", "macvlan" };

static bool kind_is_nic(struct reader info)
{
	struct reader a;
	uint16_t type;

	while (netlink_next_attr(&info, &type, &a)) {
		if (type != IFLA_INFO_KIND)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(nic_kinds); i++) {
			size_t n = strlen(nic_kinds[i]);

			if (a.left >= n && !memcmp(a.p, nic_kinds[i], n) &&
			    (a.left == n || a.p[n] == 0))
				return true;
		}
		return false;
	}
	return true;
}

/* Read the body of RTM_NEWLINK or RTM_DELLINK. Return: 0, or -EBADMSG. */
static int link_read(struct reader r, struct link *ret)
{
	struct link l = { 0 };
	struct ifinfomsg m;
	struct reader a;
	uint16_t type;
	uint8_t operstate = 0;
	bool nic = true;

	reader_copy(&r, &m, sizeof(m));
	if (r.err)
		return -EBADMSG;
	l.ifindex = m.ifi_index;
	l.up = m.ifi_flags & IFF_UP;
	while (netlink_next_attr(&r, &type, &a)) {
		switch (type) {
		case IFLA_IFNAME:
			memcpy(l.name, a.p, MIN(a.left, sizeof(l.name) - 1));
			break;
		case IFLA_ADDRESS:
			if (a.left == MAC_BYTES)
				reader_copy(&a, l.mac.b, MAC_BYTES);
			break;
		case IFLA_MTU:
			l.mtu = netlink_u32(&a);
			break;
		case IFLA_OPERSTATE:
			operstate = reader_u8(&a);
			break;
		case IFLA_MASTER:
			nic = false;
			break;
		case IFLA_LINKINFO:
			nic = nic && kind_is_nic(a);
			break;
		}
	}
	l.wired = nic && m.ifi_type == ARPHRD_ETHER && !(m.ifi_flags & IFF_LOOPBACK);
	/*
	 * "unknown" is what drivers without carrier detection say, and "down" with lower-up means
	 * that the kernel's link watch, which runs once a second, has not looked yet: lower-up
	 * decides
	 */
	l.carrier = l.up && m.ifi_flags & IFF_LOWER_UP &&
		    (operstate == 0 || operstate == 2 || operstate == 6);
	*ret = l;
	return 0;
}

static void tell(struct links *ls, enum link_event event, const struct link *l)
{
	struct link copy = *l; /* a watcher may make the table change */

	for (size_t i = 0; i < LINKS_WATCHES_MAX && !ls->quiet; i++) {
		if (ls->watches[i].fn)
			ls->watches[i].fn(ls->watches[i].ctx, event, &copy);
	}
}

static bool link_same(const struct link *a, const struct link *b)
{
	return !strcmp(a->name, b->name) && mac_equal(&a->mac, &b->mac) && a->mtu == b->mtu &&
	       a->up == b->up && a->carrier == b->carrier && a->wired == b->wired;
}

static void table_remove(struct links *ls, size_t at)
{
	struct link old = ls->table[at];

	memmove(ls->table + at, ls->table + at + 1, (ls->n - at - 1) * sizeof(ls->table[0]));
	memmove(ls->seen + at, ls->seen + at + 1, (ls->n - at - 1) * sizeof(ls->seen[0]));
	ls->n--;
	tell(ls, LINK_REMOVED, &old);
}

static void table_put(struct links *ls, const struct link *l)
{
	size_t at = 0;

	while (at < ls->n && ls->table[at].ifindex < l->ifindex)
		at++;
	if (at < ls->n && ls->table[at].ifindex == l->ifindex) {
		bool same = link_same(&ls->table[at], l);

		ls->table[at] = *l;
		ls->seen[at] = true;
		if (!same)
			tell(ls, LINK_CHANGED, l);
		return;
	}
	if (ls->n == LINKS_MAX)
		return;
	memmove(ls->table + at + 1, ls->table + at, (ls->n - at) * sizeof(ls->table[0]));
	memmove(ls->seen + at + 1, ls->seen + at, (ls->n - at) * sizeof(ls->seen[0]));
	ls->table[at] = *l;
	ls->seen[at] = true;
	ls->n++;
	tell(ls, LINK_ADDED, l);
}

static int on_message(void *ctx, uint16_t type, struct reader body)
{
	struct links *ls = ctx;
	struct link l;

	if ((type != RTM_NEWLINK && type != RTM_DELLINK) || link_read(body, &l) < 0)
		return 0;
	if (type == RTM_NEWLINK) {
		table_put(ls, &l);
		return 0;
	}
	for (size_t i = 0; i < ls->n; i++) {
		if (ls->table[i].ifindex == l.ifindex) {
			table_remove(ls, i);
			break;
		}
	}
	return 0;
}

static int list(struct links *ls)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC };
	struct netlink_request q;
	int r;

	memset(ls->seen, 0, sizeof(ls->seen));
	netlink_begin(&q, RTM_GETLINK, NLM_F_DUMP, &m, sizeof(m));
	r = netlink_ask(&q, on_message, ls);
	for (size_t i = ls->n; r == 0 && i > 0; i--) {
		if (!ls->seen[i - 1])
			table_remove(ls, i - 1);
	}
	return r;
}

int links_refresh(struct links *ls)
{
	return list(ls);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct links *ls = io->data;

	if (netlink_read(ls->fd, on_message, ls) < 0)
		(void)list(ls); /* notifications were lost; a failed listing leaves the table as it
				   is */
}

int links_new(struct ev_loop *loop, struct links **ret)
{
	_cleanup_links_ struct links *ls = calloc(1, sizeof(*ls));
	int r;

	if (!ls)
		return -ENOMEM;
	ls->loop = loop;
	ls->fd = netlink_open(RTMGRP_LINK);
	if (ls->fd < 0)
		return ls->fd;
	ls->quiet = true;
	r = list(ls);
	ls->quiet = false;
	if (r < 0)
		return r;
	ev_io_init(&ls->io, on_readable, ls->fd, EV_READ);
	ls->io.data = ls;
	ev_io_start(loop, &ls->io);
	*ret = TAKE_PTR(ls);
	return 0;
}

void links_free(struct links *ls)
{
	if (!ls)
		return;
	ev_io_stop(ls->loop, &ls->io);
	fd_close(ls->fd);
	free(ls);
}

const struct link *links_table(const struct links *ls, size_t *ret_n)
{
	*ret_n = ls->n;
	return ls->table;
}

const struct link *links_by_index(const struct links *ls, int ifindex)
{
	for (size_t i = 0; i < ls->n; i++) {
		if (ls->table[i].ifindex == ifindex)
			return &ls->table[i];
	}
	return NULL;
}

const struct link *links_by_name(const struct links *ls, const char *name)
{
	for (size_t i = 0; i < ls->n; i++) {
		if (!strcmp(ls->table[i].name, name))
			return &ls->table[i];
	}
	return NULL;
}

const struct link *links_by_mac(const struct links *ls, const struct mac *mac)
{
	for (size_t i = 0; i < ls->n; i++) {
		if (ls->table[i].wired && mac_equal(&ls->table[i].mac, mac))
			return &ls->table[i];
	}
	return NULL;
}

int links_watch(struct links *ls, link_watch_fn fn, void *ctx)
{
	for (size_t i = 0; i < LINKS_WATCHES_MAX; i++) {
		if (!ls->watches[i].fn) {
			ls->watches[i] = (struct watch){ fn, ctx };
			return 0;
		}
	}
	return -ENOSPC;
}

void links_unwatch(struct links *ls, link_watch_fn fn, void *ctx)
{
	for (size_t i = 0; i < LINKS_WATCHES_MAX; i++) {
		if (ls->watches[i].fn == fn && ls->watches[i].ctx == ctx)
			ls->watches[i] = (struct watch){ 0 };
	}
}

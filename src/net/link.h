/*
 * link.h - network interfaces through rtnetlink: which there are, whether they have carrier,
 * addresses and routes
 *
 * struct links keeps a table of the machine's links, follows the kernel's changes from the event
 * loop and tells those who watch. The link_*() functions are one request to the kernel each and
 * return when it answered, which it does at once; none of them waits for a network. All of it works
 * before there is any address.
 *
 * Nothing here allocates by what the kernel says: the table has a fixed maximum.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/lang.h"

struct ev_loop;

#define LINKS_MAX 64 /* further links are not seen */

struct link {
	int ifindex;
	char name[IFNAMSIZ];
	struct mac mac;
	uint32_t mtu;
	bool up;      /* set up by someone (IFF_UP); says nothing about the cable */
	bool carrier; /* up, and the other end is there: operstate up, or unknown to a driver with
			 lower-up */
	bool wired;   /* Ethernet, and not made of other links: no lo, bridge, its port, bond, vlan,
			 tun. A veth counts */
};

enum link_event { LINK_ADDED, LINK_CHANGED, LINK_REMOVED, LINK_EVENT_MAX_ };

/* @l is borrowed for the call; with LINK_REMOVED it is the last that was known. */
typedef void (*link_watch_fn)(void *ctx, enum link_event event, const struct link *l);

struct links;

/* Open, list what is there, follow changes on @loop (borrowed). Return: 0 or negative errno. */
_must_check_ int links_new(struct ev_loop *loop, struct links **ret);
void links_free(struct links *ls);

static inline void links_freep(struct links **p)
{
	links_free(*p);
}
#define _cleanup_links_ _cleanup_(links_freep)

/* List again, as the kernel's notifications come through the loop only. Tells who watches. */
_must_check_ int links_refresh(struct links *ls);

/* The table, in the order of the kernel's indices; valid until the loop runs again. */
const struct link *links_table(const struct links *ls, size_t *ret_n);
const struct link *links_by_index(const struct links *ls, int ifindex); /* or NULL */
const struct link *links_by_name(const struct links *ls, const char *name);
const struct link *links_by_mac(const struct links *ls, const struct mac *mac);

/*
 * Call @fn on every later change (not for what is there already). At most LINKS_WATCHES_MAX at a
 * time: -ENOSPC. links_unwatch() takes the same pair back and may be called from inside @fn.
 */
#define LINKS_WATCHES_MAX 8
_must_check_ int links_watch(struct links *ls, link_watch_fn fn, void *ctx);
void links_unwatch(struct links *ls, link_watch_fn fn, void *ctx);

/* Return of all: 0 or negative errno of the kernel. */
_must_check_ int link_set_up(int ifindex, bool up);
/*
 * Set links up or down in a process of its own, one after the other: a card may take a tenth of a
 * second each, and nobody should wait for sixteen. @errs (of link_errs_new(), or NULL) gets the
 * errno of each in its place. The process is reaped by whoever reaps in this one, or after it.
 */
#define LINK_ERRS_MAX LINKS_MAX
void link_set_aside(const int *ifindexes, size_t n, bool up, int *errs);

/* LINK_ERRS_MAX numbers that a process aside can write to. Return: NULL when there is no memory. */
int *link_errs_new(void);
void link_errs_free(int *errs);
_must_check_ int link_set_mtu(int ifindex, uint32_t mtu);

/* Add an address; one that is there already is fine. @broadcast 0.0.0.0: none. */
_must_check_ int link_add_address(int ifindex, struct in_addr a, unsigned prefix,
				  struct in_addr broadcast);

/*
 * Add or replace a route over the link. @gateway 0.0.0.0: on the link. A gateway outside of all the
 * link's subnets is taken as on the link (RTNH_F_ONLINK), as /32 leases need. @src 0.0.0.0: the
 * kernel's choice.
 */
_must_check_ int link_add_route(int ifindex, struct in_addr dst, unsigned prefix,
				struct in_addr gateway, struct in_addr src, uint32_t metric);

/* Make a link of others; one of that name that is there already is fine. */
_must_check_ int link_add_vlan(const char *name, int under, uint16_t id);
_must_check_ int link_add_bond(const char *name);
_must_check_ int link_enslave(int ifindex, int master); /* which has to be down */
_must_check_ int link_remove(int ifindex);

/* Remove all IPv4 addresses of the link, and with them the routes over it. */
_must_check_ int link_flush(int ifindex);

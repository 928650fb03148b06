/*
 * ip6_client.c - an IPv6 address on one of all NICs: by router advertisement, by DHCPv6, or both
 *
 * What the kernel does by itself, it does not tell in one event: a link-local address passes its
 * check for conflicts, an advertisement comes, a route and an address follow, and that one is
 * checked, too. So the kernel is looked at ten times a second, for each NIC with carrier, and what
 * is to be done follows from what is there. Name servers are the exception: the kernel only passes
 * them on, as they come (RFC 8106).
 *
 * DHCPv6 is kept to what a boot needs: SOLICIT (a REPLY at once is welcome), the first ADVERTISE
 * with an address, REQUEST, REPLY; or INFORMATION-REQUEST, REPLY.
 */
#include <errno.h>
#include <ev.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/fd.h"
#include "base/ip.h"
#include "net/ip6_client.h"
#include "net/link6.h"
#include "net/netlink.h"
#include "wire/nd.h"

#define LOOK_S		 0.1
#define TIMEOUT_MS	 60000
#define NO_ROUTER_S	 4.0 /* then IP6_EITHER asks by DHCPv6 */
#define ROUTE_S		 2.0 /* an address waits so long for a route */
#define INFORM_S	 3.0 /* and so long for what DHCPv6 adds to it */
#define PREFER_S	 1.0 /* and so long for the preferred NIC */
#define RETRY_MS	 1000
#define RETRY_MAX_MS	 16000
#define REQUEST_TRIES	 4
#define PACKETS_PER_WAKE 16

_Static_assert(ND_DNS_MAX == DHCP6_DNS_MAX && ND_SEARCH_MAX == DHCP6_SEARCH_MAX,
	       "a lease holds what either says");

enum talk { TALK_NONE, TALK_SOLICIT, TALK_REQUEST, TALK_INFORM, TALK_DONE };

struct nic {
	struct ip6_client *c;
	struct link link;
	bool was_up;
	bool heard; /* a router, since there is carrier */
	struct link6 look;
	ev_tstamp since;    /* carrier */
	ev_tstamp ready_at; /* there was an address first; 0: not yet */
	enum talk talk;
	int fd;
	struct ev_io io;
	ev_tstamp next_at, talk_at;
	struct backoff backoff;
	uint32_t xid;
	unsigned tries, asked, malformed;
	int err;
	struct dhcp6_reply reply; /* ADVERTISE, then REPLY */
	char refusal[DHCP6_WORDS_MAX];
	unsigned prefix;       /* of the address of DHCPv6 */
	struct nd_names names; /* of advertisements */
};

struct ip6_client {
	struct ev_loop *loop;
	struct links *links;
	const struct ip6_client_ops *ops;
	void *ctx;
	struct ip6_client_config config;
	struct ev_timer tick, deadline, no_carrier;
	struct ev_io options; /* of neighbour discovery */
	int options_fd;
	bool ended;
	struct nic *nics[LINKS_MAX];
	size_t n_nics;
};

/* --- DHCPv6 --- */

static void talk_end(struct nic *n)
{
	ev_io_stop(n->c->loop, &n->io);
	n->fd = fd_close(n->fd);
}

static void talk_send(struct nic *n, enum dhcp6_type type)
{
	struct dhcp6_request q = { .type = type, .xid = n->xid, .mac = n->link.mac };
	struct ipaddr all = { .family = AF_INET6, .scope = (uint32_t)n->link.ifindex };
	uint8_t buf[DHCP6_REQUEST_MAX];
	union ip_sock to;
	size_t len;

	static const uint8_t group[16] = { 0xff, 2, [13] = 1, [15] = 2 };

	memcpy(&all.v6, group, sizeof(group));
	to = ip_sock(&all, DHCP6_SERVER_PORT);
	q.elapsed_cs = (uint16_t)MIN((ev_now(n->c->loop) - n->talk_at) * 100, 65535.0);
	if (type == DHCP6_REQUEST || type == DHCP6_DECLINE) {
		q.to = n->reply.server;
		q.address = n->reply.address;
	}
	n->err = dhcp6_request_format(&q, buf, sizeof(buf), &len);
	if (n->err == 0 && sendto(n->fd, buf, len, 0, &to.sa, ip_sock_bytes(&to)) < 0)
		n->err = -errno;
	n->tries++;
	n->asked++;
	n->next_at = ev_now(n->c->loop) + backoff_next(&n->backoff) / 1e3;
}

static void talk_go(struct nic *n, enum talk talk)
{
	static const enum dhcp6_type types[] = { [TALK_SOLICIT] = DHCP6_SOLICIT,
						 [TALK_REQUEST] = DHCP6_REQUEST,
						 [TALK_INFORM] = DHCP6_INFORMATION };

	if (n->talk != talk) {
		n->talk = talk;
		n->tries = 0;
		n->talk_at = ev_now(n->c->loop);
		n->xid = backoff_random(1u << 24);
		backoff_reset(&n->backoff);
	}
	talk_send(n, types[talk]);
}

static void take_reply(struct nic *n, const struct dhcp6_reply *p)
{
	struct dhcp6_duid own;

	dhcp6_duid(&n->link.mac, &own);
	if (p->xid != n->xid || p->client.n != own.n || memcmp(p->client.b, own.b, own.n) != 0 ||
	    p->server.n == 0)
		return;
	if (p->status != 0 || (n->talk != TALK_INFORM && !p->have_address)) {
		memcpy(n->refusal, *p->words ? p->words : "no address", sizeof(n->refusal));
		if (n->talk == TALK_REQUEST)
			n->talk = TALK_NONE; /* from the start */
		return;
	}
	if (n->talk == TALK_SOLICIT && p->type == DHCP6_ADVERTISE) {
		n->reply = *p;
		talk_go(n, TALK_REQUEST);
		return;
	}
	if (p->type != DHCP6_REPLY || (n->talk == TALK_SOLICIT && !p->rapid))
		return;
	n->reply = *p;
	n->prefix = n->heard ? 128 : 64; /* who else is on the link is the router's to say */
	n->err = p->have_address ? link6_add_address(n->link.ifindex, &p->address, n->prefix) : 0;
	n->talk = TALK_DONE;
	n->talk_at = ev_now(n->c->loop);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct nic *n = io->data;
	uint8_t buf[DHCP6_MESSAGE_MAX];
	struct dhcp6_reply p;

	for (int i = 0; i < PACKETS_PER_WAKE && n->talk != TALK_DONE; i++) {
		ssize_t len = recv(n->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (len < 0)
			return;
		if (dhcp6_reply_parse(buf, (size_t)len, &n->link.mac, &p) < 0)
			n->malformed++;
		else
			take_reply(n, &p);
	}
	if (n->talk == TALK_DONE)
		talk_end(n);
}

static int talk_open(struct nic *n)
{
	struct ipaddr local = { .family = AF_INET6,
				.scope = (uint32_t)n->link.ifindex,
				.v6 = n->look.local };
	union ip_sock a = ip_sock(&local, DHCP6_CLIENT_PORT);
	_cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, &a.sa, ip_sock_bytes(&a)) < 0)
		return -errno;
	n->fd = TAKE_FD(fd);
	ev_io_set(&n->io, n->fd, EV_READ);
	ev_io_start(n->c->loop, &n->io);
	return 0;
}

static void talk_tick(struct nic *n, bool stateful, bool inform)
{
	if (n->talk == TALK_DONE || !n->look.have_local || (!stateful && !inform))
		return;
	if (n->fd < 0) {
		n->err = talk_open(n);
		if (n->err < 0)
			return; /* the next look tries again */
	}
	if (n->talk == TALK_NONE || (n->talk == TALK_INFORM && stateful))
		talk_go(n, stateful ? TALK_SOLICIT : TALK_INFORM);
	else if (n->talk == TALK_REQUEST && n->tries >= REQUEST_TRIES &&
		 ev_now(n->c->loop) >= n->next_at)
		talk_go(n, TALK_SOLICIT);
	else if (ev_now(n->c->loop) >= n->next_at)
		talk_go(n, n->talk);
}

/* --- what routers say of name servers --- */

static int on_nd_message(void *ctx, uint16_t type, struct reader r)
{
	struct ip6_client *c = ctx;
	struct nduseroptmsg m;

	reader_copy(&r, &m, sizeof(m));
	if (r.err || type != RTM_NEWNDUSEROPT || m.nduseropt_family != AF_INET6)
		return 0;
	r = reader_sub(&r, m.nduseropt_opts_len);
	for (size_t i = 0; i < c->n_nics && !r.err; i++) {
		if (c->nics[i]->link.ifindex == m.nduseropt_ifindex)
			(void)!nd_options_take(r.p, r.left, &c->nics[i]->names); /* or none */
	}
	return 0;
}

static void on_options(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct ip6_client *c = io->data;

	(void)!netlink_read(c->options_fd, on_nd_message, c); /* what is lost is said again */
}

/* --- the end --- */

static void nic_free(struct nic *n)
{
	talk_end(n);
	free(n);
}

/* Everything stops; NICs but @winner that were down are set down again. */
static void end(struct ip6_client *c, const struct nic *winner)
{
	int down[LINKS_MAX];
	size_t n = 0;

	c->ended = true;
	ev_timer_stop(c->loop, &c->tick);
	ev_timer_stop(c->loop, &c->deadline);
	ev_timer_stop(c->loop, &c->no_carrier);
	for (size_t i = 0; i < c->n_nics; i++) {
		talk_end(c->nics[i]);
		if (winner && c->nics[i] != winner && !c->nics[i]->was_up)
			down[n++] = c->nics[i]->link.ifindex;
	}
	link_set_aside(down, n, false, NULL);
}

static void bound(struct nic *n)
{
	struct ip6_client *c = n->c;
	const struct dhcp6_reply *p = &n->reply;
	bool answered = n->talk == TALK_DONE;
	struct link link = n->link;
	struct ip6_lease l = {
		.address = n->look.global,
		.prefix = (uint8_t)n->look.prefix,
		.have_gateway = n->look.have_gateway,
		.gateway = n->look.gateway,
		.by_dhcp = answered && p->have_address,
	};

	if (l.by_dhcp) {
		l.address = p->address;
		l.prefix = (uint8_t)n->prefix;
		l.valid_s = p->valid_s;
		l.renew_s = p->renew_s;
		l.rebind_s = p->rebind_s;
	}
	if (answered && p->n_dns) {
		memcpy(l.dns, p->dns, sizeof(l.dns));
		l.n_dns = p->n_dns;
	} else {
		memcpy(l.dns, n->names.dns, sizeof(l.dns));
		l.n_dns = n->names.n_dns;
	}
	memcpy(l.search, answered && *p->search ? p->search : n->names.search, sizeof(l.search));
	if (answered)
		memcpy(l.boot_url, p->boot_url, sizeof(l.boot_url));
	end(c, n);
	c->ops->bound(c->ctx, &link, &l); /* c may be gone now */
}

static void nic_summary(const struct nic *n, double now, char *buf, size_t size)
{
	const char *name = n->link.name;

	if (!n->link.carrier)
		snprintf(buf, size, "%s has no carrier", name);
	else if (n->look.conflict)
		snprintf(buf, size, "%s: its IPv6 address is in use elsewhere", name);
	else if (!n->look.have_local)
		snprintf(buf, size, "%s has no link-local IPv6 address%s", name,
			 n->err ? "" : " (is IPv6 disabled?)");
	else if (n->refusal[0])
		snprintf(buf, size, "%s: the DHCPv6 server gives no address: %.80s", name,
			 n->refusal);
	else if (n->malformed)
		snprintf(buf, size, "no DHCPv6 answer on %s that can be used (%u malformed)", name,
			 n->malformed);
	else if (n->asked)
		snprintf(buf, size, "no DHCPv6 answer on %s (%u tries in %.0f s)%s", name, n->asked,
			 now - n->since, n->heard ? "" : ", and no router");
	else if (!n->heard)
		snprintf(buf, size, "no router advertises itself on %s (link up for %.0f s)", name,
			 now - n->since);
	else
		snprintf(buf, size, "the router on %s advertises no prefix", name);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct ip6_client *c = w->data;
	char why[IP6_CLIENT_WHY_MAX];
	int err = c->n_nics ? -ENOLINK : -ENODEV;
	size_t at = 0;

	snprintf(why, sizeof(why),
		 c->config.interface ? "there is no network interface '%s'"
				     : "no network card found; is its driver in the initrd?",
		 c->config.interface);
	for (size_t i = 0; i < c->n_nics && at < sizeof(why); i++) {
		char one[200];

		if (c->nics[i]->link.carrier)
			err = -ETIMEDOUT;
		nic_summary(c->nics[i], ev_now(loop), one, sizeof(one));
		at += (size_t)snprintf(why + at, sizeof(why) - at, "%s%s", at ? "; " : "", one);
	}
	end(c, NULL);
	c->ops->failed(c->ctx, err, why); /* c may be gone now */
}

/* --- one NIC --- */

/* Does it have an address of DHCPv6, checked or not? */
static bool is_leased(const struct nic *n)
{
	return n->talk == TALK_DONE && n->reply.have_address;
}

/* An address that another machine has: give it back. */
static void decline(struct nic *n)
{
	if (!is_leased(n) || talk_open(n) < 0)
		return;
	talk_send(n, DHCP6_DECLINE);
	talk_end(n);
	(void)!link6_remove_address(n->link.ifindex, &n->reply.address,
				    n->prefix); /* it is not in use */
	n->reply = (struct dhcp6_reply){ 0 };
	n->talk = TALK_NONE;
}

/* Whether this NIC has all that is to be waited for. */
static bool is_ready(struct nic *n, bool stateful, bool inform)
{
	double now = ev_now(n->c->loop);
	const struct mac none = { { 0 } };
	bool preferred = mac_equal(&n->c->config.prefer, &none) ||
			 mac_equal(&n->c->config.prefer, &n->link.mac);

	if (!n->look.have_global)
		return false;
	if (n->ready_at == 0)
		n->ready_at = now;
	if (is_leased(n) && !n->look.have_asked)
		return false; /* the kernel still checks it, whatever others there are */
	if ((stateful || inform) && n->talk != TALK_DONE)
		return n->c->config.mode != IP6_DHCP && now - n->ready_at > INFORM_S;
	if (!n->look.have_gateway && now - n->ready_at < ROUTE_S)
		return false;
	return preferred || now - n->ready_at > PREFER_S;
}

/* Return: true when all is over, and the client may be gone. */
static bool nic_tick(struct nic *n)
{
	struct ip6_client *c = n->c;
	bool stateful, inform;
	int r = link6_look(n->link.ifindex, is_leased(n) ? &n->reply.address : NULL, &n->look);

	if (r < 0) {
		n->err = r;
		return false;
	}
	if (n->look.asked_conflict)
		decline(n);
	/* the kernel does not count one that came before it asked for one, and uses it */
	n->heard |= n->look.advertised || (n->look.have_global && !is_leased(n));
	stateful = c->config.mode == IP6_DHCP || n->look.managed ||
		   (c->config.mode == IP6_EITHER && !n->heard &&
		    ev_now(c->loop) - n->since > NO_ROUTER_S);
	inform = n->heard && n->look.other && !stateful;
	talk_tick(n, stateful, inform);
	if (!is_ready(n, stateful, inform))
		return false;
	bound(n);
	return true;
}

static void on_tick(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct ip6_client *c = w->data;

	for (size_t i = 0; i < c->n_nics; i++) {
		if (c->nics[i]->link.carrier && nic_tick(c->nics[i]))
			return;
	}
}

static void nic_carrier(struct nic *n)
{
	struct ip6_client *c = n->c;

	n->since = ev_now(c->loop);
	n->ready_at = 0;
	n->heard = false;
	ev_timer_stop(c->loop, &c->no_carrier);
	if (c->ops->link)
		c->ops->link(c->ctx, &n->link);
}

static bool is_wanted(const struct ip6_client *c, const struct link *l)
{
	return c->config.interface ? !strcmp(c->config.interface, l->name) : l->wired;
}

/* One that is up is set down first: the kernel then asks for routers anew. */
static void nic_add(struct ip6_client *c, const struct link *l)
{
	struct nic *n = is_wanted(c, l) && c->n_nics < LINKS_MAX ? calloc(1, sizeof(*n)) : NULL;

	if (!n)
		return;
	*n = (struct nic){ .c = c,
			   .link = *l,
			   .was_up = l->up,
			   .fd = FD_NONE,
			   .backoff = BACKOFF(RETRY_MS, RETRY_MAX_MS) };
	ev_init(&n->io, on_readable);
	n->io.data = n;
	c->nics[c->n_nics++] = n;
	n->link.carrier = false; /* it comes with a change of the link */
	if (l->up)
		n->err = link_set_up(l->ifindex, false);
	link_set_aside(&l->ifindex, 1, true,
		       NULL); /* without it there is no carrier, which is told */
}

static void on_link(void *ctx, enum link_event event, const struct link *l)
{
	struct ip6_client *c = ctx;
	size_t i = 0;
	bool had;

	if (c->ended)
		return;
	while (i < c->n_nics && c->nics[i]->link.ifindex != l->ifindex)
		i++;
	if (i == c->n_nics) {
		if (event != LINK_REMOVED)
			nic_add(c, l);
		return;
	}
	if (event == LINK_REMOVED || !is_wanted(c, l)) {
		nic_free(c->nics[i]);
		memmove(c->nics + i, c->nics + i + 1, (--c->n_nics - i) * sizeof(c->nics[0]));
		return;
	}
	had = c->nics[i]->link.carrier;
	c->nics[i]->link = *l;
	if (!had && l->carrier)
		nic_carrier(c->nics[i]);
}

int ip6_client_new(struct ev_loop *loop, struct links *links,
		   const struct ip6_client_config *config, const struct ip6_client_ops *ops,
		   void *ctx, struct ip6_client **ret)
{
	struct ip6_client *c = calloc(1, sizeof(*c));
	const struct link *table;
	size_t n;
	int r;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->links = links;
	c->ops = ops;
	c->ctx = ctx;
	c->config = *config;
	if (c->config.timeout_ms == 0)
		c->config.timeout_ms = TIMEOUT_MS;
	c->options_fd = netlink_open(1u << (RTNLGRP_ND_USEROPT - 1));
	r = c->options_fd < 0 ? c->options_fd : links_watch(links, on_link, c);
	if (r < 0) {
		fd_close(c->options_fd);
		free(c);
		return r;
	}
	ev_io_init(&c->options, on_options, c->options_fd, EV_READ);
	ev_timer_init(&c->tick, on_tick, LOOK_S, LOOK_S);
	ev_timer_init(&c->deadline, on_deadline, c->config.timeout_ms / 1e3, 0.);
	ev_timer_init(&c->no_carrier, on_deadline, c->config.carrier_ms / 1e3, 0.);
	c->options.data = c->tick.data = c->deadline.data = c->no_carrier.data = c;
	ev_now_update(loop);
	ev_io_start(loop, &c->options);
	ev_timer_start(loop, &c->tick);
	ev_timer_start(loop, &c->deadline);
	if (c->config.carrier_ms)
		ev_timer_start(loop, &c->no_carrier);
	table = links_table(links, &n);
	for (size_t i = 0; i < n; i++)
		nic_add(c, &table[i]);
	*ret = c;
	return 0;
}

void ip6_client_free(struct ip6_client *c)
{
	if (!c)
		return;
	links_unwatch(c->links, on_link, c);
	ev_timer_stop(c->loop, &c->tick);
	ev_timer_stop(c->loop, &c->deadline);
	ev_timer_stop(c->loop, &c->no_carrier);
	ev_io_stop(c->loop, &c->options);
	fd_close(c->options_fd);
	for (size_t i = 0; i < c->n_nics; i++)
		nic_free(c->nics[i]);
	free(c);
}

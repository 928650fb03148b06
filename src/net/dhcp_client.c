/*
 * dhcp_client.c - ask for an address on all NICs at once; the first acceptable answer wins
 *
 * Each wired link has a struct nic from when it is known until it goes. Its state says what is out:
 *
 *   CARRIER --carrier, head start over--> SELECTING --offer--> REQUESTING --ACK--> bound, the end
 *      ^---------carrier lost---------------'  ^-----NAK, no answer----'
 *
 * One NIC at a time is REQUESTING; the others go on asking, so that one whose server offers but
 * never acknowledges does not hold up the rest. An offer that is not taken needs no answer: the
 * server's own timer takes it back (RFC 2131).
 *
 * Left for later: the ARP probe of section 2.2 and DECLINE. Its place is between ACK and bound().
 */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/fd.h"
#include "net/dhcp_client.h"
#include "net/packet.h"

#define RETRY_MS	 1000
#define RETRY_MAX_MS	 16000
#define TIMEOUT_MS	 60000
#define HEAD_START_MS	 200
#define SPARE_MS	 3000 /* an offer without a boot server waits so long for a better one */
#define REQUEST_TRIES	 4
#define BROADCAST_TRIES	 2 /* then ask for broadcast answers: some relays and bridges need it */
#define VENDOR_CLASS	 "bpboot:x86_64"
#define PACKETS_PER_WAKE 32

enum nic_state { NIC_CARRIER, NIC_HEAD_START, NIC_SELECTING, NIC_REQUESTING };

struct nic {
	struct dhcp_client *c;
	struct link link; /* as last told */
	enum nic_state state;
	int fd;
	struct ev_io io;
	struct ev_timer timer;
	struct backoff backoff;
	uint32_t xid;
	ev_tstamp since;    /* first DISCOVER */
	unsigned tries;	    /* packets sent in this state */
	unsigned discovers; /* in all, for the summary */
	unsigned offers, naks, malformed;
	int err; /* of sending or of setting up, for the summary; 0 or the last */
	bool have_offer;
	ev_tstamp offer_at;
	struct dhcp_reply offer; /* taken, or kept while a better one may come */
	char nak[64];		 /* the server's words */
};

struct dhcp_client {
	struct ev_loop *loop;
	struct links *links;
	const struct dhcp_client_ops *ops;
	void *ctx;
	struct dhcp_client_config config;
	struct ev_timer deadline;
	struct ev_timer no_carrier;
	ev_tstamp started;
	bool had_carrier;
	bool ended; /* the caller was told */
	struct nic *requesting;
	struct nic *nics[LINKS_MAX]; /* owned */
	size_t n_nics;
};

static void nic_select(struct nic *n);

/* --- one NIC --- */

static void nic_silence(struct nic *n)
{
	ev_io_stop(n->c->loop, &n->io);
	ev_timer_stop(n->c->loop, &n->timer);
	n->fd = fd_close(n->fd);
	if (n->c->requesting == n)
		n->c->requesting = NULL;
}

static void nic_free(struct nic *n)
{
	nic_silence(n);
	free(n);
}

static void nic_timer(struct nic *n, double after)
{
	ev_timer_stop(n->c->loop, &n->timer);
	ev_timer_set(&n->timer, after, 0.);
	ev_timer_start(n->c->loop, &n->timer);
}

static void nic_send(struct nic *n, enum dhcp_type type)
{
	const char *class = n->c->config.vendor_class;
	struct dhcp_request q = {
		.type = type,
		.xid = n->xid,
		.secs = (uint16_t)MIN(ev_now(n->c->loop) - n->since, 65535.0),
		.mac = n->link.mac,
		.broadcast = n->discovers > BROADCAST_TRIES,
		.vendor_class = class ? class : VENDOR_CLASS,
	};
	uint8_t buf[DHCP_MESSAGE_ASK];
	struct udp_datagram d = {
		.dst.s_addr = htonl(INADDR_BROADCAST),
		.src_port = DHCP_CLIENT_PORT,
		.dst_port = DHCP_SERVER_PORT,
		.data = buf,
	};
	int r;

	if (type == DHCP_REQUEST) {
		q.requested = n->offer.lease.address;
		q.server_id = n->offer.lease.server_id;
	}
	r = dhcp_request_format(&q, buf, sizeof(buf), &d.bytes);
	if (r == 0)
		r = packet_broadcast(n->fd, n->link.ifindex, &d);
	n->err = r; /* for the summary: a packet that was not sent is asked for again like one that
		       was lost */
	n->tries++;
	nic_timer(n, backoff_next(&n->backoff) / 1e3);
}

static void nic_request(struct nic *n)
{
	n->c->requesting = n;
	n->state = NIC_REQUESTING;
	n->tries = 0;
	backoff_reset(&n->backoff);
	nic_send(n, DHCP_REQUEST);
}

/* Ask, or ask again, for offers. */
static void nic_discover(struct nic *n)
{
	n->discovers++;
	nic_send(n, DHCP_DISCOVER);
}

static bool spare_is_due(const struct nic *n)
{
	return n->have_offer && ev_now(n->c->loop) - n->offer_at >= SPARE_MS / 1e3 - 0.001;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct nic *n = w->data;

	switch (n->state) {
	case NIC_CARRIER:
		break;
	case NIC_HEAD_START:
		nic_select(n);
		break;
	case NIC_SELECTING:
		if (spare_is_due(n) && !n->c->requesting)
			nic_request(n);
		else
			nic_discover(n);
		break;
	case NIC_REQUESTING:
		if (n->tries < REQUEST_TRIES)
			nic_send(n, DHCP_REQUEST);
		else
			nic_select(n);
		break;
	}
}

static bool mac_is_zero(const struct mac *m)
{
	static const struct mac zero;

	return mac_equal(m, &zero);
}

/* An answer that offers what we need to ask for it. */
static void on_offer(struct nic *n, const struct dhcp_reply *p)
{
	const struct dhcp_lease *l = &p->lease;
	bool whole = l->next_server.s_addr || !n->c->config.want_server;

	if (!l->address.s_addr || !l->server_id.s_addr) {
		n->malformed++;
		return;
	}
	n->offers++;
	if (n->c->requesting)
		return;
	if (!n->have_offer) {
		n->offer_at = ev_now(n->c->loop);
		if (!whole)
			nic_timer(n, SPARE_MS / 1e3);
	}
	if (whole || !n->have_offer)
		n->offer = *p;
	n->have_offer = true;
	if (whole || spare_is_due(n))
		nic_request(n);
}

/* All is over; the caller is told next. */
static void end(struct dhcp_client *c)
{
	c->ended = true;
	for (size_t i = 0; i < c->n_nics; i++)
		nic_silence(c->nics[i]);
	ev_timer_stop(c->loop, &c->deadline);
	ev_timer_stop(c->loop, &c->no_carrier);
}

static void on_ack(struct nic *n, const struct dhcp_reply *p)
{
	struct dhcp_client *c = n->c;
	struct dhcp_lease lease = p->lease;
	struct link l = n->link;

	if (!lease.address.s_addr) {
		n->malformed++;
		return;
	}
	if (!lease.next_server.s_addr &&
	    !*lease.boot_file) { /* some servers say it in the offer alone */
		lease.next_server = n->offer.lease.next_server;
		memcpy(lease.boot_file, n->offer.lease.boot_file, sizeof(lease.boot_file));
	}
	end(c);
	c->ops->bound(c->ctx, &l, &lease); /* c may be gone now */
}

static void on_nak(struct nic *n, const struct dhcp_reply *p)
{
	n->naks++;
	snprintf(n->nak, sizeof(n->nak), "%.63s", p->message);
	n->c->requesting = NULL;
	n->state = NIC_SELECTING;
	n->have_offer = false;
	n->tries = 0;
	n->xid = backoff_random(UINT32_MAX);
	nic_timer(n, backoff_next(&n->backoff) / 1e3);
}

/* One datagram. Return: false when @n may be gone. */
static bool nic_take(struct nic *n, const struct udp_datagram *d)
{
	struct dhcp_reply p;

	if (d->src_port != DHCP_SERVER_PORT || d->dst_port != DHCP_CLIENT_PORT)
		return true;
	if (dhcp_reply_parse(d->data, d->bytes, &p) < 0) {
		n->malformed++;
		return true;
	}
	if (p.xid != n->xid || !mac_equal(&p.mac, &n->link.mac))
		return true;
	if (n->state == NIC_SELECTING && p.type == DHCP_OFFER) {
		on_offer(n, &p);
		return true;
	}
	if (n->state != NIC_REQUESTING ||
	    (p.lease.server_id.s_addr &&
	     p.lease.server_id.s_addr != n->offer.lease.server_id.s_addr))
		return true;
	if (p.type == DHCP_NAK) {
		on_nak(n, &p);
	} else if (p.type == DHCP_ACK) {
		on_ack(n, &p);
		return false;
	}
	return true;
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct nic *n = io->data;
	uint8_t buf[PACKET_BYTES_MAX];

	for (int i = 0; i < PACKETS_PER_WAKE; i++) {
		struct udp_datagram d;
		int r = packet_receive(n->fd, buf, &d);

		if (r == -EBADMSG)
			continue;
		if (r < 0)
			return; /* -EAGAIN, or the link went down, which the kernel tells us */
		if (!nic_take(n, &d))
			return;
	}
}

/* Begin at DISCOVER, for the first time or after a request that came to nothing. */
static void nic_select(struct nic *n)
{
	struct dhcp_client *c = n->c;

	if (c->requesting == n)
		c->requesting = NULL;
	if (n->fd < 0) {
		n->fd = packet_open(n->link.ifindex, DHCP_CLIENT_PORT);
		if (n->fd < 0) { /* tried again with the timer */
			n->err = n->fd;
			n->fd = FD_NONE;
			n->state = NIC_HEAD_START;
			nic_timer(n, backoff_next(&n->backoff) / 1e3);
			return;
		}
		ev_io_set(&n->io, n->fd, EV_READ);
		ev_io_start(c->loop, &n->io);
		n->since = ev_now(c->loop);
		if (c->ops->link)
			c->ops->link(c->ctx, &n->link);
	}
	n->state = NIC_SELECTING;
	n->have_offer = false;
	n->tries = 0;
	n->xid = backoff_random(UINT32_MAX);
	backoff_reset(&n->backoff);
	nic_discover(n);
}

static void nic_carrier(struct nic *n)
{
	struct dhcp_client *c = n->c;
	uint32_t wait = c->config.head_start_ms ? c->config.head_start_ms : HEAD_START_MS;

	c->had_carrier = true;
	ev_timer_stop(c->loop, &c->no_carrier);
	n->state = NIC_HEAD_START;
	if (mac_is_zero(&c->config.prefer) || mac_equal(&c->config.prefer, &n->link.mac))
		wait = 0;
	nic_timer(n, wait / 1e3); /* none means from the loop: the caller has no object yet */
}

/* --- the NICs that there are --- */

static struct nic *nic_find(struct dhcp_client *c, int ifindex)
{
	for (size_t i = 0; i < c->n_nics; i++) {
		if (c->nics[i]->link.ifindex == ifindex)
			return c->nics[i];
	}
	return NULL;
}

static void nic_add(struct dhcp_client *c, const struct link *l)
{
	struct nic *n;

	if (!l->wired || c->n_nics == LINKS_MAX ||
	    (c->config.interface && strcmp(c->config.interface, l->name) != 0))
		return;
	n = calloc(1, sizeof(*n));
	if (!n) /* as if it were not there; the summary will not name it */
		return;
	n->c = c;
	n->link = *l;
	n->fd = FD_NONE;
	n->backoff = BACKOFF(c->config.retry_ms, c->config.retry_max_ms);
	ev_init(&n->io, on_readable);
	n->io.data = n;
	ev_init(&n->timer, on_timer);
	n->timer.data = n;
	c->nics[c->n_nics++] = n;
	if (!l->up)
		n->err = link_set_up(l->ifindex, true);
	if (l->carrier)
		nic_carrier(n);
}

static void nic_remove(struct dhcp_client *c, struct nic *n)
{
	for (size_t i = 0; i < c->n_nics; i++) {
		if (c->nics[i] == n) {
			memmove(c->nics + i, c->nics + i + 1,
				(c->n_nics - i - 1) * sizeof(c->nics[0]));
			c->n_nics--;
			break;
		}
	}
	nic_free(n);
}

static void on_link(void *ctx, enum link_event event, const struct link *l)
{
	struct dhcp_client *c = ctx;
	struct nic *n = nic_find(c, l->ifindex);
	bool had;

	if (c->ended)
		return;
	if (!n) {
		if (event != LINK_REMOVED)
			nic_add(c, l);
		return;
	}
	if (event == LINK_REMOVED || !l->wired) {
		nic_remove(c, n);
		return;
	}
	had = n->link.carrier;
	n->link = *l;
	if (had && !l->carrier) {
		nic_silence(n);
		n->state = NIC_CARRIER;
	} else if (!had && l->carrier) {
		nic_carrier(n);
	}
}

/* --- the end of patience --- */

static void nic_summary(const struct nic *n, double now, char *buf, size_t size)
{
	char server[INET_ADDRSTRLEN], address[INET_ADDRSTRLEN];
	const char *name = n->link.name;

	ipv4_format(n->offer.lease.server_id, server);
	ipv4_format(n->offer.lease.address, address);
	if (!n->link.carrier)
		snprintf(buf, size, "%s has no carrier", name);
	else if (n->err < 0)
		snprintf(buf, size, "%s: cannot send: %s", name, strerror(-n->err));
	else if (n->naks > 0)
		snprintf(buf, size, "%s: DHCP server %s refused %s, %u times%s%s", name, server,
			 address, n->naks, *n->nak ? ": " : "", n->nak);
	else if (n->offers > 0)
		snprintf(buf, size, "%s: DHCP server %s offered %s but never acknowledged it", name,
			 server, address);
	else if (n->discovers == 0)
		snprintf(buf, size, "%s has just got carrier", name);
	else if (n->malformed > 0)
		snprintf(buf, size, "no DHCP answer on %s that can be used (%u malformed)", name,
			 n->malformed);
	else
		snprintf(buf, size, "no DHCP answer on %s (link up, %u tries in %.0f s)", name,
			 n->discovers, now - n->since);
}

void dhcp_client_summary(const struct dhcp_client *c, char *buf, size_t n)
{
	size_t at = 0;

	if (c->n_nics == 0 && c->config.interface)
		snprintf(buf, n, "there is no network interface '%s'", c->config.interface);
	else if (c->n_nics == 0)
		snprintf(buf, n, "no network card found; is its driver in the initrd?");
	/* first those that could have worked */
	for (int carrier = 1; carrier >= 0; carrier--) {
		for (size_t i = 0; i < c->n_nics; i++) {
			char one[160];

			if (c->nics[i]->link.carrier != carrier || at >= n)
				continue;
			nic_summary(c->nics[i], ev_now(c->loop), one, sizeof(one));
			at += (size_t)snprintf(buf + at, n - at, "%s%s", at ? "; " : "", one);
		}
	}
}

static int verdict(const struct dhcp_client *c)
{
	int err = c->n_nics == 0 ? -ENODEV : -ENOLINK;

	for (size_t i = 0; i < c->n_nics; i++) {
		if (c->nics[i]->naks > 0)
			return -ECONNREFUSED;
		if (c->nics[i]->link.carrier)
			err = -ETIMEDOUT;
	}
	return err;
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct dhcp_client *c = w->data;
	char why[DHCP_CLIENT_WHY_MAX];
	int err = verdict(c);

	dhcp_client_summary(c, why, sizeof(why));
	end(c);
	c->ops->failed(c->ctx, err, why); /* c may be gone now */
}

int dhcp_client_new(struct ev_loop *loop, struct links *links,
		    const struct dhcp_client_config *config, const struct dhcp_client_ops *ops,
		    void *ctx, struct dhcp_client **ret)
{
	struct dhcp_client *c = calloc(1, sizeof(*c));
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
	if (c->config.retry_ms == 0)
		c->config.retry_ms = RETRY_MS;
	if (c->config.retry_max_ms == 0)
		c->config.retry_max_ms = RETRY_MAX_MS;
	if (c->config.timeout_ms == 0)
		c->config.timeout_ms = TIMEOUT_MS;
	r = links_watch(links, on_link, c);
	if (r < 0) {
		free(c);
		return r;
	}
	ev_now_update(loop);
	c->started = ev_now(loop);
	ev_timer_init(&c->deadline, on_deadline, c->config.timeout_ms / 1e3, 0.);
	ev_timer_init(&c->no_carrier, on_deadline, c->config.carrier_ms / 1e3, 0.);
	c->deadline.data = c->no_carrier.data = c;
	ev_timer_start(loop, &c->deadline);
	if (c->config.carrier_ms)
		ev_timer_start(loop, &c->no_carrier);
	table = links_table(links, &n);
	for (size_t i = 0; i < n; i++)
		nic_add(c, &table[i]);
	*ret = c;
	return 0;
}

void dhcp_client_free(struct dhcp_client *c)
{
	if (!c)
		return;
	links_unwatch(c->links, on_link, c);
	ev_timer_stop(c->loop, &c->deadline);
	ev_timer_stop(c->loop, &c->no_carrier);
	for (size_t i = 0; i < c->n_nics; i++)
		nic_free(c->nics[i]);
	free(c);
}

/*
 * dhcp_client.c - ask for an address on all NICs at once; the first acceptable answer wins
 *
 * Each wired link has a struct nic from when it is known until it goes. Its state says what is out:
 *
 *   CARRIER --carrier, head start over--> SELECTING --offer--> REQUESTING --ACK--> PROBING, the end
 *      ^---------carrier lost---------------'  ^-----NAK, no answer, conflict------------'
 *
 * One NIC at a time is REQUESTING; the others go on asking, so that one whose server offers but
 * never acknowledges does not hold up the rest. An offer that is not taken needs no answer: the
 * server's own timer takes it back (RFC 2131).
 */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/fd.h"
#include "base/log.h"
#include "net/dhcp_client_internal.h"
#include "net/packet.h"

#define RETRY_MS	1000
#define RETRY_MAX_MS	16000
#define TIMEOUT_MS	60000
#define HEAD_START_MS	200
#define SPARE_MS	3000 /* an offer without a boot server waits so long for a better one */
#define REQUEST_TRIES	4
#define BROADCAST_TRIES 2 /* then ask for broadcast answers: some relays and bridges need it */
#define VENDOR_CLASS	"bpboot:x86_64"

static void nic_select(struct nic *n);
static void nic_bound(struct nic *n);

/* --- one NIC --- */

static void nic_silence(struct nic *n)
{
	ev_timer_stop(n->c->loop, &n->timer);
	n->announced = false;
	if (n->c->requesting == n)
		n->c->requesting = NULL;
}

static void nic_free(struct nic *n)
{
	nic_silence(n);
	free(n);
}

void dhcp_nic_timer(struct nic *n, double after)
{
	ev_timer_stop(n->c->loop, &n->timer);
	ev_timer_set(&n->timer, after, 0.);
	ev_timer_start(n->c->loop, &n->timer);
}

void dhcp_nic_send(struct nic *n, enum dhcp_type type)
{
	const char *class = n->c->config.vendor_class;
	struct dhcp_request q = {
		.type = type,
		.xid = n->xid,
		.secs = (uint16_t)MIN(ev_now(n->c->loop) - n->since, 65535.0),
		.mac = n->link.mac,
		.broadcast = n->discovers > BROADCAST_TRIES,
		.vendor_class = class ? class : VENDOR_CLASS,
		.hostname = n->c->config.hostname,
	};
	uint8_t buf[DHCP_MESSAGE_ASK];
	struct udp_datagram d = {
		.dst.s_addr = htonl(INADDR_BROADCAST),
		.src_port = DHCP_CLIENT_PORT,
		.dst_port = DHCP_SERVER_PORT,
		.data = buf,
	};
	int r;

	if (type != DHCP_DISCOVER)
		q.server_id = n->offer.lease.server_id;
	if (type == DHCP_REQUEST || type == DHCP_DECLINE)
		q.requested = n->offer.lease.address;
	if (type == DHCP_RELEASE)
		q.ciaddr = n->offer.lease.address;
	r = dhcp_request_format(&q, buf, sizeof(buf), &d.bytes);
	if (r == 0)
		r = packet_broadcast(n->c->fd, n->link.ifindex, &d);
	n->err = r; /* for the summary: a packet that was not sent is asked for again like one that
		       was lost */
	n->tries++;
	dhcp_nic_timer(n, backoff_next(&n->backoff) / 1e3);
}

static void nic_request(struct nic *n)
{
	n->c->requesting = n;
	n->state = NIC_REQUESTING;
	n->requested = true;
	n->tries = 0;
	backoff_reset(&n->backoff);
	dhcp_nic_send(n, DHCP_REQUEST);
	dhcp_probe_begin(n);
}

/* Ask, or ask again, for offers. */
static void nic_discover(struct nic *n)
{
	n->discovers++;
	dhcp_nic_send(n, DHCP_DISCOVER);
}

/* An offer to take at once; another one is a spare, taken when no better one comes. */
static bool is_whole(const struct nic *n, const struct dhcp_reply *p)
{
	return (p->lease.next_server.s_addr || !n->c->config.want_server) &&
	       p->lease.server_id.s_addr != n->silent.s_addr;
}

/* Nobody requests any more: a NIC that had an offer meanwhile does. */
static void pass_on(struct dhcp_client *c)
{
	for (size_t i = 0; i < c->n_nics && !c->requesting; i++) {
		struct nic *n = c->nics[i];

		if (n->state == NIC_SELECTING && n->have_offer && is_whole(n, &n->offer))
			nic_request(n);
	}
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
		if (n->tries < REQUEST_TRIES) {
			dhcp_nic_send(n, DHCP_REQUEST);
			break;
		}
		n->silent = n->offer.lease.server_id;
		nic_select(n);
		pass_on(n->c);
		break;
	case NIC_PROBING:
		if (n->probes < PROBES && ev_now(loop) < n->probed_until - 0.001) {
			dhcp_probe_send(n);
			dhcp_nic_timer(n, MAX(n->probed_until - ev_now(loop), 0.));
		} else if (!dhcp_probe_failed(n)) {
			nic_bound(n);
		}
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
	bool whole = is_whole(n, p);

	if (!l->address.s_addr || !l->server_id.s_addr) {
		n->malformed++;
		return;
	}
	n->offers++;
	if (n->c->requesting && !whole)
		return;
	if (!n->have_offer) {
		n->offer_at = ev_now(n->c->loop);
		if (!whole)
			dhcp_nic_timer(n, SPARE_MS / 1e3);
	}
	if (whole || !n->have_offer)
		n->offer = *p;
	n->have_offer = true;
	if (!n->c->requesting && (whole || spare_is_due(n)))
		nic_request(n);
}

/* Another NIC won: what may be leased to this one is given back, and it is left as it was found.
 * Return: whether it is to be set down. */
static bool nic_let_go(struct nic *n)
{
	if (n->requested && n->announced)
		dhcp_nic_send(n, DHCP_RELEASE);
	nic_silence(n);
	return !n->was_up;
}

/* All is over; the caller is told next. */
static void close_sockets(struct dhcp_client *c)
{
	ev_io_stop(c->loop, &c->io);
	ev_io_stop(c->loop, &c->arp_io);
	c->fd = fd_close(c->fd);
	c->arp = fd_close(c->arp);
}

static void end(struct dhcp_client *c, const struct nic *winner)
{
	int down[LINKS_MAX];
	size_t n = 0;

	c->ended = true;
	for (size_t i = 0; i < c->n_nics; i++) {
		if (winner && c->nics[i] != winner && nic_let_go(c->nics[i]))
			down[n++] = c->nics[i]->link.ifindex;
		else
			nic_silence(c->nics[i]);
	}
	close_sockets(c);
	link_set_aside(down, n, false, NULL);
	ev_timer_stop(c->loop, &c->deadline);
	ev_timer_stop(c->loop, &c->no_carrier);
}

static void nic_bound(struct nic *n)
{
	struct dhcp_client *c = n->c;
	struct dhcp_lease lease = n->ack.lease;
	struct link l = n->link;

	if (!lease.next_server.s_addr &&
	    !*lease.boot_file) { /* some servers say it in the offer alone */
		lease.next_server = n->offer.lease.next_server;
		memcpy(lease.boot_file, n->offer.lease.boot_file, sizeof(lease.boot_file));
	}
	if (!lease.server_id.s_addr)
		lease.server_id = n->offer.lease.server_id;
	end(c, n);
	c->ops->bound(c->ctx, &l, &lease); /* c may be gone now */
}

/* Return: false when @n may be gone. */
static bool on_ack(struct nic *n, const struct dhcp_reply *p)
{
	double left = n->probed_until - ev_now(n->c->loop);

	if (!p->lease.address.s_addr) {
		n->malformed++;
		return true;
	}
	n->ack = *p;
	if (p->lease.address.s_addr == n->offer.lease.address.s_addr) {
		n->state = NIC_PROBING;
		if (dhcp_probe_failed(n))
			return true;
		if (left > 0) {
			dhcp_nic_timer(n, left / 2);
			return true;
		}
	}
	nic_bound(n);
	return false;
}

static void on_nak(struct nic *n, const struct dhcp_reply *p)
{
	n->naks++;
	n->requested = false;
	snprintf(n->nak, sizeof(n->nak), "%.63s", p->message);
	n->c->requesting = NULL;
	n->state = NIC_SELECTING;
	n->have_offer = false;
	n->tries = 0;
	n->xid = backoff_random(UINT32_MAX);
	dhcp_nic_timer(n, backoff_next(&n->backoff) / 1e3);
	pass_on(n->c);
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
		return on_ack(n, &p);
	}
	return true;
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct dhcp_client *c = io->data;
	uint8_t buf[PACKET_BYTES_MAX];

	for (int i = 0; i < PACKETS_PER_WAKE; i++) {
		struct udp_datagram d;
		struct nic *n;
		int ifindex = 0, r = packet_receive(c->fd, buf, &ifindex, &d);

		if (r == -EBADMSG || r == -ENETDOWN) /* of one link; the kernel tells us of it */
			continue;
		if (r < 0)
			return;
		n = dhcp_nic_find(c, ifindex);
		if (n && !nic_take(n, &d))
			return;
	}
}

/*
 * One socket serves all NICs: each takes the kernel 20 ms to close. It is opened when it is needed,
 * as its module may still have to be loaded when the client begins.
 */
static int open_socket(struct dhcp_client *c)
{
	int fd = c->fd < 0 ? packet_open(0, DHCP_CLIENT_PORT) : c->fd;

	if (c->fd >= 0 || fd < 0)
		return MIN(fd, 0);
	c->fd = fd;
	ev_io_set(&c->io, fd, EV_READ);
	ev_io_start(c->loop, &c->io);
	return 0;
}

/* Begin at DISCOVER, for the first time or after a request that came to nothing. */
static void nic_select(struct nic *n)
{
	struct dhcp_client *c = n->c;

	if (c->requesting == n)
		c->requesting = NULL;
	n->err = open_socket(c);
	if (n->err < 0) { /* tried again with the timer */
		n->state = NIC_HEAD_START;
		dhcp_nic_timer(n, backoff_next(&n->backoff) / 1e3);
		return;
	}
	if (!n->announced) {
		n->announced = true;
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
	dhcp_nic_timer(n, wait / 1e3); /* none means from the loop: the caller has no object yet */
}

/* --- the NICs that there are --- */

struct nic *dhcp_nic_find(struct dhcp_client *c, int ifindex)
{
	for (size_t i = 0; i < c->n_nics; i++) {
		if (c->nics[i]->link.ifindex == ifindex)
			return c->nics[i];
	}
	return NULL;
}

/* One that is named may be made of others: a bond, a VLAN. */
static bool is_wanted(const struct dhcp_client *c, const struct link *l)
{
	return c->config.interface ? !strcmp(c->config.interface, l->name) : l->wired;
}

static void nic_add(struct dhcp_client *c, const struct link *l)
{
	struct nic *n;

	if (!is_wanted(c, l) || c->n_nics == LINKS_MAX)
		return;
	n = calloc(1, sizeof(*n));
	if (!n) /* as if it were not there; the summary will not name it */
		return;
	n->c = c;
	n->link = *l;
	n->was_up = l->up;
	n->declined = BACKOFF(c->config.retry_ms, c->config.retry_max_ms);
	n->backoff = BACKOFF(c->config.retry_ms, c->config.retry_max_ms);
	ev_init(&n->timer, on_timer);
	n->timer.data = n;
	c->nics[c->n_nics++] = n;
	if (!l->up && c->n_to_up < LINKS_MAX)
		c->to_up[c->n_to_up++] = l->ifindex;
	if (l->carrier)
		nic_carrier(n);
}

/* What nic_add() has found down. */
static void set_up(struct dhcp_client *c)
{
	for (size_t i = 0; i < c->n_to_up; i++) {
		struct nic *n = dhcp_nic_find(c, c->to_up[i]);

		if (n && c->up_errs && c->n_slots + c->n_to_up <= LINK_ERRS_MAX)
			n->up_err = &c->up_errs[c->n_slots + i];
	}
	link_set_aside(c->to_up, c->n_to_up, true,
		       c->up_errs && c->n_slots + c->n_to_up <= LINK_ERRS_MAX
			       ? c->up_errs + c->n_slots
			       : NULL);
	c->n_slots += c->n_to_up;
	c->n_to_up = 0;
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
	struct nic *n = dhcp_nic_find(c, l->ifindex);
	bool had;

	if (c->ended)
		return;
	if (!n) {
		if (event != LINK_REMOVED)
			nic_add(c, l);
		set_up(c);
		return;
	}
	if (event == LINK_REMOVED || !is_wanted(c, l)) {
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
	end(c, NULL);
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
	c->up_errs = link_errs_new();
	c->fd = c->arp = FD_NONE;
	ev_init(&c->io, on_readable);
	ev_init(&c->arp_io, dhcp_on_arp);
	c->io.data = c->arp_io.data = c;
	if (c->config.retry_ms == 0)
		c->config.retry_ms = RETRY_MS;
	if (c->config.retry_max_ms == 0)
		c->config.retry_max_ms = RETRY_MAX_MS;
	if (c->config.timeout_ms == 0)
		c->config.timeout_ms = TIMEOUT_MS;
	r = links_watch(links, on_link, c);
	if (r < 0) {
		link_errs_free(c->up_errs);
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
	set_up(c);
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
	close_sockets(c);
	link_errs_free(c->up_errs);
	free(c);
}

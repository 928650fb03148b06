/*
 * tftp_client.c - read one file by TFTP, asynchronously
 *
 * Two states: the request is out (no transfer id yet), and data flows. In both there is one thing
 * that we said last, the request or an acknowledgement, which is said again when the retransmission
 * timer runs out. That timer follows the measured round trip (RFC 6298, without samples of what was
 * sent twice), since a TFTP server's own is whole seconds. It is not started anew for each packet,
 * but looks, when it runs out, at what happened since.
 *
 * Acknowledged is: the last block of a window; the last block in order when a later one shows that
 * some are missing, once for each gap; and a block that came already, if it is the last one and our
 * acknowledgement of it is older than half of the timer, so that two sides never answer each
 * other's duplicates for ever (the Sorcerer's Apprentice).
 *
 * From a server without windows a file is read ahead of its blocks when the caller takes them in
 * any order (tftp_ahead.h); where that does not work, all begins again in lock-step.
 */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/tftp_client_internal.h"
#include "net/tftp_linger.h"
#include "net/tftp_socket.h"
#include "wire/tftp.h"

#define RETRY_MIN_MS	 10  /* default of config.retry_min_ms */
#define RETRY_FIRST_MS	 500 /* of a request, while no round trip was measured */
#define REQUEST_MIN_MS	 150 /* each duplicate request opens a second session at a server */
#define RETRY_MAX_MS	 2000
#define STALL_MS	 10000
#define AHEAD_SOON	 4  /* time-outs at the same interval: there is more to try */
#define PACKETS_PER_WAKE 64 /* then others have their turn */
#define ACKS_TOGETHER	 8
#define STRANGERS_MAX	 16 /* packets from elsewhere that we answer in one transfer */

/* Let go of the socket. Sessions that requests of ours may yet open at the server are ended. */
static void let_go(struct tftp_client *c)
{
	unsigned sessions = (c->state == STATE_DATA) + c->strangers;

	ev_io_stop(c->loop, &c->io);
	if (c->fd >= 0 && c->requests > sessions)
		tftp_linger(c->loop, TAKE_FD(c->fd));
	c->fd = fd_close(c->fd);
	c->requests = c->strangers = 0;
}

static void stop(struct tftp_client *c)
{
	/* whether active or not: a timer that ran out may still be pending */
	ev_timer_stop(c->loop, &c->timer);
	let_go(c);
	c->state = STATE_DONE;
}

/* The last thing done with @c: the caller may free it in there. */
void tftp_client_finish(struct tftp_client *c, int err, const char *why)
{
	tftp_client_flush(c);
	stop(c);
	if (c->ended)
		*c->ended = true;
	c->ops->done(c->ctx, err, why);
}

static void timer_arm(struct tftp_client *c, double after)
{
	ev_timer_stop(c->loop, &c->timer);
	ev_timer_set(&c->timer, after, 0.);
	ev_timer_start(c->loop, &c->timer);
}

/* How long to wait for the answer to a request: a busy server takes longer than for a block. */
static double request_rto(const struct tftp_client *c)
{
	double rto = 4 * (c->rtt.srtt + 4 * c->rtt.rttvar);

	return c->rtt.srtt > 0 ? MIN(MAX(rto, REQUEST_MIN_MS / 1e3), RETRY_FIRST_MS / 1e3)
			       : RETRY_FIRST_MS / 1e3;
}

/* Ask for the file once more, as a new transfer: to fill holes, or in lock-step. */
static void ask_anew(struct tftp_client *c)
{
	struct tftp_options asked = c->asked;
	unsigned window = MAX(asked.windowsize, (uint16_t)1);
	int fd = tftp_socket_open(&c->server, asked.blksize, window, &asked);

	if (fd < 0) {
		tftp_client_finish(c, fd, "cannot ask again");
		return;
	}
	tftp_client_flush(c);
	let_go(c);
	c->fd = fd;
	ev_io_set(&c->io, fd, EV_READ);
	ev_io_start(c->loop, &c->io);
	c->state = STATE_REQUEST;
	c->block = c->in_window = 0;
	c->measured = 0;
	c->bytes = 0;
	c->rto = request_rto(c);
	timer_arm(c, c->rto);
	(void)tftp_client_send_request(c, false); /* as a lost packet: the timer sees to it */
}

/* The server or the file is not made for acknowledgements ahead. */
static void ahead_give_up(struct tftp_client *c, bool tell)
{
	if (tell)
		tftp_client_send_error(c, &c->peer, TFTP_EUNDEF, "stopped");
	free(TAKE_PTR(c->ahead));
	c->ahead_off = true;
	ask_anew(c);
}

/* A pass is over, as far as it goes. */
static void ahead_end_pass(struct tftp_client *c)
{
	if (c->ahead->missing == 0) {
		tftp_client_finish(c, 0, "");
		return;
	}
	c->lost = true;
	ask_anew(c);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct tftp_client *c = w->data;
	ev_tstamp now = ev_now(loop);
	double left = c->active_at + c->rto - now;
	bool far = true;

	if (left > 0.0005) { /* something happened since the timer was set */
		timer_arm(c, left);
		return;
	}
	if (now - c->new_at >= c->stall) {
		tftp_fail_timeout(c);
		return;
	}
	if (c->state == STATE_DATA && c->ahead) {
		uint32_t first, n = tftp_ahead_late(c->ahead, &first);

		if (n == 0) {
			ahead_end_pass(c);
			return;
		}
		tftp_client_send_acks(c, first, n, true);
		far = c->ahead->tries > AHEAD_SOON;
	} else if (c->state == STATE_DATA) {
		tftp_client_send_ack(c, true);
	} else { /* no route now may be one later; stall ends it */
		(void)tftp_client_send_request(c, true);
	}
	tftp_client_flush(c);
	if (far) /* wait twice as long next time */
		c->rto = MIN(c->rto * 2, RETRY_MAX_MS / 1e3);
	c->gap_told = false;
	timer_arm(c, MIN(c->rto, MAX(c->new_at + c->stall - now, 0.001)));
	if (c->ops->late)
		c->ops->late(c->ctx);
}

void tftp_rtt_sample(struct tftp_rtt *t, double rtt)
{
	double off = rtt > t->srtt ? rtt - t->srtt : t->srtt - rtt;

	t->rttvar = t->srtt > 0 ? t->rttvar * 0.75 + off * 0.25 : rtt / 2;
	t->srtt = t->srtt > 0 ? t->srtt * 0.875 + rtt * 0.125 : MAX(rtt, 1e-6);
}

/* Something new has come: take the round trip when it @answers, reset what counts its absence. */
static void progressed(struct tftp_client *c, bool answers)
{
	ev_tstamp now = ev_now(c->loop);
	double rto;

	if (answers && !c->sent_twice) {
		tftp_rtt_sample(&c->rtt, now - c->asked_at);
		if (c->shared_rtt)
			tftp_rtt_sample(c->shared_rtt, now - c->asked_at);
	}
	c->new_at = c->active_at = now;
	rto = c->rtt.srtt > 0 ? c->rtt.srtt + 4 * c->rtt.rttvar : RETRY_FIRST_MS / 1e3;
	rto = MIN(MAX(rto, c->rto_min), RETRY_MAX_MS / 1e3);
	if (rto < c->rto / 2) /* the timer was set for long: do not wait that out */
		timer_arm(c, rto);
	c->rto = rto;
}

/* --- hearing --- */

/* Return: what is wrong with an OACK, or NULL. */
static const char *oack_check(const struct tftp_client *c, const struct tftp_options *o)
{
	const struct tftp_options *a = &c->asked;

	if (o->unknown || (o->has_tsize && !a->has_tsize) || (o->blksize && !a->blksize) ||
	    (o->windowsize && !a->windowsize) || o->timeout_s ||
	    (o->utimeout_us && !a->utimeout_us))
		return "it granted an option that was not asked for";
	if (o->blksize > a->blksize)
		return "it granted a larger blksize than asked for";
	if (o->windowsize > a->windowsize)
		return "it granted a larger windowsize than asked for";
	return NULL;
}

/* Whether to run ahead of this server: it has no windows, and said where the file ends. */
static bool ahead_wanted(const struct tftp_client *c, const struct tftp_options *o)
{
	return c->ops->data_at && !c->ahead_off && c->asked.windowsize > 1 && !o->windowsize &&
	       o->has_tsize;
}

static void ahead_oack(struct tftp_client *c, uint64_t bytes)
{
	/* a server that grants smaller blocks than asked for gets the more of them */
	unsigned most = MIN(c->ahead_window, c->asked.windowsize);
	unsigned window = MIN(most * MAX(c->asked.blksize / c->blksize, 1),
			      MAX(most, (unsigned)TFTP_AHEAD_WINDOW));
	uint32_t first, n;
	int r;

	if (c->ahead) {
		r = tftp_ahead_pass(c->ahead, bytes, c->blksize);
	} else {
		c->ahead = malloc(sizeof(*c->ahead));
		r = c->ahead ? tftp_ahead_begin(c->ahead, bytes, c->blksize, window)
			     : -ENOMEM;
	}
	if (r == -ERANGE || r == -ENOMEM) {
		free(TAKE_PTR(c->ahead));
		c->ahead_off = true;
		tftp_client_send_ack(c, false);
	} else if (r < 0) {
		ahead_give_up(c, true);
	} else {
		n = tftp_ahead_acks(c->ahead, &first);
		tftp_client_send_acks(c, first, n, false);
	}
}

static void on_oack(struct tftp_client *c, const struct tftp_packet *p)
{
	const char *wrong;

	if (c->state == STATE_DATA) { /* again: our acknowledgement may be lost */
		if (c->bytes == 0 && c->block == 0 && ev_now(c->loop) - c->sent_at > c->rto / 2)
			tftp_client_send_ack(c, true);
		return;
	}
	wrong = oack_check(c, &p->options);
	if (wrong) {
		tftp_fail_proto(c, TFTP_EBADOPT, wrong);
		return;
	}
	c->blksize = p->options.blksize ? p->options.blksize : TFTP_BLKSIZE_DEFAULT;
	c->windowsize = p->options.windowsize ? p->options.windowsize : 1;
	if (p->options.has_tsize && c->max_bytes && p->options.tsize > c->max_bytes) {
		tftp_fail_too_long(c, p->options.tsize);
		return;
	}
	if (p->options.has_tsize && c->ops->size)
		c->ops->size(c->ctx, p->options.tsize);
	progressed(c, true);
	c->state = STATE_DATA;
	if (ahead_wanted(c, &p->options))
		ahead_oack(c, p->options.tsize);
	else
		tftp_client_send_ack(c, false);
}

/* Whether this block is the next one. A lock-step server may count 65535, 1 as well as 65535, 0. */
static bool block_is_next(struct tftp_client *c, uint16_t block)
{
	if (block == (uint16_t)(c->block + 1))
		return true;
	return c->windowsize == 1 && c->block == UINT16_MAX && block == 1;
}

static void on_block_elsewhere(struct tftp_client *c, uint16_t block)
{
	if (block == c->block) {
		if (ev_now(c->loop) - c->sent_at > c->rto / 2)
			tftp_client_send_ack(c, true);
	} else if (c->windowsize > 1 && (int16_t)(block - c->block) > 0 && !c->gap_told) {
		tftp_client_send_ack(c, true);
		c->gap_told = c->lost = true;
	}
}

static int deliver(struct tftp_client *c, uint64_t at, const struct tftp_packet *p, bool again)
{
	if (p->data_bytes == 0)
		return 0;
	return c->ops->data_at ? c->ops->data_at(c->ctx, at, p->data, p->data_bytes, again)
			       : c->ops->data(c->ctx, p->data, p->data_bytes);
}

/* A block of a file that is read ahead. */
static void on_data_ahead(struct tftp_client *c, const struct tftp_packet *p)
{
	struct tftp_ahead *a = c->ahead;
	bool answers = c->measured && p->block >= c->measured;
	uint32_t first, n, high = a->high;
	int r = tftp_ahead_take(a, p->block, (uint32_t)p->data_bytes);

	if (r < 0) {
		ahead_give_up(c, true);
		return;
	}
	r = deliver(c, (uint64_t)(p->block - 1u) * c->blksize, p, r == TFTP_AHEAD_AGAIN);
	if (r < 0) {
		tftp_client_send_error(c, &c->peer, TFTP_EUNDEF, "stopped");
		tftp_client_finish(c, r, "");
		return;
	}
	if (a->high > high)
		progressed(c, answers);
	if (answers)
		c->measured = 0;
	c->bytes = MIN((uint64_t)high * c->blksize, a->bytes);
	n = a->missing > 0 || a->high == a->n_blocks ? tftp_ahead_acks(a, &first) : 0;
	if (n > 0)
		tftp_client_send_acks(c, first, n, false);
	if (c->n_acks >= ACKS_TOGETHER) /* and not all at the end: the server should go on */
		tftp_client_flush(c);
	if (a->missing == 0 && a->high < a->n_blocks)
		tftp_client_send_error(c, &c->peer, TFTP_EUNDEF,
				       "stopped"); /* the last hole is filled */
	if (a->missing == 0 || a->high == a->n_blocks)
		ahead_end_pass(c);
}

static void on_data(struct tftp_client *c, const struct tftp_packet *p)
{
	int r;

	if (c->ahead && c->state == STATE_DATA) {
		on_data_ahead(c, p);
		return;
	}
	free(TAKE_PTR(c->ahead)); /* options were granted before, and are not now */

	if (c->state == STATE_REQUEST) { /* a server without options */
		c->blksize = TFTP_BLKSIZE_DEFAULT;
		c->windowsize = 1;
		c->state = STATE_DATA;
	}
	if (p->data_bytes > c->blksize) {
		tftp_fail_proto(c, TFTP_EBADOP, "a block is longer than the blksize agreed");
		return;
	}
	if (!block_is_next(c, p->block)) {
		on_block_elsewhere(c, p->block);
		return;
	}
	if (c->max_bytes && c->bytes + p->data_bytes > c->max_bytes) {
		tftp_fail_too_long(c, c->bytes + p->data_bytes);
		return;
	}
	r = deliver(c, c->bytes, p, false);
	if (r < 0) {
		tftp_client_send_error(c, &c->peer, TFTP_EUNDEF, "stopped");
		tftp_client_finish(c, r, "");
		return;
	}
	progressed(c, c->in_window == 0);
	c->bytes += p->data_bytes;
	c->block = p->block;
	c->gap_told = false;
	if (p->data_bytes < c->blksize) {
		tftp_client_send_ack(c, false);
		tftp_client_finish(c, 0, "");
	} else if (++c->in_window >= c->windowsize) {
		tftp_client_send_ack(c, false);
		tftp_client_flush(c); /* the server waits for it */
	}
}

static void on_error_packet(struct tftp_client *c, const struct tftp_packet *p)
{
	static const struct tftp_options none;

	if (c->state == STATE_REQUEST && p->error == TFTP_EBADOPT && c->asked.blksize) {
		c->asked = none;
		/* if it does not go, it is a lost packet: the timer sees to it */
		(void)tftp_client_send_request(c, false);
		return;
	}
	if (c->ahead && c->state == STATE_DATA) /* perhaps it cannot bear what it did not expect */
		ahead_give_up(c, false);
	else
		tftp_fail_remote(c, p);
}

/*
 * A packet from another address or port than the transfer's: answered, else ignored (RFC 1350,
 * section 4).
 */
static void on_stranger(struct tftp_client *c, const union ip_sock *from, bool is_error)
{
	if (!ip_sock_same_host(from, &c->server))
		c->stranger = ip_sock_host(from);
	if (c->state == STATE_DATA && !is_error && c->strangers++ < STRANGERS_MAX)
		tftp_client_send_error(c, from, TFTP_EBADID, "unknown transfer id");
}

static void on_packet(struct tftp_client *c, const union ip_sock *from, size_t n)
{
	struct tftp_packet p;
	bool ours = ip_sock_same_host(from, &c->server) &&
		    (c->state == STATE_REQUEST || ip_sock_port(from) == ip_sock_port(&c->peer));

	if (tftp_packet_parse(c->buf, n, &p) < 0) {
		if (!ours)
			on_stranger(c, from, false);
		else if (c->state == STATE_REQUEST && n >= 2 && c->buf[1] == TFTP_OACK) {
			c->peer = *from;
			tftp_fail_proto(c, TFTP_EBADOPT, "its option acknowledgement is malformed");
		}
		return;
	}
	if (!ours) {
		on_stranger(c, from, p.op == TFTP_ERROR);
		return;
	}
	if (c->state == STATE_REQUEST) {
		if (p.op == TFTP_DATA && p.block != 1)
			return;
		c->peer = *from;
	}
	switch (p.op) {
	case TFTP_DATA:
		on_data(c, &p);
		break;
	case TFTP_OACK:
		on_oack(c, &p);
		break;
	case TFTP_ERROR:
		on_error_packet(c, &p);
		break;
	default: /* requests and acknowledgements are for servers */
		break;
	}
}

/* One packet or error of the socket. Return: 1 when there may be more, 0 when not. */
static int receive(struct tftp_client *c)
{
	union ip_sock from = { .in6 = { 0 } };
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(c->fd, c->buf, c->buf_bytes, MSG_DONTWAIT, &from.sa, &from_len);

	if (n >= 0) {
		on_packet(c, &from, (size_t)n);
		return 1;
	}
	if (errno == EAGAIN)
		return 0;
	if (!tftp_socket_refused(
		    c->fd, c->state == STATE_DATA
				   ? &c->peer
				   : &c->server)) /* "unreachable for now": the timer decides */
		return 1;
	if (c->ahead && c->state == STATE_DATA)
		ahead_end_pass(
			c); /* it closed this session: a new request tells whether it is there */
	else
		tftp_fail_refused(c);
	return 0;
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct tftp_client *c = io->data;
	bool ended = false;

	c->ended = &ended;
	for (int i = 0; i < PACKETS_PER_WAKE; i++) {
		bool lock_step =
			c->windowsize <= 1 && !c->ahead; /* then no second packet is there */

		if (receive(c) == 0 || ended || lock_step)
			break;
	}
	if (!ended) {
		c->ended = NULL;
		tftp_client_flush(c);
	}
}

/* --- setting up --- */

static int setup(struct tftp_client *c, const struct tftp_client_config *config)
{
	int r;

	if (strlen(config->path) >= sizeof(c->path) || !*config->path)
		return -ENAMETOOLONG;
	memcpy(c->path, config->path, strlen(config->path) + 1);
	c->server = ip_sock(&config->server, config->port ? config->port : TFTP_PORT);
	c->max_bytes = config->max_bytes;
	c->rto_min = (config->retry_min_ms ? config->retry_min_ms : RETRY_MIN_MS) / 1e3;
	c->stall = (config->stall_ms ? config->stall_ms : STALL_MS) / 1e3;
	c->shared_rtt = config->rtt;
	if (config->rtt)
		c->rtt = *config->rtt;
	c->rto = request_rto(c);
	c->ahead_window = config->windowsize ? config->windowsize : TFTP_AHEAD_WINDOW;
	r = tftp_socket_open(&c->server, config->blksize,
			     config->windowsize ? config->windowsize : TFTP_CLIENT_WINDOW,
			     &c->asked);
	if (r < 0)
		return r;
	c->fd = r;
	c->windowsize = 1;
	/* one byte more than agreed, so that a block that is too long is seen */
	c->buf_bytes =
		MAX((size_t)c->asked.blksize + TFTP_HEADER_BYTES + 1, (size_t)TFTP_REQUEST_MAX);
	c->buf = malloc(c->buf_bytes);
	return c->buf ? 0 : -ENOMEM;
}

int tftp_client_new(struct ev_loop *loop, const struct tftp_client_config *config,
		    const struct tftp_client_ops *ops, void *ctx, struct tftp_client **ret)
{
	struct tftp_client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->ops = ops;
	c->ctx = ctx;
	c->fd = FD_NONE;
	ev_now_update(loop); /* the caller may have been busy for long */
	r = setup(c, config);
	if (r == 0)
		r = tftp_client_send_request(c, false);
	if (r < 0) {
		tftp_client_free(c);
		return r;
	}
	c->new_at = ev_now(loop);
	ev_io_init(&c->io, on_readable, c->fd, EV_READ);
	c->io.data = c;
	ev_io_start(loop, &c->io);
	ev_init(&c->timer, on_timer);
	ev_set_priority(&c->timer, EV_MINPRI); /* first read what has come, then see what has not */
	c->timer.data = c;
	timer_arm(c, c->rto);
	*ret = c;
	return 0;
}

void tftp_client_free(struct tftp_client *c)
{
	if (!c)
		return;
	if (c->state == STATE_DATA)
		tftp_client_send_error(c, &c->peer, TFTP_EUNDEF, "stopped");
	stop(c);
	free(c->ahead);
	free(c->buf);
	free(c);
}

bool tftp_client_lost(const struct tftp_client *c)
{
	return c->lost;
}

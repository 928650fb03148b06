/*
 * tftp_client.c - read one file by TFTP, asynchronously
 *
 * Two states: the request is out (no transfer id yet), and data flows. In both there is one thing that we said last, the
 * request or an acknowledgement, which is said again when the retransmission timer runs out. That timer follows the
 * measured round trip (RFC 6298, without samples of what was sent twice), since a TFTP server's own is whole seconds.
 *
 * Acknowledged is: the last block of a window; the last block in order when a later one shows that some are missing,
 * once for each gap; and a block that came already, if it is the last one and our acknowledgement of it is older than
 * half of the timer, so that two sides never answer each other's duplicates for ever (the Sorcerer's Apprentice).
 *
 * The timer is not started anew for each packet: it looks, when it runs out, at what happened since.
 */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/fd.h"
#include "net/tftp_client.h"
#include "net/tftp_socket.h"
#include "wire/tftp.h"

#define RETRY_MIN_MS	   10	 /* default of config.retry_min_ms */
#define RETRY_FIRST_MS	   500	 /* for a request: each duplicate opens a second session at a busy server */
#define RETRY_MAX_MS	   2000
#define STALL_MS	   10000
#define PACKETS_PER_WAKE   64	 /* then others have their turn */
#define STRANGERS_MAX	   16	 /* packets from elsewhere that we answer in one transfer */

enum state { STATE_REQUEST, STATE_DATA, STATE_DONE };

struct tftp_client {
	struct ev_loop *loop;
	struct ev_io io;
	struct ev_timer timer;
	const struct tftp_client_ops *ops;
	void *ctx;
	int fd;
	enum state state;
	char path[TFTP_PATH_MAX];
	struct sockaddr_in server; /* where requests go */
	struct sockaddr_in peer;   /* the transfer's other end, once known */
	struct in_addr stranger;   /* who else answered, for the error text */
	unsigned strangers;
	uint64_t max_bytes, bytes;
	struct tftp_options asked; /* empty after the server refused options */
	uint16_t blksize, windowsize;
	uint16_t block;	    /* last one in order */
	uint16_t in_window; /* blocks since the last acknowledgement */
	bool gap_told;	    /* the gap in front of us was acknowledged */
	bool sent_twice;    /* what was said last: no round trip can be measured by it */
	ev_tstamp sent_at;  /* when we said something last */
	ev_tstamp active_at; /* when we said something or something new came, last */
	ev_tstamp new_at;   /* when something new came last */
	double srtt, rttvar; /* seconds; srtt 0: not measured */
	double rto, rto_min; /* seconds */
	double stall;	    /* seconds */
	bool *ended;	    /* of the reading loop below us: set when the transfer ends, as c may be gone then */
	size_t buf_bytes;
	uint8_t *buf; /* owned; one packet */
};

/* --- the end --- */

static void stop(struct tftp_client *c)
{
	/* whether active or not: a timer that ran out may still be pending */
	ev_io_stop(c->loop, &c->io);
	ev_timer_stop(c->loop, &c->timer);
	c->fd = fd_close(c->fd);
	c->state = STATE_DONE;
}

/* The last thing done with @c: the caller may free it in there. */
static void finish(struct tftp_client *c, int err, const char *why)
{
	stop(c);
	if (c->ended)
		*c->ended = true;
	c->ops->done(c->ctx, err, why);
}

static void send_to(struct tftp_client *c, const struct sockaddr_in *to, const void *p, size_t n)
{
	/* a packet that could not be sent is a packet lost: the timer sees to it */
	(void)sendto(c->fd, p, n, MSG_DONTWAIT, (const struct sockaddr *)to, sizeof(*to));
}

static void send_error(struct tftp_client *c, const struct sockaddr_in *to, uint16_t error,
		       const char *message)
{
	struct tftp_packet p = { .op = TFTP_ERROR, .error = error };
	uint8_t buf[TFTP_MESSAGE_MAX + TFTP_HEADER_BYTES];
	size_t n;

	snprintf(p.message, sizeof(p.message), "%s", message);
	if (tftp_packet_format(&p, buf, sizeof(buf), &n) == 0)
		send_to(c, to, buf, n);
}

/* The server broke the protocol: tell it and give up. */
static void fail_proto(struct tftp_client *c, uint16_t error, const char *what)
{
	char server[INET_ADDRSTRLEN], why[TFTP_CLIENT_WHY_MAX];

	send_error(c, &c->peer, error, what);
	snprintf(why, sizeof(why), "the TFTP server %s breaks the protocol with '%.80s': %s",
		 ipv4_format(c->server.sin_addr, server), c->path, what);
	finish(c, -EPROTO, why);
}

static void fail_too_long(struct tftp_client *c, uint64_t bytes)
{
	char why[TFTP_CLIENT_WHY_MAX];

	send_error(c, &c->peer, TFTP_ENOSPACE, "file is longer than expected");
	snprintf(why, sizeof(why), "'%.100s' is too long: %llu bytes or more, expected at most %llu",
		 c->path, (unsigned long long)bytes, (unsigned long long)c->max_bytes);
	finish(c, -E2BIG, why);
}

static void fail_timeout(struct tftp_client *c)
{
	char server[INET_ADDRSTRLEN], other[INET_ADDRSTRLEN], why[TFTP_CLIENT_WHY_MAX];
	const char *s = ipv4_format(c->server.sin_addr, server);

	if (c->state == STATE_DATA)
		snprintf(why, sizeof(why),
			 "the TFTP server %s fell silent for %.0f s in '%.80s' after %llu bytes", s,
			 c->stall, c->path, (unsigned long long)c->bytes);
	else if (c->stranger.s_addr)
		snprintf(why, sizeof(why),
			 "no answer from the TFTP server %s to '%.80s' in %.0f s, but one from %s, "
			 "which was not asked",
			 s, c->path, c->stall, ipv4_format(c->stranger, other));
	else
		snprintf(why, sizeof(why), "no answer from the TFTP server %s to '%.80s' in %.0f s",
			 s, c->path, c->stall);
	if (c->state == STATE_DATA)
		send_error(c, &c->peer, TFTP_EUNDEF, "timed out");
	finish(c, -ETIMEDOUT, why);
}

static void fail_refused(struct tftp_client *c)
{
	char server[INET_ADDRSTRLEN], why[TFTP_CLIENT_WHY_MAX];

	ipv4_format(c->server.sin_addr, server);
	if (c->state == STATE_DATA)
		snprintf(why, sizeof(why), "the TFTP server %s stopped in '%.80s' after %llu bytes",
			 server, c->path, (unsigned long long)c->bytes);
	else
		snprintf(why, sizeof(why), "no TFTP server at %s port %u", server,
			 ntohs(c->server.sin_port));
	finish(c, -ECONNREFUSED, why);
}

static void fail_remote(struct tftp_client *c, const struct tftp_packet *p)
{
	char why[TFTP_CLIENT_WHY_MAX];
	int err = p->error == TFTP_ENOENT ? -ENOENT : p->error == TFTP_EACCESS ? -EACCES : -EREMOTEIO;

	snprintf(why, sizeof(why), "%s on the server: '%.80s' (TFTP error %u%s%.80s)",
		 tftp_error_name(p->error), c->path, p->error, *p->message ? ": " : "", p->message);
	finish(c, err, why);
}

/* --- saying --- */

static void timer_arm(struct tftp_client *c, double after)
{
	ev_timer_stop(c->loop, &c->timer);
	ev_timer_set(&c->timer, after, 0.);
	ev_timer_start(c->loop, &c->timer);
}

static void said(struct tftp_client *c, bool again)
{
	c->sent_at = c->active_at = ev_now(c->loop);
	c->sent_twice = again;
}

static void send_ack(struct tftp_client *c, bool again)
{
	struct tftp_packet p = { .op = TFTP_ACK, .block = c->block };
	uint8_t buf[TFTP_HEADER_BYTES];
	size_t n;

	if (tftp_packet_format(&p, buf, sizeof(buf), &n) == 0)
		send_to(c, &c->peer, buf, n);
	c->in_window = 0;
	said(c, again);
}

static int send_request(struct tftp_client *c, bool again)
{
	struct tftp_packet p = { .op = TFTP_RRQ, .path = c->path, .options = c->asked };
	uint8_t buf[TFTP_REQUEST_MAX];
	size_t n;
	int r = tftp_packet_format(&p, buf, sizeof(buf), &n);

	if (r < 0)
		return r;
	said(c, again);
	return sendto(c->fd, buf, n, MSG_DONTWAIT, (const struct sockaddr *)&c->server,
		      sizeof(c->server)) < 0 ? -errno : 0;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct tftp_client *c = w->data;
	ev_tstamp now = ev_now(loop);
	double left = c->active_at + c->rto - now;

	if (left > 0.0005) { /* something happened since the timer was set */
		timer_arm(c, left);
		return;
	}
	if (now - c->new_at >= c->stall) {
		fail_timeout(c);
		return;
	}
	if (c->state == STATE_DATA)
		send_ack(c, true);
	else
		(void)send_request(c, true); /* no route now may be one later; stall ends it */
	c->rto = MIN(c->rto * 2, RETRY_MAX_MS / 1e3);
	c->gap_told = false;
	timer_arm(c, MIN(c->rto, MAX(c->new_at + c->stall - now, 0.001)));
	if (c->ops->late)
		c->ops->late(c->ctx);
}

/* Something new has come: take the round trip, reset what counts its absence. */
static void progressed(struct tftp_client *c)
{
	ev_tstamp now = ev_now(c->loop);
	double rtt = now - c->sent_at, rto;

	if (!c->sent_twice && c->in_window == 0) {
		double off = rtt > c->srtt ? rtt - c->srtt : c->srtt - rtt;

		c->rttvar = c->srtt > 0 ? c->rttvar * 0.75 + off * 0.25 : rtt / 2;
		c->srtt = c->srtt > 0 ? c->srtt * 0.875 + rtt * 0.125 : MAX(rtt, 1e-6);
	}
	c->new_at = c->active_at = now;
	rto = c->srtt > 0 ? c->srtt + 4 * c->rttvar : RETRY_FIRST_MS / 1e3;
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

static void on_oack(struct tftp_client *c, const struct tftp_packet *p)
{
	const char *wrong;

	if (c->state == STATE_DATA) { /* again: our acknowledgement may be lost */
		if (c->bytes == 0 && c->block == 0 &&
		    ev_now(c->loop) - c->sent_at > c->rto / 2)
			send_ack(c, true);
		return;
	}
	wrong = oack_check(c, &p->options);
	if (wrong) {
		fail_proto(c, TFTP_EBADOPT, wrong);
		return;
	}
	c->blksize = p->options.blksize ? p->options.blksize : TFTP_BLKSIZE_DEFAULT;
	c->windowsize = p->options.windowsize ? p->options.windowsize : 1;
	if (p->options.has_tsize && c->max_bytes && p->options.tsize > c->max_bytes) {
		fail_too_long(c, p->options.tsize);
		return;
	}
	if (p->options.has_tsize && c->ops->size)
		c->ops->size(c->ctx, p->options.tsize);
	progressed(c);
	c->state = STATE_DATA;
	send_ack(c, false);
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
			send_ack(c, true);
	} else if (c->windowsize > 1 && (int16_t)(block - c->block) > 0 && !c->gap_told) {
		send_ack(c, true);
		c->gap_told = true;
	}
}

static void on_data(struct tftp_client *c, const struct tftp_packet *p)
{
	int r;

	if (c->state == STATE_REQUEST) { /* a server without options */
		c->blksize = TFTP_BLKSIZE_DEFAULT;
		c->windowsize = 1;
		c->state = STATE_DATA;
	}
	if (p->data_bytes > c->blksize) {
		fail_proto(c, TFTP_EBADOP, "a block is longer than the blksize agreed");
		return;
	}
	if (!block_is_next(c, p->block)) {
		on_block_elsewhere(c, p->block);
		return;
	}
	if (c->max_bytes && c->bytes + p->data_bytes > c->max_bytes) {
		fail_too_long(c, c->bytes + p->data_bytes);
		return;
	}
	if (p->data_bytes > 0) {
		r = c->ops->data(c->ctx, p->data, p->data_bytes);
		if (r < 0) {
			send_error(c, &c->peer, TFTP_EUNDEF, "stopped");
			finish(c, r, "");
			return;
		}
	}
	progressed(c);
	c->bytes += p->data_bytes;
	c->block = p->block;
	c->gap_told = false;
	if (p->data_bytes < c->blksize) {
		send_ack(c, false);
		finish(c, 0, "");
	} else if (++c->in_window >= c->windowsize) {
		send_ack(c, false);
	}
}

static void on_error_packet(struct tftp_client *c, const struct tftp_packet *p)
{
	static const struct tftp_options none;

	if (c->state == STATE_REQUEST && p->error == TFTP_EBADOPT && c->asked.blksize) {
		c->asked = none;
		(void)send_request(c, false); /* as a lost packet: the timer sees to it */
		return;
	}
	fail_remote(c, p);
}

/* A packet from another address or port than the transfer's: answered, else ignored (RFC 1350, section 4). */
static void on_stranger(struct tftp_client *c, const struct sockaddr_in *from, bool is_error)
{
	if (from->sin_addr.s_addr != c->server.sin_addr.s_addr)
		c->stranger = from->sin_addr;
	if (c->state == STATE_DATA && !is_error && c->strangers++ < STRANGERS_MAX)
		send_error(c, from, TFTP_EBADID, "unknown transfer id");
}

static void on_packet(struct tftp_client *c, const struct sockaddr_in *from, size_t n)
{
	struct tftp_packet p;
	bool ours = from->sin_addr.s_addr == c->server.sin_addr.s_addr &&
		    (c->state == STATE_REQUEST || from->sin_port == c->peer.sin_port);

	if (tftp_packet_parse(c->buf, n, &p) < 0) {
		if (!ours)
			on_stranger(c, from, false);
		else if (c->state == STATE_REQUEST && n >= 2 && c->buf[1] == TFTP_OACK) {
			c->peer = *from;
			fail_proto(c, TFTP_EBADOPT, "its option acknowledgement is malformed");
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
	struct sockaddr_in from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(c->fd, c->buf, c->buf_bytes, MSG_DONTWAIT, (struct sockaddr *)&from,
			     &from_len);

	if (n >= 0) {
		on_packet(c, &from, (size_t)n);
		return 1;
	}
	if (errno == EAGAIN)
		return 0;
	if (!tftp_socket_refused(c->fd, c->state == STATE_DATA ? &c->peer : &c->server)) /* "unreachable for now": the timer decides */
		return 1;
	fail_refused(c);
	return 0;
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct tftp_client *c = io->data;
	bool ended = false;

	c->ended = &ended;
	for (int i = 0; i < PACKETS_PER_WAKE; i++) {
		bool lock_step = c->windowsize <= 1; /* then no second packet is there */

		if (receive(c) == 0 || ended || lock_step)
			break;
	}
	if (!ended)
		c->ended = NULL;
}

/* --- setting up --- */

static int setup(struct tftp_client *c, const struct tftp_client_config *config)
{
	int r;

	if (strlen(config->path) >= sizeof(c->path) || !*config->path)
		return -ENAMETOOLONG;
	memcpy(c->path, config->path, strlen(config->path) + 1);
	c->server = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr = config->server,
		.sin_port = htons(config->port ? config->port : TFTP_PORT),
	};
	c->max_bytes = config->max_bytes;
	c->rto_min = (config->retry_min_ms ? config->retry_min_ms : RETRY_MIN_MS) / 1e3;
	c->stall = (config->stall_ms ? config->stall_ms : STALL_MS) / 1e3;
	c->rto = RETRY_FIRST_MS / 1e3;
	r = tftp_socket_open(&c->server, config->blksize,
			     config->windowsize ? config->windowsize : TFTP_CLIENT_WINDOW,
			     &c->asked);
	if (r < 0)
		return r;
	c->fd = r;
	c->windowsize = 1;
	/* one byte more than agreed, so that a block that is too long is seen */
	c->buf_bytes = MAX((size_t)c->asked.blksize + TFTP_HEADER_BYTES + 1, (size_t)TFTP_REQUEST_MAX);
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
		r = send_request(c, false);
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
		send_error(c, &c->peer, TFTP_EUNDEF, "stopped");
	stop(c);
	free(c->buf);
	free(c);
}

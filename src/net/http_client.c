/*
 * http_client.c - read one file by HTTP/1.1, asynchronously
 *
 * Three states: connecting, the request is out, the body flows. A break in any of them (the
 * connection refused, reset, closed early) begins again with a new connection, and a range when
 * part of the body is here. A kept connection that breaks before a byte of the answer came is no
 * fault of anybody: servers close idle ones. Else breaks are counted, and any new byte of the body
 * resets the count.
 *
 * When the body goes on, the answer must be of the same file: the range must begin where we stand,
 * and total and ETag be the first answer's. A server without ranges answers with the whole file:
 * what is here already is skipped.
 */
#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/fetch.h"
#include "net/http_client.h"
#include "net/http_pool.h"
#include "wire/http.h"

#define STALL_MS      10000
#define LATE_MIN_S    0.02 /* by then TCP has repeated what it repeats by round trips; the rest */
#define LATE_MAX_S    0.08 /* it repeats after 200 ms */
#define LATE_TIMES    4	   /* as long as an answer takes */
#define TICK_MS	      5
#define BREAKS_MAX    3 /* in a row, without a new byte of the body */
#define REDIRECTS_MAX 3
#define READ_BYTES    (64u << 10) /* at once; holds a whole head */
#define WAKE_AT_BYTES (64u << 10)
#define WAKE_BYTES    (1u << 20) /* then others have their turn */

enum state { STATE_CONNECT, STATE_HEAD, STATE_BODY, STATE_DONE };

struct http_client {
	struct ev_loop *loop;
	struct ev_io io;
	struct ev_timer timer;
	const struct tftp_client_ops *ops;
	void *ctx;
	struct http_pool *pool; /* borrowed, or NULL */
	int fd;
	enum state state;
	union ip_sock server;
	struct fetch_url url;
	bool kept;   /* this connection served another transfer before */
	bool late;   /* told since something new came */
	bool *ended; /* of the reading loop below us: set when c may be gone */
	unsigned breaks, redirects;
	uint64_t max_bytes;
	uint64_t bytes; /* of the file, delivered */
	uint64_t size;	/* of the file, by the first answer */
	bool has_size;
	uint64_t skip;		  /* of this body: what is here already */
	uint64_t left;		  /* of this body, with what is to be skipped */
	bool keep;		  /* this connection, after the body */
	char etag[HTTP_ETAG_MAX]; /* of the first answer */
	struct tftp_rtt *rtt;	  /* borrowed, or NULL */
	ev_tstamp asked_at;	  /* when the request left */
	ev_tstamp new_at;	  /* when something new came last */
	double stall;		  /* seconds */
	int expected;		  /* bytes that the socket waits for before it wakes us */
	size_t n;		  /* bytes of a head that is not complete */
	uint8_t *buf;		  /* owned; READ_BYTES */
};

static void begin(struct http_client *c);

/* --- the end --- */

static void disconnect(struct http_client *c)
{
	ev_io_stop(c->loop, &c->io);
	c->fd = fd_close(c->fd);
	c->n = 0;
}

/* The last thing done with @c: the caller may free it in there. */
static void finish(struct http_client *c, int err, const char *why)
{
	disconnect(c);
	ev_timer_stop(c->loop, &c->timer);
	c->state = STATE_DONE;
	if (c->ended)
		*c->ended = true;
	c->ops->done(c->ctx, err, why);
}

static void fail(struct http_client *c, int err, const char *fmt, ...) _printf_(3, 4);

static void fail(struct http_client *c, int err, const char *fmt, ...)
{
	char server[IP_STR_MAX], what[HTTP_CLIENT_WHY_MAX - 64], why[HTTP_CLIENT_WHY_MAX];
	struct ipaddr host = ip_sock_host(&c->server);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(why, sizeof(why), "the HTTP server %s port %u %s", ip_format(&host, server),
		 ip_sock_port(&c->server), what);
	finish(c, err, why);
}

static void fail_proto(struct http_client *c, const char *what)
{
	fail(c, -EPROTO, "breaks the protocol with '%.60s': %s", c->url.path, what);
}

/* The connection is gone before the file was complete: @err says why, 0: it was closed. */
static void broken(struct http_client *c, int err)
{
	bool stale = c->kept && c->state == STATE_HEAD && c->n == 0;

	disconnect(c);
	if (stale || ++c->breaks < BREAKS_MAX) {
		begin(c);
		return;
	}
	if (c->state == STATE_CONNECT)
		fail(c, err == -ECONNREFUSED || err == 0 ? -ECONNREFUSED : err,
		     "cannot be reached: %s", strerror(-err));
	else if (c->bytes > 0)
		fail(c, -ECONNREFUSED,
		     "closes the connection in '%.60s' after %" PRIu64 " of %" PRIu64 " bytes",
		     c->url.path, c->bytes, c->size);
	else
		fail(c, -ECONNREFUSED, "closes the connection without an answer for '%.60s'",
		     c->url.path);
}

/* --- heads --- */

/* Follow a redirection to another place of this server or another. */
static void redirect(struct http_client *c, const struct http_head *h)
{
	char url[FETCH_URL_MAX], here[FETCH_URL_MAX];
	struct fetch_url to = c->url;
	const char *why = "";
	int r;

	if (!h->location[0] || ++c->redirects > REDIRECTS_MAX) {
		fail(c, -EREMOTEIO, "redirects '%.60s' %s", c->url.path,
		     h->location[0] ? "more than 3 times" : "to nowhere");
		return;
	}
	*here = 0;
	if (h->location[0] == '/') { /* which replaces the slash that ends "http://ADDRESS:PORT/" */
		*to.path = 0;
		fetch_url_format(&to, here);
		here[strlen(here) - 1] = 0;
	}
	r = snprintf(url, sizeof(url), "%s%s", here, h->location) < (int)sizeof(url) ? 0 : -E2BIG;
	if (r == 0)
		r = fetch_url_parse(url, &to, &why);
	if (r == 0 && !ip_is_set(&to.host)) { /* names are resolved before a transfer, by others */
		to.host = c->url.host;
		why = "it names another host";
		r = strcmp(to.name, c->url.name) == 0 ? 0 : -EDESTADDRREQ;
	}
	if (r < 0 || to.scheme != FETCH_HTTP) {
		fail(c, -EREMOTEIO, "redirects to '%.80s', which is not followed: %s", h->location,
		     *why ? why : "expected http://ADDRESS[:PORT]/PATH");
		return;
	}
	c->url = to;
	c->server = ip_sock(&to.host, to.port);
	disconnect(c);
	begin(c);
}

static void refused(struct http_client *c, const struct http_head *h)
{
	switch (h->status) {
	case HTTP_NOT_FOUND:
	case HTTP_GONE:
		fail(c, -ENOENT, "has no file '%.80s' (status %u %s)", c->url.path, h->status,
		     h->reason);
		break;
	case HTTP_UNAUTHORIZED:
	case HTTP_FORBIDDEN:
		fail(c, -EACCES, "does not give '%.80s' (status %u %s)", c->url.path, h->status,
		     h->reason);
		break;
	default:
		fail(c, -EREMOTEIO, "answers '%.80s' with status %u %s", c->url.path, h->status,
		     h->reason);
		break;
	}
}

/* Whether a body can be taken, and which part of the file it is. Return: what is wrong, or NULL. */
static const char *body_check(struct http_client *c, const struct http_head *h, uint64_t *ret_size)
{
	if (h->encoded)
		return "its answer is encoded (chunked or compressed), which is not taken";
	if (h->status == HTTP_OK) {
		if (!h->has_length)
			return "it does not say how long the file is";
		if (h->has_range)
			return "a whole file with a range";
		*ret_size = h->length;
		return NULL;
	}
	if (c->bytes == 0)
		return "a part of the file when all was asked for";
	if (!h->has_range || !h->has_total || !h->has_length)
		return "a part of the file that is not described";
	if (h->first != c->bytes || h->last + 1 != h->total)
		return "another part of the file than was asked for";
	*ret_size = h->total;
	return NULL;
}

/* Return: false when the transfer has ended or gone elsewhere. */
static bool on_head(struct http_client *c, const struct http_head *h)
{
	const char *wrong;
	uint64_t size = 0;

	if (h->location[0] &&
	    (h->status == HTTP_MOVED || h->status == HTTP_FOUND || h->status == HTTP_SEE_OTHER ||
	     h->status == HTTP_TEMPORARY_REDIRECT || h->status == HTTP_PERMANENT_REDIRECT)) {
		redirect(c, h);
		return false;
	}
	if (h->status != HTTP_OK && h->status != HTTP_PARTIAL) {
		refused(c, h);
		return false;
	}
	wrong = body_check(c, h, &size);
	if (wrong) {
		fail_proto(c, wrong);
		return false;
	}
	if (c->has_size && (size != c->size || strcmp(h->etag, c->etag) != 0)) {
		fail(c, -ESTALE, "has another '%.80s' than before: it changed while it was fetched",
		     c->url.path);
		return false;
	}
	if (c->max_bytes && size > c->max_bytes) {
		fail(c, -E2BIG,
		     "has a '%.60s' that is too long: %" PRIu64 " bytes, expected at most %" PRIu64,
		     c->url.path, size, c->max_bytes);
		return false;
	}
	if (!c->has_size && c->ops->size)
		c->ops->size(c->ctx, size);
	c->has_size = true;
	c->size = size;
	memcpy(c->etag, h->etag, sizeof(c->etag));
	c->keep = h->keep;
	c->left = h->length;
	c->skip = h->status == HTTP_OK ? c->bytes : 0;
	c->state = STATE_BODY;
	return true;
}

/* --- the body --- */

/*
 * Be woken when so much is here, not at each packet. The timer looks after a slower sender, and the
 * kernel after one that closes.
 */
static void expect(struct http_client *c, uint64_t bytes)
{
	int n = (int)MIN(bytes, (uint64_t)WAKE_AT_BYTES);

	if (n != c->expected && setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n)) == 0)
		c->expected = n;
}

/* Return: false when the transfer has ended. */
static bool on_body(struct http_client *c, const uint8_t *p, size_t n)
{
	size_t here = (size_t)MIN((uint64_t)n, c->left),
	       skip = (size_t)MIN((uint64_t)here, c->skip);
	int r = 0;

	if (n > here) {
		fail_proto(c, "it sends more than it said");
		return false;
	}
	c->skip -= skip;
	c->left -= here;
	if (here > skip) {
		c->breaks = 0;
		r = c->ops->data(c->ctx, p + skip, here - skip);
		c->bytes += here - skip;
	}
	if (r < 0) {
		finish(c, r, "");
		return false;
	}
	return true;
}

/* All is here: the connection goes to the pool. Always ends the transfer. */
static void complete(struct http_client *c)
{
	if (c->keep && c->pool) {
		expect(c, 1);
		ev_io_stop(c->loop, &c->io);
		http_pool_give(c->pool, &c->server, TAKE_FD(c->fd));
	}
	finish(c, 0, "");
}

/* Some of the body. Return: false when the transfer has ended. */
static bool on_more(struct http_client *c, const uint8_t *p, size_t n)
{
	if (!on_body(c, p, n))
		return false;
	if (c->left > 0) {
		expect(c, c->left);
		return true;
	}
	complete(c);
	return false;
}

/* What is in the buffer: the rest of a head and the body behind it, or a piece of the body. */
static bool on_bytes(struct http_client *c, size_t n)
{
	struct http_head h;
	size_t head = 0;
	int r;

	if (c->state == STATE_HEAD) {
		c->n += n;
		r = http_head_end(c->buf, c->n, &head);
		if (r == -EAGAIN)
			return true;
		if (r < 0 || http_head_parse(c->buf, head, &h) < 0) {
			fail_proto(c, r < 0 ? "the head of its answer is too long"
					    : "the head of its answer is malformed");
			return false;
		}
		n = c->n - head;
		c->n = 0;
		if (!on_head(c, &h))
			return false;
	}
	return on_more(c, c->buf + head, n);
}

/*
 * One piece from the socket, of a body straight to where the caller wants it. Return: its bytes; 0
 * when there is no more for now or the transfer ended.
 */
static size_t receive(struct http_client *c)
{
	bool straight = c->state == STATE_BODY && c->skip == 0 && c->ops->room;
	uint8_t *to = c->buf + c->n;
	size_t most = READ_BYTES - c->n;
	ssize_t n;

	if (straight) {
		to = c->ops->room(c->ctx, &most);
		most = (size_t)MIN((uint64_t)most, c->left);
	}
	n = recv(c->fd, to, most, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		broken(c, n < 0 ? -errno : 0);
		return 0;
	}
	c->new_at = ev_now(c->loop);
	if (c->state == STATE_HEAD && c->n == 0 && !c->late && c->rtt)
		tftp_rtt_sample(c->rtt, c->new_at - c->asked_at);
	c->late = false;
	return (straight ? on_more(c, to, (size_t)n) : on_bytes(c, (size_t)n)) ? (size_t)n : 0;
}

static void send_request(struct http_client *c)
{
	char host[FETCH_HOST_MAX];
	struct http_request q = {
		.host = host, .path = c->url.path, .first = c->bytes, .etag = c->etag
	};
	char buf[HTTP_REQUEST_MAX];
	size_t n;
	int r;

	fetch_url_host(&c->url, host);
	r = http_request_format(&q, buf, sizeof(buf), &n);
	if (r < 0) {
		fail(c, r, "cannot be asked for so long a path");
		return;
	}
	c->state = STATE_HEAD;
	ev_io_stop(c->loop, &c->io);
	ev_io_set(&c->io, c->fd, EV_READ);
	ev_io_start(c->loop, &c->io);
	c->asked_at = ev_now(c->loop);
	/* a new connection has room for it; what does not go is a break, seen when we read */
	if (send(c->fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
		(void)shutdown(c->fd, SHUT_RDWR);
}

static void on_connected(struct http_client *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err)
		broken(c, err ? -err : -EIO);
	else
		send_request(c);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct http_client *c = io->data;
	bool ended = false;
	size_t sum = 0, n = 1;

	c->ended = &ended;
	if (c->state == STATE_CONNECT) {
		on_connected(c);
	} else {
		for (; n > 0 && !ended && sum < WAKE_BYTES; sum += n) {
			n = receive(c);
			if (!ended && n < READ_BYTES / 4) /* the socket is as good as empty */
				break;
		}
	}
	if (!ended)
		c->ended = NULL;
}

/* --- setting up --- */

/* Silence after which a packet is likely to be lost, by how soon the server answers. */
static double late_after(const struct http_client *c)
{
	double s = c->rtt && c->rtt->srtt > 0 ? c->rtt->srtt + 4 * c->rtt->rttvar : LATE_MAX_S;

	return MIN(MAX(LATE_TIMES * s, LATE_MIN_S), LATE_MAX_S);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct http_client *c = w->data;
	double silent;

	if (c->state == STATE_BODY) { /* less may be here than we are woken for */
		bool ended = false;

		c->ended = &ended;
		(void)receive(c);
		if (ended)
			return;
		c->ended = NULL;
		if (c->state == STATE_CONNECT)
			return; /* it broke, and begins again */
	}
	silent = ev_now(loop) - c->new_at;

	if (silent >= c->stall) {
		if (c->state == STATE_CONNECT)
			fail(c, -ETIMEDOUT, "cannot be reached: no answer in %.0f s", c->stall);
		else
			fail(c, -ETIMEDOUT,
			     "fell silent for %.0f s in '%.60s' after %" PRIu64 " bytes", c->stall,
			     c->url.path, c->bytes);
		return;
	}
	if (silent >= late_after(c) && !c->late && c->ops->late) {
		c->late = true;
		c->ops->late(c->ctx);
	}
}

/* A connection, kept or new. */
static int connect_to(struct http_client *c)
{
	int fd = http_pool_take(c->pool, &c->server), on = 1;

	c->kept = fd >= 0;
	if (fd < 0) {
		fd = socket(c->server.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (connect(fd, &c->server.sa, ip_sock_bytes(&c->server)) < 0 &&
		    errno != EINPROGRESS) {
			int err = -errno;

			fd_close(fd);
			return err;
		}
	}
	c->fd = fd;
	c->expected = 1;
	return 0;
}

static void begin(struct http_client *c)
{
	int r = connect_to(c);

	if (r < 0) {
		c->state = STATE_CONNECT;
		fail(c, r, "cannot be reached: %s", strerror(-r));
		return;
	}
	c->state = STATE_CONNECT;
	ev_io_set(&c->io, c->fd, EV_WRITE);
	ev_io_start(c->loop, &c->io);
}

int http_client_new(struct ev_loop *loop, const struct http_client_config *config,
		    const struct tftp_client_ops *ops, void *ctx, struct http_client **ret)
{
	struct http_client *c;
	int r;

	if (strlen(config->path) >= sizeof(c->url.path))
		return -ENAMETOOLONG;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->ops = ops;
	c->ctx = ctx;
	c->pool = config->pool;
	c->rtt = config->rtt;
	c->fd = FD_NONE;
	c->max_bytes = config->max_bytes;
	c->stall = (config->stall_ms ? config->stall_ms : STALL_MS) / 1e3;
	c->url = (struct fetch_url){ .scheme = FETCH_HTTP,
				     .host = config->server,
				     .port = config->port ? config->port : HTTP_PORT };
	memcpy(c->url.path, config->path, strlen(config->path) + 1);
	if (config->name)
		snprintf(c->url.name, sizeof(c->url.name), "%s", config->name);
	c->server = ip_sock(&config->server, c->url.port);
	ev_init(&c->io, on_io);
	c->io.data = c;
	ev_init(&c->timer, on_timer);
	c->timer.data = c;
	c->buf = malloc(READ_BYTES);
	r = c->buf ? connect_to(c) : -ENOMEM;
	if (r < 0) {
		http_client_free(c);
		return r;
	}
	c->state = STATE_CONNECT;
	ev_io_set(&c->io, c->fd, EV_WRITE);
	ev_io_start(loop, &c->io);
	ev_now_update(loop); /* the caller may have been busy for long */
	c->new_at = ev_now(loop);
	ev_timer_set(&c->timer, TICK_MS / 1e3, TICK_MS / 1e3);
	ev_timer_start(loop, &c->timer);
	*ret = c;
	return 0;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	disconnect(c);
	ev_timer_stop(c->loop, &c->timer);
	free(c->buf);
	free(c);
}

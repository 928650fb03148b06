/*
 * peers.c - files of programs from node to node
 *
 * The receiver sends its ticket; then nothing but frames comes: each a chunk of the file, sealed,
 * with its tag behind it; number and sizes follow from the size of the file. A receiver whose
 * ticket is not known yet waits for it, since the two nodes hear of each other over different
 * connections.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "space/carry.h"

#define BACKLOG	    64
#define FRAME_BYTES (FILE_HASH_CHUNK + CIPHER_TAG_BYTES)

enum transfer_state {
	TRANSFER_TICKET,  /* a caller has to show its ticket */
	TRANSFER_WAITING, /* it has, and we have to hear of it */
	TRANSFER_SENDING,
	TRANSFER_CONNECTING, /* we fetch */
	TRANSFER_RECEIVING,
};

struct transfer {
	struct transfer *next;
	struct peers *all;
	enum transfer_state state;
	int fd;
	struct ev_io io;
	struct ev_timer timer;
	struct message_fetch fetch;
	struct cache_blob *blob; /* held */
	int file;		 /* of a blob that is sent */
	struct cipher cipher;
	uint64_t done; /* bytes of the file */
	uint8_t buf[FRAME_BYTES];
	size_t at, n; /* of the buffer: sent or received, that are there or to come */
};

static void ticket_name(const struct message_fetch *f, uint8_t ret[static PEERS_TICKET_BYTES])
{
	static const uint8_t label[] = "bpboot ticket";

	crypto_generichash(ret, PEERS_TICKET_BYTES, label, sizeof(label), f->key, sizeof(f->key));
}

static void transfer_free(struct transfer *t)
{
	struct peers *p = t->all;

	for (struct transfer **at = &p->list; *at; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			break;
		}
	}
	p->n--;
	ev_io_stop(p->loop, &t->io);
	ev_timer_stop(p->loop, &t->timer);
	t->fd = fd_close(t->fd);
	t->file = fd_close(t->file);
	if (t->blob)
		t->blob->users--;
	sodium_memzero(&t->fetch, sizeof(t->fetch));
	cipher_clear(&t->cipher);
	free(t);
}

/* It cannot go on: of a file that we fetch the master hears, and finds another way. */
static void transfer_fail(struct transfer *t, int err)
{
	struct message_blob id = t->fetch.blob;
	struct carries *cs = t->all->carries;
	bool fetching = t->state >= TRANSFER_CONNECTING;

	if (fetching && t->blob && !t->blob->here && cache_rewind(t->blob) < 0)
		log_debug("a file that did not come whole cannot be emptied");
	transfer_free(t);
	if (fetching)
		carries_say(cs, &id, -err);
}

static void on_silence(struct ev_loop *loop, struct ev_timer *w, int events)
{
	transfer_fail(w->data, -ETIMEDOUT);
}

static void patience(struct transfer *t, unsigned ms)
{
	t->timer.repeat = ms / 1e3;
	ev_timer_again(t->all->loop, &t->timer);
}

static void watch(struct transfer *t, int events, void (*cb)(struct ev_loop *, struct ev_io *, int))
{
	ev_io_stop(t->all->loop, &t->io);
	ev_io_init(&t->io, cb, t->fd, events);
	t->io.data = t;
	ev_io_start(t->all->loop, &t->io);
}

/* Seal the next chunk. Return: 0 or negative errno. */
static int next_frame(struct transfer *t)
{
	size_t n = (size_t)MIN(t->blob->bytes - t->done, (uint64_t)FILE_HASH_CHUNK), got;
	int r = fd_read_full(t->file, t->buf, n, &got);

	if (r < 0 || got < n)
		return r < 0 ? r : -EIO;
	cipher_seal(&t->cipher, NULL, 0, t->buf, n, t->buf + n);
	t->done += n;
	t->at = 0;
	t->n = n + CIPHER_TAG_BYTES;
	return 0;
}

static void on_sending(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct transfer *t = w->data;
	int r = 0;

	for (int turns = 0; r == 0 && turns < 16; turns++) {
		ssize_t n;

		if (t->at == t->n && t->done == t->blob->bytes) {
			transfer_free(t);
			return;
		}
		if (t->at == t->n)
			r = next_frame(t);
		if (r < 0)
			break;
		n = send(t->fd, t->buf + t->at, t->n - t->at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			r = -errno;
		else
			t->at += (size_t)n;
		patience(t, PEERS_SILENCE_MS);
	}
	if (r < 0)
		transfer_fail(t, r);
}

/* The caller's ticket is good if we have been told of it. Return: whether it is. */
static bool admit(struct transfer *t)
{
	struct peers *p = t->all;

	for (size_t i = 0; i < p->n_tickets; i++) {
		struct ticket *k = &p->tickets[i];

		if (sodium_memcmp(k->name, t->buf, PEERS_TICKET_BYTES) != 0)
			continue;
		t->fetch = k->fetch;
		*k = p->tickets[--p->n_tickets]; /* it is good once */
		t->blob = p->carries->cache ? cache_find(p->carries->cache, &t->fetch.blob) : NULL;
		if (t->blob)
			t->blob->users++;
		t->file = t->blob && t->blob->here ? cache_blob_open(p->carries->cache, t->blob)
						   : FD_NONE;
		if (t->file < 0) {
			transfer_fail(t, -ENOENT);
			return true;
		}
		memcpy(t->cipher.key, t->fetch.key, sizeof(t->cipher.key));
		t->state = TRANSFER_SENDING;
		t->at = t->n = 0;
		patience(t, PEERS_SILENCE_MS);
		watch(t, EV_WRITE, on_sending);
		return true;
	}
	return false;
}

static void on_ticket(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct transfer *t = w->data;
	ssize_t n = recv(t->fd, t->buf + t->at, PEERS_TICKET_BYTES - t->at, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		transfer_free(t);
		return;
	}
	t->at += (size_t)n;
	if (t->at < PEERS_TICKET_BYTES)
		return;
	ev_io_stop(loop, w);
	t->state = TRANSFER_WAITING;
	(void)admit(t);
}

static struct transfer *transfer_new(struct peers *p, int fd, enum transfer_state state)
{
	struct transfer *t = p->n < PEERS_MAX ? calloc(1, sizeof(*t)) : NULL;

	if (!t) {
		fd_close(fd);
		return NULL;
	}
	t->all = p;
	t->state = state;
	t->fd = fd;
	t->file = FD_NONE;
	t->next = p->list;
	p->list = t;
	p->n++;
	ev_timer_init(&t->timer, on_silence, 0., 0.);
	t->timer.data = t;
	patience(t, PEERS_CONNECT_MS);
	return t;
}

static void on_accept(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct peers *p = w->data;
	int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct transfer *t = fd < 0 ? NULL : transfer_new(p, fd, TRANSFER_TICKET);

	if (t)
		watch(t, EV_READ, on_ticket);
}

int peers_serve(struct peers *p, const struct message_fetch *f)
{
	uint64_t now = clock_ms();
	struct transfer *next;
	struct ticket *k;

	for (size_t i = p->n_tickets; i-- > 0;) {
		if (p->tickets[i].until_ms < now)
			p->tickets[i] = p->tickets[--p->n_tickets];
	}
	if (!p->loop || p->n_tickets == PEERS_TICKETS_MAX)
		return 0; /* who comes is turned away, and goes elsewhere */
	k = &p->tickets[p->n_tickets++];
	k->fetch = *f;
	k->until_ms = now + PEERS_TICKET_MS;
	ticket_name(f, k->name);
	for (struct transfer *t = p->list; t; t = next) {
		next = t->next;
		if (t->state == TRANSFER_WAITING && admit(t))
			break;
	}
	return 0;
}

/* A whole frame is there. Return: 1 when it was the last one; 0; negative errno. */
static int take_frame(struct transfer *t)
{
	struct carries *cs = t->all->carries;
	size_t n = t->n - CIPHER_TAG_BYTES, room;
	uint8_t *to = cache_room(t->blob, &room);
	int r;

	if (room < n)
		return -EPROTO;
	r = cipher_open(&t->cipher, NULL, 0, t->buf, n, t->buf + n);
	if (r < 0)
		return r;
	memcpy(to, t->buf, n);
	r = cache_filled(cs->cache, t->blob, n);
	if (r < 0)
		return r;
	t->at = 0;
	t->n = (size_t)MIN(t->blob->bytes - t->blob->filled, (uint64_t)FILE_HASH_CHUNK) +
	       CIPHER_TAG_BYTES;
	return r;
}

static void fetched(struct transfer *t)
{
	struct carries *cs = t->all->carries;
	struct cache_blob *b = t->blob;
	struct message_blob id = t->fetch.blob;
	char from[IP_STR_MAX];

	log_debug("got %llu bytes of a program from %s", (unsigned long long)b->bytes,
		  ip_format(&t->fetch.address, from));
	carries_settle(cs, b, 0, "");
	transfer_free(t);
	carries_say(cs, &id, 0);
}

static void on_receiving(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct transfer *t = w->data;

	for (int turns = 0; turns < 16; turns++) {
		ssize_t n = recv(t->fd, t->buf + t->at, t->n - t->at, MSG_DONTWAIT);
		int r = 0;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			transfer_fail(t, n < 0 ? -errno : -ECONNRESET);
			return;
		}
		t->at += (size_t)n;
		patience(t, PEERS_SILENCE_MS);
		if (t->at == t->n)
			r = take_frame(t);
		if (r < 0) {
			transfer_fail(t, r);
			return;
		}
		if (r > 0) {
			fetched(t);
			return;
		}
	}
}

static void on_connected(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct transfer *t = w->data;
	uint8_t name[PEERS_TICKET_BYTES];
	socklen_t size = sizeof(int);
	int err = 0;

	if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
		err = errno;
	ticket_name(&t->fetch, name);
	if (err == 0 && send(t->fd, name, sizeof(name), MSG_NOSIGNAL) != (ssize_t)sizeof(name))
		err = EIO;
	if (err != 0) {
		transfer_fail(t, -err);
		return;
	}
	t->state = TRANSFER_RECEIVING;
	t->at = 0;
	t->n = (size_t)MIN(t->blob->bytes, (uint64_t)FILE_HASH_CHUNK) + CIPHER_TAG_BYTES;
	patience(t, PEERS_SILENCE_MS);
	watch(t, EV_READ, on_receiving);
}

int peers_fetch(struct peers *p, const struct message_fetch *f)
{
	struct cache_blob *b = p->carries->cache ? cache_find(p->carries->cache, &f->blob) : NULL;
	union ip_sock to = ip_sock(&f->address, f->port);
	struct transfer *t;
	int fd, e;

	if (!b || b->here || !p->loop) {
		carries_say(p->carries, &f->blob, !b ? ECANCELED : b->here ? 0 : EOPNOTSUPP);
		return 0;
	}
	fd = socket(to.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	t = fd < 0 ? NULL : transfer_new(p, fd, TRANSFER_CONNECTING);
	e = cache_rewind(b);
	if (!t || e < 0) {
		if (t)
			transfer_free(t);
		carries_say(p->carries, &f->blob, EAGAIN);
		return 0;
	}
	t->fetch = *f;
	t->blob = b;
	b->users++;
	memcpy(t->cipher.key, f->key, sizeof(t->cipher.key));
	if (connect(fd, &to.sa, ip_sock_bytes(&to)) < 0 && errno != EINPROGRESS)
		transfer_fail(t, -errno);
	else
		watch(t, EV_WRITE, on_connected);
	return 0;
}

int peers_open(struct peers *p, struct ev_loop *loop, const struct ipaddr *at, uint16_t *ret_port)
{
	_cleanup_close_ int fd = FD_NONE;
	union ip_sock own;
	socklen_t n = sizeof(own);
	int r;

	peers_close(p);
	r = ip_bind(at, 0, SOCK_STREAM, &fd);
	if (r == 0 && (listen(fd, BACKLOG) < 0 || getsockname(fd, &own.sa, &n) < 0))
		r = -errno;
	if (r == 0)
		r = fd_set_nonblock(fd, 1);
	if (r < 0)
		return r;
	p->loop = loop;
	p->fd = TAKE_FD(fd);
	ev_io_init(&p->listening, on_accept, p->fd, EV_READ);
	p->listening.data = p;
	ev_io_start(loop, &p->listening);
	*ret_port = ip_sock_port(&own);
	return 0;
}

void peers_close(struct peers *p)
{
	if (!p->loop)
		return;
	while (p->list)
		transfer_free(p->list);
	ev_io_stop(p->loop, &p->listening);
	p->fd = fd_close(p->fd);
	sodium_memzero(p->tickets, sizeof(p->tickets));
	p->n_tickets = 0;
	p->loop = NULL;
}

/*
 * peers.c - files of programs from node to node
 *
 * The receiver sends its ticket, and which ways of hiding it knows; the sender says which one it
 * takes. Then nothing but chunks of the file come, each with its tag where the way has one; number
 * and sizes follow from the size of the file. A receiver whose ticket is not known yet waits for
 * it, since the two nodes hear of each other over different connections.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "space/aes_ctr.h"
#include "space/carry.h"

#define BACKLOG	    64
#define FRAME_BYTES (FILE_HASH_CHUNK + CIPHER_TAG_BYTES)
#define HELLO_BYTES (PEERS_TICKET_BYTES + 1)

_Static_assert(MESSAGE_FILE_MAX / AES_CTR_BLOCK <= UINT32_MAX, "no block's number comes twice");

/* How a file is hidden on its way: bits of what a receiver knows. Every one knows the first. */
enum { WAY_SEALED = 0, WAY_AES_CTR = 1 };

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
	uint8_t way;
	bool agreed; /* the sender has said the way */
	struct cipher cipher;
	struct aes_ctr ctr;
	uint64_t end_ms; /* when it has to be over: nobody holds others up for long */
	uint64_t done; /* bytes of the file */
	uint8_t buf[FRAME_BYTES];
	size_t at, n; /* of a frame: sent or received, that are there or to come */
};

static void ticket_name(const struct message_fetch *f, uint8_t ret[static PEERS_TICKET_BYTES])
{
	static const uint8_t label[] = "bpboot ticket";

	crypto_generichash(ret, PEERS_TICKET_BYTES, label, sizeof(label), f->key, sizeof(f->key));
}

static void ticket_drop(struct peers *p, struct ticket *k)
{
	struct ticket *last = &p->tickets[--p->n_tickets];

	*k = *last;
	sodium_memzero(last, sizeof(*last));
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
	sodium_memzero(&t->ctr, sizeof(t->ctr));
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

/* The file begins. */
static void begin(struct transfer *t)
{
	t->end_ms = clock_ms() + PEERS_SILENCE_MS + t->blob->bytes / PEERS_BYTES_MS;
	patience(t, PEERS_SILENCE_MS);
}

static int check_end(const struct transfer *t)
{
	return clock_ms() > t->end_ms ? -ETIMEDOUT : 0;
}

static void watch(struct transfer *t, int events, void (*cb)(struct ev_loop *, struct ev_io *, int))
{
	ev_io_stop(t->all->loop, &t->io);
	ev_io_init(&t->io, cb, t->fd, events);
	t->io.data = t;
	ev_io_start(t->all->loop, &t->io);
}

static size_t tag_bytes(const struct transfer *t)
{
	return t->way == WAY_AES_CTR ? 0 : CIPHER_TAG_BYTES;
}

static void take_key(struct transfer *t)
{
	if (t->way == WAY_AES_CTR)
		aes_ctr_init(&t->ctr, t->fetch.key);
	else
		memcpy(t->cipher.key, t->fetch.key, sizeof(t->cipher.key));
}

/* Seal the next chunk. Return: 0 or negative errno. */
static int next_frame(struct transfer *t)
{
	size_t n = (size_t)MIN(t->blob->bytes - t->done, (uint64_t)FILE_HASH_CHUNK), got;
	int r = fd_read_full(t->file, t->buf, n, &got);

	if (r < 0 || got < n)
		return r < 0 ? r : -EIO;
	if (t->way == WAY_AES_CTR)
		aes_ctr(&t->ctr, (uint32_t)(t->done / AES_CTR_BLOCK), t->buf, n);
	else
		cipher_seal(&t->cipher, NULL, 0, t->buf, n, t->buf + n);
	t->done += n;
	t->at = 0;
	t->n = n + tag_bytes(t);
	return 0;
}

static void on_sending(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct transfer *t = w->data;
	int r = check_end(t);

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
		ticket_drop(p, k); /* it is good once */
		t->blob = p->carries->cache ? cache_find(p->carries->cache, &t->fetch.blob) : NULL;
		if (t->blob)
			t->blob->users++;
		t->file = t->blob && t->blob->here ? cache_blob_open(p->carries->cache, t->blob)
						   : FD_NONE;
		t->way = t->buf[PEERS_TICKET_BYTES] & WAY_AES_CTR && aes_ctr_known() ? WAY_AES_CTR
										     : WAY_SEALED;
		if (t->file < 0 || send(t->fd, &t->way, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
			transfer_fail(t, -ENOENT);
			return true;
		}
		take_key(t);
		t->state = TRANSFER_SENDING;
		t->at = t->n = 0;
		begin(t);
		watch(t, EV_WRITE, on_sending);
		return true;
	}
	return false;
}

static void on_ticket(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct transfer *t = w->data;
	ssize_t n = recv(t->fd, t->buf + t->at, HELLO_BYTES - t->at, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		transfer_free(t);
		return;
	}
	t->at += (size_t)n;
	if (t->at < HELLO_BYTES)
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
			ticket_drop(p, &p->tickets[i]);
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

static void expect_chunk(struct transfer *t)
{
	t->at = 0;
	t->n = (size_t)MIN(t->blob->bytes - t->blob->filled, (uint64_t)FILE_HASH_CHUNK) +
	       tag_bytes(t);
}

/* Receive what belongs to the frame: the chunk to where it stays, its tag to the buffer. */
static ssize_t receive(struct transfer *t)
{
	size_t n = t->n - tag_bytes(t), room;
	uint8_t *to = cache_room(t->blob, &room);
	struct iovec parts[2];
	struct msghdr msg = { .msg_iov = parts };

	if (!t->agreed)
		return recv(t->fd, &t->way, 1, MSG_DONTWAIT);
	if (room < n) {
		errno = EPROTO;
		return -1;
	}
	if (t->at < n)
		parts[msg.msg_iovlen++] = (struct iovec){ to + t->at, n - t->at };
	if (t->n > n) {
		size_t tag = t->at > n ? t->at - n : 0;

		parts[msg.msg_iovlen++] = (struct iovec){ t->buf + tag, t->n - n - tag };
	}
	return recvmsg(t->fd, &msg, MSG_DONTWAIT);
}

/* A whole frame is there. Return: 1 when it was the last one; 0; negative errno. */
static int take_frame(struct transfer *t)
{
	size_t n = t->n - tag_bytes(t), room;
	uint8_t *text = cache_room(t->blob, &room);
	int r = 0;

	if (t->way == WAY_AES_CTR)
		aes_ctr(&t->ctr, (uint32_t)(t->blob->filled / AES_CTR_BLOCK), text, n);
	else
		r = cipher_open(&t->cipher, NULL, 0, text, n, t->buf);
	if (r == 0)
		r = cache_filled(t->all->carries->cache, t->blob, n);
	if (r == 0)
		expect_chunk(t);
	return r;
}

/* More came. Return: 1 when all has; 0; negative errno. */
static int received(struct transfer *t, size_t n)
{
	if (t->agreed) {
		t->at += n;
		return t->at == t->n ? take_frame(t) : 0;
	}
	if (t->way != WAY_SEALED && (t->way != WAY_AES_CTR || !aes_ctr_known()))
		return -EPROTO;
	t->agreed = true;
	take_key(t);
	expect_chunk(t);
	return 0;
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
		ssize_t n = receive(t);
		int r;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			transfer_fail(t, n < 0 ? -errno : -ECONNRESET);
			return;
		}
		patience(t, PEERS_SILENCE_MS);
		r = check_end(t);
		r = r == 0 ? received(t, (size_t)n) : r;
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
	uint8_t hello[HELLO_BYTES];
	socklen_t size = sizeof(int);
	int err = 0;

	if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
		err = errno;
	ticket_name(&t->fetch, hello);
	hello[PEERS_TICKET_BYTES] = aes_ctr_known() ? WAY_AES_CTR : WAY_SEALED;
	if (err == 0 && send(t->fd, hello, sizeof(hello), MSG_NOSIGNAL) != (ssize_t)sizeof(hello))
		err = EIO;
	if (err != 0) {
		transfer_fail(t, -err);
		return;
	}
	t->state = TRANSFER_RECEIVING;
	begin(t);
	watch(t, EV_READ, on_receiving);
}

int peers_fetch(struct peers *p, const struct message_fetch *f)
{
	struct cache_blob *b = p->carries->cache ? cache_find(p->carries->cache, &f->blob) : NULL;
	struct ipaddr at = f->address;
	union ip_sock to;
	struct transfer *t;
	int fd, e;

	if (!b || b->here || !p->loop) {
		carries_say(p->carries, &f->blob, !b ? ECANCELED : b->here ? 0 : EOPNOTSUPP);
		return 0;
	}
	if (at.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&at.v6))
		at.scope = p->scope;
	to = ip_sock(&at, f->port);
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
	p->scope = at->scope;
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

/*
 * stream.c - messages over a connected socket, in an event loop
 *
 * The output queue is one buffer: a message is copied (and sealed) straight behind what waits, and
 * one send() takes as much as the socket does. Sealing in the queue means that a frame's nonce is
 * fixed when it is queued, in order.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/reader.h"
#include "base/writer.h"
#include "space/stream.h"

#define COMPACT_BYTES 65536u /* sent bytes at the front of the queue that are worth a memmove */

static void on_closing(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct stream *s = w->data;

	ev_timer_stop(loop, w);
	s->calls->close(s, s->err, s->why); /* s may be gone now */
}

void stream_fail(struct stream *s, int err, const char *why)
{
	if (s->over)
		return;
	s->over = true;
	s->err = err;
	s->why = why;
	ev_io_stop(s->loop, &s->readable);
	ev_io_stop(s->loop, &s->writable);
	ev_timer_stop(s->loop, &s->more);
	ev_timer_start(s->loop, &s->closing);
}

size_t stream_queued(const struct stream *s)
{
	return s->out.len - s->out_done;
}

/* Send bytes with the descriptor that goes with the first of them. */
static ssize_t send_with_fd(struct stream *s, const void *p, size_t n)
{
	struct iovec data = { (void *)(uintptr_t)p, n };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr msg = { .msg_iov = &data,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ssize_t r;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &s->pass, sizeof(int));
	r = sendmsg(s->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (r > 0)
		s->pass = fd_close(s->pass);
	return r;
}

static ssize_t send_some(struct stream *s)
{
	const uint8_t *p = s->out.data + s->out_done;
	size_t n = stream_queued(s);

	if (s->pass >= 0 && s->pass_at == s->out_done)
		return send_with_fd(s, p, n);
	if (s->pass >= 0)
		n = s->pass_at - s->out_done;
	return send(s->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void stream_flush(struct stream *s)
{
	while (!s->over && stream_queued(s) > 0) {
		ssize_t n = send_some(s);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			stream_fail(s, -errno, NULL);
			return;
		}
		s->out_done += (size_t)n;
		s->sent_ms = clock_ms();
		if (s->total)
			*s->total -= (size_t)n;
	}
	if (s->out_done == s->out.len) {
		s->out.len = s->out_done = 0;
		if (s->out.cap > 4 * STREAM_READ_BYTES)
			buffer_clear(&s->out);
	} else if (s->out_done >= COMPACT_BYTES && s->out_done > s->out.len / 2) {
		buffer_consume(&s->out, s->out_done);
		s->pass_at -= s->pass >= 0 ? s->out_done : 0;
		s->out_done = 0;
	}
}

static void on_writable(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct stream *s = w->data;

	stream_flush(s);
	if (s->over)
		return;
	if (stream_queued(s) > 0) {
		ev_io_start(loop, w);
		return;
	}
	ev_io_stop(loop, w);
	s->draining = true;
	if (s->calls->drained)
		s->calls->drained(s);
	s->draining = false;
}

/*
 * Something was queued: it is sent when all that is ready now was handled, many messages at once.
 * The event is made, not waited for: a socket that takes nothing says so, and only then the loop
 * watches it, which is two system calls. What is queued because the queue was empty waits for the
 * loop, since others are to have their turn.
 */
static int queued(struct stream *s, int r)
{
	if (r < 0) {
		stream_fail(s, r, "its queue is full: it does not read");
		return r;
	}
	if (ev_is_active(&s->writable))
		return 0;
	s->sent_ms = clock_ms();
	if (s->draining)
		ev_io_start(s->loop, &s->writable);
	else
		ev_feed_event(s->loop, &s->writable, EV_WRITE);
	return 0;
}

int stream_send_raw(struct stream *s, const void *p, size_t n)
{
	int r;

	if (s->over)
		return -EPIPE;
	r = buffer_append(&s->out, p, n);
	if (r == 0 && s->total)
		*s->total += n;
	return queued(s, r);
}

int stream_send2(struct stream *s, const void *head, size_t head_n, const void *body, size_t body_n)
{
	size_t text = head_n + body_n, n = text + (s->sealed ? CIPHER_TAG_BYTES : 0);
	uint8_t length[STREAM_LENGTH_BYTES];
	struct writer w = WRITER(length, sizeof(length));
	uint8_t *at;
	int r;

	if (s->over)
		return -EPIPE;
	r = buffer_reserve(&s->out, sizeof(length) + n);
	if (r < 0)
		return queued(s, r);
	writer_be32(&w, (uint32_t)n);
	at = s->out.data + s->out.len;
	memcpy(at, length, sizeof(length));
	at += sizeof(length);
	memcpy(at, head, head_n);
	if (body_n > 0)
		memcpy(at + head_n, body, body_n);
	if (s->sealed)
		cipher_seal(&s->send, length, sizeof(length), at, text, at + text);
	s->out.len += sizeof(length) + n;
	if (s->total)
		*s->total += sizeof(length) + n;
	return queued(s, 0);
}

int stream_send(struct stream *s, const void *p, size_t n)
{
	return stream_send2(s, p, n, NULL, 0);
}

int stream_send_fd(struct stream *s, const void *p, size_t n, int fd)
{
	size_t at = s->out.len;
	int r = -EBUSY;

	if (s->pass < 0)
		r = stream_send(s, p, n);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	s->pass = fd;
	s->pass_at = at;
	return 0;
}

int stream_take_fd(struct stream *s)
{
	int fd = s->n_fds > 0 ? s->fds[0] : FD_NONE;

	if (s->n_fds > 0)
		memmove(s->fds, s->fds + 1, --s->n_fds * sizeof(int));
	return fd;
}

int stream_send_writer(struct stream *s, const struct writer *w)
{
	size_t n;
	int r = writer_end(w, &n);

	if (r < 0) {
		stream_fail(s, r, "a message of ours is too long");
		return r;
	}
	return stream_send(s, w->buf, n);
}

void stream_pause(struct stream *s)
{
	s->paused = true;
	ev_io_stop(s->loop, &s->readable);
}

/* Take one frame at @p. Return: bytes taken, 0 when more are needed, negative errno. */
static ssize_t take_frame(struct stream *s, uint8_t *p, size_t n)
{
	struct reader r = READER(p, n);
	size_t tag = s->sealed ? CIPHER_TAG_BYTES : 0, length = reader_be32(&r);
	int e;

	if (r.err)
		return 0;
	if (length < tag + 1 || length - tag > s->frame_max) {
		stream_fail(s, -EBADMSG, "a frame of an impossible length");
		return -EBADMSG;
	}
	if (r.left < length)
		return 0;
	if (s->sealed) {
		uint8_t *text = p + STREAM_LENGTH_BYTES;

		e = cipher_open(&s->receive, p, STREAM_LENGTH_BYTES, text, length - tag,
				text + length - tag);
		if (e < 0) {
			stream_fail(s, e, "a frame that is not authentic");
			return e;
		}
	}
	e = s->calls->message(s, p + STREAM_LENGTH_BYTES, length - tag);
	if (e < 0) {
		stream_fail(s, e, NULL);
		return e;
	}
	if (e == STREAM_AGAIN) {
		assert(!s->sealed);
		stream_pause(s);
		return 0;
	}
	return (ssize_t)(STREAM_LENGTH_BYTES + length);
}

/* Take what was read, up to a turn's messages. Leftover bytes stay for the next time. */
static void take_all(struct stream *s)
{
	size_t done = 0, taken = 0;
	ssize_t n = 1;

	ev_timer_stop(s->loop, &s->more);
	while (!s->over && !s->paused && n > 0 && done < s->in.len) {
		if (s->greeting) {
			n = s->calls->greeting(s, s->in.data + done, s->in.len - done);
			if (n < 0)
				stream_fail(s, (int)n, NULL);
		} else {
			n = take_frame(s, s->in.data + done, s->in.len - done);
		}
		if (n > 0)
			done += (size_t)n;
		if (++taken == STREAM_TURN && !s->over && !s->paused) {
			ev_timer_start(s->loop, &s->more);
			break;
		}
	}
	if (!s->over)
		buffer_consume(&s->in, done);
	if (s->in.len == 0 && s->in.cap > 4 * STREAM_READ_BYTES)
		buffer_clear(&s->in);
}

void stream_resume(struct stream *s)
{
	if (!s->paused || s->over)
		return;
	s->paused = false;
	ev_io_start(s->loop, &s->readable);
	take_all(s);
}

/*
 * Keep the descriptors that came. Of files in memory alone we know that closing them takes no time.
 * Return: 0, -E2BIG when there are more than anybody needs, -EBADMSG.
 */
static int keep_fds(struct stream *s, struct msghdr *msg)
{
	int r = msg->msg_flags & MSG_CTRUNC ? -E2BIG : 0, strays[STREAM_FDS_SENT];
	size_t n_strays = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n && n_strays < STREAM_FDS_SENT; i++) {
			bool memory;
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			memory = fcntl(fd, F_GET_SEALS) >= 0;
			if (memory && s->n_fds < STREAM_FDS_MAX) {
				s->fds[s->n_fds++] = fd;
				continue;
			}
			strays[n_strays++] = fd;
			r = memory ? -E2BIG : -EBADMSG;
		}
	}
	if (n_strays > 0)
		s->calls->strays(strays, n_strays);
	return r;
}

static ssize_t receive(struct stream *s, void *p, size_t n)
{
	struct iovec data = { p, n };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(STREAM_FDS_SENT * sizeof(int))];
	struct msghdr msg = { .msg_iov = &data,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t r;
	int e;

	if (!s->takes_fds)
		return recv(s->fd, p, n, MSG_DONTWAIT);
	r = recvmsg(s->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (r < 0)
		return r;
	e = keep_fds(s, &msg);
	if (e < 0) {
		errno = -e;
		return -1;
	}
	return r;
}

/* With the socket the kernel would close what was sent with bytes that nobody has read, and we
 * would wait for that. */
static void take_unread(struct stream *s)
{
	uint8_t rest[4096];
	ssize_t n;

	(void)shutdown(s->fd, SHUT_RD); /* no more comes; one that is gone already sends nothing */
	do
		n = receive(s, rest, sizeof(rest));
	while (n > 0 || (n < 0 && (errno == EBADMSG || errno == E2BIG || errno == EINTR)));
}

static void on_more(struct ev_loop *loop, struct ev_timer *w, int events)
{
	take_all(w->data);
}

static void on_readable(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct stream *s = w->data;
	ssize_t n;
	int r;

	if (ev_is_active(&s->more))
		return; /* what is here comes first */
	r = buffer_reserve(&s->in, STREAM_READ_BYTES);
	if (r < 0) {
		stream_fail(s, r, NULL);
		return;
	}
	n = receive(s, s->in.data + s->in.len, STREAM_READ_BYTES);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stream_fail(s, n < 0 ? -errno : 0,
			    n == 0 ? "the other side closed the connection"
			    : errno == EBADMSG || errno == E2BIG
				    ? "a descriptor that nobody asked for"
				    : NULL);
		return;
	}
	s->heard_ms = clock_ms();
	s->in.len += (size_t)n;
	take_all(s);
}

void stream_frame_max(struct stream *s, size_t bytes)
{
	s->frame_max = bytes;
	s->in.max = bytes + 2 * STREAM_READ_BYTES;
}

void stream_init(struct stream *s, struct ev_loop *loop, int fd, const struct stream_calls *calls,
		 void *owner, size_t frame_max)
{
	*s = (struct stream){
		.loop = loop,
		.calls = calls,
		.owner = owner,
		.fd = fd,
		.pass = FD_NONE,
		.in = BUFFER(frame_max + 2 * STREAM_READ_BYTES),
		.out = BUFFER(STREAM_QUEUE_MAX),
		.frame_max = frame_max,
		.heard_ms = clock_ms(),
		.sent_ms = clock_ms(),
	};
	ev_io_init(&s->readable, on_readable, fd, EV_READ);
	ev_io_init(&s->writable, on_writable, fd, EV_WRITE);
	ev_timer_init(&s->closing, on_closing, 0., 0.);
	ev_timer_init(&s->more, on_more, 0., 0.);
	ev_set_priority(&s->writable, EV_MINPRI); /* behind all that may have more to send */
	s->readable.data = s->writable.data = s->closing.data = s->more.data = s;
	ev_io_start(loop, &s->readable);
}

void stream_deinit(struct stream *s)
{
	if (!s->loop)
		return;
	ev_io_stop(s->loop, &s->readable);
	ev_io_stop(s->loop, &s->writable);
	ev_timer_stop(s->loop, &s->closing);
	ev_timer_stop(s->loop, &s->more);
	if (s->takes_fds)
		take_unread(s);
	s->fd = fd_close(s->fd);
	s->pass = fd_close(s->pass);
	while (s->n_fds > 0)
		fd_close(stream_take_fd(s));
	if (s->total)
		*s->total -= stream_queued(s);
	buffer_clear(&s->in);
	buffer_clear(&s->out);
	cipher_clear(&s->receive);
	cipher_clear(&s->send);
	s->loop = NULL;
}

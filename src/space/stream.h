/*
 * stream.h - messages over a connected socket, in an event loop
 *
 * Frames are a length of four bytes and that many bytes; with a cipher set they are sealed, and the
 * length is authenticated with them. Both queues have a maximum. Before frames there may be a
 * greeting of raw bytes, which the owner takes itself.
 *
 * An error never calls back from within a send: the stream is marked, its watchers stop, and
 * on_close comes from the event loop later, once. So an owner may send from anywhere, and frees the
 * stream in on_close only.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "space/cipher.h"

#define STREAM_LENGTH_BYTES 4
#define STREAM_READ_BYTES   65536u /* taken from the socket at once */
#define STREAM_TURN	    64u	   /* messages taken before others have their turn */
#define STREAM_FDS_MAX	    4u	   /* descriptors that came and are not taken */
#define STREAM_FDS_SENT	    253u   /* that the kernel passes with one send() (SCM_MAX_FD) */
#define STREAM_QUEUE_MAX \
	(64u << 20) /* bytes waiting for a peer; a peer that lets more pile up is cut off */

struct stream;

enum { STREAM_AGAIN = 1 };

struct stream_calls {
	/* A whole message; borrowed. Return: 0; negative errno with stream_fail() called or not: it
	 * ends the stream; STREAM_AGAIN: nothing more is read until stream_resume(), and this
	 * message comes again (not of a sealed stream, whose message is gone once it is opened). */
	int (*message)(struct stream *s, const uint8_t *p, size_t n);
	/* Raw bytes of a greeting. Return: bytes taken, 0 for more needed, negative errno. Only
	 * while s->greeting. */
	ssize_t (*greeting)(struct stream *s, const uint8_t *p, size_t n);
	/* Descriptors came that are no memory files that can be sealed, or are too many: to be
	 * closed, which may take as long as their sender likes. The stream fails. Only of one that
	 * takes any. */
	void (*strays)(const int *fds, size_t n);
	/* All that waited is sent; or NULL. */
	void (*drained)(struct stream *s);
	/* It is over: 0 when the peer closed in order, else why. The owner deinits it here. */
	void (*close)(struct stream *s, int err, const char *why);
};

struct stream {
	struct ev_loop *loop;
	const struct stream_calls *calls;
	void *owner;
	int fd; /* owned */
	struct ev_io readable, writable;
	struct ev_timer closing; /* fires at once when it is over */
	struct ev_timer more;	 /* fires at once when messages are left of a turn */
	struct buffer in, out;
	size_t out_done;	 /* bytes of @out that are sent */
	size_t *total;		 /* counts what waits in several streams; borrowed, or NULL */
	size_t frame_max;	 /* bytes of a message that the peer may send now */
	bool greeting;		 /* raw bytes come first */
	bool sealed;		 /* frames are sealed with the two below */
	bool over;		 /* failed or closed; close() is due or done */
	bool paused;		 /* nothing is read or taken */
	bool draining;		 /* its queue is empty, and its owner is being told */
	bool takes_fds;		 /* descriptors may come with messages (unix sockets) */
	int fds[STREAM_FDS_MAX]; /* that came and were not taken yet, oldest first; owned */
	size_t n_fds;
	int pass; /* descriptor that goes out with the byte at @pass_at of @out; owned */
	size_t pass_at;
	struct cipher receive, send;
	int err;	   /* why it is over */
	const char *why;   /* in words, static; or NULL */
	uint64_t heard_ms; /* clock_ms() of the last byte that came */
	uint64_t sent_ms;  /* of the last byte that the peer took, or the first one that waits */
};

/* Takes @fd, which is connected and nonblocking. */
void stream_init(struct stream *s, struct ev_loop *loop, int fd, const struct stream_calls *calls,
		 void *owner, size_t frame_max);
void stream_deinit(struct stream *s);

/* Read nothing more, and take nothing of what was read, until stream_resume(). */
void stream_pause(struct stream *s);

/* From now on the peer may send messages of up to @bytes. */
void stream_frame_max(struct stream *s, size_t bytes);

/* Go on after STREAM_AGAIN. */
void stream_resume(struct stream *s);

/* Queue raw bytes of a greeting. Return: 0, or negative errno; the stream has failed then. */
int stream_send_raw(struct stream *s, const void *p, size_t n);

/* Queue a message given in two pieces. Return: 0, or negative errno; the stream has failed then. */
int stream_send2(struct stream *s, const void *head, size_t head_n, const void *body,
		 size_t body_n);
int stream_send(struct stream *s, const void *p, size_t n);

/*
 * Queue a message with a descriptor, which is taken also on an error. Return: 0; -EBUSY while
 * another one waits, and nothing has failed; another errno, as above.
 */
int stream_send_fd(struct stream *s, const void *p, size_t n, int fd);

/* The oldest descriptor that came. Return: it, for the caller to close, or -EBADF. */
int stream_take_fd(struct stream *s);

/* Queue what a struct writer holds. */
struct writer;
int stream_send_writer(struct stream *s, const struct writer *w);

/* End the stream; @why is static text or NULL. close() follows from the loop. */
void stream_fail(struct stream *s, int err, const char *why);

/* Bytes that wait to be sent. */
size_t stream_queued(const struct stream *s);

/* Try to send what waits, without the loop; for the last words before a close. */
void stream_flush(struct stream *s);

/*
 * job.c - asking for one process on one node
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "lib/job.h"
#include "lib/lib.h"
#include "wire/message_resume.h"

#define GHOST_AT      5 /* where RUN says the pid of its ghost */
#define JOB_AGAIN_MAX 5 /* a start that a lost connection has undone is begun anew so often */

int job_order_write(struct buffer *to, const struct job_order *o)
{
	int r = buffer_append(to, o->socket, strlen(o->socket) + 1);

	for (int i = 0; r == 0 && i < 3; i++) {
		const struct job_stream *s = &o->streams[i];
		uint8_t row[8];
		struct writer w = WRITER(row, sizeof(row));

		writer_u8(&w, s->kind);
		writer_u8(&w, s->info);
		writer_bytes(&w, &s->at.sin_addr.s_addr, 4);
		writer_be16(&w, ntohs(s->at.sin_port));
		r = buffer_append(to, row, sizeof(row));
	}
	return r < 0 ? r : buffer_append(to, o->run, o->run_n);
}

int job_order_read(struct reader *r, struct job_order *ret)
{
	struct job_order o = { .socket = reader_cstr(r) };

	for (int i = 0; i < 3; i++) {
		struct job_stream *s = &o.streams[i];

		s->kind = reader_u8(r);
		s->info = reader_u8(r);
		s->at.sin_family = AF_INET;
		reader_copy(r, &s->at.sin_addr.s_addr, 4);
		s->at.sin_port = htons(reader_be16(r));
		if (s->kind >= JOB_KIND_MAX_)
			return -EBADMSG;
	}
	o.run_n = r->left;
	o.run = reader_bytes(r, r->left);
	if (r->err)
		return r->err;
	*ret = o;
	return 0;
}

int job_order_key(const struct job_order *o, struct message_key *ret, uint32_t *ret_node)
{
	struct reader r = READER(o->run, o->run_n);
	struct message_key k = { .index = 0 };
	uint32_t node;

	reader_skip(&r, GHOST_AT + 4);
	reader_copy(&r, k.random, sizeof(k.random));
	reader_skip(&r, 2); /* one node */
	node = reader_be32(&r);
	if (r.err)
		return r.err;
	*ret = k;
	*ret_node = node;
	return 0;
}

/* Where a program on the node would have connected to; the front end is where we are. */
static int stream_connect(const struct job_stream *s, int number)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = s->at;
	const int info[2] = { getpid(), number };

	if (fd < 0)
		return -errno;
	if (at.sin_addr.s_addr == 0)
		at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	if (s->info && send(fd, info, sizeof(info), MSG_NOSIGNAL) != sizeof(info))
		return -EPIPE;
	if (fd <= STDERR_FILENO) { /* one of the three is closed: stay out of their places */
		int high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		return high < 0 ? -errno : high;
	}
	return TAKE_FD(fd);
}

int job_streams_open(const struct job_stream streams[static 3], int ret[static 3])
{
	int fds[3] = { FD_NONE, FD_NONE, FD_NONE };

	for (int i = 0; i < 3; i++) {
		if (streams[i].kind != JOB_SOCKET)
			continue;
		fds[i] = stream_connect(&streams[i], i);
		if (fds[i] < 0) {
			int r = fds[i];

			for (int k = 0; k < i; k++)
				fd_close(fds[k]);
			return r;
		}
	}
	for (int i = 0; i < 3; i++)
		ret[i] = fds[i];
	return 0;
}

int job_streams_place(int fds[static 3])
{
	for (int i = 0; i < 3; i++) {
		if (fds[i] >= 0 && dup2(fds[i], i) < 0)
			return -errno;
		fds[i] = fd_close(fds[i]);
	}
	return 0;
}

static int say_run(struct caller *c, const struct job_order *o)
{
	_cleanup_buffer_ struct buffer run = BUFFER(MESSAGE_BYTES_MAX);
	struct writer ghost;
	int e = buffer_append(&run, o->run, o->run_n);

	if (e == 0 && run.len < GHOST_AT + 4)
		e = -EINVAL;
	if (e < 0)
		return e;
	ghost = WRITER(run.data + GHOST_AT, 4);
	writer_be32(&ghost, (uint32_t)getpid());
	return caller_send(c, run.data, run.len);
}

static int say_resume(struct caller *c, const struct job_order *o)
{
	struct message_resume x = { .pid = (uint32_t)getpid(), .window = MESSAGE_WINDOW };
	struct message_small m;
	int e = job_order_key(o, &x.at.key, &x.node);

	if (e < 0)
		return e;
	message_resume_write(message_begin(&m, MESSAGE_RESUME), &x);
	return caller_send(c, m.bytes, m.w.len);
}

/* bpmaster has gone: wait for it, and ask for what may run already. */
static int come_back(struct caller *c, const struct job_order *o)
{
	const struct timespec again = { .tv_nsec = 200000000 };
	uint64_t since_ms = clock_ms(), ended_ms = 0;
	int r;

	for (;;) {
		caller_close(c);
		r = caller_open(c, o->socket);
		if (r == 0)
			return say_resume(c, o);
		ended_ms = r != -ENOENT ? 0 : ended_ms ? ended_ms : clock_ms();
		if (clock_ms() - since_ms > JOB_AWAY_MS ||
		    (ended_ms != 0 && clock_ms() - ended_ms > JOB_ENDED_MS))
			return r;
		(void)nanosleep(&again, NULL);
	}
}

/* Take one answer. Return: 0 when it runs, 1 when another one is to come, or negative errno. */
static int take_answer(struct caller *c, const struct job_order *o, unsigned *again)
{
	struct reader r = READER(c->in.data, c->in.len);
	struct message_resumed resumed;
	struct message_started started;
	struct message_failed failed;
	int e;

	switch (reader_u8(&r)) {
	case MESSAGE_STARTED:
		return message_started_read(&r, &started);
	case MESSAGE_SUSPENDED:
		e = say_resume(c, o);
		return e < 0 ? e : 1;
	case MESSAGE_RESUMED:
		e = message_resumed_read(&r, &resumed);
		return e < 0 ? e : resumed.flags & MESSAGE_HAS_STARTED ? 0 : 1;
	case MESSAGE_FAILED:
		e = message_failed_read(&r, &failed);
		break;
	default:
		return -EPROTO;
	}
	if (e < 0)
		return e;
	if (failed.how == MESSAGE_LOST && failed.error == ESTALE && (*again)++ < JOB_AGAIN_MAX) {
		e = say_run(c, o); /* it never got there */
		return e < 0 ? e : 1;
	}
	if (failed.how == MESSAGE_LOST)
		return -BE_SLAVEDIED;
	return failed.error > 0 && failed.error < BE_BASE ? -(int)failed.error : -EIO;
}

static bool is_lost(int e)
{
	return e == -ECONNRESET || e == -EPIPE;
}

int job_begin(struct caller *c, const struct job_order *o)
{
	unsigned again = 0;
	int e = say_run(c, o);

	for (;;) {
		if (e >= 0)
			e = caller_receive(c);
		if (e >= 0)
			e = take_answer(c, o, &again);
		if (is_lost(e) && again++ < JOB_AGAIN_MAX)
			e = come_back(c, o);
		else if (e <= 0)
			return e;
	}
}

/*
 * job.c - asking for one process on one node
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "lib/job.h"
#include "lib/lib.h"

#define GHOST_AT 5 /* where RUN says the pid of its ghost */

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

int job_begin(struct caller *c, const struct job_order *o)
{
	struct message_started started;
	struct message_failed failed;
	_cleanup_buffer_ struct buffer run = BUFFER(MESSAGE_BYTES_MAX);
	struct reader r;
	struct writer ghost;
	uint8_t type;
	int e = buffer_append(&run, o->run, o->run_n);

	if (e == 0 && run.len < GHOST_AT + 4)
		e = -EINVAL;
	if (e < 0)
		return e;
	ghost = WRITER(run.data + GHOST_AT, 4);
	writer_be32(&ghost, (uint32_t)getpid());
	e = caller_send(c, run.data, run.len);
	if (e == 0)
		e = caller_receive(c);
	if (e < 0)
		return e;
	r = READER(c->in.data, c->in.len);
	type = reader_u8(&r);
	if (type == MESSAGE_STARTED)
		return message_started_read(&r, &started);
	if (type != MESSAGE_FAILED || message_failed_read(&r, &failed) < 0)
		return -EPROTO;
	if (failed.how == MESSAGE_LOST)
		return -BE_SLAVEDIED;
	return failed.error > 0 && failed.error < BE_BASE ? -(int)failed.error : -EIO;
}

/*
 * output.c - what many processes write, onto one descriptor
 *
 * A descriptor is shared with others (the shell, a pipe's other writers), so it is never made
 * nonblocking: a pipe or terminal is opened anew through /proc, which makes an open file
 * description of our own; a socket is sent to with MSG_DONTWAIT; a regular file just blocks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "space/output.h"

#define PREFIX_MAX 16

static void on_writable(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct output *o = w->data;

	output_pump(o);
	o->moved(o->owner);
}

static void open_own(struct output *o, int fd)
{
	char path[40];
	struct stat st;
	int own;

	o->fd = fd;
	if (fstat(fd, &st) < 0 || S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return;
	if (S_ISSOCK(st.st_mode)) {
		o->polls = true;
		return;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return; /* not ours to open: writes block */
	o->fd = own;
	o->own_fd = o->polls = true;
}

int output_init(struct output *o, struct ev_loop *loop, int fd, size_t n)
{
	*o = (struct output){
		.loop = loop, .holder = -1, .only = -1, .queue = BUFFER(4 * OUTPUT_QUEUE_MAX)
	};
	o->sources = calloc(n, sizeof(struct output_source *));
	if (!o->sources)
		return -ENOMEM;
	o->n_sources = n;
	open_own(o, fd);
	ev_io_init(&o->writable, on_writable, o->fd, EV_WRITE);
	o->writable.data = o;
	return 0;
}

void output_deinit(struct output *o)
{
	if (!o->loop)
		return;
	ev_io_stop(o->loop, &o->writable);
	if (o->own_fd)
		o->fd = fd_close(o->fd);
	buffer_clear(&o->queue);
	free(o->sources);
	o->sources = NULL;
	o->loop = NULL;
}

static size_t queued(const struct output *o)
{
	return o->queue.len - o->sent;
}

static ssize_t write_some(const struct output *o)
{
	const uint8_t *p = o->queue.data + o->sent;
	ssize_t n = o->own_fd || !o->polls ? write(o->fd, p, queued(o))
					   : send(o->fd, p, queued(o), MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

/* Write until all is out or the descriptor takes no more. Return: true when all is out. */
static bool flush(struct output *o)
{
	while (queued(o) > 0 && o->err == 0) {
		ssize_t n = write_some(o);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN) {
			ev_io_start(o->loop, &o->writable);
			return false;
		}
		if (n < 0) {
			o->err = (int)n;
			break;
		}
		o->sent += (size_t)n;
	}
	o->queue.len = o->sent = 0;
	ev_io_stop(o->loop, &o->writable);
	return true;
}

static void put(struct output *o, const void *p, size_t n)
{
	size_t at = o->queue.len;

	if (buffer_append(&o->queue, p, n) < 0) {
		o->err = -ENOMEM;
		return;
	}
	for (; o->printable && at < o->queue.len; at++) {
		uint8_t *c = &o->queue.data[at];

		if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
			*c = '?';
	}
}

/* Let out @n bytes of a source, prefixing each line that begins in them. */
static void let_out(struct output *o, size_t i, size_t n)
{
	struct output_source *s = o->sources[i];
	const uint8_t *p = s->text.data, *end = p + n;
	char prefix[PREFIX_MAX];

	snprintf(prefix, sizeof(prefix), "%u: ", s->node);
	if (o->take) {
		int r = o->take(o, i, p, n);

		o->err = o->err < 0 ? o->err : r;
		p = end;
	}
	while (p < end) {
		const uint8_t *newline = o->prefix ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		size_t part = newline ? (size_t)(newline + 1 - p) : (size_t)(end - p);

		if (o->prefix && !s->mid_line)
			put(o, prefix, strlen(prefix));
		put(o, p, part);
		s->mid_line = p[part - 1] != '\n';
		p += part;
	}
	buffer_consume(&s->text, n);
	s->let_out += (uint32_t)n;
	o->grant(o->owner, i, s->let_out);
}

/* How much of a source may go out now by the rules of lines. */
static size_t allowed(const struct output *o, const struct output_source *s)
{
	const uint8_t *newline;
	size_t n = MIN(s->text.len, (size_t)OUTPUT_QUEUE_MAX / 2); /* prefixes need room too */

	if (!o->by_line || n == 0)
		return n;
	newline = memrchr(s->text.data, '\n', n);
	if (newline)
		return (size_t)(newline + 1 - s->text.data);
	return s->ended || s->mid_line || n >= o->line_max || n < s->text.len ? n : 0;
}

/* One turn of one source. Return: true when something went out, or others may go on. */
static bool serve(struct output *o, size_t i)
{
	struct output_source *s = o->sources[i];
	ssize_t holder = o->holder;
	size_t n = allowed(o, s);

	if (n > 0)
		let_out(o, i, n);
	if (s->ended && s->text.len == 0 && s->mid_line && o->prefix) {
		put(o, "\n",
		    1); /* the last line lacks its end: the next prefix still begins a line */
		s->mid_line = false;
	}
	if (o->by_line)
		o->holder = s->mid_line && !(s->ended && s->text.len == 0) ? (ssize_t)i : -1;
	return n > 0 || o->holder != holder;
}

static bool may_serve(const struct output *o, size_t i)
{
	return (o->holder < 0 || o->holder == (ssize_t)i) && (o->only < 0 || o->only == (ssize_t)i);
}

void output_pump(struct output *o)
{
	size_t idle = 0;

	if (!flush(o))
		return;
	while (idle < o->n_sources && o->n_sources > 0) {
		size_t i = o->turn++ % o->n_sources;

		idle = may_serve(o, i) && serve(o, i) ? 0 : idle + 1;
		if (queued(o) >= OUTPUT_QUEUE_MAX / 2 && !flush(o))
			return;
	}
	(void)flush(o); /* what stays is written when the descriptor is ready */
}

void output_text(struct output *o, const char *text)
{
	put(o, text, strlen(text));
}

bool output_idle(const struct output *o)
{
	for (size_t i = 0; i < o->n_sources; i++) {
		if (o->sources[i]->text.len > 0)
			return false;
	}
	return queued(o) == 0;
}

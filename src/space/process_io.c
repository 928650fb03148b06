/*
 * process_io.c - the streams of a process: as far as there is credit, no further
 */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "space/process_internal.h"
#include "space/pty.h"
#include "space/spawn.h"

#define CREDIT_BYTES (MESSAGE_WINDOW / 4) /* consumed input that is worth a message */

void process_close_input(struct process *p)
{
	if (p->input_fd < 0)
		return;
	ev_io_stop(p->all->loop, &p->input);
	p->input_fd = fd_close(p->input_fd);
	buffer_clear(&p->waiting);
}

void process_close_output(struct process *p, int i)
{
	if (p->output_fd[i] < 0)
		return;
	ev_io_stop(p->all->loop, &p->output[i]);
	p->output_fd[i] = fd_close(p->output_fd[i]);
}

static void send_output(const struct process *p, int i, const uint8_t *bytes, size_t n)
{
	struct message_small head;

	message_output_write(message_begin(&head, MESSAGE_OUTPUT), p->job, (uint8_t)(i + 1));
	if (p->job != 0 && p->all->channel)
		(void)stream_send2(p->all->channel, head.bytes, head.w.len, bytes, n);
}

void process_send_again(struct process *p, int i, uint64_t place, bool end_known)
{
	const uint8_t *bytes;
	ssize_t n;

	for (; (n = journal_at(&p->sent[i], place, MESSAGE_DATA_MAX, &bytes)) > 0;
	     place += (uint64_t)n)
		send_output(p, i, bytes, (size_t)n);
	if (p->carried[i] && p->output_fd[i] < 0 && !end_known)
		send_output(p, i, NULL, 0);
}

void process_watch_output(struct process *p, int i)
{
	if (p->output_fd[i] >= 0 && p->credit[i] > 0 && !p->starting)
		ev_io_start(p->all->loop, &p->output[i]);
}

static void on_output(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct process *p = w->data;
	struct processes *ps = p->all;
	int i = w == &p->output[1];
	struct buffer *kept = &p->sent[i].bytes;
	size_t want = MIN((size_t)p->credit[i], (size_t)MESSAGE_DATA_MAX);
	ssize_t n;

	if (p->credit[i] == 0 || p->starting) {
		ev_io_stop(loop, w);
		return;
	}
	if ((ps->channel && stream_queued(ps->channel) > PROCESS_CHANNEL_HIGH) ||
	    buffer_reserve(kept, want) < 0) {
		ps->held = true;
		ev_io_stop(loop, w);
		return;
	}
	n = read(p->output_fd[i], kept->data + kept->len, want);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	n = MAX(n, (ssize_t)0); /* an error of a pipe is its end */
	p->credit[i] -= (uint32_t)n;
	send_output(p, i, kept->data + kept->len, (size_t)n);
	kept->len += (size_t)n;
	if (n == 0) {
		process_close_output(p, i);
		/* most often it ends when its output does: then the two are said together */
		if (!process_reap(p))
			process_settle(p);
	}
}

/* Grant what was written since the last grant, when it is worth it. */
static void grant_input(struct process *p)
{
	struct message_small m;

	if (p->eaten < CREDIT_BYTES || p->job == 0)
		return;
	message_credit_write(message_begin(&m, MESSAGE_INPUT_CREDIT), p->job, 0, p->eaten);
	process_tell(p, &m);
	p->eaten = 0;
}

static void on_input(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct process *p = w->data;
	ssize_t n = 1;

	while (p->waiting.len > 0) {
		n = write(p->input_fd, p->waiting.data, p->waiting.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		buffer_consume(&p->waiting, (size_t)n);
		p->eaten += (uint32_t)n;
	}
	if (n < 0 && errno != EAGAIN) {
		struct message_small m;

		process_close_input(p);
		if (p->abandoned)
			return;
		writer_be32(message_begin(&m, MESSAGE_INPUT_CLOSED), p->job);
		process_tell(p, &m);
		return;
	}
	grant_input(p);
	if (p->waiting.len > 0)
		return;
	ev_io_stop(loop, w);
	if (p->input_ended)
		process_close_input(p);
}

void process_io_init(struct process *p, const struct spawned *sp, uint32_t window)
{
	p->window = window;
	p->input_fd = sp->input;
	p->waiting = BUFFER(MESSAGE_WINDOW);
	ev_io_init(&p->input, on_input, p->input_fd, EV_WRITE);
	p->input.data = p;
	for (int i = 0; i < 2; i++) {
		p->output_fd[i] = sp->output[i];
		p->carried[i] = p->output_fd[i] >= 0;
		p->credit[i] = window;
		p->sent[i] = JOURNAL(MESSAGE_WINDOW + MESSAGE_DATA_MAX);
		ev_io_init(&p->output[i], on_output, p->output_fd[i], EV_READ);
		p->output[i].data = p;
	}
}

int processes_take_input(struct processes *ps, struct reader *r)
{
	struct process *p;
	uint32_t job, count;
	size_t n;
	int e = message_input_read(r, &job, &count);

	if (e < 0)
		return e;
	p = process_find(ps, job);
	n = r->left;
	if (!p || p->input_fd < 0 || p->input_ended)
		return 0; /* it has ended, or closed its input, while this was under way */
	if (n > MESSAGE_WINDOW - p->waiting.len - p->eaten)
		return -EPROTO;
	e = buffer_append(&p->waiting, reader_bytes(r, n), n);
	if (e < 0)
		return e;
	p->got += n;
	p->input_ended = n == 0;
	on_input(ps->loop, &p->input, EV_WRITE);
	if (p->input_fd >= 0 && p->waiting.len > 0)
		ev_io_start(ps->loop, &p->input);
	return 0;
}

int processes_take_credit(struct processes *ps, struct reader *r)
{
	uint32_t job, bytes;
	uint8_t stream;
	struct process *p;
	int e = message_output_credit_read(r, &job, &stream, &bytes), i;

	if (e < 0)
		return e;
	p = process_find(ps, job);
	if (!p)
		return 0;
	i = stream - 1;
	if (bytes > p->window - MIN(p->credit[i], p->window))
		return -EPROTO;
	p->credit[i] += bytes;
	journal_forget(&p->sent[i], journal_end(&p->sent[i]) + p->credit[i] - p->window);
	process_watch_output(p, i);
	return 0;
}

void processes_resume(struct processes *ps)
{
	if (!ps->held)
		return;
	ps->held = false;
	for (struct process *p = ps->list; p; p = p->next) {
		process_watch_output(p, 0);
		process_watch_output(p, 1);
	}
}

int processes_take_resize(struct processes *ps, struct reader *r)
{
	struct message_resize m;
	struct process *p;
	int e = message_resize_read(r, &m);

	if (e < 0)
		return e;
	p = process_find(ps, m.job);
	if (p && p->output_fd[0] >= 0)
		pty_resize(p->output_fd[0], m.rows, m.columns);
	return 0;
}

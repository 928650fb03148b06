/*
 * message_children.c - the codecs of what is said of processes that a job forks
 */
#include <errno.h>

#include "wire/message_children.h"
#include "wire/message_internal.h"

#define STATUS_MAX 0xffffu /* of wait() */

static void title_write(struct writer *w, const struct message_title *t)
{
	message_string_write(w, t->name, MESSAGE_COMM_MAX);
	message_string_write(w, t->args, MESSAGE_CHILD_ARGS_MAX);
}

static struct message_title title_read(struct reader *r)
{
	struct message_title t = { .name = message_string_read(r, MESSAGE_COMM_MAX, true) };

	t.args = message_string_read(r, MESSAGE_CHILD_ARGS_MAX, true);
	return t;
}

void message_fork_write(struct writer *w, const struct message_fork *m)
{
	writer_be32(w, m->job);
	writer_be32(w, m->token);
	title_write(w, &m->title);
}

int message_fork_read(struct reader *r, struct message_fork *ret)
{
	struct message_fork m = { .job = reader_be32(r) };
	int e;

	m.token = reader_be32(r);
	m.title = title_read(r);
	e = reader_end(r);
	if (e == 0 && m.token == 0)
		e = -EBADMSG;
	if (e == 0)
		*ret = m;
	return e;
}

void message_forked_write(struct writer *w, const struct message_forked *m)
{
	writer_be32(w, m->job);
	writer_be32(w, m->token);
	writer_be32(w, m->pid);
}

int message_forked_read(struct reader *r, struct message_forked *ret)
{
	struct message_forked m = { .job = reader_be32(r) };
	int e;

	m.token = reader_be32(r);
	m.pid = reader_be32(r);
	e = reader_end(r);
	if (e == 0 && (m.token == 0 || m.pid > INT32_MAX))
		e = -EBADMSG;
	if (e == 0)
		*ret = m;
	return e;
}

void message_child_write(struct writer *w, const struct message_child *m)
{
	writer_be32(w, m->job);
	writer_be32(w, m->pid);
	writer_u8(w, m->what);
	writer_be32(w, m->value);
	title_write(w, &m->title);
}

/* Whether the value is one that there is. */
static bool value_valid(const struct message_child *m)
{
	switch (m->what) {
	case MESSAGE_CHILD_STOPPED:
		return m->value >= 1 && m->value <= 64;
	case MESSAGE_CHILD_CONTINUED:
		return m->value <= 1;
	case MESSAGE_CHILD_ENDED:
		return m->value <= STATUS_MAX;
	default:
		return m->what < MESSAGE_CHILD_MAX_;
	}
}

int message_child_read(struct reader *r, struct message_child *ret)
{
	struct message_child m = { .job = reader_be32(r) };
	int e;

	m.pid = reader_be32(r);
	m.what = reader_u8(r);
	m.value = reader_be32(r);
	m.title = title_read(r);
	e = reader_end(r);
	if (e == 0 && !value_valid(&m))
		e = -EBADMSG;
	if (e == 0)
		*ret = m;
	return e;
}

void message_child_signal_write(struct writer *w, const struct message_child_signal *m)
{
	writer_be32(w, m->job);
	writer_be32(w, m->pid);
	writer_u8(w, m->signal);
}

int message_child_signal_read(struct reader *r, struct message_child_signal *ret)
{
	struct message_child_signal m = { .job = reader_be32(r) };
	int e;

	m.pid = reader_be32(r);
	m.signal = reader_u8(r);
	e = reader_end(r);
	if (e == 0 && (m.signal < 1 || m.signal > 64))
		e = -EBADMSG;
	if (e == 0)
		*ret = m;
	return e;
}

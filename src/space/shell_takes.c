/*
 * shell_takes.c - what bpsh is told of its processes
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "space/shell_internal.h"

void shell_raise(struct shell *s, int status)
{
	s->status = MAX(s->status, status);
}

/* A command that runs elsewhere than it was asked to may do harm: say it once, for all nodes. */
void shell_say_lacking(struct shell *s)
{
	_cleanup_buffer_ struct buffer text = BUFFER(NODESET_TEXT_MAX);
	bool raw = s->terminal.raw;

	if (s->lacking.n > 0) {
		terminal_restore(&s->terminal);
		log_warn(0, "node%s %s %s no directory '%s': running in '/'",
			 s->lacking.n == 1 ? "" : "s",
			 nodeset_format(&s->lacking, &text) < 0 ? "of this set" : buffer_str(&text),
			 s->lacking.n == 1 ? "has" : "have", s->cwd);
		if (raw)
			terminal_raw(&s->terminal);
	}
	nodeset_clear(&s->lacking);
}

void shell_settled(struct shell *s, struct remote *r)
{
	if (r->settled)
		return;
	r->settled = true;
	if (++s->n_settled == s->n)
		shell_say_lacking(s);
}

void shell_remote_over(struct shell *s, struct remote *r)
{
	struct message_small m;

	ghosts_ended(&s->ghosts, (uint32_t)(r - s->remotes), W_EXITCODE(SHELL_ABNORMAL, 0));
	shell_children_over(s, (uint32_t)(r - s->remotes));
	r->over = true;
	r->source[0].ended = r->source[1].ended = true;
	s->n_over++;
	if (s->n > 1) { /* its node may forget it; the last one's does when we go */
		message_input_write(message_begin(&m, MESSAGE_ABANDON),
				    (uint32_t)(r - s->remotes), 1);
		(void)stream_send_writer(&s->door, &m.w); /* a door that fails ends */
	}
	shell_settled(s, r);
	shell_input_update(s);
	shell_progress(s);
}

/* A message of a job that is none, or that we wait for no more. */
static int gone(const struct shell *s, uint32_t job)
{
	return job < s->n && s->remotes[job].abandoned ? 0 : -EPROTO;
}

/* The remote of a job number that the master names. Return: NULL when there is none, which is a
 * fault of the master. */
static struct remote *remote_of(struct shell *s, uint32_t job)
{
	return job < s->n && !s->remotes[job].over ? &s->remotes[job] : NULL;
}

static int take_started(void *owner, struct reader *r)
{
	struct shell *s = owner;
	struct message_started st;
	struct remote *re;
	int e = message_started_read(r, &st);

	if (e < 0)
		return e;
	re = remote_of(s, st.job);
	if (!re)
		return gone(s, st.job);
	if (st.cwd_missing)
		e = nodeset_add(&s->lacking, re->node);
	shell_settled(s, re);
	return e;
}

static int take_failed(void *owner, struct reader *r)
{
	struct shell *s = owner;
	struct message_failed f;
	struct remote *re;
	int e = message_failed_read(r, &f);

	if (e < 0)
		return e;
	re = remote_of(s, f.job);
	if (!re)
		return gone(s, f.job);
	if (shell_run_again(s, f.job, &f))
		return 0;
	terminal_restore(&s->terminal);
	if (f.how == MESSAGE_NOT_RUN || f.how == MESSAGE_NO_COMMAND) {
		log_err(0, "node %u: %s%s%s", re->node, f.words,
			f.error && f.error < 4096 ? ": " : "",
			f.error && f.error < 4096 ? strerror((int)f.error) : "");
		shell_raise(s, f.how == MESSAGE_NO_COMMAND ? SHELL_NOT_FOUND : SHELL_NOT_RUN);
	} else if (f.how == MESSAGE_LOST) {
		log_err(0, "node %u: %s", re->node, f.words);
		shell_raise(s, SHELL_ABNORMAL);
	} else {
		log_err(0, "%s", f.words);
		shell_raise(s, SHELL_NO_NODE);
	}
	shell_remote_over(s, re);
	return 0;
}

static int take_output(void *owner, struct reader *r)
{
	struct shell *s = owner;
	struct remote *re;
	uint32_t job;
	uint8_t stream;
	size_t n;
	int e = message_output_read(r, &job, &stream);

	if (e < 0)
		return e;
	re = remote_of(s, job);
	if (!re)
		return gone(s, job);
	n = r->left;
	re->received[stream - 1] += n;
	if (n == 0)
		re->source[stream - 1].ended = true;
	return buffer_append(&re->source[stream - 1].text, reader_bytes(r, n), n);
}

static int take_input_credit(void *owner, struct reader *r)
{
	struct shell *s = owner;
	uint32_t job, bytes;
	struct remote *re;
	int e = message_input_credit_read(r, &job, &bytes);

	if (e < 0)
		return e;
	re = remote_of(s, job);
	if (!re)
		return gone(s, job);
	if (bytes > MESSAGE_WINDOW - re->credit)
		return -EPROTO;
	shell_input_eaten(s, re, re->eaten + bytes);
	shell_input_update(s);
	return 0;
}

static int take_input_closed(void *owner, struct reader *r)
{
	struct shell *s = owner;
	uint32_t job = reader_be32(r);
	struct remote *re = remote_of(s, job);
	int e = reader_end(r);

	if (e < 0 || !re)
		return e < 0 ? -EPROTO : gone(s, job);
	re->input_closed = true;
	shell_input_update(s);
	return 0;
}

static void say_signal(struct shell *s, const struct remote *re, const struct message_exit *x)
{
	terminal_restore(&s->terminal);
	log_err(0, "node %u: ended by signal %u (%s)%s%s", re->node, x->signal,
		strsignal(x->signal), x->flags & MESSAGE_EXIT_CORE ? ", core dumped" : "",
		x->flags & MESSAGE_EXIT_NO_MEMORY ? ", for want of memory" : "");
}

static int take_exit(void *owner, struct reader *r)
{
	struct shell *s = owner;
	struct message_exit x;
	struct remote *re;
	bool alone;
	int e = message_exit_read(r, &x);

	if (e < 0)
		return e;
	re = remote_of(s, x.job);
	if (!re)
		return gone(s, x.job);
	alone = s->n == 1 && s->ghost.loop;
	if (x.signal && (!alone || x.flags & MESSAGE_EXIT_NO_MEMORY))
		say_signal(s, re, &x);
	if (x.signal && alone) {
		s->signal = x.signal;
		s->core = x.flags & MESSAGE_EXIT_CORE;
		shell_raise(s, SHELL_SIGNAL + x.signal); /* should it not end us */
	} else if (x.signal) {
		shell_raise(s, SHELL_ABNORMAL);
	} else {
		shell_raise(s, x.status);
	}
	if (s->options->time)
		fprintf(stderr, "node %u: real %.3f s, user %.3f s, sys %.3f s\n", re->node,
			(double)x.real_us / 1e6, (double)x.user_us / 1e6,
			(double)x.system_us / 1e6);
	ghosts_ended(&s->ghosts, x.job,
		     W_EXITCODE(x.status, x.signal) |
			     (x.flags & MESSAGE_EXIT_CORE ? WCOREFLAG : 0));
	shell_remote_over(s, re);
	return 0;
}

static int take_stopped(void *owner, struct reader *r)
{
	struct shell *s = owner;
	uint32_t job;
	uint8_t signal;
	int e = message_stopped_read(r, &job, &signal);

	if (e < 0 || !remote_of(s, job))
		return e < 0 ? -EPROTO : gone(s, job);
	if (s->n > 1)
		ghosts_stopped(&s->ghosts, job);
	else if (s->ghost.loop)
		ghost_stopped(&s->ghost);
	return 0;
}

static int take_continued(void *owner, struct reader *r)
{
	struct shell *s = owner;
	uint32_t job;
	bool asked;
	int e = message_continued_read(r, &job, &asked);

	if (e < 0 || !remote_of(s, job))
		return e < 0 ? -EPROTO : gone(s, job);
	if (s->n > 1)
		ghosts_continued(&s->ghosts, job, asked);
	else if (asked)
		ghost_answered(&s->ghost);
	return 0;
}

/* Every message that the master may send once the command is on its way. */
const struct message_take shell_takes[MESSAGE_TYPE_MAX_] = {
	[MESSAGE_STARTED] = { SHELL_UP, take_started },
	[MESSAGE_FAILED] = { SHELL_UP, take_failed },
	[MESSAGE_OUTPUT] = { SHELL_UP, take_output },
	[MESSAGE_INPUT_CREDIT] = { SHELL_UP, take_input_credit },
	[MESSAGE_INPUT_CLOSED] = { SHELL_UP, take_input_closed },
	[MESSAGE_EXIT] = { SHELL_UP, take_exit },
	[MESSAGE_STOPPED] = { SHELL_UP, take_stopped },
	[MESSAGE_SUSPENDED] = { SHELL_UP, shell_take_suspended },
	[MESSAGE_RESUMED] = { SHELL_UP, shell_take_resumed },
	[MESSAGE_DONE] = { SHELL_OPENING, shell_take_done },
	[MESSAGE_CONTINUED] = { SHELL_UP, take_continued },
	[MESSAGE_WANTED] = { SHELL_UP, shell_take_wanted },
	[MESSAGE_FORK] = { SHELL_UP, shell_take_fork },
	[MESSAGE_CHILD] = { SHELL_UP, shell_take_child },
};

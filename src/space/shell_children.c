/*
 * shell_children.c - ghosts of what the processes of a job fork (bpsh --ghosts=all)
 *
 * A process on a node that is about to fork waits until we have made a ghost, whose number its
 * child is to have. All such ghosts are children of ours, beside each other, whoever forked whom;
 * what they show follows what their processes become by execve(2). A signal to one waits
 * until its node has told that the process runs: bpmaster or the node may be away.
 */
#include <errno.h>
#include <sys/wait.h>

#include "base/log.h"
#include "space/shell_internal.h"
#include "wire/message_children.h"

int shell_children_open(struct shell *s)
{
	s->ghosts.made = shell_child_made;
	s->children = calloc(GHOSTS_MORE, sizeof(*s->children));
	return s->children ? 0 : -ENOMEM;
}

static uint32_t index_of(const struct shell *s, const struct shell_child *c)
{
	return (uint32_t)(s->ghosts.n + (size_t)(c - s->children));
}

static struct shell_child *child_of(struct shell *s, uint32_t job, uint32_t pid)
{
	for (size_t i = 0; s->children && i < GHOSTS_MORE; i++) {
		if (s->children[i].pid == pid && s->children[i].job == job && pid > 0)
			return &s->children[i];
	}
	return NULL;
}

/* Return: false when bpmaster has gone just now. */
static bool send_signal(struct shell *s, uint32_t job, uint32_t pid, int signal)
{
	const struct message_child_signal x = { .job = job, .pid = pid, .signal = (uint8_t)signal };
	struct message_small m;

	message_child_signal_write(message_begin(&m, MESSAGE_CHILD_SIGNAL), &x);
	return shell_door_takes(s, &m);
}

static void answer(struct shell *s, uint32_t job)
{
	const struct remote *r = &s->remotes[job];
	struct message_forked x = { .job = job, .token = r->fork_token, .pid = r->fork_pid };
	struct message_small m;

	if (s->state != SHELL_UP || !r->here || r->fork_pending)
		return; /* it is asked again */
	message_forked_write(message_begin(&m, MESSAGE_FORKED), &x);
	(void)stream_send_writer(&s->door, &m.w); /* a door that fails ends the shell */
}

/* Something is not as it was asked for: once is enough. */
static bool say_once(struct shell *s)
{
	bool first = !s->children_said;

	s->children_said = true;
	return first;
}

int shell_take_fork(void *shell, struct reader *r)
{
	struct shell *s = shell;
	struct message_fork m;
	struct remote *re;
	uint32_t index;
	int e = message_fork_read(r, &m);

	if (e < 0 || m.job >= s->n)
		return e < 0 ? e : -EPROTO;
	re = &s->remotes[m.job];
	if (re->over)
		return 0;
	if (m.token != re->fork_token) {
		re->fork_token = m.token;
		re->fork_pid = 0;
		e = s->children && s->ghosts.loop ? ghosts_more(&s->ghosts, re->node, m.title.name,
								m.title.args, &index)
						  : -EPIPE;
		re->fork_pending = e == 0;
		if (e == 0)
			s->children[index - s->ghosts.n] = (struct shell_child){ .job = m.job };
		else if (say_once(s))
			log_warn(0,
				 "node %u: not every process that is forked has a ghost here: %s",
				 re->node,
				 e == -EAGAIN ? "1024 are there at once"
					      : "what makes them has ended");
	}
	answer(s, m.job);
	return 0;
}

void shell_child_made(void *shell, uint32_t index, uint32_t pid)
{
	struct shell *s = shell;
	struct shell_child *c = &s->children[index - s->ghosts.n];
	struct remote *r = &s->remotes[c->job];

	c->pid = pid;
	c->seen = true;
	r->fork_pid = pid;
	r->fork_pending = false;
	if (pid == 0 && say_once(s))
		log_warn(0, "node %u: not every process that is forked has a ghost here: no more "
			    "can be made", r->node);
	if (r->over)
		ghosts_ended(&s->ghosts, index, 0);
	else
		answer(s, c->job);
}

void shell_child_signal(struct shell *s, uint32_t index, int signal)
{
	struct shell_child *c = &s->children[index - s->ghosts.n];

	if (s->remotes[c->job].over || c->pid == 0)
		return;
	if (!c->runs || !s->remotes[c->job].here ||
	    !send_signal(s, c->job, c->pid, signal))
		pending_add(&c->waiting, signal);
}

static void runs(struct shell *s, const struct message_child *m, struct shell_child *c)
{
	if (!c || !ghosts_has(&s->ghosts, index_of(s, c))) { /* it was killed meanwhile */
		(void)send_signal(s, m->job, m->pid, SIGKILL); /* it is told of again */
		return;
	}
	c->seen = c->runs = true;
	for (int signal = 1; signal <= PENDING_SIGNALS; signal++) {
		if (pending_has(c->waiting, signal) && send_signal(s, m->job, m->pid, signal))
			c->waiting &= ~pending_bit(signal);
	}
	if (m->value != m->pid && say_once(s))
		log_warn(0,
			 "node %u: the process of ghost %u has the number %u there: %u was taken",
			 s->remotes[m->job].node, m->pid, m->value, m->pid);
}

/* Those of which nothing was heard over this connection have ended. */
static void listed(struct shell *s, const struct message_child *m)
{
	const struct remote *r = &s->remotes[m->job];

	for (size_t i = 0; i < GHOSTS_MORE; i++) {
		struct shell_child *c = &s->children[i];
		bool waits = r->fork_token == m->value && r->fork_pid == c->pid;

		if (c->pid > 0 && c->job == m->job && !c->seen && !waits)
			ghosts_ended(&s->ghosts, index_of(s, c), W_EXITCODE(SHELL_ABNORMAL, 0));
	}
}

int shell_take_child(void *shell, struct reader *r)
{
	struct shell *s = shell;
	struct message_child m;
	struct shell_child *c;
	int e = message_child_read(r, &m);

	if (e < 0 || m.job >= s->n)
		return e < 0 ? e : -EPROTO;
	if (s->remotes[m.job].over || !s->children)
		return 0;
	c = child_of(s, m.job, m.pid);
	if (m.what == MESSAGE_CHILD_RUNS)
		runs(s, &m, c);
	else if (m.what == MESSAGE_CHILD_LISTED)
		listed(s, &m);
	if (!c)
		return 0;
	if (m.what == MESSAGE_CHILD_STOPPED)
		ghosts_stopped(&s->ghosts, index_of(s, c));
	else if (m.what == MESSAGE_CHILD_CONTINUED)
		ghosts_continued(&s->ghosts, index_of(s, c), m.value);
	else if (m.what == MESSAGE_CHILD_NAMED)
		ghosts_retitle(&s->ghosts, index_of(s, c), m.title.name, m.title.args);
	else if (m.what == MESSAGE_CHILD_ENDED || m.what == MESSAGE_CHILD_NONE)
		ghosts_ended(&s->ghosts, index_of(s, c), (int)m.value);
	return 0;
}

void shell_children_again(struct shell *s, uint32_t job)
{
	for (size_t i = 0; s->children && i < GHOSTS_MORE; i++) {
		struct shell_child *c = &s->children[i];

		if (c->pid == 0 || c->job != job)
			continue;
		c->seen = c->runs = false;
		ghosts_left(&s->ghosts, index_of(s, c));
	}
}

void shell_children_over(struct shell *s, uint32_t job)
{
	for (size_t i = 0; s->children && i < GHOSTS_MORE; i++) {
		struct shell_child *c = &s->children[i];

		if (c->pid > 0 && c->job == job)
			ghosts_ended(&s->ghosts, index_of(s, c), W_EXITCODE(SHELL_ABNORMAL, 0));
	}
}

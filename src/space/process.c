/*
 * process.c - the processes that bpslave runs for the master
 *
 * A process is over for the master (EXIT) when it has ended and both its output streams have: what
 * its children still write is not lost. Input that cannot be written yet is kept, never more than
 * was granted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "space/oom.h"
#include "space/process_internal.h"
#include "space/spawn.h"

void process_say(struct processes *ps, const struct message_small *m)
{
	if (ps->channel)
		(void)stream_send_writer(ps->channel, &m->w); /* a channel that fails is closed */
}

void process_tell(const struct process *p, const struct message_small *m)
{
	if (p->job != 0)
		process_say(p->all, m);
}

/* The last word of a process: kept until somebody has heard it. */
static void finish(struct process *p, const struct message_small *m)
{
	process_tell(p, m);
	p->last = malloc(m->w.len);
	p->last_n = p->last ? m->w.len : 0;
	if (p->last)
		memcpy(p->last, m->bytes, m->w.len);
}

static void process_free(struct process *p)
{
	struct processes *ps = p->all;

	for (struct process **at = &ps->list; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			break;
		}
	}
	ps->n--;
	process_close_input(p);
	process_close_output(p, 0);
	process_close_output(p, 1);
	ev_io_stop(ps->loop, &p->report);
	p->report_fd = fd_close(p->report_fd);
	buffer_clear(&p->report_text);
	carry_free(p->carry);
	follow_free(p->follow);
	journal_clear(&p->sent[0]);
	journal_clear(&p->sent[1]);
	free(p->last);
	free(p);
}

void process_failed(struct message_small *m, uint32_t job, enum message_how how, int error,
		    const char *words)
{
	struct message_failed f = {
		.job = job, .error = (uint32_t)error, .how = (uint8_t)how, .words = words
	};

	message_failed_write(message_begin(m, MESSAGE_FAILED), &f);
}

static void say_failed(struct processes *ps, uint32_t job, enum message_how how, int error,
		       const char *words)
{
	struct message_small m;

	process_failed(&m, job, how, error, words);
	process_say(ps, &m);
}

static uint8_t exit_flags(const struct process *p)
{
	if (!WIFSIGNALED(p->status))
		return 0;
	return (WCOREDUMP(p->status) ? MESSAGE_EXIT_CORE : 0) |
	       (p->starved && WTERMSIG(p->status) == SIGKILL ? MESSAGE_EXIT_NO_MEMORY : 0);
}

static void say_exit(struct process *p)
{
	struct message_small m;
	struct message_exit x = {
		.job = p->job,
		.status = WIFEXITED(p->status) ? (uint8_t)WEXITSTATUS(p->status) : 0,
		.signal = WIFSIGNALED(p->status) ? (uint8_t)WTERMSIG(p->status) : 0,
		.flags = exit_flags(p),
		.real_us = p->end_us - p->start_us,
		.user_us = (uint64_t)p->usage.ru_utime.tv_sec * 1000000 +
			   (uint64_t)p->usage.ru_utime.tv_usec,
		.system_us = (uint64_t)p->usage.ru_stime.tv_sec * 1000000 +
			     (uint64_t)p->usage.ru_stime.tv_usec,
		.maxrss_kib = (uint64_t)p->usage.ru_maxrss,
	};

	message_exit_write(message_begin(&m, MESSAGE_EXIT), &x);
	finish(p, &m);
}

void process_settle(struct process *p)
{
	if (!p->ended || p->starting)
		return;
	if (!p->abandoned && (p->output_fd[0] >= 0 || p->output_fd[1] >= 0))
		return;
	if (!p->last)
		say_exit(p); /* the master keeps an abandoned job until then */
	if (p->abandoned || !p->last)
		process_free(p);
}

void process_abandon(struct process *p)
{
	p->abandoned = true;
	if (!p->last) /* what it has left behind stays */
		process_signal(p, SIGKILL);
	follow_free(p->follow); /* but not of one that is followed */
	p->follow = NULL;
	process_close_input(p);
	process_close_output(p, 0);
	process_close_output(p, 1);
}

/* The child has told: it runs, or it cannot. */
void process_report_take(struct process *p)
{
	struct spawn_report rep;
	struct message_small m;
	struct message_started st = { .job = p->job, .pid = (uint32_t)p->number };

	ev_io_stop(p->all->loop, &p->report);
	p->report_fd = fd_close(p->report_fd);
	p->starting = false;
	carry_strings_done(p->carry);
	if (spawn_report_parse(p->report_text.data, p->report_text.len, &rep) < 0)
		rep = (struct spawn_report){ .error = EIO,
					     .words = "its start failed in an unknown way" };
	if (rep.error != 0) {
		process_failed(&m, p->job, rep.no_command ? MESSAGE_NO_COMMAND : MESSAGE_NOT_RUN,
			       (int)rep.error, rep.words);
		finish(p, &m);
		process_close_input(p);
		process_close_output(p, 0);
		process_close_output(p, 1);
		process_settle(p);
		return;
	}
	p->started = true;
	p->cwd_missing = rep.cwd_missing;
	if (!p->abandoned) {
		st.cwd_missing = rep.cwd_missing;
		message_started_write(message_begin(&m, MESSAGE_STARTED), &st);
		process_tell(p, &m);
		for (; p->continued > 0; p->continued--)
			process_continued(p, true);
		for (int i = 0; i < 2; i++) {
			if (p->output_fd[i] >= 0)
				ev_io_start(p->all->loop, &p->output[i]);
		}
	}
	process_settle(p);
}

/* Read the report as far as it is there. Return: true at its end. */
bool process_report_read(struct process *p)
{
	uint8_t data[512];

	for (;;) {
		ssize_t n = read(p->report_fd, data, sizeof(data));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0 || buffer_append(&p->report_text, data, (size_t)n) < 0)
			return true;
	}
}

static void on_report(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct process *p = w->data;

	if (process_report_read(p))
		process_report_take(p);
}

static void process_adopt(struct processes *ps, struct process *p, const struct spawned *sp,
			  uint32_t window)
{
	p->all = ps;
	p->pid = sp->pid;
	p->starting = true;
	p->start_us = clock_us();
	p->report_fd = sp->report;
	p->report_text = BUFFER(2 * SPAWN_REPORT_MAX);
	ev_io_init(&p->report, on_report, p->report_fd, EV_READ);
	p->report.data = p;
	process_io_init(p, sp, window);
	ev_io_start(ps->loop, &p->report);
	p->next = ps->list;
	ps->list = p;
	ps->n++;
}

static void on_starved(void *owner, pid_t pid)
{
	const struct processes *ps = owner;

	for (struct process *p = ps->list; p; p = p->next) {
		if (p->pid == pid && !p->ended)
			p->starved = true;
	}
}

int processes_take_start(struct processes *ps, struct reader *r)
{
	struct message_credentials who;
	struct message_spec spec;
	struct process *p = NULL;
	struct spawned sp;
	struct carry *carry = NULL;
	struct follow *follow = NULL;
	const int *gate = NULL;
	char words[MESSAGE_WORDS_MAX] = "the node cannot start a process";
	uint32_t job = reader_be32(r), ghost = reader_be32(r), rank = reader_be32(r);
	uint32_t number = ghost & ~MESSAGE_SEEN;
	struct message_key key;
	int e;

	message_key_read(r, &key);
	e = message_credentials_read(r, &who);
	if (e == 0)
		e = message_spec_read(r, &spec);
	if (e == -ENOMEM) {
		say_failed(ps, job, MESSAGE_NOT_RUN, ENOMEM, words);
		return 0;
	}
	if (e < 0)
		return e;
	if (ps->n >= PROCESSES_MAX) {
		say_failed(ps, job, MESSAGE_NOT_RUN, EAGAIN,
			   "too many processes of the space run on this node");
		goto out;
	}
	p = calloc(1, sizeof(*p));
	spec.rank = rank;
	e = p ? carry_new(&ps->carries, job, &spec, who.uid, &carry, words) : -ENOMEM;
	if (e == 0 && spec.flags & MESSAGE_FOLLOW)
		e = follow_new(&ps->realm, &follow, &gate);
	oom_look(on_starved, ps); /* one that is gone is not taken for the one that comes */
	if (e == 0)
		e = spawn(&ps->realm, (pid_t)number, &spec, &who, carry, gate, &sp);
	if (e < 0) {
		say_failed(ps, job, MESSAGE_NOT_RUN, -e, words);
		carry_free(carry);
		follow_free(follow);
		free(p);
		goto out;
	}
	if (carry)
		carry_spawned(carry);
	p->carry = carry;
	p->job = job;
	p->key = key;
	p->uid = who.uid;
	p->seen = ghost & MESSAGE_SEEN ? number : 0;
	p->number = sp.number;
	process_adopt(ps, p, &sp, spec.window);
	p->follow = follow;
	if (follow)
		follow_begin(follow, p);
out:
	message_spec_clear(&spec);
	return 0;
}

struct process *process_find(const struct processes *ps, uint32_t job)
{
	for (struct process *p = ps->list; p; p = p->next) {
		if (p->job == job && !p->abandoned)
			return p;
	}
	return NULL;
}

int processes_take_abandon(struct processes *ps, struct reader *r)
{
	uint32_t job, count;
	struct process *p;
	int e = message_input_read(r, &job, &count);

	if (e == 0)
		e = reader_end(r);
	if (e < 0)
		return e;
	p = process_find(ps, job);
	if (p) {
		process_abandon(p);
		process_settle(p);
	}
	return 0;
}

void processes_close(struct processes *ps)
{
	processes_forget_lists(ps);
	ps->channel = NULL;
	ev_timer_stop(ps->loop, &ps->orphans);
	for (struct process *p = ps->list; p; p = p->next)
		process_abandon(p);
	while (ps->list)
		process_free(ps->list);
	carries_close(&ps->carries);
	realm_close(&ps->realm);
}

static void ended(struct process *p, int status, const struct rusage *usage)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		oom_look(on_starved, p->all);
	p->ended = true;
	p->status = status;
	p->usage = *usage;
	p->end_us = clock_us();
	process_close_input(p);
	if (p->starting) {
		(void)process_report_read(p); /* its end is there: the process is gone */
		process_report_take(p);
	} else {
		process_settle(p);
	}
}

bool process_reap(struct process *p)
{
	struct rusage usage;
	int status;

	if (p->ended || wait4(p->pid, &status, WNOHANG, &usage) != p->pid)
		return false;
	ended(p, status, &usage);
	return true;
}

static void reaped(struct processes *ps, pid_t pid, int status, const struct rusage *usage)
{
	struct process *p;

	for (p = ps->list; p; p = p->next) {
		if (p->pid == pid && !p->ended)
			break;
	}
	if (p) /* else an orphan that fell to us */
		ended(p, status, usage);
}

void processes_reap(struct processes *ps)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, &usage)) > 0) {
		if (WIFSTOPPED(status) || WIFCONTINUED(status))
			process_changed(ps, pid, status);
		else if (pid == ps->realm.init)
			realm_renew(&ps->realm);
		else
			reaped(ps, pid, status, &usage);
	}
}

void processes_init(struct processes *ps, struct ev_loop *loop)
{
	*ps = (struct processes){ .loop = loop, .realm = REALM(), .carries = { .loop = loop } };
}

void processes_open(struct processes *ps, bool alone)
{
	realm_open(&ps->realm, alone);
}

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
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "space/process.h"
#include "space/spawn.h"
#include "wire/message.h"

#define STATUS_MAX   8192u		  /* /proc/PID/status */
#define CREDIT_BYTES (MESSAGE_WINDOW / 4) /* consumed input that is worth a message */

struct process {
	struct process *next;
	struct processes *all;
	uint32_t job;	    /* 0 once its master is gone */
	bool abandoned;	    /* nobody waits for it */
	bool starting;	    /* not known yet whether it runs */
	uint32_t continued; /* SIGCONTs to be answered when it does */
	pid_t pid;	    /* as we see it */
	pid_t number;	    /* as it and its ghost see it */
	bool ended;
	int status; /* of wait4() */
	struct rusage usage;
	uint64_t start_us, end_us;

	int report_fd;
	struct ev_io report;
	struct buffer report_text;

	int input_fd;
	struct ev_io input;
	struct buffer waiting; /* input that did not fit in the pipe */
	bool input_ended;
	uint32_t eaten; /* input written since the last grant */

	int output_fd[2];
	struct ev_io output[2];
	uint32_t credit[2]; /* bytes that may be sent */
};

static void say(struct processes *ps, const struct message_small *m)
{
	if (ps->channel)
		(void)stream_send_writer(ps->channel,
					 &m->w); /* a channel that fails ends all processes */
}

static void close_input(struct process *p)
{
	if (p->input_fd < 0)
		return;
	ev_io_stop(p->all->loop, &p->input);
	p->input_fd = fd_close(p->input_fd);
	buffer_clear(&p->waiting);
}

static void close_output(struct process *p, int i)
{
	if (p->output_fd[i] < 0)
		return;
	ev_io_stop(p->all->loop, &p->output[i]);
	p->output_fd[i] = fd_close(p->output_fd[i]);
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
	close_input(p);
	close_output(p, 0);
	close_output(p, 1);
	ev_io_stop(ps->loop, &p->report);
	p->report_fd = fd_close(p->report_fd);
	buffer_clear(&p->report_text);
	free(p);
}

static void say_failed(struct processes *ps, uint32_t job, enum message_how how, int error,
		       const char *words)
{
	struct message_failed f = {
		.job = job, .error = (uint32_t)error, .how = (uint8_t)how, .words = words
	};
	struct message_small m;

	message_failed_write(message_begin(&m, MESSAGE_FAILED), &f);
	say(ps, &m);
}

static void say_exit(const struct process *p)
{
	struct message_small m;
	struct message_exit x = {
		.job = p->job,
		.status = WIFEXITED(p->status) ? (uint8_t)WEXITSTATUS(p->status) : 0,
		.signal = WIFSIGNALED(p->status) ? (uint8_t)WTERMSIG(p->status) : 0,
		.core = WIFSIGNALED(p->status) && WCOREDUMP(p->status),
		.real_us = p->end_us - p->start_us,
		.user_us = (uint64_t)p->usage.ru_utime.tv_sec * 1000000 +
			   (uint64_t)p->usage.ru_utime.tv_usec,
		.system_us = (uint64_t)p->usage.ru_stime.tv_sec * 1000000 +
			     (uint64_t)p->usage.ru_stime.tv_usec,
		.maxrss_kib = (uint64_t)p->usage.ru_maxrss,
	};

	message_exit_write(message_begin(&m, MESSAGE_EXIT), &x);
	say(p->all, &m);
}

/* Say and forget a process of which nothing more can come. */
static void settle(struct process *p)
{
	if (!p->ended || p->starting)
		return;
	if (!p->abandoned && (p->output_fd[0] >= 0 || p->output_fd[1] >= 0))
		return;
	if (p->job != 0)
		say_exit(p); /* the master keeps an abandoned job until then */
	process_free(p);
}

/*
 * Send a signal to the process group. The group keeps its number as long as it has a member; once
 * its leader was reaped, a process of that number is another one's.
 */
static void signal_group(const struct process *p, int signal)
{
	if (p->ended && kill(p->pid, 0) == 0)
		return;
	(void)kill(-p->pid, signal); /* ESRCH: it has ended */
}

/*
 * Whether a stop from the keyboard stops it: nobody in its session controls jobs, so the kernel
 * would throw the signal away where it is not caught.
 */
static bool stops_by_default(const struct process *p, int signal)
{
	_cleanup_buffer_ struct buffer text = BUFFER(STATUS_MAX);
	const char *masks[] = { "\nSigIgn:\t", "\nSigCgt:\t" };
	uint8_t mask[8];
	char path[32];

	if (signal != SIGTSTP && signal != SIGTTIN && signal != SIGTTOU)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", p->pid);
	if (file_read(AT_FDCWD, path, &text) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		const char *at = strstr(buffer_str(&text), masks[i]);

		if (at && parse_hex(at + strlen(masks[i]), mask, sizeof(mask)) == 0 &&
		    mask[7 - (signal - 1) / 8] >> ((signal - 1) % 8) & 1)
			return false;
	}
	return true;
}

static void say_continued(const struct process *p, bool asked)
{
	struct message_small m;

	message_continued_write(message_begin(&m, MESSAGE_CONTINUED), p->job, asked);
	say(p->all, &m);
}

static void abandon(struct process *p)
{
	p->abandoned = true;
	signal_group(p, SIGKILL);
	close_input(p);
	close_output(p, 0);
	close_output(p, 1);
}

static void on_output(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct process *p = w->data;
	struct processes *ps = p->all;
	int i = w == &p->output[1];
	uint8_t data[MESSAGE_DATA_MAX];
	struct message_small head;
	ssize_t n;

	if (p->credit[i] == 0 || p->starting) {
		ev_io_stop(loop, w);
		return;
	}
	if (ps->channel && stream_queued(ps->channel) > PROCESS_CHANNEL_HIGH) {
		ps->held = true;
		ev_io_stop(loop, w);
		return;
	}
	n = read(p->output_fd[i], data, MIN((size_t)p->credit[i], sizeof(data)));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	n = MAX(n, (ssize_t)0); /* an error of a pipe is its end */
	p->credit[i] -= (uint32_t)n;
	message_output_write(message_begin(&head, MESSAGE_OUTPUT), p->job, (uint8_t)(i + 1));
	if (ps->channel)
		(void)stream_send2(ps->channel, head.bytes, head.w.len, data, (size_t)n);
	if (n == 0) {
		close_output(p, i);
		settle(p);
	}
}

/* Grant what was written since the last grant, when it is worth it. */
static void grant_input(struct process *p)
{
	struct message_small m;

	if (p->eaten < CREDIT_BYTES)
		return;
	message_credit_write(message_begin(&m, MESSAGE_INPUT_CREDIT), p->job, 0, p->eaten);
	say(p->all, &m);
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

		close_input(p);
		if (p->abandoned)
			return;
		writer_be32(message_begin(&m, MESSAGE_INPUT_CLOSED), p->job);
		say(p->all, &m);
		return;
	}
	grant_input(p);
	if (p->waiting.len > 0)
		return;
	ev_io_stop(loop, w);
	if (p->input_ended)
		close_input(p);
}

/* The child has told: it runs, or it cannot. */
static void report_take(struct process *p)
{
	struct spawn_report rep;
	struct message_small m;
	struct message_started st = { .job = p->job, .pid = (uint32_t)p->number };

	ev_io_stop(p->all->loop, &p->report);
	p->report_fd = fd_close(p->report_fd);
	p->starting = false;
	if (spawn_report_parse(p->report_text.data, p->report_text.len, &rep) < 0)
		rep = (struct spawn_report){ .error = EIO,
					     .words = "its start failed in an unknown way" };
	if (rep.error != 0) {
		if (p->job != 0)
			say_failed(p->all, p->job,
				   rep.no_command ? MESSAGE_NO_COMMAND : MESSAGE_NOT_RUN,
				   (int)rep.error, rep.words);
		p->abandoned = true; /* it is only to be reaped now */
		p->job = 0;
		close_input(p);
		close_output(p, 0);
		close_output(p, 1);
		if (p->ended)
			process_free(p);
		return;
	}
	if (!p->abandoned) {
		st.cwd_missing = rep.cwd_missing;
		message_started_write(message_begin(&m, MESSAGE_STARTED), &st);
		say(p->all, &m);
		for (; p->continued > 0; p->continued--)
			say_continued(p, true);
		for (int i = 0; i < 2; i++) {
			if (p->output_fd[i] >= 0)
				ev_io_start(p->all->loop, &p->output[i]);
		}
	}
	settle(p);
}

/* Read the report as far as it is there. Return: true at its end. */
static bool report_read(struct process *p)
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

	if (report_read(p))
		report_take(p);
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
	p->input_fd = sp->input;
	p->waiting = BUFFER(MESSAGE_WINDOW);
	ev_io_init(&p->report, on_report, p->report_fd, EV_READ);
	ev_io_init(&p->input, on_input, p->input_fd, EV_WRITE);
	p->report.data = p->input.data = p;
	for (int i = 0; i < 2; i++) {
		p->output_fd[i] = sp->output[i];
		p->credit[i] = window;
		ev_io_init(&p->output[i], on_output, p->output_fd[i], EV_READ);
		p->output[i].data = p;
	}
	ev_io_start(ps->loop, &p->report);
	p->next = ps->list;
	ps->list = p;
	ps->n++;
}

int processes_take_start(struct processes *ps, struct reader *r)
{
	struct message_credentials who;
	struct message_spec spec;
	struct process *p = NULL;
	struct spawned sp;
	uint32_t job = reader_be32(r), number = reader_be32(r), rank = reader_be32(r);
	int e = message_credentials_read(r, &who);

	if (e == 0)
		e = message_spec_read(r, &spec);
	if (e < 0)
		return e;
	if (ps->n >= PROCESSES_MAX) {
		say_failed(ps, job, MESSAGE_NOT_RUN, EAGAIN,
			   "too many processes of the space run on this node");
		goto out;
	}
	p = calloc(1, sizeof(*p));
	spec.rank = rank, number = MIN(number, (uint32_t)INT32_MAX);
	e = p ? spawn(&ps->realm, (pid_t)number, &spec, &who, &sp) : -ENOMEM;
	if (e < 0) {
		say_failed(ps, job, MESSAGE_NOT_RUN, -e, "the node cannot start a process");
		free(p);
		goto out;
	}
	p->job = job;
	p->number = realm_number(sp.pid);
	process_adopt(ps, p, &sp, spec.window);
out:
	message_spec_clear(&spec);
	return 0;
}

static struct process *find(const struct processes *ps, uint32_t job)
{
	for (struct process *p = ps->list; p; p = p->next) {
		if (p->job == job && !p->abandoned)
			return p;
	}
	return NULL;
}

int processes_take_input(struct processes *ps, struct reader *r)
{
	struct process *p;
	uint32_t job, count;
	size_t n;
	int e = message_input_read(r, &job, &count);

	if (e < 0)
		return e;
	p = find(ps, job);
	n = r->left;
	if (!p || p->input_fd < 0 || p->input_ended)
		return 0; /* it has ended, or closed its input, while this was under way */
	if (n > MESSAGE_WINDOW - p->waiting.len - p->eaten)
		return -EPROTO;
	e = buffer_append(&p->waiting, reader_bytes(r, n), n);
	if (e < 0)
		return e;
	p->input_ended = n == 0;
	on_input(ps->loop, &p->input, EV_WRITE);
	if (p->input_fd >= 0 && p->waiting.len > 0)
		ev_io_start(ps->loop, &p->input);
	return 0;
}

int processes_take_signal(struct processes *ps, struct reader *r)
{
	uint32_t job, count;
	uint8_t signal;
	struct process *p;
	int e = message_signal_read(r, &job, &count, &signal);

	if (e < 0)
		return e;
	p = find(ps, job);
	if (!p)
		return 0;
	signal_group(p, stops_by_default(p, signal) ? SIGSTOP : signal);
	if (signal == SIGCONT && p->starting)
		p->continued++;
	else if (signal == SIGCONT)
		say_continued(p, true);
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
	p = find(ps, job);
	if (!p)
		return 0;
	i = stream - 1;
	if (bytes > MESSAGE_WINDOW - MIN(p->credit[i], MESSAGE_WINDOW))
		return -EPROTO;
	p->credit[i] += bytes;
	if (p->output_fd[i] >= 0 && !p->starting)
		ev_io_start(ps->loop, &p->output[i]);
	return 0;
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
	p = find(ps, job);
	if (p) {
		abandon(p);
		settle(p);
	}
	return 0;
}

void processes_resume(struct processes *ps)
{
	if (!ps->held)
		return;
	ps->held = false;
	for (struct process *p = ps->list; p; p = p->next) {
		for (int i = 0; i < 2; i++) {
			if (p->output_fd[i] >= 0 && p->credit[i] > 0 && !p->starting)
				ev_io_start(ps->loop, &p->output[i]);
		}
	}
}

void processes_abandon(struct processes *ps)
{
	struct process *next;

	ps->channel = NULL;
	for (struct process *p = ps->list; p; p = next) {
		next = p->next;
		abandon(p);
		p->job = 0;
		settle(p);
	}
}

void processes_close(struct processes *ps)
{
	processes_abandon(ps);
	while (ps->list)
		process_free(ps->list);
	realm_close(&ps->realm);
}

/* Stopped or continued by whoever. */
static void changed(struct processes *ps, pid_t pid, int status)
{
	struct message_small m;
	struct process *p;

	for (p = ps->list; p && (p->pid != pid || p->ended); p = p->next)
		;
	if (!p || p->abandoned || p->job == 0)
		return;
	if (p->starting && report_read(p))
		report_take(p); /* it runs: that comes first */
	if (p->starting || p->job == 0)
		return;
	if (WIFCONTINUED(status)) {
		say_continued(p, false);
		return;
	}
	message_stopped_write(message_begin(&m, MESSAGE_STOPPED), p->job,
			      (uint8_t)WSTOPSIG(status));
	say(ps, &m);
}

static void reaped(struct processes *ps, pid_t pid, int status, const struct rusage *usage)
{
	struct process *p;

	for (p = ps->list; p; p = p->next) {
		if (p->pid == pid && !p->ended)
			break;
	}
	if (!p)
		return; /* an orphan that fell to us */
	p->ended = true;
	p->status = status;
	p->usage = *usage;
	p->end_us = clock_us();
	close_input(p);
	if (p->starting) {
		(void)report_read(p); /* its end is there: the process is gone */
		report_take(p);
	} else {
		settle(p);
	}
}

void processes_reap(struct processes *ps)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, &usage)) > 0) {
		if (WIFSTOPPED(status) || WIFCONTINUED(status))
			changed(ps, pid, status);
		else if (pid == ps->realm.init)
			realm_renew(&ps->realm);
		else
			reaped(ps, pid, status, &usage);
	}
}

void processes_init(struct processes *ps, struct ev_loop *loop)
{
	*ps = (struct processes){ .loop = loop, .realm = REALM() };
}

void processes_open(struct processes *ps, bool alone)
{
	realm_open(&ps->realm, alone);
}

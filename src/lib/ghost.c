/*
 * ghost.c - standing for one remote process: its streams, its signals, its end
 *
 * Every signal that can be caught is passed on to the remote process group. We stop and go on with
 * the process, and it with us: our stops and SIGCONTs are told by a watcher
 * (space/ghost_watch.c) once we have lasted a moment, before that by ourselves, as far as they can
 * be caught. SIGKILL ends us, and with our connection the remote process. We end as it ended: with
 * its status, or by its signal; with 255 and a line on standard error when its node was lost.
 *
 * When bpmaster goes, or the node is cut off, the process goes on and so do we, as bpsh does
 * (space/shell_resume.c): we ask for it again by its key. Signals wait in the kernel until then.
 *
 * A loop around poll(): one process, three streams. Bytes are bounded by their credit.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "lib/job.h"
#include "space/end_by_signal.h"
#include "space/ghost_watch.h"
#include "space/journal.h"
#include "wire/message_resume.h"

#define STATUS_LOST   255
#define PIPE_BYTES    4096 /* PIPE_BUF: a pipe that poll() says takes some takes so many */
#define FILE_BYTES    65536
#define KNOCK_MS      200    /* between two looks whether it is there */
#define BACKGROUND_MS 500 /* between two looks at a terminal that is not ours */

struct ghost {
	struct caller *c;
	const struct job_order *order;
	struct message_progress at; /* its key, and how far its output is */
	uint32_t node;
	struct journal sent; /* input that it may not have read */
	uint64_t eaten;	     /* of it, by its grants */
	bool here;	     /* its node has it */
	uint64_t lost_ms;    /* clock_ms() since which bpmaster is away; 0: it is there */
	struct ghost_watch watch;
	uint64_t watch_ms;  /* clock_ms() when it begins; 0: it has */
	unsigned continued; /* SIGCONTs that the node has not answered */
	uint64_t ended_ms;   /* and since which it has no socket; 0: it has one */
	int signal_fd;
	bool input; /* there may be more */
	bool input_sent; /* all of it */
	bool terminal;
	uint32_t input_credit;
	struct {
		struct buffer text;
		uint32_t written; /* since the last grant */
		bool ended, closed;
		size_t at_once;
	} out[2];
	bool over;
	struct message_exit end;
};

static _noreturn_ void give_up(const char *words)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, words);
	_exit(STATUS_LOST);
}

static void lost(struct ghost *g)
{
	caller_close(g->c);
	g->here = false;
	if (g->lost_ms == 0)
		g->lost_ms = clock_ms();
}

static void send_bytes(struct ghost *g, const void *p, size_t n)
{
	if (g->lost_ms == 0 && caller_send(g->c, p, n) < 0)
		lost(g);
}

static void send_message(struct ghost *g, const struct writer *w)
{
	send_bytes(g, w->buf, w->len);
}

static void ask_again(struct ghost *g)
{
	struct message_small m;
	struct message_resume x = { .node = g->node,
				    .pid = (uint32_t)getpid(),
				    .window = MESSAGE_WINDOW,
				    .at = g->at };

	g->here = false;
	g->continued = 0;
	x.at.flags = (uint8_t)((g->out[0].ended ? MESSAGE_OUTPUT_ENDED : 0) |
			       (g->out[1].ended ? MESSAGE_ERROR_ENDED : 0));
	message_resume_write(message_begin(&m, MESSAGE_RESUME), &x);
	send_message(g, &m.w);
}

/* Is bpmaster there again? */
static void knock(struct ghost *g)
{
	uint64_t now = clock_ms();
	int r = caller_open(g->c, g->order->socket);

	if (r < 0) {
		caller_close(g->c);
		g->ended_ms = r != -ENOENT ? 0 : g->ended_ms ? g->ended_ms : now;
		if (now - g->lost_ms > JOB_AWAY_MS)
			give_up("lost bpmaster");
		if (g->ended_ms != 0 && now - g->ended_ms > JOB_ENDED_MS)
			give_up("lost bpmaster: it was ended");
		return;
	}
	g->lost_ms = g->ended_ms = 0;
	ask_again(g);
}

static void send_input(struct ghost *g, const uint8_t *p, size_t n)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_DATA_MAX + MESSAGE_SMALL_MAX);
	struct message_small head;

	message_input_write(message_begin(&head, MESSAGE_INPUT), 0, 1);
	if (buffer_append(&b, head.bytes, head.w.len) < 0 || buffer_append(&b, p, n) < 0)
		give_up("out of memory");
	send_bytes(g, b.data, b.len);
}

static void pass_signal(struct ghost *g, int signal)
{
	struct message_small m;

	message_signal_write(message_begin(&m, MESSAGE_SIGNAL), 0, 1, (uint8_t)signal);
	send_message(g, &m.w);
}

/* Every signal waits for signal_fd, but that SIGCONT is delivered, so that the watcher sees it, and
 * faults of our own. */
static void all_signals(sigset_t *ret)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS };

	sigfillset(ret);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(ret, faults[i]);
}

static volatile sig_atomic_t went_on;

static void on_continue(int signal)
{
	went_on = 1;
}

/* Wait, and let SIGCONT in; what stops us, too, once there is somebody to see it. */
static int wait_for(struct ghost *g, struct pollfd *p, nfds_t n, int wait_ms)
{
	const struct timespec ts = { wait_ms / 1000, wait_ms % 1000 * 1000000L };
	sigset_t mask;

	all_signals(&mask);
	sigdelset(&mask, SIGCONT);
	if (ghost_watch_sees(&g->watch)) {
		sigdelset(&mask, SIGTSTP);
		sigdelset(&mask, SIGTTIN);
		sigdelset(&mask, SIGTTOU);
	}
	return ppoll(p, n, wait_ms < 0 ? NULL : &ts, &mask);
}

/* We were stopped and go on, or were told to. */
static void on_went_on(struct ghost *g)
{
	went_on = 0;
	g->continued++;
	if (!ghost_watch_sees(&g->watch))
		pass_signal(g, SIGCONT);
}

/* As the remote process ended. */
static _noreturn_ void end_as(const struct message_exit *x)
{
	if (x->signal == 0)
		_exit(x->status);
	end_by_signal(x->signal, x->flags & MESSAGE_EXIT_CORE);
	_exit(128 + x->signal); /* of a signal that ends nobody here */
}

static void on_signal(struct ghost *g)
{
	struct signalfd_siginfo info;

	if (read(g->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
	case SIGWINCH:
	case SIGPIPE: /* ours, not the process's */
		return;
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		/* Its session has no terminal, so that the signal itself would not stop it. */
		if (!ghost_watch_sees(&g->watch))
			pass_signal(g, SIGSTOP);
		(void)raise(SIGSTOP);
		return;
	default:
		pass_signal(g, (int)info.ssi_signo);
	}
}

static void on_input(struct ghost *g)
{
	uint8_t data[MESSAGE_DATA_MAX];
	ssize_t n = read(STDIN_FILENO, data, MIN(g->input_credit, MESSAGE_DATA_MAX));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	n = MAX(n, (ssize_t)0); /* an error is taken as the end */
	g->input = n > 0;
	g->input_credit -= (uint32_t)n;
	if (journal_append(&g->sent, data, (size_t)n) < 0)
		give_up("out of memory");
	g->input_sent = n == 0;
	send_input(g, data, (size_t)n);
}

static void grant(struct ghost *g, int i)
{
	struct message_small m;

	if (g->out[i].written < MESSAGE_WINDOW / 4 && g->out[i].text.len > 0)
		return;
	if (g->out[i].written == 0 || g->out[i].ended || g->over || !g->here)
		return;
	message_credit_write(message_begin(&m, MESSAGE_OUTPUT_CREDIT), 0, (uint8_t)(i + 1),
			     g->out[i].written);
	g->at.granted[i] += g->out[i].written;
	g->out[i].written = 0;
	send_message(g, &m.w);
}

/* Write some of what waits. */
static void on_output(struct ghost *g, int i)
{
	struct buffer *text = &g->out[i].text;
	size_t want = MIN(text->len, g->out[i].at_once);
	ssize_t n = g->out[i].closed ? (ssize_t)want : write(i + 1, text->data, want);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		/* Who read it is gone: the process learns it as it would here. */
		if (!g->over)
			pass_signal(g, SIGPIPE);
		g->out[i].closed = true;
		n = (ssize_t)want;
	}
	buffer_consume(text, (size_t)n);
	g->out[i].written += (uint32_t)n;
	grant(g, i);
}

static int take_output(void *owner, struct reader *r)
{
	struct ghost *g = owner;
	uint32_t job;
	uint8_t stream;
	size_t n;
	int e = message_output_read(r, &job, &stream);

	if (e < 0)
		return e;
	n = r->left;
	g->at.received[stream - 1] += n;
	g->out[stream - 1].ended = n == 0;
	return buffer_append(&g->out[stream - 1].text, reader_bytes(r, n), n);
}

static int take_input_credit(void *owner, struct reader *r)
{
	struct ghost *g = owner;
	uint32_t job, bytes;
	int e = message_input_credit_read(r, &job, &bytes);

	if (e < 0 || bytes > MESSAGE_WINDOW - g->input_credit)
		return e < 0 ? e : -EPROTO;
	g->input_credit += bytes;
	g->eaten += bytes;
	journal_forget(&g->sent, g->eaten);
	return 0;
}

static int take_input_closed(void *owner, struct reader *r)
{
	((struct ghost *)owner)->input = false;
	(void)reader_be32(r); /* there is one job */
	return reader_end(r);
}

static int take_exit(void *owner, struct reader *r)
{
	struct ghost *g = owner;
	int e = message_exit_read(r, &g->end);

	g->over = e == 0;
	return e;
}

static int take_failed(void *owner, struct reader *r)
{
	struct message_failed f;
	int e = message_failed_read(r, &f);

	if (e == 0)
		give_up(f.words);
	return e;
}

static int take_suspended(void *owner, struct reader *r)
{
	(void)reader_be32(r); /* there is one job */
	ask_again(owner);
	return reader_end(r);
}

/* What we told to go on since is older than that stop: a SIGCONT that waits, too, which a stop of
 * ours would take away. */
static void stop_with_it(const struct ghost *g)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL); /* cannot fail, as below */
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	if (g->continued == 0 && !went_on)
		(void)raise(SIGSTOP);
}

static int take_resumed(void *owner, struct reader *r)
{
	struct ghost *g = owner;
	struct message_resumed x;
	const uint8_t *bytes;
	uint64_t place;
	ssize_t n;
	int e = message_resumed_read(r, &x);

	if (e < 0 || g->here)
		return e < 0 ? e : -EPROTO;
	g->here = true;
	g->eaten = x.granted;
	if (x.flags & MESSAGE_INPUT_SHUT) {
		g->input = false;
	} else {
		for (place = x.received;
		     (n = journal_at(&g->sent, place, MESSAGE_DATA_MAX, &bytes)) > 0;
		     place += (uint64_t)n)
			send_input(g, bytes, (size_t)n);
		if (n < 0)
			return -EPROTO;
		if (g->input_sent && !(x.flags & MESSAGE_INPUT_ENDED))
			send_input(g, NULL, 0);
		journal_forget(&g->sent, g->eaten);
		g->input_credit =
			(uint32_t)(g->eaten + MESSAGE_WINDOW - journal_end(&g->sent));
	}
	for (int i = 0; i < 2; i++)
		grant(g, i);
	if (x.flags & MESSAGE_IS_STOPPED)
		stop_with_it(g);
	return 0;
}

static int take_stopped(void *owner, struct reader *r)
{
	uint32_t job;
	uint8_t signal;
	int e = message_stopped_read(r, &job, &signal);

	if (e == 0)
		stop_with_it(owner);
	return e;
}

static int take_continued(void *owner, struct reader *r)
{
	struct ghost *g = owner;
	uint32_t job;
	bool asked;
	int e = message_continued_read(r, &job, &asked);

	if (e == 0)
		g->continued -= asked && g->continued > 0;
	return e;
}

/* Every message that the master may send once the process runs. */
static const struct message_take ghost_takes[MESSAGE_TYPE_MAX_] = {
	[MESSAGE_FAILED] = { 1, take_failed },
	[MESSAGE_OUTPUT] = { 1, take_output },
	[MESSAGE_INPUT_CREDIT] = { 1, take_input_credit },
	[MESSAGE_INPUT_CLOSED] = { 1, take_input_closed },
	[MESSAGE_EXIT] = { 1, take_exit },
	[MESSAGE_SUSPENDED] = { 1, take_suspended },
	[MESSAGE_RESUMED] = { 1, take_resumed },
	[MESSAGE_STOPPED] = { 1, take_stopped },
	[MESSAGE_CONTINUED] = { 1, take_continued },
};

static void on_door(struct ghost *g)
{
	const char *why;

	if (caller_receive(g->c) < 0) {
		lost(g);
		return;
	}
	if (message_dispatch(ghost_takes, 1, g, g->c->in.data, g->c->in.len, &why) < 0)
		give_up(why);
}

/* An end that the process itself made is seen by who reads from us. */
static void close_ended(struct ghost *g)
{
	for (int i = 0; i < 2; i++) {
		if (g->out[i].ended && g->out[i].text.len == 0 && !g->out[i].closed && i == 0) {
			g->out[i].closed = true;
			fd_close(i + 1);
		}
	}
}

/* One turn. */
static void turn(struct ghost *g)
{
	bool mine = !g->terminal || tcgetpgrp(STDIN_FILENO) == getpgrp();
	bool input = g->input && g->input_credit > 0 && !g->over && g->here;
	int n, wait_ms = g->lost_ms ? KNOCK_MS : input && !mine ? BACKGROUND_MS : -1;
	struct pollfd p[5] = {
		{ .fd = g->over || g->lost_ms ? -1 : g->c->fd, .events = POLLIN },
		{ .fd = g->here ? g->signal_fd : -1, .events = POLLIN },
		{ .fd = input && mine ? STDIN_FILENO : -1, .events = POLLIN },
		{ .fd = g->out[0].text.len > 0 ? STDOUT_FILENO : -1, .events = POLLOUT },
		{ .fd = g->out[1].text.len > 0 ? STDERR_FILENO : -1, .events = POLLOUT },
	};

	if (g->watch_ms > 0) {
		int left_ms = (int)(g->watch_ms - MIN(g->watch_ms, clock_ms()));

		wait_ms = wait_ms < 0 ? left_ms : MIN(wait_ms, left_ms);
	}
	n = wait_for(g, p, ARRAY_SIZE(p), wait_ms);
	if (went_on)
		on_went_on(g);
	if (g->watch_ms > 0 && clock_ms() >= g->watch_ms) {
		g->watch_ms = 0;
		ghost_watch_begin(&g->watch);
	}
	if (n == 0 && g->lost_ms && !g->over)
		knock(g);
	if (n <= 0)
		return;
	if (p[1].revents)
		on_signal(g);
	for (int i = 0; i < 2; i++) {
		if (p[3 + i].revents)
			on_output(g, i);
	}
	if (p[2].revents)
		on_input(g);
	if (p[0].revents)
		on_door(g);
}

_noreturn_ void ghost_run(struct caller *c, const struct job_order *o, bool input, char *title,
			  size_t title_bytes)
{
	const struct sigaction sa = { .sa_handler = on_continue };
	struct ghost g = { .c = c,
			   .order = o,
			   .here = true,
			   .sent = JOURNAL(MESSAGE_WINDOW + MESSAGE_DATA_MAX),
			   .input = input,
			   .watch = { .door = o->socket,
				      .fd = FD_NONE,
				      .title = title,
				      .title_bytes = title_bytes },
			   .watch_ms = clock_ms() + GHOST_WATCH_AFTER_MS,
			   .input_credit = MESSAGE_WINDOW };
	struct stat st;
	sigset_t all;

	if (job_order_key(o, &g.at.key, &g.node) < 0)
		give_up("it was not told what it stands for");
	all_signals(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL); /* cannot fail */
	(void)sigaction(SIGCONT, &sa, NULL);
	sigdelset(&all, SIGCONT);
	g.signal_fd = signalfd(-1, &all, SFD_CLOEXEC);
	if (g.signal_fd < 0)
		give_up("cannot wait for signals");
	g.terminal = input && isatty(STDIN_FILENO);
	for (int i = 0; i < 2; i++) {
		g.out[i].text = BUFFER(MESSAGE_WINDOW);
		g.out[i].closed = fstat(i + 1, &st) < 0;
		g.out[i].at_once =
			!g.out[i].closed && S_ISREG(st.st_mode) ? FILE_BYTES : PIPE_BYTES;
	}
	while (!g.over || g.out[0].text.len > 0 || g.out[1].text.len > 0) {
		turn(&g);
		close_ended(&g);
	}
	end_as(&g.end);
}

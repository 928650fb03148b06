/*
 * ghost.c - a local process that stands for one on a node
 *
 * Signals that can be caught are caught and passed on. The end of the remote process becomes ours,
 * and when we are killed our connection breaks, which ends the remote one. What is left are stops:
 * a stopped process can tell nobody. So a watcher, a child of ours in a session of its own, traces
 * us (PTRACE_SEIZE): it sees us stop, for whatever reason, and tells bpmaster on a connection of
 * its own; the same for SIGCONT, so that both arrive in order. Our parent sees us stop and go on as
 * ever. It is started when the process has lasted a moment, so that short commands do not pay for
 * it, and ends when we do.
 *
 * A stop that the node reports while a SIGCONT is on its way there is older than that, and is
 * passed over: the node answers each SIGCONT, behind the stops that came before.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "space/caller.h"
#include "space/ghost.h"
#include "space/terminal.h"

#define WATCH_AFTER_S 0.03
#define WATCHER	      "bpsh-watch"
#define READY_FD      (STDERR_FILENO + 1) /* of the watcher */
#define TERMINAL_FD   (STDERR_FILENO + 2)
#define COMM_MAX      16 /* bytes of a process's name, with NUL */

/* Where the handler writes; -1: nowhere. */
static volatile int handler_fd = -1;

/* Faults of our own end us, and so does a pipe of ours that nobody reads. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL,	SIGFPE,
				      SIGTRAP, SIGSYS, SIGABRT, SIGPIPE };
	bool own = info->si_pid == getpid() && info->si_code <= 0;
	uint8_t byte = (uint8_t)signal;
	int e = errno;

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		if (signal == faults[i] && (info->si_code > 0 || own)) {
			struct sigaction plain = { .sa_handler = SIG_DFL };

			(void)sigaction(signal, &plain, NULL);
			(void)raise(signal);
			return;
		}
	}
	(void)!write(handler_fd, &byte, 1); /* a full pipe: this very signal waits there already */
	errno = e;
}

/* What stops us is for the watcher, but that a terminal is given back before; SIGCHLD is of our own
 * making. */
static bool is_taken(const struct ghost *g, int signal)
{
	struct sigaction old;

	if (signal == SIGTSTP)
		return g->terminal;
	switch (signal) {
	case SIGKILL:
	case SIGSTOP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCHLD:
		return false;
	default:
		if (signal > SIGSYS && signal < SIGRTMIN)
			return false; /* libc's own */
		return sigaction(signal, NULL, &old) == 0 && old.sa_handler != SIG_IGN;
	}
}

static void on_signals(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct ghost *g = w->data;
	uint8_t bytes[64];
	ssize_t n = read(g->signal_fds[0], bytes, sizeof(bytes));
	uint8_t seen;

	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == SIGCONT && g->watcher_fd >= 0 && read(g->watcher_fd, &seen, 1) == 0)
			g->watcher_fd = fd_close(g->watcher_fd); /* it ended */
		if (bytes[i] == SIGCONT)
			g->continued++;
		if (bytes[i] == SIGCONT && g->resumed)
			g->resumed(g->owner);
		if (bytes[i] == SIGTSTP) {
			terminal_restore(g->terminal);
			(void)raise(SIGSTOP);
			continue;
		}
		if (bytes[i] != SIGCONT || g->watcher_fd < 0)
			g->signal(g->owner, bytes[i]);
	}
}

/* --- the watcher --- */

static void tell(struct caller *c, const char *door, pid_t ghost, int signal)
{
	struct message_small m;

	if (c->fd < 0 && caller_open(c, door) < 0)
		return;
	message_stopped_write(message_begin(&m, MESSAGE_KILL), (uint32_t)ghost, (uint8_t)signal);
	if (caller_send(c, m.bytes, m.w.len) < 0 || caller_done(c) < 0)
		caller_close(c); /* it has ended meanwhile, or bpmaster has */
}

static void no_words(enum log_level level, const char *line)
{
}

/* Wait for a change of @ghost. Its end is not taken, so that nobody else hears of it, before its
 * terminal is as it was. */
static bool next_change(pid_t ghost, struct terminal *terminal, int *ret_status)
{
	siginfo_t info;

	if (waitid(P_PID, (id_t)ghost, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL) < 0)
		return false;
	if (terminal && info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
		terminal_restore(terminal);
	return waitpid(ghost, ret_status, __WALL) == ghost && WIFSTOPPED(*ret_status);
}

/* Follow @ghost until it ends. */
static _noreturn_ void watch(pid_t ghost, const char *door, struct terminal *terminal, int ready)
{
	struct caller c = CALLER();
	int status, signal;

	if (ptrace(PTRACE_SEIZE, ghost, NULL, NULL) < 0)
		_exit(1); /* not allowed here: a stop stays our own */
	if (getppid() != ghost)
		_exit(1);	     /* it has ended, and this is another of that number */
	(void)!write(ready, "r", 1); /* nobody reads: the ghost has ended, and wait() says so */
	while (next_change(ghost, terminal, &status)) {
		signal = WSTOPSIG(status);
		if (status >> 16 == PTRACE_EVENT_STOP && signal != SIGTRAP) {
			tell(&c, door, ghost, signal);
			(void)ptrace(PTRACE_LISTEN, ghost, NULL, NULL);
			continue;
		}
		if (status >> 16 != 0)
			signal = 0;
		if (signal == SIGCONT)
			tell(&c, door, ghost, signal);
		(void)ptrace(PTRACE_CONT, ghost, NULL, (void *)(uintptr_t)signal);
	}
	_exit(0);
}

static _noreturn_ void watcher_main(const struct ghost *g, pid_t ghost, int ready)
{
	sigset_t none;
	int null;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL); /* KILL and STOP refuse */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid(); /* cannot fail: a fresh child leads nothing */
	log_set_sink(no_words);
	ready = dup2(ready, READY_FD);
	if (g->terminal && dup2(g->terminal->fd, TERMINAL_FD) == TERMINAL_FD)
		g->terminal->fd = TERMINAL_FD;
	if (g->terminal)
		g->terminal->raw = true; /* soon, and then it is ours to give back */
	(void)close_range(g->terminal ? TERMINAL_FD + 1 : READY_FD + 1, ~0u, 0);
	(void)fcntl(ready, F_SETFD, FD_CLOEXEC);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		(void)dup2(null, i); /* what the caller waits to be closed is not ours to keep */
	(void)fd_close(null);
	(void)prctl(PR_SET_NAME, WATCHER);
	if (g->title) { /* nobody is to take us for the ghost */
		memset(g->title, 0, g->title_bytes);
		snprintf(g->title, g->title_bytes, WATCHER);
	}
	watch(ghost, g->door, g->terminal, ready);
}

static void begin_to_watch(struct ghost *g)
{
	pid_t ghost;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	ghost = getpid();
	g->watcher = fork();
	if (g->watcher == 0)
		watcher_main(g, ghost, ends[1]);
	fd_close(ends[1]);
	g->watcher_fd = ends[0];
	if (g->watcher < 0) {
		g->watcher_fd = fd_close(g->watcher_fd);
		return;
	}
	(void)prctl(PR_SET_PTRACER, g->watcher); /* where Yama is not there, nothing forbids it */
	if (fd_set_nonblock(g->watcher_fd, 1) < 0)
		g->watcher_fd = fd_close(g->watcher_fd);
}

static void on_later(struct ev_loop *loop, struct ev_timer *w, int events)
{
	begin_to_watch(w->data);
}

/* Until the watcher follows us, and would give the terminal back, or has said that it must not. */
static void until_watched(const struct ghost *g)
{
	struct pollfd p = { .fd = g->watcher_fd, .events = POLLIN };

	while (g->watcher_fd >= 0 && poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

/* --- the ghost --- */

int ghost_open(struct ghost *g, struct ev_loop *loop, const char *door)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };

	if (pipe2(g->signal_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return log_err(-errno, "cannot make a pipe");
	g->loop = loop;
	g->door = door;
	g->watcher_fd = FD_NONE;
	handler_fd = g->signal_fds[1];
	ev_io_init(&g->signals, on_signals, g->signal_fds[0], EV_READ);
	ev_timer_init(&g->later, on_later, WATCH_AFTER_S, 0.);
	ev_set_priority(&g->signals,
			EV_MAXPRI); /* a SIGCONT counts before a stop that is read with it */
	g->signals.data = g->later.data = g;
	ev_io_start(loop, &g->signals);
	for (int i = 1; i <= SIGRTMAX; i++) {
		if (is_taken(g, i))
			(void)sigaction(i, &sa, NULL); /* it could be read, so it can be set */
	}
	if (g->terminal) {
		begin_to_watch(g);
		until_watched(g);
	} else {
		ev_timer_start(loop, &g->later);
	}
	return 0;
}

void ghost_close(struct ghost *g)
{
	if (!g->loop)
		return;
	for (int i = 1; i <= SIGRTMAX; i++) {
		if (is_taken(g, i))
			(void)signal(i, SIG_DFL);
	}
	handler_fd = -1;
	ev_io_stop(g->loop, &g->signals);
	ev_timer_stop(g->loop, &g->later);
	for (int i = 0; i < 2; i++)
		fd_close(g->signal_fds[i]);
	g->watcher_fd = fd_close(g->watcher_fd);
	g->loop = NULL;
}

void ghost_title(struct ghost *g, char *const *argv, size_t n, uint32_t node)
{
	char *begin = program_invocation_name, *last = argv[n - 1], comm[COMM_MAX];
	size_t room = (size_t)(last + strlen(last) + 1 - begin), at = 0;
	const char *base = strrchr(argv[0], '/');
	_cleanup_free_ char *text = calloc(1, room);
	char tag[24];

	snprintf(comm, sizeof(comm), "%s", base ? base + 1 : argv[0]);
	(void)prctl(PR_SET_NAME, comm);
	if (!text)
		return;
	for (size_t i = 0; i < n; i++) {
		size_t bytes = strlen(argv[i]) + 1;

		if (bytes > room - at)
			break;
		memcpy(text + at, argv[i], bytes);
		at += bytes;
	}
	snprintf(tag, sizeof(tag), "[n%u]", node);
	if (strlen(tag) < room - at)
		memcpy(text + at, tag, strlen(tag));
	memcpy(begin, text, room);
	g->title = begin;
	g->title_bytes = room;
}

void ghost_stopped(struct ghost *g)
{
	if (g->continued > 0 || !g->loop)
		return;
	if (g->terminal)
		terminal_restore(g->terminal);
	(void)raise(SIGSTOP);
}

void ghost_answered(struct ghost *g)
{
	g->continued -= g->continued > 0;
}

void ghost_end(struct ghost *g, int signal)
{
	const struct rlimit none = { 0, 0 };
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t set;

	ghost_close(g);
	(void)setrlimit(RLIMIT_CORE, &none); /* the core is where the process was */
	(void)sigaction(signal, &plain, NULL);
	sigemptyset(&set);
	sigaddset(&set, signal);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)kill(getpid(), signal);
}

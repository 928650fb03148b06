/*
 * ghost_watch.c - a process that watches a ghost stop and go on, and tells bpmaster
 *
 * A stopped process can tell nobody. So a child of it, in a session of its own, traces it
 * (PTRACE_SEIZE), sees each stop and each SIGCONT, and tells both on a connection of its own, so
 * that they arrive in order. The ghost's parent sees it stop and go on as ever. What cannot be told
 * while bpmaster is away is told when it is back, unless a later change has taken its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "space/caller.h"
#include "space/ghost_watch.h"
#include "space/terminal.h"

#define WATCHER	    "bpsh-watch"
#define READY_FD    (STDERR_FILENO + 1) /* of the watcher */
#define TERMINAL_FD (STDERR_FILENO + 2)
#define TELL_AGAIN_MS 500     /* while bpmaster is away, or does not know us yet */
#define TELL_AWAY_MS  600000u /* and for so long: as bpsh waits for it */

struct teller {
	struct caller c;
	const char *door;
	pid_t ghost;
	int signal;	  /* that is to be told; 0: none. A later one takes its place */
	uint64_t away_ms; /* clock_ms() since which bpmaster could not be told; 0: it could */
};

/* Tell it; t->signal stays when that is to be tried again. */
static void tell(struct teller *t)
{
	struct message_small m;
	int r = t->c.fd < 0 ? caller_open(&t->c, t->door) : 0;

	message_stopped_write(message_begin(&m, MESSAGE_KILL), (uint32_t)t->ghost,
			      (uint8_t)t->signal);
	if (r == 0)
		r = caller_send(&t->c, m.bytes, m.w.len);
	if (r == 0)
		r = caller_done(&t->c);
	if (r < 0)
		caller_close(&t->c);
	/* Of one that was away the node may not be back; one that was not knows that it is over. */
	if (r == 0 || r == -EPERM || (r == -ESRCH && t->away_ms == 0)) {
		t->signal = 0;
		t->away_ms = 0;
	} else if (t->away_ms == 0) {
		t->away_ms = clock_ms();
	} else if (clock_ms() - t->away_ms > TELL_AWAY_MS) {
		t->signal = 0;
	}
}

/* Tell again what could not be told, until the ghost changes; SIGCHLD says that it does. */
static void tell_until_change(struct teller *t)
{
	const struct timespec again = { .tv_nsec = TELL_AGAIN_MS * 1000000l };
	siginfo_t info = { .si_pid = 0 };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (t->signal != 0) {
		if (waitid(P_PID, (id_t)t->ghost, &info,
			   WEXITED | WSTOPPED | WNOWAIT | WNOHANG | __WALL) < 0 ||
		    info.si_pid != 0)
			return;
		if (sigtimedwait(&child, NULL, &again) < 0)
			tell(t);
	}
}

static void no_words(enum log_level level, const char *line)
{
}

/* Wait for a change of @ghost. Its end is not taken, so that nobody else hears of it, before its
 * terminal is as it was. */
static bool next_change(struct teller *t, struct terminal *terminal, int *ret_status)
{
	pid_t ghost = t->ghost;
	siginfo_t info;

	tell_until_change(t);
	if (waitid(P_PID, (id_t)ghost, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL) < 0)
		return false;
	if (terminal && info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
		terminal_restore(terminal);
	return waitpid(ghost, ret_status, __WALL) == ghost && WIFSTOPPED(*ret_status);
}

/* Follow @ghost until it ends. */
static _noreturn_ void watch(pid_t ghost, const char *door, struct terminal *terminal, int ready)
{
	struct teller t = { .c = CALLER(), .door = door, .ghost = ghost };
	int status, signal;

	if (ptrace(PTRACE_SEIZE, ghost, NULL, NULL) < 0)
		_exit(1); /* not allowed here: a stop stays our own */
	if (getppid() != ghost)
		_exit(1);	     /* it has ended, and this is another of that number */
	(void)!write(ready, "r", 1); /* nobody reads: the ghost has ended, and wait() says so */
	while (next_change(&t, terminal, &status)) {
		signal = WSTOPSIG(status);
		if (status >> 16 == PTRACE_EVENT_STOP && signal != SIGTRAP) {
			t.signal = signal;
			tell(&t);
			(void)ptrace(PTRACE_LISTEN, ghost, NULL, NULL);
			continue;
		}
		if (status >> 16 != 0)
			signal = 0;
		if (signal == SIGCONT) {
			t.signal = signal;
			tell(&t);
		}
		(void)ptrace(PTRACE_CONT, ghost, NULL, (void *)(uintptr_t)signal);
	}
	_exit(0);
}

static _noreturn_ void watcher_main(const struct ghost_watch *g, pid_t ghost, int ready)
{
	sigset_t none;
	int null;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL); /* KILL and STOP refuse */
	sigemptyset(&none);
	sigaddset(&none, SIGCHLD); /* it is waited for */
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

void ghost_watch_begin(struct ghost_watch *w)
{
	pid_t ghost = getpid(), watcher;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	watcher = fork();
	if (watcher == 0)
		watcher_main(w, ghost, ends[1]);
	fd_close(ends[1]);
	w->fd = ends[0];
	if (watcher < 0) {
		w->fd = fd_close(w->fd);
		return;
	}
	(void)prctl(PR_SET_PTRACER, watcher); /* where Yama is not there, nothing forbids it */
	if (fd_set_nonblock(w->fd, 1) < 0)
		w->fd = fd_close(w->fd);
}

bool ghost_watch_sees(struct ghost_watch *w)
{
	uint8_t seen;

	if (w->fd < 0)
		return false;
	switch (read(w->fd, &seen, 1)) {
	case 0:
		w->fd = fd_close(w->fd); /* it ended */
		return false;
	case 1:
		w->sees = true;
		return true;
	default:
		return w->sees;
	}
}

/*
 * ghost.c - a local process that stands for one on a node
 *
 * Signals that can be caught are caught and passed on. The end of the remote process becomes ours,
 * and when we are killed our connection breaks, which ends the remote one. What is left are stops:
 * a stopped process can tell nobody. So a watcher, a child of ours in a session of its own, traces
 * us (ghost_watch.c): it sees us stop, for whatever reason, and tells bpmaster on a connection of
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
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "space/end_by_signal.h"
#include "space/ghost.h"
#include "space/ghosts_wire.h"
#include "space/terminal.h"

#define COMM_MAX 16 /* bytes of a process's name, with NUL */

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

/* What stops us is for the watcher, but that a terminal is given back before. */
static bool is_taken(const struct ghost *g, int signal)
{
	return signal == SIGTSTP ? g->terminal != NULL : ghosts_pass_on(signal);
}

static void on_signals(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct ghost *g = w->data;
	uint8_t bytes[64];
	ssize_t n = read(g->signal_fds[0], bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == SIGCONT)
			(void)ghost_watch_sees(&g->watch);
		if (bytes[i] == SIGCONT)
			g->continued++;
		if (bytes[i] == SIGCONT && g->resumed)
			g->resumed(g->owner);
		if (bytes[i] == SIGTSTP) {
			terminal_restore(g->terminal);
			(void)raise(SIGSTOP);
			continue;
		}
		if (bytes[i] != SIGCONT || g->watch.fd < 0)
			g->signal(g->owner, bytes[i]);
	}
}

static void on_later(struct ev_loop *loop, struct ev_timer *w, int events)
{
	ghost_watch_begin(&((struct ghost *)w->data)->watch);
}

/* Until the watcher follows us, and would give the terminal back, or has said that it must not. */
static void until_watched(const struct ghost *g)
{
	struct pollfd p = { .fd = g->watch.fd, .events = POLLIN };

	while (g->watch.fd >= 0 && poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

/* --- the ghost --- */

int ghost_open(struct ghost *g, struct ev_loop *loop, const char *door)
{
	const struct sigaction sa = { .sa_sigaction = on_signal,
				      .sa_flags = SA_SIGINFO | SA_RESTART };

	if (pipe2(g->signal_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return log_err(-errno, "cannot make a pipe");
	g->loop = loop;
	g->watch.door = door;
	g->watch.fd = FD_NONE;
	g->watch.terminal = g->terminal;
	handler_fd = g->signal_fds[1];
	ev_io_init(&g->signals, on_signals, g->signal_fds[0], EV_READ);
	ev_timer_init(&g->later, on_later, GHOST_WATCH_AFTER_MS / 1e3, 0.);
	ev_set_priority(&g->signals,
			EV_MAXPRI); /* a SIGCONT counts before a stop that is read with it */
	g->signals.data = g->later.data = g;
	ev_io_start(loop, &g->signals);
	for (int i = 1; i <= SIGRTMAX; i++) {
		if (is_taken(g, i))
			(void)sigaction(i, &sa, NULL); /* it could be read, so it can be set */
	}
	if (g->terminal) {
		ghost_watch_begin(&g->watch);
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
	handler_fd =
		-1; /* the process that we stand for is over: signals come too late to end us */
	ev_io_stop(g->loop, &g->signals);
	ev_timer_stop(g->loop, &g->later);
	for (int i = 0; i < 2; i++)
		fd_close(g->signal_fds[i]);
	g->watch.fd = fd_close(g->watch.fd);
	g->loop = NULL;
}

/* What ps shows of us. */
static struct {
	char *begin;
	size_t bytes;
} title;

char **ghost_arguments(int argc, char **argv)
{
	char **copy = calloc((size_t)argc + 1, sizeof(*copy));

	if (argc < 1 || !copy)
		return free(copy), argv;
	for (int i = 0; i < argc; i++) {
		copy[i] = strdup(argv[i]);
		if (!copy[i])
			return argv; /* we end soon, for want of memory */
	}
	title.begin = argv[0];
	title.bytes = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0]);
	return copy;
}

void ghost_title(struct ghost *g, char *const *argv, size_t n, uint32_t node)
{
	size_t room = title.bytes, at = 0;
	char *begin = title.begin, comm[COMM_MAX];
	const char *base = strrchr(argv[0], '/');
	_cleanup_free_ char *text = room > 0 ? calloc(1, room) : NULL;
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
	g->watch.title = begin;
	g->watch.title_bytes = room;
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

void ghost_left(struct ghost *g)
{
	g->owed = g->owed || g->continued > 0;
	g->continued = 0;
}

bool ghost_goes_on(struct ghost *g)
{
	bool owed = g->owed || g->continued > 0;

	g->owed = false;
	g->continued = owed;
	return owed;
}

void ghost_end(struct ghost *g, int signal, bool core)
{
	ghost_close(g);
	end_by_signal(signal, core);
}

/*
 * follow_keeper.c - the process that traces a job, for the ghosts of what it forks
 *
 * One for each job that asks for it; nobody else pays. It lives in the realm, so that it speaks of
 * processes by their numbers there, and traces the first process and all that comes of it. Each
 * fork stops before it is done (follow_filter.c), and waits until the front end has made a ghost;
 * then the number that the kernel gives next is set (ns_last_pid), and the fork goes on. One at a
 * time: so none takes the number of another, and a program that forks without end is as slow as the
 * way to the front end. A process of another job may fork in that moment and have the number; then
 * the ghost stands for a process of another number, which is told.
 *
 * Stops and ends are seen as a tracer sees them, so both are exact. When the keeper ends, all that
 * it traces does.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "space/follow.h"
#include "space/follow_internal.h"

#define KEEPER	    "space-keeper"
#define LAST_PID    "/proc/sys/kernel/ns_last_pid"
#define BUCKETS	    1024u
#define TRACEES_MAX 65536u /* processes and threads of a job */
#define NAMES_MAX   8u	   /* new names of one process that are told */
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define OPTIONS                                                                           \
	(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |               \
	 PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)

/* A process or a thread that is traced. */
struct tracee {
	struct tracee *next, *next_waiting;
	pid_t tid;
	uint32_t ghost; /* 0: it has none of its own */
	bool known;	/* who made it has told */
	bool held;	/* not known, and stopped at its beginning */
	bool waits;	/* before a fork */
	bool stopped;
	unsigned named;
};

struct keeper {
	struct tracee *buckets[BUCKETS];
	struct tracee *waiting, **waiting_end; /* with a fork, in their order */
	size_t n;
	pid_t main;	/* the job's first process: its stops and end are told by bpslave */
	int fd, gate;
	const struct realm *realm;
	pid_t busy;	/* whose fork is under way; 0: nobody's */
	uint32_t token; /* of the last question */
	bool asked;	/* and it is not answered */
	uint32_t number;   /* for the fork that goes on */
	uint64_t last_pid; /* what ns_last_pid was before */
};

static struct tracee **place_of(struct keeper *k, pid_t tid)
{
	struct tracee **at = &k->buckets[(uint32_t)tid % BUCKETS];

	while (*at && (*at)->tid != tid)
		at = &(*at)->next;
	return at;
}

static struct tracee *add(struct keeper *k, pid_t tid)
{
	struct tracee **at = place_of(k, tid);

	if (!*at && k->n < TRACEES_MAX) {
		*at = calloc(1, sizeof(**at));
		if (*at) {
			(*at)->tid = tid;
			k->n++;
		}
	}
	if (!*at)
		(void)kill(tid, SIGKILL); /* better than one that nobody knows */
	return *at;
}

static void go_on(pid_t tid, int signal)
{
	(void)ptrace(PTRACE_CONT, tid, NULL, (void *)(uintptr_t)signal); /* else it has ended */
}

/* --- what is told --- */

static void printable(char *s)
{
	for (; *s; s++)
		*s = *s < ' ' || *s > '~' ? '?' : *s;
}

static void read_title(pid_t tid, struct follow_event *e)
{
	char path[48];
	size_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fd_read_full(fd, e->name, sizeof(e->name) - 1, &n) == 0 && n > 0)
		e->name[n - (e->name[n - 1] == '\n')] = 0;
	fd_close(fd);
	n = 0;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fd_read_full(fd, e->args, sizeof(e->args) - 1, &n) < 0)
		n = 0;
	fd_close(fd);
	while (n > 0 && !e->args[n - 1])
		n--;
	for (size_t i = 0; i < n; i++)
		e->args[i] = e->args[i] ? e->args[i] : ' ';
	e->args[n] = 0;
	printable(e->name);
	printable(e->args);
}

static void say(const struct keeper *k, const struct follow_event *e)
{
	if (send(k->fd, e, sizeof(*e), 0) < 0)
		_exit(1); /* bpslave has ended, or is done with this job */
}

static void tell(const struct keeper *k, uint32_t ghost, enum message_child_what what,
		 uint32_t value)
{
	const struct follow_event e = { .what = (uint8_t)what, .pid = ghost, .value = value };

	if (ghost > 0 || what == MESSAGE_CHILD_LISTED)
		say(k, &e);
}

static void ask(const struct keeper *k)
{
	struct follow_event e = { .forks = true, .value = k->token };

	read_title(k->busy, &e);
	say(k, &e);
}

static void tell_name(const struct keeper *k, struct tracee *t)
{
	struct follow_event e = { .what = MESSAGE_CHILD_NAMED, .pid = t->ghost };

	if (t->ghost == 0 || t->named++ >= NAMES_MAX)
		return;
	read_title(t->tid, &e);
	say(k, &e);
}

/* --- forks --- */

static bool write_number(uint64_t number)
{
	char text[24];
	int fd = open(LAST_PID, O_WRONLY | O_CLOEXEC), n, r;

	n = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	r = fd < 0 ? -errno : fd_write_all(fd, text, (size_t)n);
	fd_close(fd);
	return r == 0;
}

static void choose_number(struct keeper *k)
{
	_cleanup_buffer_ struct buffer text = BUFFER(64);

	k->last_pid = 0;
	if (k->number == 0 || k->realm->init == 0 || file_read(AT_FDCWD, LAST_PID, &text) < 0)
		return;
	((char *)text.data)[strcspn(buffer_str(&text), "\n")] = 0;
	if (parse_u64(buffer_str(&text), 0, INT32_MAX, &k->last_pid) == 0)
		(void)(write_number(k->number - 1) ||
		       (realm_grow(k->realm) && write_number(k->number - 1)));
}

/* The next number of others is not beside a ghost's, which the front end gives to others. */
static void restore_number(const struct keeper *k)
{
	if (k->last_pid > 0)
		(void)write_number(k->last_pid);
}

static void next_fork(struct keeper *k)
{
	struct tracee *t = k->waiting;

	if (k->busy || k->asked || !t)
		return;
	k->waiting = t->next_waiting;
	if (!k->waiting)
		k->waiting_end = &k->waiting;
	t->waits = false;
	k->busy = t->tid;
	k->asked = true;
	k->token++;
	k->token += k->token == 0;
	ask(k);
}

static void fork_waits(struct keeper *k, struct tracee *t)
{
	t->waits = true;
	t->next_waiting = NULL;
	*k->waiting_end = t;
	k->waiting_end = &t->next_waiting;
	next_fork(k);
}

static void fork_over(struct keeper *k)
{
	k->busy = 0;
	k->number = 0;
	next_fork(k);
}

/* The number has come: let it go on. */
static void fork_goes(struct keeper *k, uint32_t token, uint32_t number)
{
	if (!k->asked || token != k->token) {
		tell(k, number, MESSAGE_CHILD_NONE, 0);
		return;
	}
	k->asked = false;
	if (k->busy == 0) { /* it has ended meanwhile */
		tell(k, number, MESSAGE_CHILD_NONE, 0);
		fork_over(k);
		return;
	}
	k->number = number;
	choose_number(k);
	if (ptrace(PTRACE_SYSCALL, k->busy, NULL, NULL) == 0)
		return;
	restore_number(k); /* it was killed: its end is told next */
}

static void fork_failed(struct keeper *k)
{
	restore_number(k);
	tell(k, k->number, MESSAGE_CHILD_NONE, 0);
	fork_over(k);
}

/* @by has made a process or a thread. */
static void born(struct keeper *k, pid_t by)
{
	unsigned long tid;
	struct tracee *t;

	if (ptrace(PTRACE_GETEVENTMSG, by, NULL, &tid) < 0)
		return;
	t = add(k, (pid_t)tid);
	if (by == k->busy && !k->asked) {
		restore_number(k);
		if (t)
			t->ghost = k->number;
		tell(k, k->number, t ? MESSAGE_CHILD_RUNS : MESSAGE_CHILD_NONE, (uint32_t)tid);
		fork_over(k);
	}
	if (t && t->held)
		go_on(t->tid, 0);
	if (t) {
		t->held = false;
		t->known = true;
	}
	go_on(by, 0);
}

/* --- what happens to them --- */

static void unlink_waiting(struct keeper *k, struct tracee *t)
{
	struct tracee **at = &k->waiting;

	while (*at && *at != t)
		at = &(*at)->next_waiting;
	if (*at)
		*at = t->next_waiting;
	for (k->waiting_end = &k->waiting; *k->waiting_end;)
		k->waiting_end = &(*k->waiting_end)->next_waiting;
}

static void gone(struct keeper *k, pid_t tid, int status)
{
	struct tracee **at = place_of(k, tid), *t = *at;

	if (!t)
		return;
	if (t->waits)
		unlink_waiting(k, t);
	if (k->busy == tid && k->asked)
		k->busy = 0; /* when the number comes it is given back */
	else if (k->busy == tid)
		fork_failed(k);
	tell(k, t->ghost, MESSAGE_CHILD_ENDED, (uint32_t)status & 0xffff);
	*at = t->next;
	k->n--;
	free(t);
}

/* A stop that lasts, the end of one, or the beginning of a new one's life. */
static void on_stop(struct keeper *k, struct tracee *t, int signal)
{
	if (signal != SIGTRAP) {
		if (!t->stopped)
			tell(k, t->ghost, MESSAGE_CHILD_STOPPED, (uint32_t)signal);
		t->stopped = true;
		(void)ptrace(PTRACE_LISTEN, t->tid, NULL, NULL); /* else it has ended */
		return;
	}
	if (!t->known) {
		t->held = true;
		return;
	}
	if (t->stopped)
		tell(k, t->ghost, MESSAGE_CHILD_CONTINUED, 0);
	t->stopped = false;
	go_on(t->tid, 0);
}

static void on_exec(struct keeper *k, struct tracee *t)
{
	unsigned long former;

	if (ptrace(PTRACE_GETEVENTMSG, t->tid, NULL, &former) == 0 && (pid_t)former != t->tid)
		gone(k, (pid_t)former, 0); /* the thread that called it is the process now */
	tell_name(k, t);
	go_on(t->tid, 0);
}

static void on_change(struct keeper *k, pid_t tid, int status)
{
	struct tracee *t;
	int signal = WSTOPSIG(status);

	if (!WIFSTOPPED(status)) {
		gone(k, tid, status);
		return;
	}
	t = add(k, tid);
	if (!t)
		return;
	switch (status >> 16) {
	case PTRACE_EVENT_STOP:
		on_stop(k, t, signal);
		break;
	case PTRACE_EVENT_SECCOMP:
		fork_waits(k, t);
		break;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		born(k, tid);
		break;
	case PTRACE_EVENT_EXEC:
		on_exec(k, t);
		break;
	default:
		if (signal == SYSCALL_STOP && tid == k->busy && !k->asked)
			fork_failed(k);
		go_on(tid, signal == SYSCALL_STOP ? 0 : signal);
	}
}

/* --- what it is told --- */

static void trace(struct keeper *k, pid_t pid)
{
	struct tracee *t = add(k, pid);

	if (!t || ptrace(PTRACE_SEIZE, pid, NULL, (void *)(uintptr_t)OPTIONS) < 0)
		_exit(1); /* who waits at the gate sees that */
	t->known = true;
	k->main = pid;
	(void)!write(k->gate, "y", 1);
	k->gate = fd_close(k->gate);
}

static void list(struct keeper *k)
{
	if (k->asked && k->busy == 0)
		k->asked = false; /* it has ended, and the number may never come */
	for (size_t i = 0; i < BUCKETS; i++) {
		for (const struct tracee *t = k->buckets[i]; t; t = t->next) {
			tell(k, t->ghost, MESSAGE_CHILD_RUNS, (uint32_t)t->tid);
			if (t->stopped)
				tell(k, t->ghost, MESSAGE_CHILD_STOPPED, SIGSTOP);
		}
	}
	tell(k, 0, MESSAGE_CHILD_LISTED, k->asked ? k->token : 0);
	if (k->asked)
		ask(k);
	next_fork(k);
}

static void send_signal(const struct keeper *k, uint32_t ghost, int signal)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (const struct tracee *t = k->buckets[i]; t; t = t->next) {
			if (t->ghost == ghost && ghost > 0)
				(void)kill(t->tid, signal); /* it is there: nobody else waits */
		}
	}
	if (signal == SIGCONT)
		tell(k, ghost, MESSAGE_CHILD_CONTINUED, 1);
}

static void on_order(struct keeper *k)
{
	struct follow_order o;
	ssize_t n = recv(k->fd, &o, sizeof(o), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(o))
		_exit(0); /* all that is traced goes with us */
	if (o.what == FOLLOW_TRACE)
		trace(k, (pid_t)o.a);
	else if (o.what == FOLLOW_NUMBER)
		fork_goes(k, o.a, o.b);
	else if (o.what == FOLLOW_SIGNAL)
		send_signal(k, o.a, (int)o.b);
	else
		list(k);
}

/* Descriptors of bpslave's are not for us to hold. */
static void keep_only(int *fd, int *gate)
{
	if (dup2(*fd, 60) < 0 || dup2(*gate, 61) < 0)
		_exit(1);
	*fd = dup2(60, STDERR_FILENO + 1);
	*gate = dup2(61, STDERR_FILENO + 2);
	(void)close_range(STDERR_FILENO + 3, ~0u, 0);
}

void follow_keeper(const struct realm *realm, int fd, int gate)
{
	struct realm all = *realm;
	struct keeper k = { .realm = realm };
	struct pollfd p[2];
	sigset_t set;
	int status;
	pid_t tid;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, KEEPER);
	(void)setsid(); /* cannot fail: a fresh child leads nothing */
	sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	all.base[0] = 0;
	if (realm_enter(&all) < 0)
		_exit(1);
	keep_only(&fd, &gate);
	k.fd = fd;
	k.gate = gate;
	k.waiting_end = &k.waiting;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	p[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
				.events = POLLIN };
	for (;;) {
		struct signalfd_siginfo info;

		if (poll(p, ARRAY_SIZE(p), -1) < 0)
			continue;
		if (p[1].revents)
			(void)!read(p[1].fd, &info, sizeof(info));
		while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
			on_change(&k, tid, status);
		if (p[0].revents)
			on_order(&k);
	}
}

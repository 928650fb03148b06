/*
 * bpghosts.c - makes the processes that stand for those of a job on several nodes
 *
 * bpsh starts it with the command's own arguments and a place for the node behind them. For each
 * request it makes one process by a plain clone of itself, so that a ghost costs what the kernel
 * needs for a process and two pages; they are children of bpsh (CLONE_PARENT), which sees them stop
 * and end as any parent does, and which they do not outlive. A ghost does nothing but tell of the
 * signals that it is sent. Static, and without stdio or an allocator, for the same reason.
 *
 * When titles are to change, as those of processes that a remote one forks do, bpsh writes the new
 * one to memory that it shares with all, and queues a signal.
 *
 * They are a process group of their own: what a terminal sends to bpsh's is passed on once, by
 * bpsh.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lang.h"
#include "space/end_by_signal.h"
#include "space/ghosts_wire.h"

static uint32_t own_index;
static pid_t keeper; /* bpsh */
static uint32_t own_node;
static const struct ghosts_slot *slots, *own_slot; /* shared; NULL: there are none */
static char *title; /* our arguments, and how long they may be */
static size_t title_bytes;
static char plain[4 * 4096 + GHOSTS_ROOM]; /* what we were given; the maker shows its own name */

static void tell(uint32_t index, uint32_t what, int32_t value)
{
	const struct ghosts_event e = { .index = index, .what = what, .value = value };

	(void)!write(GHOSTS_EVENTS, &e, sizeof(e)); /* nobody reads: bpsh has ended, and we do */
}

/* As the remote process has: with its status, or by its signal. */
static _noreturn_ void end_as(int status)
{
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	end_by_signal(WTERMSIG(status), WCOREDUMP(status));
	_exit(128 + WTERMSIG(status));
}

/* "[n17]" where there is room for it. */
static void write_tag(char *tag, uint32_t node)
{
	char digits[10];
	size_t n = 0, at = 2;

	do
		digits[n++] = (char)('0' + node % 10);
	while ((node /= 10) > 0);
	memcpy(tag, "[n", at);
	while (n > 0)
		tag[at++] = digits[--n];
	tag[at] = ']';
}

/* Show what stands in our slot. It is cut off where its memory ends, whoever writes to it. */
static void show_slot(void)
{
	struct ghosts_slot s = *own_slot;
	size_t n;

	s.name[sizeof(s.name) - 1] = s.args[sizeof(s.args) - 1] = 0;
	n = strlen(s.args);
	if (n + 1 + GHOSTS_TAG > title_bytes)
		return;
	(void)prctl(PR_SET_NAME, s.name, 0, 0, 0);
	memset(title, 0, title_bytes);
	memcpy(title, s.args, n);
	write_tag(title + n + (n > 0), own_node);
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
	int e = errno;

	if (info->si_pid == keeper && info->si_code == SI_QUEUE &&
	    info->si_value.sival_int == GHOSTS_RETITLE) {
		if (own_slot)
			show_slot();
		errno = e;
		return;
	}
	if (info->si_pid == keeper && info->si_code == SI_QUEUE)
		end_as(info->si_value.sival_int);
	if (info->si_pid != keeper || info->si_code != SI_USER)
		tell(own_index, GHOSTS_SIGNAL, signal);
	errno = e;
}

static void take_signals(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t none;

	sigfillset(&sa.sa_mask);
	for (int i = 1; i <= SIGRTMAX; i++) {
		if (ghosts_pass_on(i) || i == GHOSTS_END_SIGNAL)
			(void)sigaction(i, &sa, NULL); /* it could be read, so it can be set */
	}
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _noreturn_ void stand(const struct ghosts_request *r, char *tag, const char *name)
{
	own_index = r->index;
	own_node = r->node;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != keeper)
		_exit(1);
	if (slots && r->slot != GHOSTS_NO_SLOT) {
		own_slot = &slots[r->slot];
		show_slot();
	} else {
		memcpy(title, plain, title_bytes);
		memset(tag, 0, (size_t)(title + title_bytes - tag));
		write_tag(tag, r->node);
		(void)prctl(PR_SET_NAME, name, 0, 0, 0);
	}
	take_signals();
	(void)close(GHOSTS_REQUESTS);
	for (;;)
		pause();
}

/* The memory of titles, when we were given some. */
static void map_slots(void)
{
	struct stat st;
	void *p;

	if (fstat(GHOSTS_SLOTS, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, GHOSTS_SLOTS, 0);
	slots = p != MAP_FAILED ? p : NULL;
}

/* The maker is no ghost, and is not to look like one. */
static void show_maker(void)
{
	(void)prctl(PR_SET_NAME, GHOSTS_PROGRAM, 0, 0, 0);
	memcpy(plain, title, title_bytes);
	memset(title, 0, title_bytes);
	memcpy(title, GHOSTS_PROGRAM, MIN(title_bytes - 1, strlen(GHOSTS_PROGRAM)));
}

int main(int argc, char **argv)
{
	char *tag = argc > 1 ? argv[argc - 1] : NULL, *name;
	struct ghosts_request r;
	char comm[16] = "";
	sigset_t all;

	keeper = getppid();
	if (!tag || strlen(tag) < GHOSTS_TAG)
		return 2; /* nobody calls it by hand */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	title = argv[0];
	title_bytes = (size_t)(tag + strlen(tag) - title);
	if (title_bytes > sizeof(plain))
		return 2;
	name = strrchr(argv[0], '/');
	name = name ? name + 1 : argv[0];
	memcpy(comm, name, MIN(strlen(name), sizeof(comm) - 1));
	show_maker();
	map_slots();
	(void)setpgid(0, 0);
	sigfillset(&all); /* what comes before a ghost can take it waits */
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	while (read(GHOSTS_REQUESTS, &r, sizeof(r)) == sizeof(r)) {
		long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

		if (pid == 0)
			stand(&r, tag, comm);
		tell(r.index, GHOSTS_MADE, pid < 0 ? -errno : (int32_t)pid);
	}
	return 0;
}

/*
 * bpghosts.c - makes the processes that stand for those of a job on several nodes
 *
 * bpsh starts it with the command's own arguments and a place for the node behind them. For each
 * request it makes one process by a plain clone of itself, so that a ghost costs what the kernel
 * needs for a process and two pages; they are children of bpsh (CLONE_PARENT), which sees them stop
 * and end as any parent does, and which they do not outlive. A ghost does nothing but tell of the
 * signals that it is sent. Static, and without stdio or an allocator, for the same reason.
 *
 * They are a process group of their own: what a terminal sends to bpsh's is passed on once, by
 * bpsh.
 */
#include <errno.h>
#include <libgen.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lang.h"
#include "space/ghosts_wire.h"

static uint32_t own_index;
static pid_t keeper; /* bpsh */

static void tell(uint32_t index, uint32_t what, int32_t value)
{
	const struct ghosts_event e = { .index = index, .what = what, .value = value };

	(void)!write(GHOSTS_EVENTS, &e, sizeof(e)); /* nobody reads: bpsh has ended, and we do */
}

/* As the remote process has: with its status, or by its signal. */
static _noreturn_ void end_as(int status)
{
	const struct rlimit none = { 0, 0 };
	sigset_t set;

	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	(void)setrlimit(RLIMIT_CORE, &none); /* a core of ours would tell nothing */
	(void)signal(WTERMSIG(status), SIG_DFL);
	sigemptyset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)raise(WTERMSIG(status));
	_exit(128 + WTERMSIG(status));
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
	int e = errno;

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

/* "[n17]" where there is room for it. */
static void write_tag(char *tag, uint32_t node)
{
	char digits[10];
	size_t n = 0, at = 2;

	do
		digits[n++] = (char)('0' + node % 10);
	while ((node /= 10) > 0);
	memset(tag, 0, GHOSTS_TAG);
	memcpy(tag, "[n", at);
	while (n > 0)
		tag[at++] = digits[--n];
	tag[at] = ']';
}

static _noreturn_ void stand(const struct ghosts_request *r, char *tag)
{
	own_index = r->index;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != keeper)
		_exit(1);
	write_tag(tag, r->node);
	take_signals();
	(void)close(GHOSTS_REQUESTS);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	char *tag = argc > 1 ? argv[argc - 1] : NULL;
	struct ghosts_request r;

	keeper = getppid();
	if (!tag || strlen(tag) != GHOSTS_TAG)
		return 2; /* nobody calls it by hand */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)prctl(PR_SET_NAME, basename(argv[0]), 0, 0, 0);
	(void)setpgid(0, 0);
	while (read(GHOSTS_REQUESTS, &r, sizeof(r)) == sizeof(r)) {
		long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

		if (pid == 0)
			stand(&r, tag);
		tell(r.index, GHOSTS_MADE, pid < 0 ? -errno : (int32_t)pid);
	}
	return 0;
}

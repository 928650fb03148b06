/*
 * process.c - start a program, wait for it, take its output
 *
 * fork() and execv(), with a pipe that is closed by a successful exec and else carries the reason.
 * Waiting with a deadline polls a pidfd, so that no signal handler is needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"

int process_find(const char *name, char **ret)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *all = NULL;

	if (strchr(name, '/')) {
		*ret = access(name, X_OK) == 0 ? strdup(name) : NULL;
		return *ret ? 0 : -ENOENT;
	}
	if (asprintf(&all, "%s:/usr/sbin:/sbin:/usr/bin:/bin", path ? path : "") < 0) {
		all = NULL;
		return -ENOMEM;
	}
	for (char *p = all; *p;) {
		size_t n = strcspn(p, ":");
		char *file;

		if (n > 0) {
			if (asprintf(&file, "%.*s/%s", (int)n, p, name) < 0)
				return -ENOMEM;
			if (access(file, X_OK) == 0) {
				*ret = file;
				return 0;
			}
			free(file);
		}
		p += n + (p[n] ? 1 : 0);
	}
	return -ENOENT;
}

static int give(int fd, int as)
{
	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fd == as)
		return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
	return dup2(fd, as) < 0 ? -errno : 0;
}

/* In the child: never returns. Descriptors 0 to 2 of the caller are open, so that none of ours is
 * below 3. */
static _noreturn_ void become(const struct process *p, const char *file, int report)
{
	const int fds[3] = { p->in, p->out, p->err };
	sigset_t none;
	int r = 0;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* those that cannot be set are at their default */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (p->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	for (int i = 0; r == 0 && i < 3; i++)
		r = give(fds[i], i);
	for (size_t i = 0; r == 0 && i < p->n_keep; i++)
		r = fcntl(p->keep[i], F_SETFD, 0) < 0 ? -errno : 0;
	if (r == 0) {
		execv(file, (char *const *)p->argv);
		r = -errno;
	}
	(void)!write(report, &r, sizeof(r)); /* the parent takes silence for success */
	_exit(127);
}

int process_spawn(const struct process *p, pid_t *ret)
{
	_cleanup_close_ int from = FD_NONE, to = FD_NONE;
	_cleanup_free_ char *file = NULL;
	int ends[2], why = 0, r;
	size_t n = 0;
	pid_t pid;

	r = process_find(p->argv[0], &file);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(p, file, to);
	to = fd_close(to);
	r = fd_read_full(from, &why, sizeof(why), &n);
	if (r == 0 && n == 0) {
		*ret = pid;
		return 0;
	}
	(void)waitpid(pid, NULL, 0); /* it never became anything */
	return r < 0 ? r : n == sizeof(why) ? why : -EPIPE;
}

int process_status(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

int process_wait(pid_t pid, int timeout_ms, int *ret_status)
{
	_cleanup_close_ int fd = FD_NONE;
	struct pollfd pfd;
	int status, n;

	if (timeout_ms >= 0) {
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (fd < 0)
			return -errno;
		pfd = (struct pollfd){ .fd = fd, .events = POLLIN };
		n = poll(&pfd, 1, timeout_ms);
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ETIMEDOUT;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	*ret_status = process_status(status);
	return 0;
}

/* A pipe that holds all of @text already, so that nobody has to feed it. */
static int pipe_with(const char *text, int *ret)
{
	_cleanup_close_ int from = FD_NONE, to = FD_NONE;
	int ends[2], r;

	if (strlen(text) > PROCESS_INPUT_MAX)
		return -E2BIG;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	from = ends[0];
	to = ends[1];
	r = fd_write_all(to, text, strlen(text));
	if (r == 0)
		*ret = TAKE_FD(from);
	return r;
}

/* Append all that comes, up to the buffer's maximum. */
static int drain(int fd, struct buffer *out)
{
	for (;;) {
		size_t want = MIN(out->max - out->len, (size_t)4096);
		char over;
		ssize_t n;
		int r = buffer_reserve(out, want);

		if (r < 0)
			return r;
		n = want ? read(fd, out->data + out->len, want) : read(fd, &over, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (!want)
			return -E2BIG;
		out->len += (size_t)n;
		out->data[out->len] = 0;
	}
}

int process_capture(const char *const *argv, const char *input, struct buffer *out, int *ret_status)
{
	_cleanup_close_ int in = FD_NONE, from = FD_NONE, to = FD_NONE;
	struct process p = PROCESS(argv);
	int ends[2], r, drained;
	pid_t pid;

	r = input ? pipe_with(input, &in) : 0;
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	from = ends[0];
	to = ends[1];
	p.in = in;
	p.out = p.err = to;
	r = process_spawn(&p, &pid);
	if (r < 0)
		return r;
	to = fd_close(to);
	drained = drain(from, out);
	if (drained < 0)
		(void)kill(pid, SIGKILL); /* nobody would read what it writes */
	r = process_wait(pid, -1, ret_status);
	return drained < 0 ? drained : r;
}

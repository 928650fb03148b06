/*
 * realm.c - the PID namespace in which a node runs the processes of the space
 *
 * A remote process has the number of its ghost on the front end, so that kill, ps and logs mean the
 * same at both ends. Numbers can be chosen in a PID namespace (clone3(2), set_tid), where none of
 * the node's own processes has one. bpslave stays outside and is the parent of those that it
 * starts; what they leave behind falls to the namespace's process 1, which does nothing else than
 * reap. With it goes a mount namespace: mounts are shared with the node's, but /proc shows the
 * processes of the space and nothing else.
 *
 * Nothing of this is a wall: root in the realm is root on the node.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "space/realm.h"

#define STATUS_MAX   8192u /* /proc/PID/status */
#define PID_MAX_FILE "/proc/sys/kernel/pid_max"
#define PID_MAX_TEXT "4194304" /* the kernel's own maximum on 64 bits */

/* Mounts go on to and fro, but for /proc. */
static int own_proc(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) < 0)
		return -errno;
	return 0;
}

/* Process 1 of the realm: reap, until bpslave ends. */
static _noreturn_ void init_main(int ready)
{
	sigset_t all, child;
	int r, end = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail */
	sigfillset(&all);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &all, NULL); /* cannot fail */
	(void)prctl(PR_SET_NAME, "space-init");
	r = own_proc();
	(void)!write(ready, &r, sizeof(r)); /* silence is taken for a failure */
	(void)close_range(STDERR_FILENO + 1, ~0u, 0);
	while (r == 0) {
		(void)sigwaitinfo(&child, NULL);
		while (waitpid(-1, &end, WNOHANG) > 0)
			;
	}
	_exit(1);
}

/* New children are ours again, and not of a namespace that has no process 1. */
static void step_back(void)
{
	_cleanup_close_ int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

	if (own < 0 || setns(own, CLONE_NEWPID) < 0)
		log_warn(-errno, "cannot leave the PID namespace that could not be made: nothing "
				 "can be started");
}

static int open_of(pid_t pid, const char *what, int flags, int *ret)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

static void close_mounts(struct realm *realm)
{
	realm->mounts = fd_close(realm->mounts);
	realm->root = fd_close(realm->root);
}

static int make(struct realm *realm)
{
	_cleanup_close_ int from = FD_NONE, to = FD_NONE;
	int ends[2], r = 0;
	size_t n = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	from = ends[0];
	to = ends[1];
	if (unshare(CLONE_NEWPID) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		init_main(to);
	to = fd_close(to);
	if (pid < 0)
		r = -errno;
	if (r == 0)
		r = fd_read_full(from, &r, sizeof(r), &n) < 0 || n < sizeof(r) ? -EIO : r;
	if (r == 0)
		r = open_of(pid, "ns/mnt", O_RDONLY, &realm->mounts);
	if (r == 0)
		r = open_of(pid, "root", O_PATH | O_DIRECTORY, &realm->root);
	if (r < 0) {
		close_mounts(realm);
		if (pid > 0) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
		}
		step_back();
		return r;
	}
	realm->init = pid;
	return 0;
}

void realm_open(struct realm *realm, bool may_grow)
{
	int r;

	realm->init = 0;
	realm->may_grow = may_grow;
	if (may_grow) /* else what is mounted in the realm would stay there */
		(void)mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL);
	r = make(realm);
	if (r < 0)
		log_warn(r, "cannot make a PID namespace: processes do not have the numbers of "
			    "their ghosts");
}

void realm_renew(struct realm *realm)
{
	close_mounts(realm);
	realm->init = 0;
	step_back();
	realm_open(realm, realm->may_grow);
}

void realm_close(struct realm *realm)
{
	if (realm->init > 0)
		(void)kill(realm->init, SIGKILL); /* all of the realm goes with it */
	close_mounts(realm);
}

static pid_t clone_as(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&pid,
		.set_tid_size = 1,
	};
	long r = syscall(SYS_clone3, &args, sizeof(args));

	return r < 0 ? -errno : (pid_t)r;
}

/* A node counts to 32768 where a front end counts to 4 million. */
static bool raise_maximum(void)
{
	_cleanup_close_ int fd = open(PID_MAX_FILE, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && fd_write_all(fd, PID_MAX_TEXT, sizeof(PID_MAX_TEXT) - 1) == 0;
}

/* The number that a child of ours has in the realm. */
static pid_t number_of(pid_t pid)
{
	_cleanup_buffer_ struct buffer text = BUFFER(STATUS_MAX);
	char path[32], *line, *end;
	uint32_t number;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (file_read(AT_FDCWD, path, &text) < 0)
		return pid;
	line = strstr((char *)text.data, "\nNSpid:\t"); /* outer number, ..., innermost */
	end = line ? strchr(line + 1, '\n') : NULL;
	if (!end)
		return pid;
	*end = 0;
	return parse_u32(strrchr(line, '\t') + 1, 1, INT32_MAX, &number) < 0 ? pid : (pid_t)number;
}

bool realm_grow(const struct realm *realm)
{
	return realm->may_grow && raise_maximum();
}

pid_t realm_fork(const struct realm *realm, pid_t pid, pid_t *ret_number)
{
	pid_t r = -EINVAL;

	if (realm->init > 0 && pid > 1) {
		r = clone_as(pid);
		if (r == -EINVAL && realm_grow(realm))
			r = clone_as(pid);
	}
	if (r > 0)
		*ret_number = pid; /* a kernel that gives it gives exactly that */
	if (r >= 0)
		return r;
	r = fork();
	if (r > 0)
		*ret_number = number_of(r);
	return r < 0 ? -errno : r;
}

int realm_chroot(struct realm *realm, const char *path)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				      .resolve = RESOLVE_IN_ROOT };
	_cleanup_close_ int root = FD_NONE, fd = FD_NONE;

	if (*path != '/' || strlen(path) >= sizeof(realm->base))
		return -EINVAL;
	root = realm->init != 0 ? fcntl(realm->root, F_DUPFD_CLOEXEC, 0)
				: open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	snprintf(realm->base, sizeof(realm->base), "%s", strcmp(path, "/") != 0 ? path : "");
	return 0;
}

int realm_enter(const struct realm *realm)
{
	if (realm->init != 0 &&
	    (setns(realm->mounts, CLONE_NEWNS) < 0 || fchdir(realm->root) < 0 || chroot(".") < 0))
		return -errno;
	return *realm->base && (chdir(realm->base) < 0 || chroot(".") < 0) ? -errno : 0;
}

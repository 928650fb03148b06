/*
 * namespace.c - namespaces of the lab's own: processes, network, and users when we are not root
 *
 * As root no user namespace is needed, and none is made: it would hide devices such as /dev/kvm
 * behind mapped groups. As anyone else, a user namespace in which only oneself is mapped, to root,
 * gives the rights over a network of one's own. /proc stays the outer one, which names processes by
 * their outer numbers; nothing in the lab minds.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "lab/namespace.h"

static int write_proc(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fd_write_all(fd, text, strlen(text));
}

/* Only oneself, as root. A group can be mapped only after setgroups() is given up. */
static int map_ids(uid_t uid, gid_t gid)
{
	char text[48];
	int r = write_proc("/proc/self/setgroups", "deny");

	snprintf(text, sizeof(text), "0 %u 1", uid);
	if (r == 0)
		r = write_proc("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "0 %u 1", gid);
	if (r == 0)
		r = write_proc("/proc/self/gid_map", text);
	return r < 0 ? log_err(r, "cannot become root of a user namespace") : 0;
}

int namespace_fork(pid_t *ret_pid)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	unsigned long flags =
		SIGCHLD | CLONE_NEWPID | CLONE_NEWNET | (uid == 0 ? 0 : CLONE_NEWUSER);
	long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, 0L);

	if (pid < 0)
		return log_err(-errno, "cannot make namespaces%s",
			       uid == 0 ? ""
					: " as a plain user (not in a chroot, and see sysctls "
					  "kernel.unprivileged_userns_clone, "
					  "user.max_user_namespaces), or be root");
	if (pid == 0 && uid != 0 && map_ids(uid, gid) < 0)
		_exit(1);
	*ret_pid = (pid_t)pid;
	return 0;
}

int namespace_ip(const char *batch)
{
	static const char *const argv[] = { "ip", "-batch", "-", NULL };
	_cleanup_buffer_ struct buffer out = BUFFER(4096);
	int status, r = process_capture(argv, batch, &out, &status);

	if (r < 0)
		return log_err(r, "cannot run 'ip' (Debian package iproute2)");
	if (status != 0) {
		char *nl = out.data ? strchr((char *)out.data, '\n') : NULL;

		if (nl)
			*nl = 0;
		return log_err(-EIO, "cannot set up the lab's network: ip: %s", buffer_str(&out));
	}
	return 0;
}

/*
 * switch.c - leave the initramfs: empty it, move the root over "/", execute the root's init
 *
 * The guards are those of every careful switch_root: we are PID 1, "/" is a ramfs or tmpfs with a
 * regular /init, the new root is another file system, and nothing is removed beyond a mount point.
 * When they do not hold nothing was touched and the attempt fails like any other. After that there
 * is no way back.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/boot.h"

#define DEPTH_MAX 32 /* folders below each other in the initramfs */

int switch_guard(int root, int next, const char **ret_why)
{
	struct stat r, n, init;
	struct statfs fs;

	*ret_why = "cannot look at the roots";
	if (fstat(root, &r) < 0 || fstat(next, &n) < 0 || fstatfs(root, &fs) < 0)
		return -errno;
	*ret_why = "this is not an initramfs, but a file system that keeps what it holds";
	if ((uint32_t)fs.f_type != RAMFS_MAGIC && (uint32_t)fs.f_type != TMPFS_MAGIC)
		return -EPERM;
	*ret_why = "this is not an initramfs: it has no /init that is a file";
	if (fstatat(root, "init", &init, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(init.st_mode))
		return -EPERM;
	*ret_why = "no file system is mounted where the root should be";
	return r.st_dev == n.st_dev ? -EPERM : 0;
}

static int guard(struct boot *b)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int next = open(BOOT_ROOT_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *why = "we are not PID 1";
	int r = getpid() == 1 ? switch_guard(root, next, &why) : -EPERM;

	return r < 0 ? stage_fail(b, REPORT_ROOT, r, "refusing to leave the initramfs: %s", why)
		     : 0;
}

/* Remove everything below @fd (taken) on device @dev. What cannot be removed stays, and costs
 * memory only. */
static void empty(int fd, dev_t dev, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (!dir) {
		fd_close(fd);
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev)
			continue;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
			int sub = openat(fd, e->d_name,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0)
				empty(sub, dev, depth + 1);
		}
		(void)unlinkat(fd, e->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	closedir(dir);
}

/* Move a mount into the new root, or drop it when the root has no place for it. */
static void carry_over(const char *from)
{
	char to[sizeof(BOOT_ROOT_DIR) + 16];

	snprintf(to, sizeof(to), "%s%s", BOOT_ROOT_DIR, from);
	(void)mkdir(to, 0755); /* there already, or the root is read-only without it */
	if (mount(from, to, NULL, MS_MOVE, NULL) < 0)
		(void)umount2(from, MNT_DETACH);
}

int switch_stage(struct boot *b)
{
	static const char *const moved[] = { "/dev", "/proc", "/sys", "/run" };
	int old, r = guard(b);
	struct stat st;

	if (r < 0)
		return r;
	old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fstat(old, &st) < 0 || chdir(BOOT_ROOT_DIR) < 0) {
		r = -errno;
		fd_close(old);
		return stage_fail(b, REPORT_ROOT, r, "cannot enter the root: %s", strerror(-r));
	}
	stage_sample_memory(b);
	drivers_stop(b->drivers);
	for (size_t i = 0; i < ARRAY_SIZE(moved); i++)
		carry_over(moved[i]);
	empty(old, st.st_dev, 0);
	stage_say_root(b, "executing");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0) {
		stage_fail(b, REPORT_ROOT, -errno, "cannot make the image the root: %s",
			   strerror(errno));
		failure_final(b);
	}
	watchdog_hand_over(b);
	b->argv[0] = b->init;
	execve(b->init, b->argv, b->envp);
	stage_fail(b, REPORT_ROOT, -errno, "cannot execute %s: %s", b->init, strerror(errno));
	failure_final(b);
}

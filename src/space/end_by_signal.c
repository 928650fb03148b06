/*
 * end_by_signal.c - end by the signal that ended the remote process, core flag included
 *
 * The kernel alone sets the core flag of a wait status, and only when it has dumped a core
 * (core(5)). The core that matters is on the node; one of a ghost would tell nothing, and must
 * not lie in the caller's folder. So a ghost with the flag dumps a few pages into a tmpfs of a
 * mount namespace that ends with it, and is its root, since the name of a core may be an
 * absolute path. A user needs a user namespace for that; where there is none (a site that
 * forbids them, a caller under chroot) the flag is lost, and the signal still right. Where
 * cores go to a program, that is started with a limit of 0, by which it knows that none is to
 * be kept.
 *
 * A ghost without the flag is not dumpable: a program that takes cores is asked whatever the
 * limit.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "space/end_by_signal.h"

#define CORE_BYTES   (1 << 20) /* a core of a ghost without its memory has some 10 KiB */
#define PATTERN_ROOM 256       /* the kernel's own limit is 128 */
#define ID_ROOM	     32

static void put(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, text, n); /* what is refused shows when the core is written */
	(void)close(fd);
}

/* "ID ID 1": as outside. */
static void map_id(const char *path, uint32_t id)
{
	char text[ID_ROOM], digits[10];
	size_t n = 0, at = 0;

	do
		digits[n++] = (char)('0' + id % 10);
	while ((id /= 10) > 0);
	for (int i = 0; i < 2; i++) {
		for (size_t d = n; d > 0; d--)
			text[at++] = digits[d - 1];
		text[at++] = ' ';
	}
	text[at++] = '1';
	put(path, text, at);
}

/* The folders of an absolute @pattern, in a root that is empty. */
static void make_folders(char *pattern)
{
	for (char *p = strchr(pattern + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		(void)mkdir(pattern, S_IRWXU);
		*p = '/';
	}
}

/* A place for a core that nobody sees and nothing outlives. */
static bool hide(char *pattern)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
		put("/proc/self/setgroups", "deny", 4);
		map_id("/proc/self/uid_map", uid);
		map_id("/proc/self/gid_map", gid);
	} else if (unshare(CLONE_NEWNS) < 0) {
		return false;
	}
	if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0700") < 0 ||
	    chroot("/proc") < 0 || chdir("/") < 0)
		return false;
	if (*pattern == '/')
		make_folders(pattern);
	return true;
}

/* Whether a core may be dumped now; @ret_limit is how large. */
static bool prepare_core(rlim_t *ret_limit)
{
	char pattern[PATTERN_ROOM];
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, pattern, sizeof(pattern) - 1);

	if (fd >= 0)
		(void)close(fd);
	if (n <= 0)
		return false;
	pattern[n] = 0;
	put("/proc/self/coredump_filter", "0", 1);
	*ret_limit = 0;
	if (*pattern == '|' || *pattern == '@')
		return true;
	*ret_limit = CORE_BYTES;
	return hide(pattern);
}

void end_by_signal(int signal_number, bool core)
{
	struct rlimit limit = { 0, 0 };
	rlim_t bytes = 0;
	sigset_t all;

	core = core && prctl(PR_SET_DUMPABLE, 1) == 0 && prepare_core(&bytes);
	(void)prctl(PR_SET_DUMPABLE, core ? 1 : 0); /* a user namespace may have taken it */
	if (getrlimit(RLIMIT_CORE, &limit) == 0)
		limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	(void)setrlimit(RLIMIT_CORE, &limit);
	(void)signal(signal_number, SIG_DFL);
	sigemptyset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)raise(signal_number);
}

/*
 * mount.c - mount the root and make sure that its init can be executed
 *
 * After switch_root there is no way back, so everything that can be known about the root's init is
 * looked at before: it is there, a regular file, executable, and so is its interpreter (of ELF or
 * "#!"). Paths are resolved inside the root, absolute links too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/boot.h"
#include "init/interpreter.h"

#define DATA_MAX 512 /* bytes of options for the file system */

/* Options that are flags of mount(2); the rest goes to the file system. */
static const struct {
	const char *name;
	unsigned long set, clear;
} flags[] = {
	{ "noatime", MS_NOATIME, 0 },	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "relatime", MS_RELATIME, 0 }, { "strictatime", MS_STRICTATIME, 0 },
	{ "nosuid", MS_NOSUID, 0 },	{ "nodev", MS_NODEV, 0 },
	{ "noexec", MS_NOEXEC, 0 },	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "ro", MS_RDONLY, 0 },		{ "rw", 0, MS_RDONLY },
};

static void take_option(const char *word, size_t n, unsigned long *f, char *data, size_t size)
{
	size_t len = strlen(data);

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strlen(flags[i].name) == n && !memcmp(flags[i].name, word, n)) {
			*f = (*f | flags[i].set) & ~flags[i].clear;
			return;
		}
	}
	snprintf(data + len, size - len, "%s%.*s", len ? "," : "", (int)n, word);
}

static int mount_root(struct boot *b)
{
	const char *type =
		b->cmdline.rootfstype ? b->cmdline.rootfstype : index_format_name(b->index.format);
	unsigned long f = b->cmdline.ro ? MS_RDONLY : 0;
	char data[DATA_MAX] = "";

	for (const char *p = b->cmdline.rootflags; p && *p;) {
		size_t n = strcspn(p, ",");

		take_option(p, n, &f, data, sizeof(data));
		p += n + (p[n] == ',');
	}
	(void)mkdir(b->target, 0755); /* the mount says what is wrong */
	if (mount(BOOT_RAMDISK, b->target, type, f, data) < 0)
		return stage_fail(
			b, REPORT_MOUNT, -errno, "cannot mount the image as %s (%s%s%s): %s", type,
			f & MS_RDONLY ? "ro" : "rw", data[0] ? "," : "", data, strerror(errno));
	b->mounted = true;
	return 0;
}

static int open_in_root(int root, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
				.resolve = RESOLVE_IN_ROOT };
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Can @path be executed in the root? Return: 0 with its interpreter's name, or negative errno,
 * said. */
static int check_executable(struct boot *b, int root, const char *path, const char *what,
			    char ret_interpreter[static INTERPRETER_MAX])
{
	_cleanup_close_ int fd = open_in_root(root, path);
	uint8_t head[INTERPRETER_HEAD];
	struct stat st;
	size_t n;
	int r;

	if (fd < 0) {
		r = fd;
		fd = FD_NONE;
		return stage_fail(b, REPORT_MOUNT, r,
				  "the root has no %s %s: %s; name it in the image's manifest, "
				  "or another with init= on the kernel command line",
				  what, path, strerror(-r));
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return stage_fail(b, REPORT_MOUNT, -EACCES,
				  "the root's %s %s is not a regular file", what, path);
	if (!(st.st_mode & 0111))
		return stage_fail(b, REPORT_MOUNT, -EACCES,
				  "the root's %s %s is not executable (mode %04o)", what, path,
				  st.st_mode & 07777);
	r = fd_read_full(fd, head, sizeof(head), &n);
	if (r < 0)
		return stage_fail(b, REPORT_MOUNT, r, "cannot read the root's %s %s: %s", what,
				  path, strerror(-r));
	interpreter_find(head, n, ret_interpreter);
	return 0;
}

static int check_init(struct boot *b)
{
	char interpreter[INTERPRETER_MAX], further[INTERPRETER_MAX];
	_cleanup_close_ int root = open(b->target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (root < 0)
		return stage_fail(b, REPORT_MOUNT, -errno, "cannot open the root: %s",
				  strerror(errno));
	snprintf(b->init, sizeof(b->init), "%s", b->cmdline.init ? b->cmdline.init : b->index.init);
	r = check_executable(b, root, b->init, "init", interpreter);
	if (r == 0 && interpreter[0])
		r = check_executable(b, root, interpreter, "interpreter of init,", further);
	return r;
}

int mount_stage(struct boot *b)
{
	int r = mount_root(b);

	if (r == 0)
		r = check_init(b);
	if (r == 0)
		stage_ok(b, REPORT_MOUNT, "%s %s, init %s", index_format_name(b->index.format),
			 b->cmdline.ro ? "read-only" : "read-write", b->init);
	return r;
}

void mount_undo(struct boot *b)
{
	if (b->mounted && umount2(b->target, 0) < 0)
		stage_warn(b, REPORT_MOUNT, "cannot unmount the failed attempt's root: %s",
			   strerror(errno));
	b->mounted = false;
}

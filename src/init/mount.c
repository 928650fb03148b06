/*
 * mount.c - mount the root and make sure that its init can be executed
 *
 * After switch_root there is no way back, so everything that can be known about the root's init is
 * looked at before: it is there, a regular file, executable, and so is its interpreter (of ELF or
 * "#!"). Paths are resolved inside the root, absolute links too.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "init/boot.h"
#include "init/interpreter.h"

#define DATA_MAX 768 /* bytes of options for the file system */
#define SYSTEMS_MAX 16384 /* bytes of /proc/filesystems */
#define UPPER	 BOOT_OVERLAY_DIR "/upper"
#define WORK	 BOOT_OVERLAY_DIR "/work"

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

static void take_list(const char *p, unsigned long *f, char data[static DATA_MAX])
{
	while (p && *p) {
		size_t n = strcspn(p, ",");

		take_option(p, n, f, data, DATA_MAX);
		p += n + (p[n] == ',');
	}
}

/* What ro and rootflags= say, and the options of an NFS root. */
static unsigned long take_options(const struct boot *b, char data[static DATA_MAX])
{
	unsigned long f = b->cmdline.ro ? MS_RDONLY : 0;

	data[0] = 0;
	if (b->is_nfs)
		take_list(b->nfs.options, &f, data);
	take_list(b->cmdline.rootflags, &f, data);
	return f;
}

bool kernel_has_filesystem(const char *name)
{
	_cleanup_buffer_ struct buffer t = BUFFER(SYSTEMS_MAX);
	size_t n = strlen(name);

	if (file_read(AT_FDCWD, "/proc/filesystems", &t) < 0)
		return false;
	for (const char *p = buffer_str(&t); (p = strstr(p, name)) != NULL; p += n) {
		if (p > buffer_str(&t) && p[-1] == '\t' && p[n] == '\n')
			return true;
	}
	return false;
}

static int mount_at(struct boot *b, const char *device, const char *target, const char *type,
		    unsigned long f, const char *data)
{
	const char *what = b->disk[0]			? b->disk
			   : !strcmp(type, "overlay") ? "the overlay"
						      : "the image";

	(void)mkdir(target, 0755); /* the mount says what is wrong */
	if (mount(device, target, type, f, data) == 0)
		return 0;
	return stage_fail(b, REPORT_MOUNT, -errno, "cannot mount %s as %s (%s%s%s): %s",
			  what, type,
			  f & MS_RDONLY ? "ro" : "rw", data[0] ? "," : "", data, strerror(errno));
}

/* The upper folder looks as the image's root does, for it is what the node will see. */
static int make_upper(struct boot *b)
{
	struct stat st;

	if (stat(BOOT_IMAGE_DIR, &st) == 0 && mkdir(UPPER, 0755) == 0 && mkdir(WORK, 0755) == 0 &&
	    chown(UPPER, st.st_uid, st.st_gid) == 0 && chmod(UPPER, st.st_mode & 07777) == 0)
		return 0;
	return stage_fail(b, REPORT_MOUNT, -errno, "cannot make the folders of the overlay: %s",
			  strerror(errno));
}

/* The image is read-only: a tmpfs takes what is written. Both stay visible in /run. */
static int mount_overlaid(struct boot *b, const char *type, unsigned long f, const char *data)
{
	char options[DATA_MAX];
	int r = mount_at(b, b->device, BOOT_IMAGE_DIR, type, f | MS_RDONLY, data);

	if (r < 0)
		return r;
	b->overlaid = true;
	snprintf(options, sizeof(options), "mode=0755%s%s", b->cmdline.overlay_size ? ",size=" : "",
		 b->cmdline.overlay_size ? b->cmdline.overlay_size : "");
	r = mount_at(b, "overlay", BOOT_OVERLAY_DIR, "tmpfs", 0, options);
	if (r == 0)
		r = make_upper(b);
	if (r == 0)
		r = mount_at(b, "overlay", b->target, "overlay", f,
			     "lowerdir=" BOOT_IMAGE_DIR ",upperdir=" UPPER ",workdir=" WORK);
	return r;
}

/* The driver of ext4 serves ext2 and ext3 too. */
static const char *root_type(const struct boot *b)
{
	if (b->cmdline.rootfstype && !b->is_nfs)
		return b->cmdline.rootfstype;
	if (b->is_nfs)
		return b->nfs_version;
	return b->disk[0] ? "ext4" : index_format_name(b->index.format);
}

static int mount_root(struct boot *b)
{
	const char *type = root_type(b);
	char data[DATA_MAX];
	unsigned long f = take_options(b, data);
	int r;

	if (b->is_nfs)
		r = nfs_mount(b, f, data);
	else if (!b->disk[0] &&
		 (b->index.format == INDEX_SQUASHFS || b->index.format == INDEX_EROFS))
		r = mount_overlaid(b, type, f, data);
	else
		r = mount_at(b, b->device, b->target, type, f, data);
	b->mounted = r == 0;
	return r;
}

/* Root and half of what is free beside it: a node that fills its root still lives. */
int mount_files(struct boot *b)
{
	char data[DATA_MAX], options[2 * DATA_MAX];
	unsigned long f = take_options(b, data) & ~MS_RDONLY;
	uint64_t need = b->index.memory_bytes, room = b->free_memory > need ? b->free_memory : need;
	int r;

	snprintf(options, sizeof(options), "mode=0755,nr_inodes=0,size=%" PRIu64 "%s%s",
		 need + (room - need) / 2, data[0] ? "," : "", data);
	r = mount_at(b, "root", b->target, "tmpfs", f, options);
	b->mounted = r == 0;
	return r;
}

/* All is unpacked. */
static int end_files(struct boot *b)
{
	char data[DATA_MAX];
	unsigned long f = take_options(b, data);

	if (f & MS_RDONLY && mount(NULL, b->target, NULL, MS_REMOUNT | f, NULL) < 0)
		return stage_fail(b, REPORT_MOUNT, -errno, "cannot make the root read-only: %s",
				  strerror(errno));
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
	snprintf(b->init, sizeof(b->init), "%s", b->cmdline.init ? b->cmdline.init
							  : b->disk[0]	? "/sbin/init"
									: b->index.init);
	r = check_executable(b, root, b->init, "init", interpreter);
	if (r == 0 && interpreter[0])
		r = check_executable(b, root, interpreter, "interpreter of init,", further);
	return r;
}

int mount_stage(struct boot *b)
{
	bool files = !b->disk[0] && b->index.format == INDEX_CPIO;
	int r = files ? end_files(b) : mount_root(b);

	b->ramdisk = fd_close(b->ramdisk); /* the mount holds it */
	if (r == 0)
		r = check_init(b);
	if (r == 0)
		stage_ok(b, REPORT_MOUNT, "%s%s%s %s, init %s", b->disk, b->disk[0] ? " as " : "",
			 root_type(b), b->cmdline.ro ? "read-only" : "read-write", b->init);
	return r;
}

void mount_undo(struct boot *b)
{
	b->ramdisk = fd_close(b->ramdisk);
	/* A server that is away would be waited for, for ever. */
	if (b->mounted && umount2(b->target, b->is_nfs ? MNT_DETACH : 0) < 0)
		stage_warn(b, REPORT_MOUNT, "cannot unmount the failed attempt's root: %s",
			   strerror(errno));
	if (b->overlaid) {
		(void)umount2(BOOT_OVERLAY_DIR, 0); /* it may not have come so far */
		(void)umount2(BOOT_IMAGE_DIR, 0);
	}
	b->mounted = b->overlaid = false;
	b->disk[0] = 0;
	b->is_nfs = false;
}

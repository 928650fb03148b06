/*
 * store.c - where the parts of an image go: a RAM disk, or files in a tmpfs
 *
 * brd gives a RAM disk of exactly the image's size. zram compresses what is written to it; it
 * takes pages of 4 KiB only, while blocks of ext2 have 1 KiB, so that a loop device stands between
 * the two. A cpio archive is unpacked while it comes, part after part: those that come before their
 * turn wait, and the transfer does not run further ahead than STORE_AHEAD of its sessions.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "init/store.h"

#define ZRAM_DEVICE "/dev/zram0"
#define ZRAM_SYS    "/sys/block/zram0/"
#define LOOP_DEVICE "/dev/loop0"
#define WORDS_MAX   64
#define ZEROS_BYTES 16384

/* --- modules --- */

/* Why a module that was asked for by name is not there. */
static const char *load_why(const struct boot *b, const char *module, int err)
{
	if (err == -ENOENT)
		return "this initrd does not hold it";
	return cmdline_blacklisted(&b->cmdline, module) ? "the kernel command line blacklists it"
							: strerror(-err);
}

static int load(struct boot *b, const char *module, const char *params, const char *what,
		const char *option)
{
	int r = drivers_load(b->drivers, module, params);

	if (r == -ENOENT && !b->adopted)
		return stage_fail(b, REPORT_FETCH, r,
				  "cannot load module %s for %s: this initrd does not hold it "
				  "(bpboot initrd --root %s puts it in)",
				  module, what, option);
	return r < 0 ? stage_fail(b, REPORT_FETCH, r, "cannot load module %s for %s: %s", module,
				  what, load_why(b, module, r))
		     : 0;
}

static int need_system(struct boot *b, const char *name, const char *what, const char *option)
{
	return kernel_has_filesystem(name) ? 0 : load(b, name, "", what, option);
}

/* --- devices --- */

static int open_device(struct boot *b, const char *path)
{
	uint64_t size = 0;

	b->ramdisk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (b->ramdisk < 0) {
		int r = -errno;

		b->ramdisk = FD_NONE;
		return stage_fail(b, REPORT_FETCH, r, "cannot open %s: %s", path, strerror(-r));
	}
	if (ioctl(b->ramdisk, BLKGETSIZE64, &size) < 0 || size < b->index.image_bytes)
		return stage_fail(b, REPORT_FETCH, -ENOSPC,
				  "%s has %" PRIu64 " bytes, the image %" PRIu64
				  ": set ramdisk_size=KIB on the kernel command line",
				  path, size, b->index.image_bytes);
	return 0;
}

/* A brd that is built into the kernel has to be large enough. */
static int make_brd(struct boot *b)
{
	char params[WORDS_MAX];
	int r;

	snprintf(params, sizeof(params), "rd_nr=1 rd_size=%" PRIu64, b->index.image_bytes / 1024);
	r = drivers_load(b->drivers, "brd", params);
	if (r < 0 && (r != -ENOENT || access(BOOT_RAMDISK, F_OK) < 0))
		return stage_fail(b, REPORT_FETCH, r, "cannot load module brd for the ram disk: %s",
				  load_why(b, "brd", r));
	b->device = BOOT_RAMDISK;
	return open_device(b, BOOT_RAMDISK);
}

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
}

static int make_zram(struct boot *b)
{
	uint64_t bytes = (b->index.image_bytes + RAMDISK_ALIGN - 1) / RAMDISK_ALIGN * RAMDISK_ALIGN;
	const char *packer = b->cmdline.zram, *what = "the compressed ram disk";
	const char *option = strcmp(packer, "zstd") ? "zram" : "zram-zstd";
	char size[WORDS_MAX];
	int r = load(b, packer, "", what, option);

	if (r == 0)
		r = load(b, "zram", "num_devices=1", what, option);
	if (r == 0)
		r = load(b, "loop", "max_loop=1", what, option);
	if (r < 0)
		return r;
	snprintf(size, sizeof(size), "%" PRIu64, bytes);
	r = write_text(ZRAM_SYS "comp_algorithm", packer);
	if (r == 0)
		r = write_text(ZRAM_SYS "disksize", size);
	if (r < 0)
		return stage_fail(b, REPORT_FETCH, r, "cannot set up %s: %s", ZRAM_DEVICE,
				  strerror(-r));
	b->device = LOOP_DEVICE;
	return open_device(b, ZRAM_DEVICE);
}

/* A device of 512-byte sectors over zram. It goes away when the root is unmounted. */
static int make_loop(struct boot *b)
{
	struct loop_config c = { .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
	_cleanup_close_ int zram = open(ZRAM_DEVICE, O_RDWR | O_CLOEXEC);
	int fd = zram < 0 ? FD_NONE : open(LOOP_DEVICE, O_RDWR | O_CLOEXEC), r;

	c.fd = (uint32_t)zram;
	r = zram < 0 || fd < 0 || ioctl(fd, LOOP_CONFIGURE, &c) < 0 ? -errno : 0;
	b->ramdisk = fd_close(b->ramdisk);
	b->ramdisk = fd < 0 ? FD_NONE : fd; /* which keeps it until it is mounted */
	return r < 0 ? stage_fail(b, REPORT_FETCH, r, "cannot set up %s: %s", LOOP_DEVICE,
				  strerror(-r))
		     : 0;
}

/* --- cpio --- */

static int open_files(struct store *s)
{
	struct boot *b = s->b;
	int fd, r = mount_files(b);

	if (r < 0)
		return r;
	s->unpack = calloc(1, sizeof(*s->unpack));
	s->held = calloc(MAX(b->index.n_parts, (size_t)1), sizeof(*s->held));
	fd = open(b->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!s->unpack || !s->held || fd < 0)
		return stage_fail(b, REPORT_FETCH, -ENOMEM, "no memory to unpack files");
	b->ramdisk = fd;
	unpack_init(s->unpack, fd);
	return 0;
}

static int feed(struct store *s, const void *p, size_t n)
{
	int r = unpack_feed(s->unpack, p, n);

	s->said = r < 0;
	return r < 0 ? stage_fail(s->b, REPORT_FETCH, r, "the image cannot be unpacked: %s",
				  s->unpack->why)
		     : 0;
}

static int feed_part(struct store *s, const void *data, size_t n)
{
	const struct index_part *p = &s->b->index.parts[s->next];
	int r = ramdisk_unpack(&s->disk, p, data, n);

	if (r == 0)
		r = feed(s, s->disk.raw, p->raw_bytes);
	s->next += r == 0;
	return r;
}

static int feed_hole(struct store *s)
{
	static const uint8_t zeros[ZEROS_BYTES];
	uint32_t left = s->b->index.parts[s->next].raw_bytes;
	int r = 0;

	while (r == 0 && left > 0) {
		uint32_t n = MIN(left, (uint32_t)sizeof(zeros));

		r = feed(s, zeros, n);
		left -= n;
	}
	s->next += r == 0;
	return r;
}

/* Holes, and parts that have waited for their turn. */
static int feed_waiting(struct store *s)
{
	const struct index *x = &s->b->index;
	int r = 0;

	while (r == 0 && s->next < x->n_parts) {
		size_t i = s->next;

		if (x->parts[i].stored_bytes == 0) {
			r = feed_hole(s);
			continue;
		}
		if (!s->held[i])
			break;
		r = feed_part(s, s->held[i], x->parts[i].stored_bytes);
		free(TAKE_PTR(s->held[i]));
	}
	return r;
}

static int take_in_turn(struct store *s, size_t i, const void *data, size_t n)
{
	int r = feed_waiting(s);

	if (r < 0)
		return r;
	if (i != s->next) {
		s->held[i] = malloc(n);
		if (!s->held[i])
			return -ENOMEM;
		memcpy(s->held[i], data, n);
		return 0;
	}
	r = feed_part(s, data, n);
	return r < 0 ? r : feed_waiting(s);
}

static int end_files(struct store *s)
{
	struct boot *b = s->b;
	int r = feed_waiting(s);

	if (r < 0)
		return r;
	r = unpack_end(s->unpack);
	if (r < 0)
		return stage_fail(b, REPORT_FETCH, r, "the image cannot be unpacked: %s",
				  s->unpack->why);
	if (s->unpack->no_attributes)
		stage_warn(b, REPORT_FETCH,
			   "this kernel's tmpfs keeps no users' attributes (user.*): left out");
	b->ramdisk = fd_close(b->ramdisk);
	return 0;
}

/* --- the whole --- */

int store_open(struct store *s, struct boot *b)
{
	enum index_format f = b->index.format;
	const char *name = index_format_name(f);
	bool zram = b->cmdline.zram && f == INDEX_EXT2;
	int r = 0;

	*s = (struct store){ .b = b, .disk = { .fd = FD_NONE } };
	if (f == INDEX_SQUASHFS || f == INDEX_EROFS) {
		r = need_system(b, name, "the image's file system", name);
		if (r == 0)
			r = need_system(b, "overlay", "what is written over the image", name);
	}
	if (r == 0)
		r = f == INDEX_CPIO ? open_files(s) : zram ? make_zram(b) : make_brd(b);
	if (r < 0)
		return r;
	r = ramdisk_init(&s->disk, b->ramdisk, &b->index);
	s->disk.pad = zram;
	return r < 0 ? stage_fail(b, REPORT_FETCH, r, "no memory to unpack parts") : 0;
}

int store_part(struct store *s, size_t i, const void *data, size_t n)
{
	if (s->unpack)
		return take_in_turn(s, i, data, n);
	return ramdisk_write(&s->disk, &s->b->index.parts[i], data, n);
}

int store_end(struct store *s)
{
	if (s->unpack)
		return end_files(s);
	return s->disk.pad ? make_loop(s->b) : 0;
}

void store_close(struct store *s)
{
	for (size_t i = 0; s->held && i < s->b->index.n_parts; i++)
		free(s->held[i]);
	free(s->held);
	if (s->unpack)
		unpack_deinit(s->unpack);
	free(s->unpack);
	ramdisk_deinit(&s->disk);
	*s = (struct store){ 0 };
}

static void unload(struct boot *b, const char *module)
{
	int r = drivers_unload(b->drivers, module);

	if (r < 0)
		stage_warn(b, REPORT_FETCH, "cannot remove %s of the failed attempt's ram disk: %s",
			   module, strerror(-r));
}

void ramdisk_undo(struct boot *b)
{
	b->ramdisk = fd_close(b->ramdisk);
	if (b->cmdline.zram) {
		unload(b, "loop");
		unload(b, "zram");
	}
	unload(b, "brd");
	b->device = NULL;
}

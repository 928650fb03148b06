/*
 * microcode.c - updates of the processors, as the archive that stands before an initramfs
 *
 * Updates are not chosen by processor: the front end does not know those of the nodes, and all of
 * Intel's and AMD's are some MB. What is taken is looked at as far as its form goes: a file that
 * is none would be passed over by the kernel in silence.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/reader.h"
#include "image/microcode.h"
#include "wire/newc.h"

#define INTEL_HEAD_BYTES 48
#define INTEL_SMALL	 2048 /* bytes of an update that does not say its size */
#define AMD_MAGIC	 0x00414d44
#define ALIGNMENT	 16 /* of Intel's updates in memory, which the processor asks for */

static const struct {
	const char *dir, *file;
} vendors[MICROCODE_VENDOR_MAX_] = {
	[MICROCODE_INTEL] = { "intel-ucode", "kernel/x86/microcode/GenuineIntel.bin" },
	[MICROCODE_AMD] = { "amd-ucode", "kernel/x86/microcode/AuthenticAMD.bin" },
};

void microcode_clear(struct microcode *m)
{
	for (size_t i = 0; i < MICROCODE_VENDOR_MAX_; i++)
		buffer_clear(&m->updates[i]);
}

/* Updates of Intel one behind the other; the 32-bit words of each add up to 0. */
static int check_intel(struct reader r)
{
	while (r.left > 0) {
		struct reader head = r, words;
		uint32_t version = reader_le32(&head), total, sum = 0;

		reader_skip(&head, 16);
		if (version != 1 || reader_le32(&head) != 1) /* of header and loader */
			return -EBADMSG;
		reader_skip(&head, 8);
		total = reader_le32(&head);
		if (total == 0)
			total = INTEL_SMALL;
		if (head.err < 0 || total < INTEL_HEAD_BYTES || total % 4)
			return -EBADMSG;
		words = reader_sub(&r, total);
		if (r.err < 0)
			return -EBADMSG;
		while (words.left > 0)
			sum += reader_le32(&words);
		if (sum != 0)
			return -EBADMSG;
	}
	return 0;
}

/* Containers of AMD one behind the other: magic, then sections with type and length. */
static int check_amd(struct reader r)
{
	bool container = false;

	while (r.left > 0) {
		uint32_t type = reader_le32(&r), n;

		if (type == AMD_MAGIC) {
			container = true;
			continue;
		}
		n = reader_le32(&r);
		if (type > 1 || n == 0) /* 0: table of processors, 1: an update */
			return -EBADMSG;
		reader_skip(&r, n);
	}
	return container ? reader_end(&r) : -EBADMSG;
}

int microcode_vendor(const void *p, size_t n, enum microcode_vendor *ret)
{
	struct reader r = READER(p, n), head = r;
	bool amd = reader_le32(&head) == AMD_MAGIC;
	int err = n == 0 ? -EBADMSG : amd ? check_amd(r) : check_intel(r);

	if (err == 0)
		*ret = amd ? MICROCODE_AMD : MICROCODE_INTEL;
	return err;
}

static int take_file(struct microcode *m, int dirfd, const char *name, const char *shown)
{
	_cleanup_buffer_ struct buffer text = BUFFER(MICROCODE_BYTES_MAX);
	enum microcode_vendor vendor;
	int r = file_read(dirfd, name, &text);

	if (r < 0)
		return log_err(r, "cannot read microcode '%s'", shown);
	r = microcode_vendor(text.data, text.len, &vendor);
	if (r < 0)
		return log_err(r,
			       "'%s' holds no microcode: expected updates as in intel-ucode/ or "
			       "amd-ucode/ of " MICROCODE_DIR,
			       shown);
	r = buffer_append(&m->updates[vendor], text.data, text.len);
	if (r == 0)
		m->files++;
	return r < 0 ? log_err(r, "microcode of more than %u bytes", MICROCODE_BYTES_MAX) : 0;
}

/* Only updates: a README, a signature (.asc) and what is known to do harm (.initramfs of Debian's
 * package, .bak) have a dot in their names, but AMD's have ".bin". */
static int wanted(const struct dirent *e)
{
	const char *dot = strchr(e->d_name, '.');

	return e->d_name[0] != '.' && (!dot || !strcmp(dot, ".bin")) &&
	       strcmp(e->d_name, "README") && strcmp(e->d_name, "LICENSE");
}

static int take_dir(struct microcode *m, const char *dir, const char *sub)
{
	struct dirent **names = NULL;
	char path[PATH_MAX];
	int n, r = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, sub) >= sizeof(path))
		return log_err(-ENAMETOOLONG, "'%s'", dir);
	n = scandir(path, &names, wanted, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : log_err(-errno, "cannot read '%s'", path);
	for (int i = 0; i < n; i++) {
		char file[PATH_MAX + 256];

		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (r == 0 && i < MICROCODE_FILES_MAX)
			r = take_file(m, AT_FDCWD, file, file);
		free(names[i]);
	}
	free(names);
	return r;
}

int microcode_load(const char *source, struct microcode *to)
{
	const char *path = strcmp(source, "auto") ? source : MICROCODE_DIR;
	struct stat st;
	int r = 0;

	if (stat(path, &st) < 0)
		return log_err(-errno, "cannot find microcode '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return take_file(to, AT_FDCWD, path, path);
	for (size_t i = 0; i < MICROCODE_VENDOR_MAX_ && r == 0; i++)
		r = take_dir(to, path, vendors[i].dir);
	if (r == 0 && to->files == 0)
		return log_err(-ENOENT,
			       "no microcode in '%s/intel-ucode' or '%s/amd-ucode': the packages "
			       "intel-microcode and amd64-microcode bring it",
			       path, path);
	return r;
}

static int add(struct buffer *to, struct newc *e, const char *name, const void *p, size_t n)
{
	int r;

	snprintf(e->name, sizeof(e->name), "%s", name);
	e->ino++;
	e->size = (uint32_t)n;
	r = newc_format(e, to);
	if (r == 0 && n > 0)
		r = buffer_append(to, p, n);
	return r == 0 ? newc_pad(to) : r;
}

/* Where the data of an entry called @name would begin. */
static size_t data_at(const struct buffer *to, const char *name)
{
	size_t at = to->len + NEWC_HEADER_BYTES + strlen(name) + 1;

	return (at + NEWC_ALIGN - 1) / NEWC_ALIGN * NEWC_ALIGN;
}

/* An entry that nobody reads, so that the data of the next one, @name, is aligned. */
static int add_filler(struct buffer *to, struct newc *e, const char *name)
{
	static const char filler[] = "kernel/x86/microcode/.align";
	static const uint8_t zeros[ALIGNMENT];
	struct buffer after = { .len = data_at(to, filler) };

	if (data_at(to, name) % ALIGNMENT == 0)
		return 0;
	return add(to, e, filler, zeros,
		   (ALIGNMENT - data_at(&after, name) % ALIGNMENT) % ALIGNMENT);
}

int microcode_archive(const struct microcode *m, uint32_t mtime, struct buffer *to)
{
	static const char *const dirs[] = { "kernel", "kernel/x86", "kernel/x86/microcode" };
	struct newc e = { .mode = S_IFDIR | 0755, .nlink = 2, .mtime = mtime };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && r == 0; i++)
		r = add(to, &e, dirs[i], NULL, 0);
	e.mode = S_IFREG | 0644;
	e.nlink = 1;
	for (size_t i = 0; i < MICROCODE_VENDOR_MAX_ && r == 0; i++) {
		if (m->updates[i].len == 0)
			continue;
		r = add_filler(to, &e, vendors[i].file);
		if (r == 0)
			r = add(to, &e, vendors[i].file, m->updates[i].data, m->updates[i].len);
	}
	e.mode = 0;
	return r == 0 ? add(to, &e, NEWC_TRAILER, NULL, 0) : r;
}

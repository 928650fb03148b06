/*
 * source.c - the data of a file of the tree, and whether it is still what was looked at
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/blocks.h"
#include "image/source.h"

#define SCAN_BYTES (256u << 10) /* read at once; stays in the cache */

int source_changed(const struct inode *i)
{
	return log_err(-ESTALE, "'%s' changed while it was read; nothing was written", i->source);
}

/* Is the bundle still the file that it was? */
static int check_bundle(const struct inode *i, int fd)
{
	const struct bundle *b = i->bundle;
	struct stat st;

	if (b->spooled)
		return 0;
	if (fstat(fd, &st) < 0)
		return log_err(-errno, "cannot read '%s'", b->name);
	if ((uint64_t)st.st_size != b->size || st.st_mtim.tv_sec != b->mtime_s ||
	    st.st_mtim.tv_nsec != b->mtime_ns)
		return log_err(-ESTALE, "'%s' changed while it was read; nothing was written",
			       b->name);
	return 0;
}

int source_check(const struct inode *i, int fd)
{
	struct stat st;

	if (i->bundle)
		return check_bundle(i, fd);
	if (fstat(fd, &st) < 0)
		return log_err(-errno, "cannot read '%s'", i->source);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != i->size ||
	    st.st_mtim.tv_sec != i->mtime_s || st.st_mtim.tv_nsec != i->mtime_ns)
		return source_changed(i);
	return 0;
}

/* A bundle has no name that leads to it any more, or maybe to another file. */
static int open_bundle(const struct bundle *b)
{
	char path[sizeof("/proc/self/fd/-2147483648")];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", b->fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int source_open(const struct inode *i, int *ret)
{
	_cleanup_close_ int fd =
		i->bundle ? open_bundle(i->bundle)
			  : openat(i->source_dirfd, i->source,
				   O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || (i->source_offset && lseek(fd, (off_t)i->source_offset, SEEK_SET) < 0))
		return log_err(-errno, "cannot read '%s'", i->source);
	*ret = TAKE_FD(fd);
	return 0;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* One more block with data. */
static int add_block(struct inode *i, uint32_t block)
{
	struct inode_run *last = i->n_runs ? &i->runs[i->n_runs - 1] : NULL, *more;

	if (last && last->first + last->count == block) {
		last->count++;
		return 0;
	}
	if ((i->n_runs & (i->n_runs - 1)) == 0) {
		more = realloc(i->runs, MAX(2 * i->n_runs, (size_t)1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		i->runs = more;
	}
	i->runs[i->n_runs++] = (struct inode_run){ .first = block, .count = 1 };
	return 0;
}

/* Look through @n bytes that begin at block @block. */
static int scan_bytes(struct inode *i, uint64_t block, const uint8_t *p, size_t n)
{
	for (size_t at = 0; at < n; at += BLOCK_BYTES) {
		int r = is_zero(p + at, MIN(n - at, (size_t)BLOCK_BYTES))
				? 0
				: add_block(i, (uint32_t)(block + at / BLOCK_BYTES));

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Read the file; where a whole piece was zeros, ask the file system how far its hole goes: that
 * needs no look. Whether the file changed is seen when it is read for the image.
 */
static int scan_fd(struct inode *i, int fd, uint8_t *buf)
{
	uint64_t at = 0;

	while (at < i->size) {
		size_t want = (size_t)MIN((uint64_t)SCAN_BYTES, i->size - at), n = 0,
		       before = i->n_runs;
		uint32_t counted = before ? i->runs[before - 1].count : 0;
		off_t data;
		int r;

		while (n < want) {
			ssize_t k = pread(fd, buf + n, want - n,
					  (off_t)(i->source_offset + at + n));

			if (k < 0 && errno == EINTR)
				continue;
			if (k < 0)
				return log_err(-errno, "cannot read '%s'", i->source);
			if (k == 0)
				return source_changed(i);
			n += (size_t)k;
		}
		r = scan_bytes(i, at / BLOCK_BYTES, buf, n);
		if (r < 0)
			return log_err(r, "cannot keep the holes of '%s'", i->source);
		at += n;
		if (at == i->size || i->n_runs != before ||
		    (before && i->runs[before - 1].count != counted))
			continue;
		data = lseek(fd, (off_t)(i->source_offset + at), SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		if (data > 0 && (uint64_t)data > i->source_offset + at)
			at = ((uint64_t)data - i->source_offset) / BLOCK_BYTES * BLOCK_BYTES;
	}
	return 0;
}

int source_scan(struct inode *i)
{
	_cleanup_close_ int fd = FD_NONE;
	_cleanup_free_ uint8_t *buf = NULL;
	int r;

	i->n_runs = 0;
	i->scanned = true;
	if (!i->source)
		return scan_bytes(i, 0, i->data, (size_t)i->size);
	buf = malloc(SCAN_BYTES);
	r = buf ? source_open(i, &fd) : log_err(-ENOMEM, "cannot read '%s'", i->source);
	return r < 0 ? r : scan_fd(i, fd, buf);
}

int source_read(const struct inode *i, int fd, uint64_t at, void *buf, size_t n)
{
	size_t done = 0;

	if (i->data) {
		memcpy(buf, i->data + at, n);
		return 0;
	}
	while (done < n) {
		ssize_t k = pread(fd, (char *)buf + done, n - done,
				  (off_t)(i->source_offset + at + done));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return log_err(-errno, "cannot read '%s'", i->source);
		if (k == 0)
			return source_changed(i);
		done += (size_t)k;
	}
	return 0;
}

/*
 * source.c - the data of a file of the tree, and whether it is still what was looked at
 */
#include <errno.h>
#include <fcntl.h>
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

int source_check(const struct inode *i, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return log_err(-errno, "cannot read '%s'", i->source);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != i->size || st.st_mtim.tv_sec != i->mtime_s ||
	    st.st_mtim.tv_nsec != i->mtime_ns)
		return source_changed(i);
	return 0;
}

int source_open(const struct inode *i, int *ret)
{
	_cleanup_close_ int fd =
		openat(i->source_dirfd, i->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
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
		int r = is_zero(p + at, MIN(n - at, (size_t)BLOCK_BYTES)) ?
				0 :
				add_block(i, (uint32_t)(block + at / BLOCK_BYTES));

		if (r < 0)
			return r;
	}
	return 0;
}

/* Read what lies between holes that the file system knows; those need no look. */
static int scan_fd(struct inode *i, int fd, uint8_t *buf)
{
	uint64_t at = 0;

	while (at < i->size) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		size_t n = 0, want;
		int r;

		if (data < 0 && errno == ENXIO)
			break;
		if (data > 0 && (uint64_t)data > at)
			at = (uint64_t)data / BLOCK_BYTES * BLOCK_BYTES;
		want = (size_t)MIN((uint64_t)SCAN_BYTES, i->size - at);
		if (lseek(fd, (off_t)at, SEEK_SET) < 0)
			return log_err(-errno, "cannot read '%s'", i->source);
		r = fd_read_full(fd, buf, want, &n);
		if (r < 0)
			return log_err(r, "cannot read '%s'", i->source);
		if (n < want)
			return source_changed(i);
		r = scan_bytes(i, at / BLOCK_BYTES, buf, n);
		if (r < 0)
			return log_err(r, "cannot keep the holes of '%s'", i->source);
		at += n;
	}
	return source_check(i, fd);
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

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
#include "image/source.h"

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

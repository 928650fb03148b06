/*
 * medium.c - what an image is read from: a file
 */
#include <errno.h>
#include <unistd.h>

#include "image/medium.h"

static int read_file(struct medium *m, uint64_t at, void *buf, size_t n, size_t *ret)
{
	size_t done = 0;

	while (done < n) {
		ssize_t k = pread(m->fd, (uint8_t *)buf + done, n - done, (off_t)(at + done));

		if (k == 0)
			break;
		if (k < 0 && errno != EINTR)
			return -errno;
		done += k > 0 ? (size_t)k : 0;
	}
	*ret = done;
	return 0;
}

int medium_of_file(int fd, struct medium *ret)
{
	off_t at = lseek(fd, 0, SEEK_CUR), end = lseek(fd, 0, SEEK_END); /* also of a device */

	if (at < 0 || end < 0 || lseek(fd, at, SEEK_SET) < 0)
		return -errno;
	*ret = (struct medium){ .read = read_file, .bytes = (uint64_t)end, .fd = fd };
	return 0;
}

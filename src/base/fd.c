/*
 * fd.c - file descriptors: whole reads and writes, scoped close
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

int fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		(void)close(fd); /* the descriptor is gone whatever close() says */
	errno = saved;
	return FD_NONE;
}

void fd_closep(int *fd)
{
	*fd = fd_close(*fd);
}

int fd_write_all(int fd, const void *buf, size_t n)
{
	const uint8_t *p = buf;

	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

int fd_read_full(int fd, void *buf, size_t n, size_t *ret)
{
	uint8_t *p = buf;
	size_t done = 0;

	while (done < n) {
		ssize_t k = read(fd, p + done, n - done);

		if (k < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (k == 0)
			break;
		done += (size_t)k;
	}
	*ret = done;
	return 0;
}

int fd_set_nonblock(int fd, int on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

void fd_open_standard(void)
{
	for (int i = 0; i <= STDERR_FILENO; i++) {
		if (fcntl(i, F_GETFD) >= 0)
			continue;
		if (i == STDIN_FILENO) /* each is the lowest that is free */
			(void)!open("/dev/null", O_RDONLY);
		else /* cannot be opened for writing by way of /proc either */
			(void)!open("/", O_PATH);
	}
}

/*
 * fd.h - file descriptors: whole reads and writes, scoped close
 *
 * An empty descriptor is -EBADF, so that an error code can never be taken for a descriptor.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/lang.h"

#define FD_NONE		(-EBADF)
#define _cleanup_close_ _cleanup_(fd_closep)

/* Close @fd when it is one, and return FD_NONE: `fd = fd_close(fd)`. Keeps errno; never retries. */
int fd_close(int fd);
void fd_closep(int *fd);

/* Hand over a descriptor: yields it and leaves FD_NONE. */
#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = FD_NONE;    \
		taken_;            \
	})

/* Write all @n bytes, however many calls it takes. Return: 0 or negative errno. */
_must_check_ int fd_write_all(int fd, const void *buf, size_t n);

/*
 * Read until @n bytes have come or the file ends.
 * Return: 0 or negative errno; *ret is the number of bytes read, less than @n only at the end.
 */
_must_check_ int fd_read_full(int fd, void *buf, size_t n, size_t *ret);

_must_check_ int fd_set_nonblock(int fd, int on);

/*
 * Where 0, 1 or 2 is closed, put something there: else what we open next would be our input or
 * output. Input is then empty, and writing fails with EBADF as before.
 */
void fd_open_standard(void);

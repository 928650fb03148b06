/*
 * spool.h - what is not a plain file: unpacked or copied into one that nobody else sees
 *
 * Archives are read at random, so a compressed one or one that comes through a pipe is put into a
 * file without a name, on disk, which is gone with the process however that ends. How much it may
 * hold, what a compressed file may grow to, and what stays free on the disk have limits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"
#include "image/tar.h"

#define SPOOL_BYTES_MAX	  ((uint64_t)1 << 40)	/* what one image may be */
#define SPOOL_RESERVE	  ((uint64_t)64 << 20)	/* stays free on the disk */
#define SPOOL_RATIO_MAX	  200u			/* unpacked to packed bytes... */
#define SPOOL_RATIO_AFTER ((uint64_t)256 << 20) /* ...beyond so many */

struct spool {
	int fd; /* owned; FD_NONE until it is needed */
	uint64_t end, checked;
	const char *dir; /* where it is, for messages */
};

#define SPOOL()		((struct spool){ .fd = FD_NONE })
#define _cleanup_spool_ _cleanup_(spool_close)
void spool_close(struct spool *s);

/* Append bytes; zeros become holes. @name is whose they are, for messages. Logs. */
_must_check_ int spool_write(struct spool *s, const char *name, const void *p, size_t n);

/* Append @n zeros. Logs. */
_must_check_ int spool_skip(struct spool *s, const char *name, uint64_t n);

/* Make the file, and take what another program has written to it. Log. */
_must_check_ int spool_begin(struct spool *s, const char *name);
_must_check_ int spool_took(struct spool *s, const char *name);

/* All that comes from @fd to its end. *ret_at is where it begins. Logs. */
_must_check_ int spool_copy(struct spool *s, const char *name, int fd, uint64_t *ret_at);

/*
 * Unpack the compressed streams, one behind the other, that are @from. *ret_at is where the bytes
 * begin. Logs. Return: 0; -EBADMSG (damaged), -E2BIG (a limit), -ENOSPC, another errno.
 */
_must_check_ int spool_unpack(struct spool *s, const struct span *from, uint64_t *ret_at);

/*
 * What lies in the spool from @at on, as if it were in the file that @like is of. *bundle is made
 * and kept by @t when it is NULL. Logs.
 */
_must_check_ int spool_span(struct spool *s, struct tree *t, const struct bundle *like, uint64_t at,
			    const struct bundle **bundle, struct span *ret);

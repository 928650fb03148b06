/*
 * out.h - the blocks of an image, one behind the other, into a file
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "image/blocks.h"
#include "image/tree.h"

#define OUT_BYTES    (256u << 10) /* collected before a write */
#define OUT_COPY_MIN (1u << 30)	  /* from here on the kernel copies from file to file */

struct out {
	int fd;		/* borrowed; a new file, so that what is passed over reads as zeros */
	uint32_t block; /* the next to be made */
	struct writebehind *behind; /* owned; writes full buffers */
	uint8_t *buf; /* one of its buffers: what was made and not put, the last is before @block */
	size_t len;
	bool no_copy; /* the kernel does not copy between these file systems */
	void (*progress)(void *user, uint64_t done_bytes); /* or NULL */
	void *user;
};

_must_check_ int out_init(struct out *o, int fd);
void out_deinit(struct out *o);

/* The next block, zeroed; valid until the next call. Logs. */
_must_check_ int out_block(struct out *o, uint8_t **ret);

/* Leave @n blocks as zeros. Logs. */
_must_check_ int out_skip(struct out *o, uint32_t n);

/*
 * The next @count blocks from the data of @i that begins at its block @first; @source is its open
 * file, or -EBADF when the data is in memory. The last block is filled up with zeros. Logs. Return:
 * 0; -ESTALE when the source is shorter than it was; another errno.
 */
_must_check_ int out_data(struct out *o, const struct inode *i, int source, uint64_t first,
			  uint32_t count);

/* Write what is left, and make the file @blocks long. Logs. */
_must_check_ int out_end(struct out *o, uint32_t blocks);

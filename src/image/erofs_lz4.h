/*
 * erofs_lz4.h - the data of one file as the compressed clusters of erofs (docs/erofs.md)
 *
 * Each cluster is one block of EROFS_BLOCK bytes that as much of the file was pressed into as it
 * holds, up to EROFS_LZ4_CLUSTER_MAX; what does not shrink stands as it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "image/erofs_format.h"
#include "image/tree.h"

#define EROFS_LZ4_CLUSTER_MAX 65536u /* bytes unpacked for one that is read */
#define EROFS_LZ4_LEVEL	      9
#define EROFS_LZ4_TRIAL	      (256u << 10) /* bytes of a file that decide whether it shrinks */

struct erofs_lz4 {
	void *state;	      /* owned; of LZ4 */
	uint8_t *in;	      /* owned; what was read and not yet pressed */
	struct buffer blocks; /* made, not written: while it is not sure that they will be used */
	struct buffer index;  /* clusters of the file: caller may take it */
	uint32_t n_blocks;    /* of the file */
	uint32_t at;	      /* where the next cluster begins within its EROFS_BLOCK bytes */
};

_must_check_ int erofs_lz4_init(struct erofs_lz4 *z);
void erofs_lz4_deinit(struct erofs_lz4 *z);

/*
 * Press the data of @i from @source; blocks are handed to @put, and begin at @first. Logs.
 * Return: 0; 1 when it does not pay, and nothing was put; negative errno.
 */
_must_check_ int erofs_lz4_file(struct erofs_lz4 *z, const struct inode *i, int source,
				uint32_t first, int (*put)(void *ctx, const uint8_t *block),
				void *ctx);

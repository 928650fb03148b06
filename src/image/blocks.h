/*
 * blocks.h - the blocks of one ext2 inode, in the order in which they are laid out
 *
 * ext2 maps a file through 12 direct pointers and three trees of pointer blocks. Here each pointer
 * block stands right before what it points to, so that a file is one run on the disk and everything
 * about it follows from its first block: pointers are computed, never stored.
 */
#pragma once

#include <stdint.h>

#include "base/lang.h"
#include "image/tree.h"

#define BLOCK_BYTES	    1024u
#define BLOCK_POINTERS	    (BLOCK_BYTES / 4) /* of a pointer block */
#define BLOCK_DIRECT	    12u		      /* pointers in the inode itself */
#define BLOCK_SLOTS	    15u		      /* with those to the three trees */
#define BLOCK_LEVELS	    3u
#define BLOCK_FAST_LINK_MAX 59u /* bytes of a symlink's target that fits into the inode */

/* Blocks that a file can have, and its bytes. */
#define BLOCKS_FILE_MAX                                                                  \
	(BLOCK_DIRECT + BLOCK_POINTERS + UINT64_C(1) * BLOCK_POINTERS * BLOCK_POINTERS + \
	 UINT64_C(1) * BLOCK_POINTERS * BLOCK_POINTERS * BLOCK_POINTERS)

/* A piece of the layout. */
struct block_piece {
	unsigned level; /* 0: data; 1 to 3: one pointer block of that level */
	uint64_t first; /* first block of the file that it holds or leads to */
	uint32_t count; /* of data blocks; 1 for a pointer block */
};

/* Takes the pieces in order. Return: 0 or a negative errno, which ends it. */
typedef int (*block_fn)(void *arg, const struct block_piece *piece);

/* Blocks from @first up to @first + @n of the file that hold data. */
uint64_t blocks_data(const struct inode *i, uint64_t first, uint64_t n);

/* Pointer blocks and data blocks of the tree of @level whose first block of the file is @first. */
uint64_t blocks_tree(const struct inode *i, unsigned level, uint64_t first);

/* Blocks of the file that the tree of @level spans: 1, 256, 65536, ... */
uint64_t blocks_span(unsigned level);

/* All blocks of the inode, pointer blocks included. */
uint64_t blocks_total(const struct inode *i);

/* Hand all pieces to @fn. Return: 0 or what @fn returned. */
_must_check_ int blocks_each(const struct inode *i, block_fn fn, void *arg);

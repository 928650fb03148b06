/*
 * ext2_format.h - the structures of ext2 on the disk, from a plan (docs/ext2.md)
 *
 * Pure: each fills one block of BLOCK_BYTES that the caller has zeroed.
 */
#pragma once

#include <stdint.h>

#include "base/writer.h"
#include "image/plan.h"

/* What a group uses: both are a prefix of it. */
struct ext2_usage {
	uint32_t blocks; /* the group's own and files' */
	uint32_t inodes;
	uint32_t folders;
};

void ext2_put_super(const struct plan *p, uint32_t g, uint8_t *to);

/* Block @b of the group descriptors; @usage holds all groups. */
void ext2_put_descriptors(const struct plan *p, const struct ext2_usage *usage, uint32_t b,
			  uint8_t *to);

/* A bitmap of which the first @used of @n bits are set, and all behind @n. */
void ext2_put_bitmap(uint32_t used, uint32_t n, uint8_t *to);

/* Block @b of the inode table of group @g, of which the first @used inodes are in use. */
void ext2_put_inodes(const struct plan *p, uint32_t g, uint32_t b, uint32_t used, uint8_t *to);

/*
 * The next block of folder @n: entries from child *@at on, which is moved to the first that did not
 * fit.
 */
void ext2_put_folder(const struct node *n, size_t *at, bool first, uint8_t *to);

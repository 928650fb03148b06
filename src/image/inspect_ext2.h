/*
 * inspect_ext2.h - what the files that read ext2, ext3 and ext4 images share
 */
#pragma once

#include "image/inspect_internal.h"

#define EXT2_ROOT_INODE	 2
#define EXT2_SLOTS	 15 /* of an inode, that point to blocks or hold what is short */
#define EXT2_SLOTS_BYTES (4 * EXT2_SLOTS)
#define EXT2_LEVELS_MAX	 6   /* of pointer blocks or of an extent tree */
#define EXT2_DEPTH_MAX	 256 /* of folders in folders */

enum { EXT2_FLAG_EXTENTS = 0x80000, EXT2_FLAG_INLINE = 0x10000000 };

struct ext2_inode {
	uint32_t number, uid, gid, flags;
	uint16_t mode, links;
	int64_t mtime;
	uint64_t size, xattr_block;
	uint8_t slots[EXT2_SLOTS_BYTES];
};

struct ext2 {
	struct inspect_data data; /* first */
	struct inspect_pass *pass;
	uint64_t file_bytes, blocks;
	uint32_t inodes, block_bytes, first_block, group_blocks, group_inodes, inode_bytes,
		descriptor_bytes;
	uint32_t first_meta_group; /* from here on each group of descriptors is where it is used */
	uint32_t supers[2];	   /* groups with a copy of the superblock, if sparse2 */
	bool wide, sparse, sparse2;
	uint8_t *gone; /* owned; a bit for each inode whose folder was gone into */
	struct {
		uint64_t block; /* 0: none */
		uint8_t *bytes; /* owned */
	} cache[EXT2_LEVELS_MAX];
	struct ext2_inode now; /* the file at hand */
	uint64_t at;	       /* in its data */
	uint8_t *inlined;      /* its data when that stands in the inode; owned */
	size_t inlined_bytes;
	struct inspect_xattr xattrs[INSPECT_XATTRS_MAX]; /* of the file at hand */
	size_t n_xattrs, xattr_len;
	uint8_t *xattr_bytes; /* of their names and values; owned */
	char path[INSPECT_PATH_MAX], target[INSPECT_PATH_MAX];
};

/* "'NAME': WHY NUMBER". Return: -EBADMSG. */
_must_check_ int ext2_bad(const struct ext2 *x, const char *why, uint64_t number);

/* Read the superblock. What was allocated before an error is ext2_clear()'s. */
_must_check_ int ext2_open(struct ext2 *x);
void ext2_clear(struct ext2 *x);

_must_check_ int ext2_read_block(const struct ext2 *x, uint64_t block, void *buf);
_must_check_ int ext2_read_inode(const struct ext2 *x, uint32_t number, struct ext2_inode *ret);

/* The room behind an inode's fields, where attributes may stand. Caller frees *ret. */
_must_check_ int ext2_read_room(const struct ext2 *x, uint32_t number, uint8_t **ret,
				size_t *ret_n);

/* Block @at of a file, block_bytes bytes; a hole is zeros. */
_must_check_ int ext2_read_file(struct ext2 *x, const struct ext2_inode *i, uint64_t at,
				uint8_t *to);

/*
 * Read the attributes of @i to x->xattrs, and data that stands in the inode to x->inlined, which
 * the caller may take.
 */
_must_check_ int ext2_read_xattrs(struct ext2 *x, const struct ext2_inode *i);

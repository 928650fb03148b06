/*
 * plan.h - the exact geometry of an ext2 image, before a byte of it is written
 *
 * Smallest number of blocks and groups that hold the tree and the free space asked for: 1 KiB
 * blocks, 128-byte inodes, nothing reserved. Data is laid out in the order of the tree from the
 * front, so that what is free is one run at the end (docs/ext2.md).
 */
#pragma once

#include <stdint.h>

#include "base/lang.h"
#include "image/blocks.h"
#include "image/scan.h"
#include "image/tree.h"

#define PLAN_GROUP_BLOCKS     8192u /* most of one group: one block of bitmap */
#define PLAN_GROUP_ALIGN      8u    /* blocks of a group are a multiple: a byte of bitmap */
#define PLAN_INODE_BYTES      128u
#define PLAN_BLOCK_INODES     (BLOCK_BYTES / PLAN_INODE_BYTES)
#define PLAN_GROUP_INODES     8192u /* most of one group: one block of bitmap */
#define PLAN_DESCRIPTOR_BYTES 32u
#define PLAN_FIRST_BLOCK      1u  /* of the first group: block 0 is for boot loaders */
#define PLAN_INODES_RESERVED  10u /* numbers 1 to 10; 2 is the root */
#define PLAN_INODE_ROOT	      2u
#define PLAN_INODE_FIRST      11u
#define PLAN_BLOCKS_MAX	      (1u << 30) /* 1 TiB, as docs/index.md allows */
#define PLAN_LINKS_MAX	      65000u	 /* names of an inode, subfolders of a folder */
#define PLAN_LINK_MAX	      1023u	 /* bytes of a target */
#define PLAN_XATTR_LOOK	      64u /* last blocks of attributes that are compared with the next */
#define PLAN_UUID_BYTES	      16

struct plan_spec {
	uint64_t free_bytes;	   /* at least so much is free */
	uint64_t free_inodes;	   /* and so many more files can be made */
	int64_t time_s;		   /* of all files and of the image */
	const char *label;	   /* volume name, up to 16 bytes of it; or NULL */
	scan_progress_fn scanning; /* or NULL */
	void *user;		   /* of scanning */
};

/* A block of extended attributes. */
struct plan_xattr {
	uint8_t *block; /* BLOCK_BYTES; owned */
	uint32_t refs;	/* inodes that share it */
	uint32_t at;	/* where it goes */
};

/* One inode's place. */
struct plan_inode {
	const struct node *node; /* the first of its names; NULL for a reserved number */
	uint32_t slots[BLOCK_SLOTS];
	uint32_t blocks; /* pointer blocks included */
};

struct plan {
	const struct tree *tree; /* borrowed */
	struct plan_spec spec;
	uint32_t blocks; /* of the image */
	uint32_t groups;
	uint32_t group_blocks; /* of every group but the last, which has the rest */
	uint32_t table_blocks; /* of a group's inode table */
	uint32_t group_inodes; /* of a group: 8 * table_blocks */
	uint32_t descriptor_blocks;
	uint32_t used_blocks;	   /* of files: data, folders, pointers, attributes */
	uint32_t pointer_blocks;   /* of these */
	uint32_t folder_blocks;	   /* of these */
	struct plan_xattr *xattrs; /* owned; they stand in front of all files */
	uint32_t n_xattrs;
	uint32_t used_inodes; /* reserved ones included */
	uint32_t meta_blocks; /* superblocks, descriptors, bitmaps, tables, block 0 */
	uint32_t free_blocks;
	bool large_file;	       /* a file of 2 GiB or more */
	uint8_t uuid[PLAN_UUID_BYTES]; /* follows from everything above */
	uint8_t hash_seed[PLAN_UUID_BYTES];
	struct plan_inode *inodes; /* owned; used_inodes of them, number n at n - 1 */
};

#define _cleanup_plan_ _cleanup_(plan_clear)
void plan_clear(struct plan *p);

/*
 * Plan an image of @t, which gets sorted; files are looked through for blocks of zeros. Logs.
 * Return: 0; -EFBIG (more than 1 TiB, or a file beyond what ext2 can hold); -EMLINK; -ENAMETOOLONG;
 * ...
 */
_must_check_ int plan_make(struct tree *t, const struct plan_spec *spec, struct plan *ret);

/* Bytes of the image. */
uint64_t plan_bytes(const struct plan *p);

/* Has group @g a copy of the superblock and the descriptors? (0, 1, powers of 3, 5 and 7) */
bool plan_has_super(uint32_t g);

/* Blocks at the start of group @g that are not for files. */
uint32_t plan_group_meta(const struct plan *p, uint32_t g);

/* The first block of group @g, and how many it has. */
uint32_t plan_group_first(const struct plan *p, uint32_t g);
uint32_t plan_group_size(const struct plan *p, uint32_t g);

/* Where the next block of a file goes: walks over the groups' own blocks. */
struct plan_cursor {
	const struct plan *plan;
	uint32_t next;
};

#define PLAN_CURSOR(p) ((struct plan_cursor){ .plan = (p), .next = PLAN_FIRST_BLOCK })

/* The next block. */
uint32_t plan_cursor_take(struct plan_cursor *c);

/* Pass over @n blocks. */
void plan_cursor_skip(struct plan_cursor *c, uint64_t n);

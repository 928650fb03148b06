/*
 * erofs_format.h - the structures of erofs on the disk (docs/erofs.md)
 *
 * Pure: each appends its bytes to a writer. What they mean is in the kernel's
 * fs/erofs/erofs_fs.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/writer.h"
#include "image/tree.h"

#define EROFS_BLOCK	       4096u
#define EROFS_SLOT	       32u /* an inode's number is its place in such units */
#define EROFS_COMPACT_BYTES    32u
#define EROFS_EXTENDED_BYTES   64u
#define EROFS_SUPER_AT	       1024u
#define EROFS_SUPER_BYTES      128u
#define EROFS_LABEL_BYTES      16u
#define EROFS_UUID_BYTES       16u
#define EROFS_NO_BLOCK	       UINT32_MAX
#define EROFS_XATTR_BYTES_MAX  65536u /* of an inode */
#define EROFS_CHUNK_BITS_MAX   31u    /* of a chunk, in blocks */
#define EROFS_INDEX_HEAD_BYTES 16u    /* before the clusters of a compressed file */
#define EROFS_CLUSTER_BYTES    8u

/* How an inode's data is found. */
enum erofs_layout {
	EROFS_PLAIN = 0,  /* blocks in a row */
	EROFS_LZ4 = 1,	  /* compressed clusters, with a full index */
	EROFS_INLINE = 2, /* blocks in a row, what is left behind the inode */
	EROFS_CHUNKS = 4, /* pieces of equal size, each where it wants or nowhere */
};

enum { EROFS_NEEDS_LZ4 = 1, EROFS_NEEDS_CHUNKS = 4 };

struct erofs_super {
	uint64_t root, inodes, time_s;
	uint32_t blocks, meta_block, needs;
	const char *label; /* or NULL */
	uint8_t uuid[EROFS_UUID_BYTES];
};

struct erofs_inode {
	const struct inode *inode;
	enum erofs_layout layout;
	bool extended;	      /* has 64 bytes */
	uint32_t xattr_bytes; /* behind them */
	uint64_t size;
	uint32_t where; /* first block, blocks when compressed, device, or chunk format */
	uint32_t number;
	uint64_t time_s;
};

/* EROFS_SUPER_BYTES; the checksum over the rest of the block is set when the block is made. */
void erofs_put_super(const struct erofs_super *s, struct writer *w);

/* CRC32C as erofs has it, over a block that holds the superblock at EROFS_SUPER_AT; sets it. */
void erofs_set_checksum(uint8_t block[static EROFS_BLOCK]);

/* EROFS_COMPACT_BYTES or EROFS_EXTENDED_BYTES. */
void erofs_put_inode(const struct erofs_inode *e, struct writer *w);

/* Does the inode need 64 bytes? */
bool erofs_is_large(const struct inode *i, uint64_t size);

/*
 * Bytes of the extended attributes, 0 without. Return: 0; -E2BIG; -EOPNOTSUPP when a name is of a
 * kind that erofs does not have.
 */
_must_check_ int erofs_xattr_bytes(const struct inode *i, uint32_t *ret);
void erofs_put_xattrs(const struct inode *i, struct writer *w);

/* Bytes of a folder: blocks, and what the last one holds. */
uint64_t erofs_folder_bytes(const struct node *n);

/*
 * The next block of folder @n, which begins at entry *@at (0 for the first), moved to the first
 * that did not fit; *ret_bytes of @to are used, the rest is zero. @id gives an inode's number.
 */
void erofs_put_folder(const struct node *n, size_t *at,
		      uint64_t (*id)(void *ctx, const struct inode *i), void *ctx,
		      uint8_t to[static EROFS_BLOCK], uint32_t *ret_bytes);

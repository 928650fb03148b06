/*
 * ext2_xattr.h - extended attributes of an inode as one ext2 block (docs/ext2.md)
 *
 * Pure. An inode of 128 bytes has no room for attributes; they stand in a block, which inodes with
 * the same share.
 */
#pragma once

#include "base/lang.h"
#include "image/blocks.h"
#include "image/tree.h"

#define EXT2_XATTR_REFS_MAX 1024u /* inodes that share a block, as the kernel allows */

/*
 * Fill @to, BLOCK_BYTES of zeros. Return: 0; -E2BIG when they do not fit into a block; -EBADMSG
 * when an ACL is none; -EOPNOTSUPP when a name is of a kind that ext2 does not have.
 */
_must_check_ int ext2_xattr_put(const struct inode *i, uint8_t *to);

/* Say how many inodes share the block at @to. */
void ext2_xattr_put_refs(uint8_t *to, uint32_t refs);

/* An attribute as it stands in a file system that anyone made. */
struct ext2_xattr {
	const char *name;     /* "security.capability"; borrowed, like the value */
	const uint8_t *value; /* as getxattr(2) gives it; NULL when it is in an inode of its own */
	size_t bytes;
	uint32_t inode;
	bool inline_data; /* no attribute, but the rest of a file whose start is in its inode */
};

typedef int (*ext2_xattr_fn)(void *user, const struct ext2_xattr *x);

/*
 * Tell of each attribute in the @n hostile bytes at @p, a block (with its header) or what an inode
 * has room for. Names of kinds that are not known are passed over. Return: 0, -EBADMSG, -ENOMEM, or
 * what @fn returned.
 */
_must_check_ int ext2_xattr_each_of_block(const uint8_t *p, size_t n, ext2_xattr_fn fn, void *user);
_must_check_ int ext2_xattr_each_of_inode(const uint8_t *p, size_t n, ext2_xattr_fn fn, void *user);

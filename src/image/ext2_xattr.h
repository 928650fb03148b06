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

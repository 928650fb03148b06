/*
 * inspect_ext2_xattr.c - extended attributes of a file of an ext2, ext3 or ext4 image
 *
 * They stand behind the inode, in a block, or (large values) in inodes of their own. One of those
 * behind the inode is none: it is the rest of a small file, the start of which stands where other
 * inodes point to their blocks.
 */
#include <errno.h>
#include <string.h>

#include "image/ext2_xattr.h"
#include "image/inspect_ext2.h"

/* Read a value that has an inode of its own, @n bytes. */
static int read_value(struct ext2 *x, uint32_t number, size_t n, uint8_t *to)
{
	_cleanup_free_ uint8_t *block = malloc(x->block_bytes);
	struct ext2_inode i;
	int r = block ? ext2_read_inode(x, number, &i) : -ENOMEM;

	for (size_t at = 0; r == 0 && at < n; at += x->block_bytes) {
		r = ext2_read_file(x, &i, at / x->block_bytes, block);
		if (r == 0)
			memcpy(to + at, block, MIN(n - at, (size_t)x->block_bytes));
	}
	return r;
}

static int take_inlined(struct ext2 *x, const struct ext2_xattr *a)
{
	uint8_t *more = a->value ? realloc(x->inlined, EXT2_SLOTS_BYTES + a->bytes) : NULL;

	if (!a->value)
		return -EBADMSG;
	if (!more)
		return -ENOMEM;
	x->inlined = more;
	if (a->bytes > 0)
		memcpy(more + EXT2_SLOTS_BYTES, a->value, a->bytes);
	x->inlined_bytes = EXT2_SLOTS_BYTES + a->bytes;
	return 0;
}

static int take(void *user, const struct ext2_xattr *a)
{
	struct ext2 *x = user;
	size_t n = strlen(a->name) + 1;
	uint8_t *to;
	int r = 0;

	if (a->inline_data)
		return x->inlined ? take_inlined(x, a) : 0;
	if (x->n_xattrs == INSPECT_XATTRS_MAX || a->bytes > INSPECT_XATTR_BYTES ||
	    n + a->bytes > INSPECT_XATTR_BYTES - x->xattr_len)
		return -E2BIG;
	to = x->xattr_bytes + x->xattr_len;
	memcpy(to, a->name, n);
	if (!a->value)
		r = read_value(x, a->inode, a->bytes, to + n);
	else if (a->bytes > 0)
		memcpy(to + n, a->value, a->bytes);
	x->xattrs[x->n_xattrs++] = (struct inspect_xattr){ (char *)to, to + n, a->bytes };
	x->xattr_len += n + a->bytes;
	return r;
}

int ext2_read_xattrs(struct ext2 *x, const struct ext2_inode *i)
{
	_cleanup_free_ uint8_t *room = NULL, *block = NULL;
	size_t n = 0;
	int r = 0;

	x->n_xattrs = x->xattr_len = 0;
	free(x->inlined);
	x->inlined = NULL;
	if (!x->xattr_bytes)
		x->xattr_bytes = malloc(INSPECT_XATTR_BYTES);
	if (!x->xattr_bytes)
		return -ENOMEM;
	if (i->flags & EXT2_FLAG_INLINE) {
		x->inlined = malloc(EXT2_SLOTS_BYTES);
		if (!x->inlined)
			return -ENOMEM;
		memcpy(x->inlined, i->slots, EXT2_SLOTS_BYTES);
		x->inlined_bytes = EXT2_SLOTS_BYTES;
	}
	r = ext2_read_room(x, i->number, &room, &n);
	if (r == 0 && n > 0)
		r = ext2_xattr_each_of_inode(room, n, take, x);
	if (r == 0 && i->xattr_block) {
		block = malloc(x->block_bytes);
		r = block ? ext2_read_block(x, i->xattr_block, block) : -ENOMEM;
		if (r < 0)
			return r; /* told */
		r = ext2_xattr_each_of_block(block, x->block_bytes, take, x);
	}
	if (r == -E2BIG)
		return ext2_bad(x, "more extended attributes than are possible: inode", i->number);
	return r == -EBADMSG ? ext2_bad(x, "the image is damaged: attributes of inode", i->number)
			     : r;
}

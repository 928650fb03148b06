/*
 * inspect_ext2.c - the files of an ext2, ext3 or ext4 image
 *
 * Read only. A folder is gone into once, in the order in which its names stand, and what the
 * journal holds is not looked at.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/reader.h"
#include "image/inspect_ext2.h"

#define ENTRY_HEAD	   8
#define INLINE_FOLDER_HEAD 4 /* bytes of a folder in its inode before the names: who is above */

static int read_data(struct inspect_data *d, void *buf, size_t n, size_t *ret)
{
	struct ext2 *x = (struct ext2 *)d;
	size_t done = 0;

	if (x->now.flags & EXT2_FLAG_INLINE) {
		done = (size_t)MIN((uint64_t)n, x->now.size - x->at);
		if (done > 0)
			memcpy(buf, x->inlined + x->at, done);
		x->at += done;
	}
	while (done < n && x->at < x->now.size) {
		size_t skip = (size_t)(x->at % x->block_bytes);
		size_t room = MIN(n - done, x->block_bytes - skip);
		size_t k = (size_t)MIN((uint64_t)room, x->now.size - x->at);
		uint8_t *block = x->cache[EXT2_LEVELS_MAX - 1].bytes; /* so deep no tree gets */
		int r;

		x->cache[EXT2_LEVELS_MAX - 1].block = 0;
		r = ext2_read_file(x, &x->now, x->at / x->block_bytes, block);
		if (r < 0)
			return r;
		memcpy((uint8_t *)buf + done, block + skip, k);
		done += k;
		x->at += k;
	}
	*ret = done;
	return 0;
}

static int take_target(struct ext2 *x)
{
	size_t n = (size_t)x->now.size;
	int r = 0;

	if (x->now.size == 0 || x->now.size >= sizeof(x->target))
		return ext2_bad(x, "a symbolic link is empty or too long: inode", x->now.number);
	if (n < EXT2_SLOTS_BYTES && !(x->now.flags & (EXT2_FLAG_EXTENTS | EXT2_FLAG_INLINE)))
		memcpy(x->target, x->now.slots, n);
	else
		r = read_data(&x->data, x->target, n, &n);
	x->target[n] = 0;
	return r;
}

static int tell(struct ext2 *x, const struct ext2_inode *i)
{
	struct inspect_entry e = {
		.path = x->path,
		.mode = i->mode,
		.uid = i->uid,
		.gid = i->gid,
		.nlink = i->links,
		.mtime = i->mtime,
		.size = S_ISREG(i->mode) || S_ISLNK(i->mode) ? i->size : 0,
		.ino = i->number,
		.xattrs = x->xattrs,
	};
	int r = 0;

	x->now = *i;
	x->at = 0;
	if (!S_ISREG(i->mode) && !S_ISLNK(i->mode))
		x->now.size = 0;
	r = ext2_read_xattrs(x, i);
	if (r < 0)
		return r;
	e.n_xattrs = x->n_xattrs;
	if (i->flags & EXT2_FLAG_INLINE && x->now.size > x->inlined_bytes)
		return ext2_bad(x, "the image is damaged: data in inode", i->number);
	if (S_ISLNK(i->mode)) {
		r = take_target(x);
		e.target = x->target;
	}
	if (S_ISCHR(i->mode) || S_ISBLK(i->mode)) {
		struct reader s = READER(i->slots, sizeof(i->slots));
		uint32_t old = reader_le32(&s), new = reader_le32(&s);

		e.rdev_major = old ? old >> 8 & 0xff : (new & 0xfff00) >> 8;
		e.rdev_minor = old ? old & 0xff : (new & 0xff) | (new >> 12 & 0xfff00);
	}
	return r == 0 ? inspect_tell(x->pass, &e, &x->data) : r;
}

static int walk(struct ext2 *x, const struct ext2_inode *dir, unsigned depth);

/* One name in a folder whose path is the first @path_len bytes. */
static int take_name(struct ext2 *x, const uint8_t *name, size_t n, uint32_t number,
		     size_t path_len, unsigned depth)
{
	struct ext2_inode i;
	int r;

	if ((n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
		return 0;
	if (n == 0 || memchr(name, '/', n) || memchr(name, 0, n))
		return ext2_bad(x,
				"the image is damaged: a name holds a slash or nothing, of inode",
				number);
	if (path_len + n + 2 > sizeof(x->path) || depth == EXT2_DEPTH_MAX)
		return ext2_bad(x, "a path is too long, at inode", number);
	r = ext2_read_inode(x, number, &i);
	if (r < 0)
		return r;
	if (path_len > 0)
		x->path[path_len++] = '/';
	memcpy(x->path + path_len, name, n);
	x->path[path_len + n] = 0;
	r = tell(x, &i);
	return r == 0 && S_ISDIR(i.mode) ? walk(x, &i, depth + 1) : r;
}

static int walk_names(struct ext2 *x, const uint8_t *names, size_t bytes, size_t path_len,
		      unsigned depth)
{
	struct reader r = READER(names, bytes);
	int e = 0;

	while (e == 0 && r.left > 0) {
		uint32_t number = reader_le32(&r);
		uint32_t length = reader_le16(&r);
		uint8_t n = reader_u8(&r);
		const uint8_t *name;

		reader_skip(&r, 1);
		if (length == UINT16_MAX)
			length = UINT16_MAX + 1; /* the whole of a block of 64 KiB */
		if (r.err || length < ENTRY_HEAD + (uint32_t)n || length % 4)
			return ext2_bad(
				x, "the image is damaged: an entry of a folder has a length of",
				length);
		name = reader_bytes(&r, length - ENTRY_HEAD);
		if (!name)
			return ext2_bad(
				x, "the image is damaged: an entry of a folder has a length of",
				length);
		if (number)
			e = take_name(x, name, n, number, path_len, depth);
		x->path[path_len] = 0;
	}
	return e;
}

/* A folder whose names stand in its inode: behind who is above it, and in what follows. */
static int walk_inlined(struct ext2 *x, const struct ext2_inode *dir, unsigned depth)
{
	_cleanup_free_ uint8_t *names = TAKE_PTR(x->inlined);
	size_t path_len = strlen(x->path), n = x->inlined_bytes;
	int r = walk_names(x, names + INLINE_FOLDER_HEAD, EXT2_SLOTS_BYTES - INLINE_FOLDER_HEAD,
			   path_len, depth);

	return r == 0 && n > EXT2_SLOTS_BYTES ? walk_names(x, names + EXT2_SLOTS_BYTES,
							   n - EXT2_SLOTS_BYTES, path_len, depth)
					      : r;
}

/* Go into a folder that was just told of. */
static int walk(struct ext2 *x, const struct ext2_inode *dir, unsigned depth)
{
	_cleanup_free_ uint8_t *block = malloc(x->block_bytes);
	uint32_t bit = dir->number - 1;
	uint64_t blocks = dir->size / x->block_bytes;
	size_t path_len = strlen(x->path);
	int r = 0;

	if (!block)
		return -ENOMEM;
	if (x->gone[bit / 8] & 1u << bit % 8)
		return ext2_bad(x, "the image is damaged: a folder is in two places, inode",
				dir->number);
	x->gone[bit / 8] |= (uint8_t)(1u << bit % 8);
	if (dir->flags & EXT2_FLAG_INLINE)
		return walk_inlined(x, dir, depth);
	if (blocks > x->blocks)
		return ext2_bad(x, "the image is damaged: a folder is larger than the image, inode",
				dir->number);
	for (uint64_t i = 0; r == 0 && i < blocks; i++) {
		r = ext2_read_file(x, dir, i, block);
		if (r == 0)
			r = walk_names(x, block, x->block_bytes, path_len, depth);
	}
	return r;
}

int inspect_ext2(struct inspect_pass *p)
{
	_cleanup_free_ struct ext2 *x = calloc(1, sizeof(*x));
	struct inspect_segment s = { .number = 1, .format = "ext2", .packing = "none" };
	struct ext2_inode root;
	int r;

	if (!x)
		return -ENOMEM;
	p->segments = 1;
	x->data.read = read_data;
	x->pass = p;
	x->file_bytes = p->medium->bytes;
	r = ext2_open(x);
	if (r == 0 && p->visitor->segment)
		r = p->visitor->segment(p->visitor->user, &s);
	if (r == 0)
		r = ext2_read_inode(x, EXT2_ROOT_INODE, &root);
	if (r == 0 && !S_ISDIR(root.mode))
		r = ext2_bad(x, "the image is damaged: its root is no folder, inode",
			     EXT2_ROOT_INODE);
	if (r == 0)
		r = tell(x, &root);
	if (r == 0)
		r = walk(x, &root, 0);
	ext2_clear(x);
	return r;
}

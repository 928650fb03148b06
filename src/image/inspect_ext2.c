/*
 * inspect_ext2.c - the files of an ext2, ext3 or ext4 image
 *
 * Read only, by what the kernel's documentation says of the layout (filesystems/ext4). Every number
 * of the image is taken for hostile: blocks are read within the file or not at all, a folder is
 * gone into once, and what the journal holds is not looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/reader.h"
#include "image/inspect_internal.h"

#define SUPER_AT       1024
#define SUPER_BYTES    1024
#define SUPER_MAGIC_AT (SUPER_AT + 56)
#define SUPER_MAGIC    0xef53
#define ROOT_INODE     2
#define INODE_BYTES    128 /* of an inode, what is looked at */
#define INODE_SLOTS    15
#define SLOTS_DIRECT   12
#define SLOTS_BYTES    (4 * INODE_SLOTS)
#define LEVELS_MAX     6 /* of pointer blocks or of an extent tree */
#define DEPTH_MAX      256
#define BLOCK_LOG_MAX  6 /* 64 KiB */
#define EXTENT_MAGIC   0xf30a
#define EXTENT_BYTES   12
#define EXTENT_RUN_MAX 32768 /* a longer one is not written yet, which reads as zeros */
#define ENTRY_HEAD     8

enum { INCOMPAT_64BIT = 0x80 };
/*
 * file types, recovery, extents, 64 bit, flexible groups, large values, checksum seed, large
 * folders, casefold
 */
#define INCOMPAT_KNOWN 0x266c6u
enum { FLAG_EXTENTS = 0x80000, FLAG_INLINE = 0x10000000 };

struct inode {
	uint32_t number, uid, gid, flags;
	uint16_t mode, links;
	uint32_t mtime;
	uint64_t size;
	uint8_t slots[SLOTS_BYTES];
};

struct ext2 {
	struct inspect_data data; /* first */
	struct inspect_pass *pass;
	uint64_t file_bytes, blocks;
	uint32_t inodes, block_bytes, first_block, group_inodes, inode_bytes, descriptor_bytes;
	bool wide;     /* 64 bit */
	uint8_t *gone; /* owned; a bit for each inode whose folder was gone into */
	struct {
		uint64_t block; /* 0: none */
		uint8_t *bytes; /* owned */
	} cache[LEVELS_MAX];
	struct inode now; /* the file at hand */
	uint64_t at;	  /* in its data */
	char path[INSPECT_PATH_MAX], target[INSPECT_PATH_MAX];
};

static void ext2_clear(struct ext2 *x)
{
	free(x->gone);
	for (size_t i = 0; i < LEVELS_MAX; i++)
		free(x->cache[i].bytes);
}

static int bad(const struct ext2 *x, const char *why, uint64_t number)
{
	log_err(0, "'%s': %s %llu", x->pass->name, why, (unsigned long long)number);
	return -EBADMSG;
}

static int read_at(const struct ext2 *x, uint64_t at, void *buf, size_t n)
{
	size_t done = 0;

	if (at > x->file_bytes || n > x->file_bytes - at)
		return bad(x, "the image is cut off or damaged: it points at byte", at);
	while (done < n) {
		ssize_t k = pread(x->pass->fd, (uint8_t *)buf + done, n - done, (off_t)(at + done));

		if (k == 0)
			return bad(x, "the file became shorter than", at + done);
		if (k < 0 && errno != EINTR)
			return log_err(-errno, "cannot read '%s'", x->pass->name);
		done += k > 0 ? (size_t)k : 0;
	}
	return 0;
}

static int read_super(struct ext2 *x)
{
	uint8_t super[SUPER_BYTES];
	struct reader r = READER(super, sizeof(super));
	uint32_t log, incompat, revision;
	int e = read_at(x, SUPER_AT, super, sizeof(super));

	if (e < 0)
		return e;
	x->inodes = reader_le32(&r);
	x->blocks = reader_le32(&r);
	reader_skip(&r, 20 - 8);
	x->first_block = reader_le32(&r);
	log = reader_le32(&r);
	reader_skip(&r, 40 - 28);
	x->group_inodes = reader_le32(&r);
	reader_skip(&r, 76 - 44);
	revision = reader_le32(&r);
	reader_skip(&r, 88 - 80);
	x->inode_bytes = revision == 0 ? INODE_BYTES : reader_le16(&r);
	if (revision == 0)
		reader_skip(&r, 2);
	reader_skip(&r, 92 - 90);
	reader_skip(&r, 4);
	incompat = reader_le32(&r);
	reader_skip(&r, 254 - 100);
	x->descriptor_bytes = reader_le16(&r);
	x->wide = incompat & INCOMPAT_64BIT;
	if (!x->wide)
		x->descriptor_bytes = 32;
	if (incompat & ~INCOMPAT_KNOWN)
		return bad(x, "the file system has features that bpboot does not know:",
			   incompat & ~INCOMPAT_KNOWN);
	if (log > BLOCK_LOG_MAX)
		return bad(x, "the size of a block is no possible one: 1024 <<", log);
	x->block_bytes = 1024u << log;
	if (x->inode_bytes < INODE_BYTES || x->inode_bytes > x->block_bytes ||
	    x->inode_bytes & (x->inode_bytes - 1))
		return bad(x, "the size of an inode is no possible one:", x->inode_bytes);
	if (x->descriptor_bytes < (x->wide ? 64 : 32) || x->descriptor_bytes > x->block_bytes)
		return bad(x, "the size of a group descriptor is no possible one:",
			   x->descriptor_bytes);
	if (x->group_inodes == 0 || x->inodes < ROOT_INODE ||
	    x->inodes > x->file_bytes / x->inode_bytes)
		return bad(x, "the number of inodes does not fit the file:", x->inodes);
	if (x->first_block > 1)
		return bad(x, "the first block is no possible one:", x->first_block);
	x->gone = calloc(1, x->inodes / 8 + 1);
	for (size_t i = 0; i < LEVELS_MAX; i++)
		x->cache[i].bytes = malloc(x->block_bytes);
	for (size_t i = 0; i < LEVELS_MAX; i++)
		e = x->cache[i].bytes && x->gone && e == 0 ? 0 : -ENOMEM;
	x->blocks = x->file_bytes / x->block_bytes; /* what is there counts */
	return e;
}

static int read_block(const struct ext2 *x, uint64_t block, void *buf)
{
	if (block >= x->blocks)
		return bad(x, "the image is cut off or damaged: it points at block", block);
	return read_at(x, block * x->block_bytes, buf, x->block_bytes);
}

static int cached(struct ext2 *x, size_t level, uint64_t block, const uint8_t **ret)
{
	int r = x->cache[level].block == block ? 0 : read_block(x, block, x->cache[level].bytes);

	x->cache[level].block = r == 0 ? block : 0;
	*ret = x->cache[level].bytes;
	return r;
}

static int read_inode(const struct ext2 *x, uint32_t number, struct inode *ret)
{
	uint32_t group = (number - 1) / x->group_inodes, place = (number - 1) % x->group_inodes;
	uint8_t descriptor[64] = { 0 }, bytes[INODE_BYTES];
	struct reader r = READER(descriptor, sizeof(descriptor));
	struct inode i = { .number = number };
	uint64_t table;
	int e;

	if (number == 0 || number > x->inodes)
		return bad(x, "the image is damaged: there is no inode", number);
	e = read_at(x,
		    (uint64_t)(x->first_block + 1) * x->block_bytes +
			    (uint64_t)group * x->descriptor_bytes,
		    descriptor, MIN(x->descriptor_bytes, (uint32_t)sizeof(descriptor)));
	reader_skip(&r, 8);
	table = reader_le32(&r);
	reader_skip(&r, 40 - 12);
	if (x->wide)
		table |= (uint64_t)reader_le32(&r) << 32;
	if (e == 0 && table >= x->blocks)
		e = bad(x, "the image is cut off or damaged: a table of inodes is at block", table);
	if (e == 0)
		e = read_at(x, table * x->block_bytes + (uint64_t)place * x->inode_bytes, bytes,
			    sizeof(bytes));
	if (e < 0)
		return e;
	r = READER(bytes, sizeof(bytes));
	i.mode = reader_le16(&r);
	i.uid = reader_le16(&r);
	i.size = reader_le32(&r);
	reader_skip(&r, 8);
	i.mtime = reader_le32(&r);
	reader_skip(&r, 4);
	i.gid = reader_le16(&r);
	i.links = reader_le16(&r);
	reader_skip(&r, 4);
	i.flags = reader_le32(&r);
	reader_skip(&r, 4);
	reader_copy(&r, i.slots, sizeof(i.slots));
	reader_skip(&r, 8);
	i.size |= (uint64_t)reader_le32(&r) << 32;
	reader_skip(&r, 8);
	i.uid |= (uint32_t)reader_le16(&r) << 16;
	i.gid |= (uint32_t)reader_le16(&r) << 16;
	*ret = i;
	return 0;
}

static uint32_t slot(const uint8_t *bytes, size_t n, uint64_t at)
{
	struct reader r = READER(bytes, n);

	reader_skip(&r, (size_t)at * 4);
	return reader_le32(&r);
}

/* Block @at of a file by its pointers. *ret is 0 for a hole. */
static int by_pointers(struct ext2 *x, const struct inode *i, uint64_t at, uint64_t *ret)
{
	uint64_t per = x->block_bytes / 4, span = 1;
	unsigned levels = 1;
	uint64_t block;

	if (at < SLOTS_DIRECT) {
		*ret = slot(i->slots, sizeof(i->slots), at);
		return 0;
	}
	at -= SLOTS_DIRECT;
	while (levels <= 3 && at >= span * per) {
		span *= per;
		at -= span;
		levels++;
	}
	if (levels > 3)
		return bad(x, "a file is larger than its pointers reach: inode", i->number);
	block = slot(i->slots, sizeof(i->slots), SLOTS_DIRECT + levels - 1);
	for (unsigned k = levels; k > 0 && block; k--) {
		const uint8_t *bytes;
		int r = cached(x, k, block, &bytes);

		if (r < 0)
			return r;
		block = slot(bytes, x->block_bytes, at / span);
		at %= span;
		span /= per;
	}
	*ret = block;
	return 0;
}

/*
 * The last entry of a node of the extent tree that begins at or before block @at. Return: -ENOENT
 * when there is none.
 */
static int find_extent(const uint8_t *node, size_t n, uint64_t at, uint16_t *ret_depth,
		       struct reader *ret)
{
	struct reader r = READER(node, n);
	uint16_t magic = reader_le16(&r), entries = reader_le16(&r), depth;
	bool found = false;

	reader_skip(&r, 2);
	depth = reader_le16(&r);
	reader_skip(&r, 4);
	if (magic != EXTENT_MAGIC || depth >= LEVELS_MAX)
		return -EBADMSG;
	for (uint16_t k = 0; k < entries; k++) {
		struct reader e = reader_sub(&r, EXTENT_BYTES), look = e;

		if (r.err)
			return -EBADMSG;
		if (reader_le32(&look) > at)
			break;
		*ret = e;
		found = true;
	}
	*ret_depth = depth;
	return found ? 0 : -ENOENT;
}

static int by_extents(struct ext2 *x, const struct inode *i, uint64_t at, uint64_t *ret)
{
	const uint8_t *node = i->slots;
	size_t n = sizeof(i->slots);
	uint64_t first, start;
	uint16_t depth = 0, below = LEVELS_MAX, run;
	struct reader e;
	int r;

	*ret = 0;
	for (;;) {
		r = find_extent(node, n, at, &depth, &e);
		if (r == -ENOENT)
			return 0;
		if (r < 0 || depth >= below)
			return bad(x, "the image is damaged: extents of inode", i->number);
		if (depth == 0)
			break;
		below = depth;
		reader_skip(&e, 4);
		start = reader_le32(&e);
		start |= (uint64_t)reader_le16(&e) << 32;
		r = cached(x, depth - 1, start, &node);
		if (r < 0)
			return r;
		n = x->block_bytes;
	}
	first = reader_le32(&e);
	run = reader_le16(&e);
	start = (uint64_t)reader_le16(&e) << 32;
	start |= reader_le32(&e);
	if (run <= EXTENT_RUN_MAX && at - first < run)
		*ret = start + (at - first);
	return 0;
}

/* Read block @at of the file; a hole is zeros. */
static int read_file_block(struct ext2 *x, const struct inode *i, uint64_t at, uint8_t *to)
{
	uint64_t block = 0;
	int r = i->flags & FLAG_EXTENTS ? by_extents(x, i, at, &block)
					: by_pointers(x, i, at, &block);

	if (r < 0)
		return r;
	if (block)
		return read_block(x, block, to);
	memset(to, 0, x->block_bytes);
	return 0;
}

static int read_data(struct inspect_data *d, void *buf, size_t n, size_t *ret)
{
	struct ext2 *x = (struct ext2 *)d;
	size_t done = 0;

	while (done < n && x->at < x->now.size) {
		size_t skip = (size_t)(x->at % x->block_bytes);
		size_t room = MIN(n - done, x->block_bytes - skip);
		size_t k = (size_t)MIN((uint64_t)room, x->now.size - x->at);
		uint8_t *block = x->cache[LEVELS_MAX - 1].bytes; /* so deep no tree gets */
		int r;

		x->cache[LEVELS_MAX - 1].block = 0;
		r = read_file_block(x, &x->now, x->at / x->block_bytes, block);
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
		return bad(x, "a symbolic link is empty or too long: inode", x->now.number);
	if (n < SLOTS_BYTES && !(x->now.flags & FLAG_EXTENTS))
		memcpy(x->target, x->now.slots, n);
	else
		r = read_data(&x->data, x->target, n, &n);
	x->target[n] = 0;
	return r;
}

static int tell(struct ext2 *x, const struct inode *i)
{
	struct inspect_entry e = {
		.path = x->path,
		.mode = i->mode,
		.uid = i->uid,
		.gid = i->gid,
		.nlink = i->links,
		.mtime = (int32_t)i->mtime,
		.size = S_ISREG(i->mode) || S_ISLNK(i->mode) ? i->size : 0,
		.ino = i->number,
	};
	int r = 0;

	x->now = *i;
	x->at = 0;
	if (!S_ISREG(i->mode) && !S_ISLNK(i->mode))
		x->now.size = 0;
	if (i->flags & FLAG_INLINE)
		return bad(x, "data inside an inode is not supported: inode", i->number);
	if (S_ISLNK(i->mode)) {
		r = take_target(x);
		e.target = x->target;
	}
	if (S_ISCHR(i->mode) || S_ISBLK(i->mode)) {
		uint32_t old = slot(i->slots, sizeof(i->slots), 0),
			 new = slot(i->slots, sizeof(i->slots), 1);

		e.rdev_major = old ? old >> 8 & 0xff : (new & 0xfff00) >> 8;
		e.rdev_minor = old ? old & 0xff : (new & 0xff) | (new >> 12 & 0xfff00);
	}
	return r == 0 ? inspect_tell(x->pass, &e, &x->data) : r;
}

static int walk(struct ext2 *x, const struct inode *dir, unsigned depth);

/* One name in a folder whose path is the first @path_len bytes. */
static int take_name(struct ext2 *x, const uint8_t *name, size_t n, uint32_t number,
		     size_t path_len, unsigned depth)
{
	struct inode i;
	int r;

	if ((n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
		return 0;
	if (n == 0 || memchr(name, '/', n) || memchr(name, 0, n))
		return bad(x, "the image is damaged: a name holds a slash or nothing, of inode",
			   number);
	if (path_len + n + 2 > sizeof(x->path) || depth == DEPTH_MAX)
		return bad(x, "a path is too long, at inode", number);
	r = read_inode(x, number, &i);
	if (r < 0)
		return r;
	if (path_len > 0)
		x->path[path_len++] = '/';
	memcpy(x->path + path_len, name, n);
	x->path[path_len + n] = 0;
	r = tell(x, &i);
	return r == 0 && S_ISDIR(i.mode) ? walk(x, &i, depth + 1) : r;
}

static int walk_block(struct ext2 *x, const uint8_t *block, size_t path_len, unsigned depth)
{
	struct reader r = READER(block, x->block_bytes);
	int e = 0;

	while (e == 0 && r.left > 0) {
		uint32_t number = reader_le32(&r);
		uint32_t bytes = reader_le16(&r);
		uint8_t n = reader_u8(&r);
		const uint8_t *name;

		reader_skip(&r, 1);
		if (r.err || bytes < ENTRY_HEAD + (uint32_t)n || bytes % 4)
			return bad(x, "the image is damaged: an entry of a folder has a length of",
				   bytes);
		name = reader_bytes(&r, bytes - ENTRY_HEAD);
		if (!name)
			return bad(x, "the image is damaged: an entry of a folder has a length of",
				   bytes);
		if (number)
			e = take_name(x, name, n, number, path_len, depth);
		x->path[path_len] = 0;
	}
	return e;
}

static int walk(struct ext2 *x, const struct inode *dir, unsigned depth)
{
	_cleanup_free_ uint8_t *block = malloc(x->block_bytes);
	uint32_t bit = dir->number - 1;
	uint64_t blocks = dir->size / x->block_bytes;
	size_t path_len = strlen(x->path);
	int r = 0;

	if (!block)
		return -ENOMEM;
	if (x->gone[bit / 8] & 1u << bit % 8)
		return bad(x, "the image is damaged: a folder is in two places, inode",
			   dir->number);
	x->gone[bit / 8] |= (uint8_t)(1u << bit % 8);
	if (blocks > x->blocks)
		return bad(x, "the image is damaged: a folder is larger than the image, inode",
			   dir->number);
	for (uint64_t i = 0; r == 0 && i < blocks; i++) {
		r = read_file_block(x, dir, i, block);
		if (r == 0)
			r = walk_block(x, block, path_len, depth);
	}
	return r;
}

bool inspect_is_ext2(const struct inspect_pass *p)
{
	uint8_t magic[2];
	struct reader r = READER(magic, sizeof(magic));

	return pread(p->fd, magic, sizeof(magic), SUPER_MAGIC_AT) == sizeof(magic) &&
	       reader_le16(&r) == SUPER_MAGIC;
}

int inspect_ext2(struct inspect_pass *p)
{
	_cleanup_free_ struct ext2 *x = calloc(1, sizeof(*x));
	struct inspect_segment s = { .number = 1, .format = "ext2", .packing = "none" };
	struct inode root;
	struct stat st;
	int r;

	if (!x)
		return -ENOMEM;
	p->segments = 1;
	x->data.read = read_data;
	x->pass = p;
	r = fstat(p->fd, &st) < 0 ? -errno : 0;
	if (r < 0)
		return log_err(r, "cannot read '%s'", p->name);
	x->file_bytes = (uint64_t)st.st_size;
	r = read_super(x);
	if (r == 0 && p->visitor->segment)
		r = p->visitor->segment(p->visitor->user, &s);
	if (r == 0)
		r = read_inode(x, ROOT_INODE, &root);
	if (r == 0 && !S_ISDIR(root.mode))
		r = bad(x, "the image is damaged: its root is no folder, inode", ROOT_INODE);
	if (r == 0)
		r = tell(x, &root);
	if (r == 0)
		r = walk(x, &root, 0);
	ext2_clear(x);
	return r;
}

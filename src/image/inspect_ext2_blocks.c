/*
 * inspect_ext2_blocks.c - superblock, inodes and blocks of an ext2, ext3 or ext4 image
 *
 * By what the kernel's documentation says of the layout (filesystems/ext4). Every number of the
 * image is taken for hostile: blocks are read within the image or not at all.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/reader.h"
#include "image/inspect_ext2.h"

#define SUPER_AT       1024
#define SUPER_BYTES    1024
#define SUPER_MAGIC_AT (SUPER_AT + 56)
#define SUPER_MAGIC    0xef53
#define INODE_OLD      128 /* bytes of an inode that every one has */
#define INODE_BYTES    160 /* of an inode, what is looked at */
#define EXTRA_TIME     12  /* of the fields behind the old inode, those up to the time's */
#define SLOTS_DIRECT   12
#define BLOCK_LOG_MAX  6 /* 64 KiB */
#define EXTENT_MAGIC   0xf30a
#define EXTENT_BYTES   12
#define EXTENT_RUN_MAX 32768 /* a longer one is not written yet, which reads as zeros */

enum { COMPAT_SPARSE2 = 0x200 };
enum { INCOMPAT_RECOVER = 4, INCOMPAT_META_GROUPS = 0x10, INCOMPAT_64BIT = 0x80 };
enum { RO_SPARSE = 1 };
/*
 * file types, recovery, groups of descriptors, extents, 64 bit, protection of mounts, flexible
 * groups, large values, checksum seed, large folders, inline data, casefold
 */
#define INCOMPAT_KNOWN 0x2e7d6u

int ext2_bad(const struct ext2 *x, const char *why, uint64_t number)
{
	log_err(0, "'%s': %s %llu", x->pass->name, why, (unsigned long long)number);
	return -EBADMSG;
}

void ext2_clear(struct ext2 *x)
{
	free(x->gone);
	free(x->inlined);
	free(x->xattr_bytes);
	for (size_t i = 0; i < EXT2_LEVELS_MAX; i++)
		free(x->cache[i].bytes);
}

static int read_at(const struct ext2 *x, uint64_t at, void *buf, size_t n)
{
	size_t done = 0;
	int r;

	if (at > x->file_bytes || n > x->file_bytes - at)
		return ext2_bad(x, "the image is cut off or damaged: it points at byte", at);
	r = inspect_read(x->pass, at, buf, n, &done);
	if (r == 0 && done < n)
		return ext2_bad(x, "the file became shorter than", at + done);
	return r;
}

bool inspect_is_ext2(const struct inspect_pass *p)
{
	uint8_t magic[2];
	struct reader r = READER(magic, sizeof(magic));
	size_t n = 0;

	return p->medium->read(p->medium, SUPER_MAGIC_AT, magic, sizeof(magic), &n) == 0 &&
	       n == sizeof(magic) && reader_le16(&r) == SUPER_MAGIC;
}

/* Do the numbers of the superblock fit together and to the file? */
static int check_super(const struct ext2 *x, uint32_t log)
{
	if (log > BLOCK_LOG_MAX)
		return ext2_bad(x, "the size of a block is no possible one: 1024 <<", log);
	if (x->inode_bytes < INODE_OLD || x->inode_bytes > x->block_bytes ||
	    x->inode_bytes & (x->inode_bytes - 1))
		return ext2_bad(x, "the size of an inode is no possible one:", x->inode_bytes);
	if (x->descriptor_bytes < (x->wide ? 64 : 32) || x->descriptor_bytes > x->block_bytes)
		return ext2_bad(x, "the size of a group descriptor is no possible one:",
				x->descriptor_bytes);
	if (x->group_inodes == 0 || x->inodes < EXT2_ROOT_INODE ||
	    x->inodes > x->file_bytes / x->inode_bytes)
		return ext2_bad(x, "the number of inodes does not fit the file:", x->inodes);
	if (x->first_block > 1)
		return ext2_bad(x, "the first block is no possible one:", x->first_block);
	return 0;
}

/* Take the fields of the superblock. */
static int take_super(struct ext2 *x, const uint8_t *super, uint32_t *ret_log)
{
	struct reader r = READER(super, SUPER_BYTES);
	uint32_t compat, incompat, revision;

	x->inodes = reader_le32(&r);
	reader_skip(&r, 20 - 4);
	x->first_block = reader_le32(&r);
	*ret_log = reader_le32(&r);
	x->block_bytes = 1024u << MIN(*ret_log, (uint32_t)BLOCK_LOG_MAX);
	reader_skip(&r, 32 - 28);
	x->group_blocks = reader_le32(&r);
	reader_skip(&r, 40 - 36);
	x->group_inodes = reader_le32(&r);
	reader_skip(&r, 76 - 44);
	revision = reader_le32(&r);
	reader_skip(&r, 88 - 80);
	x->inode_bytes = reader_le16(&r);
	if (revision == 0)
		x->inode_bytes = INODE_OLD;
	reader_skip(&r, 92 - 90);
	compat = reader_le32(&r);
	incompat = reader_le32(&r);
	x->sparse = reader_le32(&r) & RO_SPARSE;
	x->sparse2 = compat & COMPAT_SPARSE2;
	reader_skip(&r, 254 - 104);
	x->descriptor_bytes = reader_le16(&r);
	reader_skip(&r, 260 - 256);
	x->first_meta_group = reader_le32(&r);
	if (!(incompat & INCOMPAT_META_GROUPS))
		x->first_meta_group = UINT32_MAX;
	reader_skip(&r, 588 - 264);
	x->supers[0] = reader_le32(&r);
	x->supers[1] = reader_le32(&r);
	x->wide = incompat & INCOMPAT_64BIT;
	if (!x->wide)
		x->descriptor_bytes = 32;
	if (incompat & ~INCOMPAT_KNOWN)
		return ext2_bad(x, "the file system has features that bpboot does not know:",
				incompat & ~INCOMPAT_KNOWN);
	if (incompat & INCOMPAT_RECOVER)
		log_warn(0, "'%s' was not unmounted cleanly; what stands in its journal is ignored",
			 x->pass->name);
	return 0;
}

int ext2_open(struct ext2 *x)
{
	uint8_t super[SUPER_BYTES];
	uint32_t log;
	int r = read_at(x, SUPER_AT, super, sizeof(super));

	if (r == 0)
		r = take_super(x, super, &log);
	if (r == 0)
		r = check_super(x, log);
	if (r < 0)
		return r;
	x->gone = calloc(1, x->inodes / 8 + 1);
	for (size_t i = 0; i < EXT2_LEVELS_MAX; i++)
		x->cache[i].bytes = malloc(x->block_bytes);
	for (size_t i = 0; i < EXT2_LEVELS_MAX; i++)
		r = x->cache[i].bytes && x->gone && r == 0 ? 0 : -ENOMEM;
	x->blocks = x->file_bytes / x->block_bytes; /* what is there counts */
	return r;
}

int ext2_read_block(const struct ext2 *x, uint64_t block, void *buf)
{
	if (block >= x->blocks)
		return ext2_bad(x, "the image is cut off or damaged: it points at block", block);
	return read_at(x, block * x->block_bytes, buf, x->block_bytes);
}

static int cached(struct ext2 *x, size_t level, uint64_t block, const uint8_t **ret)
{
	int r = x->cache[level].block == block ? 0
					       : ext2_read_block(x, block, x->cache[level].bytes);

	x->cache[level].block = r == 0 ? block : 0;
	*ret = x->cache[level].bytes;
	return r;
}

static bool is_power(uint32_t n, uint32_t of)
{
	while (n > 1 && n % of == 0)
		n /= of;
	return n == 1;
}

/* Does a group begin with a copy of the superblock? */
static bool has_super(const struct ext2 *x, uint32_t group)
{
	if (group == 0)
		return true;
	if (x->sparse2)
		return group == x->supers[0] || group == x->supers[1];
	return !x->sparse || is_power(group, 3) || is_power(group, 5) || is_power(group, 7);
}

/* Where the descriptor of a group stands. */
static uint64_t descriptor_at(const struct ext2 *x, uint32_t group)
{
	uint32_t each = x->block_bytes / x->descriptor_bytes, meta = group / each;
	uint64_t block = (uint64_t)x->first_block + 1 + meta;

	if (meta >= x->first_meta_group)
		block = x->first_block + (uint64_t)meta * each * x->group_blocks +
			has_super(x, meta * each);
	return block * x->block_bytes + (uint64_t)(group % each) * x->descriptor_bytes;
}

/* Where an inode stands. */
static int inode_at(const struct ext2 *x, uint32_t number, uint64_t *ret)
{
	uint32_t group = (number - 1) / x->group_inodes, place = (number - 1) % x->group_inodes;
	uint8_t descriptor[64] = { 0 };
	struct reader r = READER(descriptor, sizeof(descriptor));
	uint64_t table;
	int e;

	if (number == 0 || number > x->inodes)
		return ext2_bad(x, "the image is damaged: there is no inode", number);
	e = read_at(x, descriptor_at(x, group), descriptor,
		    MIN(x->descriptor_bytes, (uint32_t)sizeof(descriptor)));
	if (e < 0)
		return e;
	reader_skip(&r, 8);
	table = reader_le32(&r);
	reader_skip(&r, 40 - 12);
	if (x->wide)
		table |= (uint64_t)reader_le32(&r) << 32;
	if (table >= x->blocks)
		return ext2_bad(x, "the image is cut off or damaged: a table of inodes is at block",
				table);
	*ret = table * x->block_bytes + (uint64_t)place * x->inode_bytes;
	return 0;
}

int ext2_read_inode(const struct ext2 *x, uint32_t number, struct ext2_inode *ret)
{
	uint8_t bytes[INODE_BYTES] = { 0 };
	struct reader r = READER(bytes, sizeof(bytes));
	struct ext2_inode i = { .number = number };
	uint16_t high;
	uint64_t at;
	int e = inode_at(x, number, &at);

	if (e == 0)
		e = read_at(x, at, bytes, MIN(x->inode_bytes, (uint32_t)sizeof(bytes)));
	if (e < 0)
		return e;
	i.mode = reader_le16(&r);
	i.uid = reader_le16(&r);
	i.size = reader_le32(&r);
	reader_skip(&r, 8);
	i.mtime = (int32_t)reader_le32(&r);
	reader_skip(&r, 4);
	i.gid = reader_le16(&r);
	i.links = reader_le16(&r);
	reader_skip(&r, 4);
	i.flags = reader_le32(&r);
	reader_skip(&r, 4);
	reader_copy(&r, i.slots, sizeof(i.slots));
	reader_skip(&r, 4);
	i.xattr_block = reader_le32(&r);
	i.size |= (uint64_t)reader_le32(&r) << 32;
	reader_skip(&r, 118 - 112);
	high = reader_le16(&r);
	if (x->wide)
		i.xattr_block |= (uint64_t)high << 32;
	i.uid |= (uint32_t)reader_le16(&r) << 16;
	i.gid |= (uint32_t)reader_le16(&r) << 16;
	reader_skip(&r, 4);
	if (reader_le16(&r) >= EXTRA_TIME) { /* times behind 2038 */
		reader_skip(&r, 136 - 130);
		i.mtime += (int64_t)(reader_le32(&r) & 3) << 32;
	}
	*ret = i;
	return 0;
}

int ext2_read_room(const struct ext2 *x, uint32_t number, uint8_t **ret, size_t *ret_n)
{
	_cleanup_free_ uint8_t *bytes = malloc(x->inode_bytes);
	struct reader r = READER(bytes, x->inode_bytes);
	uint16_t extra;
	uint64_t at;
	int e = bytes ? inode_at(x, number, &at) : -ENOMEM;

	if (e == 0)
		e = read_at(x, at, bytes, x->inode_bytes);
	if (e < 0)
		return e;
	reader_skip(&r, INODE_OLD);
	extra = reader_le16(&r);
	if (r.err || extra < 4 || extra > x->inode_bytes - INODE_OLD) {
		*ret_n = 0;
	} else {
		*ret_n = x->inode_bytes - INODE_OLD - extra;
		memmove(bytes, bytes + INODE_OLD + extra, *ret_n);
	}
	*ret = TAKE_PTR(bytes);
	return 0;
}

static uint32_t slot(const uint8_t *bytes, size_t n, uint64_t at)
{
	struct reader r = READER(bytes, n);

	reader_skip(&r, (size_t)at * 4);
	return reader_le32(&r);
}

/* Block @at of a file by its pointers. *ret is 0 for a hole. */
static int by_pointers(struct ext2 *x, const struct ext2_inode *i, uint64_t at, uint64_t *ret)
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
		return ext2_bad(x, "a file is larger than its pointers reach: inode", i->number);
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
	if (magic != EXTENT_MAGIC || depth >= EXT2_LEVELS_MAX)
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

static int by_extents(struct ext2 *x, const struct ext2_inode *i, uint64_t at, uint64_t *ret)
{
	const uint8_t *node = i->slots;
	size_t n = sizeof(i->slots);
	uint64_t first, start;
	uint16_t depth = 0, below = EXT2_LEVELS_MAX, run;
	struct reader e;
	int r;

	*ret = 0;
	for (;;) {
		r = find_extent(node, n, at, &depth, &e);
		if (r == -ENOENT)
			return 0;
		if (r < 0 || depth >= below)
			return ext2_bad(x, "the image is damaged: extents of inode", i->number);
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

int ext2_read_file(struct ext2 *x, const struct ext2_inode *i, uint64_t at, uint8_t *to)
{
	uint64_t block = 0;
	int r = i->flags & EXT2_FLAG_EXTENTS ? by_extents(x, i, at, &block)
					     : by_pointers(x, i, at, &block);

	if (r < 0)
		return r;
	if (block)
		return ext2_read_block(x, block, to);
	memset(to, 0, x->block_bytes);
	return 0;
}

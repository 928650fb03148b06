/*
 * ext2_format.c - the structures of ext2 on the disk, from a plan
 */
#include <string.h>

#include "image/ext2.h"
#include "image/ext2_format.h"

#define ENTRY_HEAD 8u /* bytes of a folder entry before the name */

enum { /* superblock fields */
       MAGIC = 0xef53,
       STATE_CLEAN = 1,
       ERRORS_CONTINUE = 1,
       REVISION = 1,
       COMPAT_EXT_ATTR = 8,
       INCOMPAT_FILETYPE = 2,
       RO_SPARSE_SUPER = 1,
       RO_LARGE_FILE = 2,
       HASH_HALF_MD4 = 1,
       FLAG_SIGNED_HASH = 1,
       LABEL_BYTES = 16,
};

/* Mode bits and folder entry type of each kind. */
static const struct {
	uint16_t mode;
	uint8_t type;
} kinds[INODE_KIND_MAX_] = {
	[INODE_DIR] = { 0040000, 2 },	 [INODE_FILE] = { 0100000, 1 },
	[INODE_LINK] = { 0120000, 7 },	 [INODE_CHAR] = { 0020000, 3 },
	[INODE_BLOCK] = { 0060000, 4 },	 [INODE_FIFO] = { 0010000, 5 },
	[INODE_SOCKET] = { 0140000, 6 },
};

static uint32_t entry_bytes(size_t name_len)
{
	return (uint32_t)(ENTRY_HEAD + name_len + 3) / 4 * 4;
}

uint64_t ext2_folder_bytes(const struct node *n)
{
	uint64_t blocks = 1;
	uint32_t used = entry_bytes(1) + entry_bytes(2); /* "." and ".." */

	for (size_t i = 0; i < n->n_children; i++) {
		uint32_t need = entry_bytes(strlen(n->children[i]->name));

		if (used + need > BLOCK_BYTES) {
			blocks++;
			used = 0;
		}
		used += need;
	}
	return blocks * BLOCK_BYTES;
}

void ext2_put_super(const struct plan *p, uint32_t g, uint8_t *to)
{
	struct writer w = WRITER(to, BLOCK_BYTES);
	uint32_t now = (uint32_t)p->spec.time_s;
	char label[LABEL_BYTES] = { 0 };

	if (p->spec.label)
		memcpy(label, p->spec.label, strnlen(p->spec.label, sizeof(label)));
	writer_le32(&w, p->groups * p->group_inodes);
	writer_le32(&w, p->blocks);
	writer_le32(&w, 0); /* reserved for root */
	writer_le32(&w, p->free_blocks);
	writer_le32(&w, p->groups * p->group_inodes - p->used_inodes);
	writer_le32(&w, PLAN_FIRST_BLOCK);
	writer_le32(&w, 0); /* block size, as a power: 1024 */
	writer_le32(&w, 0); /* fragment size, likewise */
	writer_le32(&w, p->group_blocks);
	writer_le32(&w, p->group_blocks); /* fragments */
	writer_le32(&w, p->group_inodes);
	writer_le32(&w, 0);	 /* mounted at */
	writer_le32(&w, now);	 /* written at */
	writer_le16(&w, 0);	 /* mounts */
	writer_le16(&w, 0xffff); /* no check after so many */
	writer_le16(&w, MAGIC);
	writer_le16(&w, STATE_CLEAN);
	writer_le16(&w, ERRORS_CONTINUE);
	writer_le16(&w, 0);   /* minor revision */
	writer_le32(&w, now); /* checked at */
	writer_le32(&w, 0);   /* no check after so long */
	writer_le32(&w, 0);   /* Linux */
	writer_le32(&w, REVISION);
	writer_le32(&w, 0); /* user and group of what is reserved */
	writer_le32(&w, PLAN_INODE_FIRST);
	writer_le16(&w, PLAN_INODE_BYTES);
	writer_le16(&w, (uint16_t)g);
	writer_le32(&w, p->n_xattrs ? COMPAT_EXT_ATTR : 0);
	writer_le32(&w, INCOMPAT_FILETYPE);
	writer_le32(&w, RO_SPARSE_SUPER | (p->large_file ? RO_LARGE_FILE : 0));
	writer_bytes(&w, p->uuid, sizeof(p->uuid));
	writer_bytes(&w, label, sizeof(label));
	writer_zero(&w, 64 + 4 + 4 + 16 + 4 + 4 + 4); /* last mount, compression, journal */
	writer_bytes(&w, p->hash_seed, sizeof(p->hash_seed));
	writer_u8(&w, HASH_HALF_MD4);
	writer_zero(&w, 3 + 4 + 4); /* journal, descriptor size, mount options, first meta group */
	writer_le32(&w, now);	    /* made at */
	writer_zero(&w, 0x160 - 0x10c);
	writer_le32(&w, FLAG_SIGNED_HASH);
}

void ext2_put_descriptors(const struct plan *p, const struct ext2_usage *usage, uint32_t b,
			  uint8_t *to)
{
	const uint32_t per_block = BLOCK_BYTES / PLAN_DESCRIPTOR_BYTES;
	struct writer w = WRITER(to, BLOCK_BYTES);

	for (uint32_t g = b * per_block; g < p->groups && g < (b + 1) * per_block; g++) {
		uint32_t at =
			plan_group_first(p, g) + (plan_has_super(g) ? 1 + p->descriptor_blocks : 0);

		writer_le32(&w, at);	 /* block bitmap */
		writer_le32(&w, at + 1); /* inode bitmap */
		writer_le32(&w, at + 2); /* inode table */
		writer_le16(&w, (uint16_t)(plan_group_size(p, g) - usage[g].blocks));
		writer_le16(&w, (uint16_t)(p->group_inodes - usage[g].inodes));
		writer_le16(&w, (uint16_t)usage[g].folders);
		writer_zero(&w, PLAN_DESCRIPTOR_BYTES - 18);
	}
}

void ext2_put_bitmap(uint32_t used, uint32_t n, uint8_t *to)
{
	memset(to, 0xff, used / 8);
	if (used % 8)
		to[used / 8] = (uint8_t)((1u << used % 8) - 1);
	for (uint32_t bit = n; bit % 8; bit++)
		to[bit / 8] = (uint8_t)(to[bit / 8] | 1u << bit % 8);
	memset(to + (n + 7) / 8, 0xff, BLOCK_BYTES - (n + 7) / 8);
}

/* The 15 words of an inode that are pointers, a device number or a short target. */
static void put_slots(struct writer *w, const struct plan_inode *pi)
{
	const struct inode *i = pi->node->inode;
	uint32_t slots[BLOCK_SLOTS];

	if (i->kind == INODE_LINK && i->size <= BLOCK_FAST_LINK_MAX) {
		writer_bytes(w, i->target, (size_t)i->size);
		writer_zero(w, sizeof(slots) - (size_t)i->size);
		return;
	}
	memcpy(slots, pi->slots, sizeof(slots));
	if (i->kind == INODE_CHAR || i->kind == INODE_BLOCK) {
		if (i->major < 256 && i->minor < 256)
			slots[0] = i->major << 8 | i->minor;
		else
			slots[1] = (i->minor & 0xff) | i->major << 8 | (i->minor & ~0xffu) << 12;
	}
	for (size_t k = 0; k < BLOCK_SLOTS; k++)
		writer_le32(w, slots[k]);
}

static void put_inode(const struct plan *p, const struct plan_inode *pi, struct writer *w)
{
	const struct inode *i = pi->node->inode;
	uint32_t now = (uint32_t)p->spec.time_s;

	writer_le16(w, kinds[i->kind].mode | i->mode);
	writer_le16(w, (uint16_t)i->uid);
	writer_le32(w, (uint32_t)i->size);
	writer_le32(w, now); /* accessed, changed, modified */
	writer_le32(w, now);
	writer_le32(w, now);
	writer_le32(w, 0); /* deleted */
	writer_le16(w, (uint16_t)i->gid);
	writer_le16(w, (uint16_t)i->links);
	writer_le32(w, (pi->blocks + (i->xattr_block ? 1 : 0)) * (BLOCK_BYTES / 512));
	writer_le32(w, 0); /* flags */
	writer_le32(w, 0);
	put_slots(w, pi);
	writer_le32(w, 0); /* generation */
	writer_le32(w, i->xattr_block ? p->xattrs[i->xattr_block - 1].at : 0);
	writer_le32(w, i->kind == INODE_FILE ? (uint32_t)(i->size >> 32) : 0);
	writer_le32(w, 0); /* fragment */
	writer_zero(w, 4);
	writer_le16(w, (uint16_t)(i->uid >> 16));
	writer_le16(w, (uint16_t)(i->gid >> 16));
	writer_zero(w, 4);
}

void ext2_put_inodes(const struct plan *p, uint32_t g, uint32_t b, uint32_t used, uint8_t *to)
{
	struct writer w = WRITER(to, BLOCK_BYTES);

	for (uint32_t k = b * PLAN_BLOCK_INODES; k < used && k < (b + 1) * PLAN_BLOCK_INODES; k++) {
		const struct plan_inode *i = &p->inodes[g * p->group_inodes + k];

		if (i->node)
			put_inode(p, i, &w);
		else
			writer_zero(&w, PLAN_INODE_BYTES);
	}
}

/* One entry; @bytes reaches to the next. */
static void put_entry(struct writer *w, const struct node *n, const char *name, uint32_t bytes)
{
	size_t len = strlen(name);

	writer_le32(w, n->inode->number);
	writer_le16(w, (uint16_t)bytes);
	writer_u8(w, (uint8_t)len);
	writer_u8(w, kinds[n->inode->kind].type);
	writer_text(w, name);
	writer_zero(w, bytes - ENTRY_HEAD - len);
}

void ext2_put_folder(const struct node *n, size_t *at, bool first, uint8_t *to)
{
	struct writer w = WRITER(to, BLOCK_BYTES);
	uint32_t left = BLOCK_BYTES;

	if (first) {
		bool alone = n->n_children == 0;

		put_entry(&w, n, ".", entry_bytes(1));
		left -= entry_bytes(1);
		if (!alone)
			alone = entry_bytes(2) + entry_bytes(strlen(n->children[0]->name)) > left;
		put_entry(&w, n->parent ? n->parent : n, "..", alone ? left : entry_bytes(2));
		left -= alone ? left : entry_bytes(2);
	}
	while (left > 0 && *at < n->n_children) {
		const char *name = n->children[*at]->name;
		uint32_t need = entry_bytes(strlen(name));
		bool last = *at + 1 == n->n_children ||
			    need + entry_bytes(strlen(n->children[*at + 1]->name)) > left;

		put_entry(&w, n->children[*at], name, last ? left : need);
		left -= last ? left : need;
		++*at;
	}
}

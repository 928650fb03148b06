/*
 * ext2_xattr.c - extended attributes of an inode as one ext2 block
 *
 * A header of 32 bytes; entries in the order of (index, length of the name, name), in which the
 * kernel searches them; values from the end of the block. ACLs are stored shorter than getxattr(2)
 * gives them: only named users and groups have an id. The hashes are the kernel's
 * (fs/ext4/xattr.c).
 */
#include <errno.h>
#include <string.h>

#include "base/reader.h"
#include "base/writer.h"
#include "image/ext2_xattr.h"

#define MAGIC	     0xea020000u
#define HEADER_BYTES 32u
#define ENTRY_BYTES  16u
#define END_BYTES    4u /* zeros behind the last entry */
#define ENTRIES_MAX  (BLOCK_BYTES / ENTRY_BYTES)
#define NAME_MAX_    255u

#define ACL_FROM_VERSION 2u /* as getxattr(2) gives it */
#define ACL_TO_VERSION	 1u
#define ACL_USER	 2u /* tags that have an id */
#define ACL_GROUP	 8u

/* What a name starts with, and the number that stands for it. */
static const struct {
	const char *prefix;
	uint8_t index;
	bool whole; /* there is nothing behind it */
	bool acl;
} kinds[] = {
	{ "user.", 1, false, false },
	{ "system.posix_acl_access", 2, true, true },
	{ "system.posix_acl_default", 3, true, true },
	{ "trusted.", 4, false, false },
	{ "security.", 6, false, false },
};

struct entry {
	uint8_t index;
	const char *name; /* behind the prefix */
	uint8_t value[BLOCK_BYTES];
	size_t bytes;
};

static int take_acl(const uint8_t *p, size_t n, struct entry *e)
{
	struct reader r = READER(p, n);
	struct writer w = WRITER(e->value, sizeof(e->value));

	if (reader_le32(&r) != ACL_FROM_VERSION)
		return -EBADMSG;
	writer_le32(&w, ACL_TO_VERSION);
	while (r.left > 0) {
		uint16_t tag = reader_le16(&r), perm = reader_le16(&r);
		uint32_t id = reader_le32(&r);

		if (r.err)
			return -EBADMSG;
		if (n > BLOCK_BYTES)
			return -E2BIG;
		writer_le16(&w, tag);
		writer_le16(&w, perm);
		e->bytes = e->bytes ? e->bytes + 4 : 8;
		if (tag == ACL_USER || tag == ACL_GROUP) {
			writer_le32(&w, id);
			e->bytes += 4;
		}
	}
	return 0;
}

static int take(const struct inode_xattr *x, struct entry *e)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		size_t n = strlen(kinds[k].prefix);

		if (strncmp(x->name, kinds[k].prefix, n) || (kinds[k].whole && x->name[n]))
			continue;
		*e = (struct entry){ .index = kinds[k].index, .name = x->name + n };
		if (strlen(e->name) > NAME_MAX_ || x->bytes > sizeof(e->value))
			return -E2BIG;
		if (kinds[k].acl)
			return take_acl(x->value, x->bytes, e);
		if (x->bytes > 0)
			memcpy(e->value, x->value, x->bytes);
		e->bytes = x->bytes;
		return 0;
	}
	return -EOPNOTSUPP;
}

static int compare(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;
	size_t n = strlen(a->name), m = strlen(b->name);

	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	if (n != m)
		return n < m ? -1 : 1;
	return memcmp(a->name, b->name, n);
}

static uint32_t padded(size_t n)
{
	return (uint32_t)(n + 3) / 4 * 4;
}

static uint32_t rotate(uint32_t v, unsigned by)
{
	return v << by | v >> (32 - by);
}

static uint32_t hash_of(const struct entry *e)
{
	struct reader r = READER(e->value, padded(e->bytes));
	uint32_t h = 0;

	for (const char *p = e->name; *p; p++)
		h = rotate(h, 5) ^ (uint8_t)*p;
	while (r.left > 0)
		h = rotate(h, 16) ^ reader_le32(&r);
	return h;
}

static int put_all(const struct entry *entries, size_t n, uint8_t *to)
{
	struct writer w = WRITER(to, BLOCK_BYTES), value;
	uint32_t at = BLOCK_BYTES, need = HEADER_BYTES + END_BYTES, hash = 0;

	for (size_t k = 0; k < n; k++) {
		need += ENTRY_BYTES + padded(strlen(entries[k].name)) + padded(entries[k].bytes);
		hash = rotate(hash, 16) ^ hash_of(&entries[k]);
	}
	if (need > BLOCK_BYTES)
		return -E2BIG;
	writer_le32(&w, MAGIC);
	writer_le32(&w, 1); /* inodes that have it */
	writer_le32(&w, 1); /* blocks */
	writer_le32(&w, hash);
	writer_zero(&w, HEADER_BYTES - 16);
	for (size_t k = 0; k < n; k++) {
		size_t name_bytes = strlen(entries[k].name);

		at -= padded(entries[k].bytes);
		writer_u8(&w, (uint8_t)name_bytes);
		writer_u8(&w, entries[k].index);
		writer_le16(&w, entries[k].bytes ? (uint16_t)at : 0);
		writer_le32(&w, 0); /* the value is in this block */
		writer_le32(&w, (uint32_t)entries[k].bytes);
		writer_le32(&w, hash_of(&entries[k]));
		writer_bytes(&w, entries[k].name, name_bytes);
		writer_zero(&w, padded(name_bytes) - name_bytes);
		value = WRITER(to + at, BLOCK_BYTES - at);
		writer_bytes(&value, entries[k].value, entries[k].bytes);
	}
	return 0;
}

int ext2_xattr_put(const struct inode *i, uint8_t *to)
{
	_cleanup_free_ struct entry *entries = NULL;
	int r = 0;

	if (i->n_xattrs > ENTRIES_MAX)
		return -E2BIG;
	entries = calloc(MAX(i->n_xattrs, (size_t)1), sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (size_t k = 0; r == 0 && k < i->n_xattrs; k++)
		r = take(&i->xattrs[k], &entries[k]);
	if (r < 0)
		return r;
	if (i->n_xattrs > 0)
		qsort(entries, i->n_xattrs, sizeof(*entries), compare);
	return put_all(entries, i->n_xattrs, to);
}

void ext2_xattr_put_refs(uint8_t *to, uint32_t refs)
{
	struct writer w = WRITER(to + 4, 4);

	writer_le32(&w, refs);
}

/*
 * erofs_format.c - the structures of erofs on the disk
 */
#include <errno.h>
#include <string.h>

#include "image/erofs_format.h"
#include "image/format.h"

#define MAGIC		  0xe0f5e1e2u
#define COMPAT_CHECKSUM	  1u
#define CHECKSUM_AT	  4u
#define BLOCK_BITS	  12
#define ENTRY_BYTES	  12u /* of a folder, before the names */
#define XATTR_HEAD_BYTES  12u
#define XATTR_ENTRY_BYTES 4u
#define XATTR_ALIGN	  4u
#define CRC32C_POLYNOMIAL 0x82f63b78u /* bits reversed */
#define LAYOUT_SHIFT	  1
#define DOTS		  2u /* entries that every folder has */

/* What a folder's entries call each kind. */
static const uint8_t types[INODE_KIND_MAX_] = {
	[INODE_DIR] = 2,   [INODE_FILE] = 1, [INODE_LINK] = 7,	 [INODE_CHAR] = 3,
	[INODE_BLOCK] = 4, [INODE_FIFO] = 5, [INODE_SOCKET] = 6,
};

/* What stands for the beginning of an attribute's name. */
static const struct {
	const char *prefix;
	uint8_t index;
	bool whole; /* it is all of the name */
} prefixes[] = {
	{ "user.", 1, false },
	{ "system.posix_acl_access", 2, true },
	{ "system.posix_acl_default", 3, true },
	{ "trusted.", 4, false },
	{ "security.", 6, false },
};

void erofs_put_super(const struct erofs_super *s, struct writer *w)
{
	size_t n = s->label ? strnlen(s->label, EROFS_LABEL_BYTES) : 0;

	writer_le32(w, MAGIC);
	writer_le32(w, 0); /* checksum */
	writer_le32(w, COMPAT_CHECKSUM);
	writer_u8(w, BLOCK_BITS);
	writer_u8(w, 0); /* no more than these 128 bytes */
	writer_le16(w, (uint16_t)s->root);
	writer_le64(w, s->inodes);
	writer_le64(w, s->time_s);
	writer_le32(w, 0); /* nanoseconds */
	writer_le32(w, s->blocks);
	writer_le32(w, s->meta_block);
	writer_le32(w, 0); /* no shared attributes */
	writer_bytes(w, s->uuid, EROFS_UUID_BYTES);
	writer_bytes(w, s->label ? s->label : "", n);
	writer_zero(w, EROFS_LABEL_BYTES - n);
	writer_le32(w, s->needs);
	writer_zero(w, 44); /* LZ4's window as ever; one device */
}

void erofs_set_checksum(uint8_t block[static EROFS_BLOCK])
{
	struct writer w = WRITER(block + EROFS_SUPER_AT + CHECKSUM_AT, 4);
	uint32_t crc = ~0u;

	for (size_t i = EROFS_SUPER_AT; i < EROFS_BLOCK; i++) {
		crc ^= block[i];
		for (unsigned k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
	}
	writer_le32(&w, crc);
}

bool erofs_is_large(const struct inode *i, uint64_t size)
{
	return i->uid > UINT16_MAX || i->gid > UINT16_MAX || i->links > UINT16_MAX ||
	       size > UINT32_MAX;
}

void erofs_put_inode(const struct erofs_inode *e, struct writer *w)
{
	const struct inode *i = e->inode;
	uint32_t count = e->xattr_bytes ? (e->xattr_bytes - XATTR_HEAD_BYTES) / 4 + 1 : 0;

	writer_le16(w, (uint16_t)(e->layout << LAYOUT_SHIFT | e->extended));
	writer_le16(w, (uint16_t)count);
	writer_le16(w, format_mode(i));
	if (e->extended) {
		writer_le16(w, 0);
		writer_le64(w, e->size);
		writer_le32(w, e->where);
		writer_le32(w, e->number);
		writer_le32(w, i->uid);
		writer_le32(w, i->gid);
		writer_le64(w, e->time_s);
		writer_le32(w, 0);
		writer_le32(w, i->links);
		writer_zero(w, 16);
		return;
	}
	writer_le16(w, (uint16_t)i->links);
	writer_le32(w, (uint32_t)e->size);
	writer_le32(w, 0);
	writer_le32(w, e->where);
	writer_le32(w, e->number);
	writer_le16(w, (uint16_t)i->uid);
	writer_le16(w, (uint16_t)i->gid);
	writer_le32(w, 0);
}

/* The row of an attribute's name. Return: its place or -EOPNOTSUPP. */
static int find_prefix(const char *name)
{
	for (size_t k = 0; k < ARRAY_SIZE(prefixes); k++) {
		size_t n = strlen(prefixes[k].prefix);

		if (prefixes[k].whole ? !strcmp(name, prefixes[k].prefix)
				      : !strncmp(name, prefixes[k].prefix, n) && name[n])
			return (int)k;
	}
	return -EOPNOTSUPP;
}

int erofs_xattr_bytes(const struct inode *i, uint32_t *ret)
{
	uint64_t sum = XATTR_HEAD_BYTES;

	for (size_t k = 0; k < i->n_xattrs; k++) {
		const struct inode_xattr *x = &i->xattrs[k];
		int p = find_prefix(x->name);
		size_t n = XATTR_ENTRY_BYTES + x->bytes;

		if (p < 0)
			return p;
		if (x->bytes > UINT16_MAX)
			return -E2BIG;
		n += strlen(x->name) - strlen(prefixes[p].prefix);
		sum += (n + XATTR_ALIGN - 1) / XATTR_ALIGN * XATTR_ALIGN;
	}
	if (sum > EROFS_XATTR_BYTES_MAX)
		return -E2BIG;
	*ret = i->n_xattrs ? (uint32_t)sum : 0;
	return 0;
}

void erofs_put_xattrs(const struct inode *i, struct writer *w)
{
	writer_zero(w, i->n_xattrs ? XATTR_HEAD_BYTES : 0);
	for (size_t k = 0; k < i->n_xattrs; k++) {
		const struct inode_xattr *x = &i->xattrs[k];
		int p = find_prefix(x->name); /* known: erofs_xattr_bytes() has seen it */
		const char *name = x->name + strlen(prefixes[p].prefix);
		size_t n = XATTR_ENTRY_BYTES + strlen(name) + x->bytes;

		writer_u8(w, (uint8_t)strlen(name));
		writer_u8(w, prefixes[p].index);
		writer_le16(w, (uint16_t)x->bytes);
		writer_text(w, name);
		writer_bytes(w, x->value, x->bytes);
		writer_zero(w, -n % XATTR_ALIGN);
	}
}

/* Where "." and ".." stand among the entries of a folder, which are in the order of their bytes. */
struct dots {
	size_t self, up;
};

static struct dots find_dots(const struct node *n)
{
	struct dots d = { 0 };

	while (d.self < n->n_children && strcmp(n->children[d.self]->name, ".") < 0)
		d.self++;
	d.up = d.self;
	while (d.up < n->n_children && strcmp(n->children[d.up]->name, "..") < 0)
		d.up++;
	d.up++; /* "." stands before it */
	return d;
}

/* Entry @k: its name, and the inode that it names. */
static const char *entry(const struct node *n, size_t k, const struct dots *d,
			 const struct inode **ret)
{
	const struct node *child;

	*ret = k == d->up && n->parent ? n->parent->inode : n->inode;
	if (k == d->self || k == d->up)
		return k == d->up ? ".." : ".";
	child = n->children[k - (k > d->self) - (k > d->up)];
	*ret = child->inode;
	return child->name;
}

static size_t end_of_block(const struct node *n, size_t at, const struct dots *d,
			   uint32_t *ret_bytes)
{
	const struct inode *unused;
	uint32_t used = 0;

	for (; at < n->n_children + DOTS; at++) {
		uint32_t need = ENTRY_BYTES + (uint32_t)strlen(entry(n, at, d, &unused));

		if (used + need > EROFS_BLOCK)
			break;
		used += need;
	}
	*ret_bytes = used;
	return at;
}

uint64_t erofs_folder_bytes(const struct node *n)
{
	struct dots d = find_dots(n);
	size_t all = n->n_children + DOTS;
	uint64_t blocks = 0;
	uint32_t last = 0;

	for (size_t at = 0; at < all; blocks++)
		at = end_of_block(n, at, &d, &last);
	return (blocks - 1) * EROFS_BLOCK + last;
}

void erofs_put_folder(const struct node *n, size_t *at,
		      uint64_t (*id)(void *ctx, const struct inode *i), void *ctx,
		      uint8_t to[static EROFS_BLOCK], uint32_t *ret_bytes)
{
	struct dots d = find_dots(n);
	size_t end = end_of_block(n, *at, &d, ret_bytes);
	uint32_t name_at = (uint32_t)(end - *at) * ENTRY_BYTES;
	struct writer heads = WRITER(to, name_at),
		      names = WRITER(to + name_at, EROFS_BLOCK - name_at);

	for (size_t k = *at; k < end; k++) {
		const struct inode *i;
		const char *name = entry(n, k, &d, &i);

		writer_le64(&heads, id(ctx, i));
		writer_le16(&heads, (uint16_t)(name_at + names.len));
		writer_u8(&heads, types[i->kind]);
		writer_u8(&heads, 0);
		writer_text(&names, name);
	}
	writer_zero(&names, names.size - names.len);
	*at = end;
}

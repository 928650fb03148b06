/*
 * ext2_xattr_read.c - extended attributes as they stand in an ext2, ext3 or ext4 file system
 *
 * What ext2_xattr.c writes, and more: attributes in the room behind an inode, and values that stand
 * in inodes of their own. Pure; every byte is taken for hostile.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/reader.h"
#include "base/writer.h"
#include "image/ext2_xattr.h"

#define MAGIC	     0xea020000u
#define HEADER_BYTES 32u
#define NAME_BYTES   (32 + 256) /* of the longest prefix and name, with NUL */
#define INDEX_SYSTEM 7
#define INDEX_ACL    2 /* and the one behind it, of folders' children */

#define ACL_STORED_VERSION 1u
#define ACL_GIVEN_VERSION  2u /* as getxattr(2) gives it */
#define ACL_USER	   2u /* tags that have an id */
#define ACL_GROUP	   8u
#define ACL_NO_ID	   UINT32_MAX
#define ACL_ENTRIES_MAX	   1024u

static const char *const prefixes[] = {
	[1] = "user.",
	[2] = "system.posix_acl_access",
	[3] = "system.posix_acl_default",
	[4] = "trusted.",
	[6] = "security.",
	[INDEX_SYSTEM] = "system.",
	[8] = "system.richacl",
};

/* An ACL as it is stored becomes one as getxattr(2) gives it. Caller frees *ret. */
static int give_acl(const uint8_t *p, size_t n, uint8_t **ret, size_t *ret_n)
{
	size_t room = 4 + 8 * ACL_ENTRIES_MAX;
	_cleanup_free_ uint8_t *out = malloc(room);
	struct reader r = READER(p, n);
	struct writer w = WRITER(out, room);

	if (!out)
		return -ENOMEM;
	if (reader_le32(&r) != ACL_STORED_VERSION)
		return -EBADMSG;
	writer_le32(&w, ACL_GIVEN_VERSION);
	while (r.left > 0 && !r.err) {
		uint16_t tag = reader_le16(&r);

		writer_le16(&w, tag);
		writer_le16(&w, reader_le16(&r));
		writer_le32(&w, tag == ACL_USER || tag == ACL_GROUP ? reader_le32(&r) : ACL_NO_ID);
	}
	if (r.err || w.err)
		return -EBADMSG;
	*ret_n = w.len;
	*ret = TAKE_PTR(out);
	return 0;
}

static int tell(struct ext2_xattr *x, uint8_t index, const uint8_t *name, size_t name_bytes,
		ext2_xattr_fn fn, void *user)
{
	const char *prefix = index < ARRAY_SIZE(prefixes) ? prefixes[index] : NULL;
	_cleanup_free_ uint8_t *acl = NULL;
	char full[NAME_BYTES];
	int r;

	if (!prefix)
		return 0;
	if (memchr(name, 0, name_bytes))
		return -EBADMSG;
	snprintf(full, sizeof(full), "%s%.*s", prefix, (int)name_bytes, (const char *)name);
	x->name = full;
	x->inline_data = index == INDEX_SYSTEM && !strcmp(full, "system.data");
	if (x->value && (index == INDEX_ACL || index == INDEX_ACL + 1)) {
		r = give_acl(x->value, x->bytes, &acl, &x->bytes);
		if (r < 0)
			return r;
		x->value = acl;
	}
	return fn(user, x);
}

/* Entries from @at on, whose values are counted from @from. */
static int each(const uint8_t *p, size_t n, size_t at, size_t from, ext2_xattr_fn fn, void *user)
{
	struct reader r = READER(p, n), v;
	int e = 0;

	reader_skip(&r, at);
	while (e == 0 && r.left >= 4) {
		struct reader look = r;
		struct ext2_xattr x = { 0 };
		uint8_t name_bytes, index;
		uint32_t offset;
		const uint8_t *name;

		if (reader_le32(&look) == 0)
			return 0; /* the end of the list */
		name_bytes = reader_u8(&r);
		index = reader_u8(&r);
		offset = reader_le16(&r);
		x.inode = reader_le32(&r);
		x.bytes = reader_le32(&r);
		reader_skip(&r, 4); /* a hash */
		name = reader_bytes(&r, name_bytes);
		reader_skip(&r, -(size_t)name_bytes % 4);
		if (r.err)
			return -EBADMSG;
		if (!x.inode) {
			v = READER(p, n);
			reader_skip(&v, x.bytes > 0 ? from + offset : 0);
			x.value = reader_bytes(&v, x.bytes);
			if (v.err)
				return -EBADMSG;
		}
		e = tell(&x, index, name, name_bytes, fn, user);
	}
	return e;
}

int ext2_xattr_each_of_block(const uint8_t *p, size_t n, ext2_xattr_fn fn, void *user)
{
	struct reader r = READER(p, n);

	if (reader_le32(&r) != MAGIC)
		return -EBADMSG;
	return each(p, n, HEADER_BYTES, 0, fn, user);
}

int ext2_xattr_each_of_inode(const uint8_t *p, size_t n, ext2_xattr_fn fn, void *user)
{
	struct reader r = READER(p, n);

	return reader_le32(&r) == MAGIC ? each(p, n, 4, 4, fn, user) : 0;
}

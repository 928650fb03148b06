/*
 * newc.c - the "newc" cpio format, which the kernel unpacks as initramfs
 *
 * Numbers are eight hexadecimal digits. The checksum field is zero when written, and with "070701"
 * ignored when read, as in the kernel.
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "wire/newc.h"

#define NEWC_MAGIC	   "070701"
#define NEWC_MAGIC_CRC	   "070702" /* the same with a checksum */
#define NEWC_MAGIC_BYTES   6
#define NEWC_NAME_BYTES_AT 94
#define NEWC_DIGITS	   8
#define NEWC_XATTR_KIND	   "11" /* version and what it is */
#define NEWC_XATTR_HEAD	   (NEWC_DIGITS + 2)
#define NEWC_HEADER_SLACK  (NEWC_HEADER_BYTES % NEWC_ALIGN) /* header and name are padded together \
							     */

int newc_pad(struct buffer *to)
{
	static const uint8_t zeros[NEWC_ALIGN];

	return buffer_append(to, zeros, -to->len % NEWC_ALIGN);
}

int newc_format(const struct newc *e, struct buffer *to)
{
	size_t name_bytes = strlen(e->name) + 1;
	int r = buffer_printf(to, NEWC_MAGIC "%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
			      e->ino, e->mode, e->uid, e->gid, e->nlink, e->mtime, e->size,
			      e->dev_major, e->dev_minor, e->rdev_major, e->rdev_minor,
			      (unsigned)name_bytes, 0u);

	if (r == 0)
		r = buffer_append(to, e->name, name_bytes);
	return r == 0 ? newc_pad(to) : r;
}

static uint32_t take_number(struct reader *r)
{
	char digits[NEWC_DIGITS + 1] = { 0 };
	uint8_t v[NEWC_DIGITS / 2];

	reader_copy(r, digits, NEWC_DIGITS);
	if (!r->err && parse_hex(digits, v, sizeof(v)) < 0)
		r->err = -EBADMSG;
	return r->err ? 0
		      : (uint32_t)v[0] << 24 | (uint32_t)v[1] << 16 | (uint32_t)v[2] << 8 | v[3];
}

/* Take @n bytes and what pads them, @before bytes having gone before on the same count. */
static const uint8_t *take_padded(struct reader *r, size_t n, size_t before)
{
	const uint8_t *p = reader_bytes(r, n);
	const uint8_t *pad = reader_bytes(r, -(n + before) % NEWC_ALIGN);

	return pad ? p : NULL;
}

int newc_name_bytes(const uint8_t head[static NEWC_HEADER_BYTES], uint32_t *ret)
{
	struct reader r = READER(head, NEWC_HEADER_BYTES);
	uint32_t n;

	reader_skip(&r, NEWC_NAME_BYTES_AT);
	n = take_number(&r);
	if (r.err || n < 2 || n > NEWC_NAME_MAX)
		return -EBADMSG;
	*ret = n + (uint32_t)(-(n + NEWC_HEADER_SLACK) % NEWC_ALIGN);
	return 0;
}

int newc_parse(struct reader *r, struct newc *ret)
{
	const uint8_t *magic = reader_bytes(r, NEWC_MAGIC_BYTES), *name;
	struct newc e;
	uint32_t name_bytes;

	if (!magic || (memcmp(magic, NEWC_MAGIC, NEWC_MAGIC_BYTES) &&
		       memcmp(magic, NEWC_MAGIC_CRC, NEWC_MAGIC_BYTES)))
		return -EBADMSG;
	e.has_check = !memcmp(magic, NEWC_MAGIC_CRC, NEWC_MAGIC_BYTES);
	e.ino = take_number(r);
	e.mode = take_number(r);
	e.uid = take_number(r);
	e.gid = take_number(r);
	e.nlink = take_number(r);
	e.mtime = take_number(r);
	e.size = take_number(r);
	e.dev_major = take_number(r);
	e.dev_minor = take_number(r);
	e.rdev_major = take_number(r);
	e.rdev_minor = take_number(r);
	name_bytes = take_number(r);
	e.check = take_number(r);
	if (r->err || name_bytes < 2 || name_bytes > NEWC_NAME_MAX)
		return -EBADMSG;
	name = take_padded(r, name_bytes, NEWC_HEADER_SLACK);
	if (!name || memchr(name, 0, name_bytes) != name + name_bytes - 1)
		return -EBADMSG;
	memcpy(e.name, name, name_bytes);
	*ret = e;
	return 0;
}

const uint8_t *newc_data(struct reader *r, const struct newc *e)
{
	return take_padded(r, e->size, 0);
}

int newc_xattr_format(const char *name, const void *value, size_t n, struct buffer *to)
{
	size_t name_bytes = strlen(name) + 1, all = NEWC_XATTR_HEAD + name_bytes + n;
	int r;

	if (name_bytes > NEWC_XATTR_NAME_MAX || all > UINT32_MAX)
		return -E2BIG;
	r = buffer_printf(to, "%08X" NEWC_XATTR_KIND, (unsigned)all);
	if (r == 0)
		r = buffer_append(to, name, name_bytes);
	return r == 0 && n > 0 ? buffer_append(to, value, n) : r;
}

int newc_xattr_parse(struct reader *r, struct newc_xattr *ret)
{
	uint32_t all = take_number(r);
	const uint8_t *kind = reader_bytes(r, NEWC_XATTR_HEAD - NEWC_DIGITS), *body, *end;
	size_t n;

	if (!kind || memcmp(kind, NEWC_XATTR_KIND, strlen(NEWC_XATTR_KIND)) ||
	    all <= NEWC_XATTR_HEAD)
		return -EBADMSG;
	n = all - NEWC_XATTR_HEAD;
	body = reader_bytes(r, n);
	end = body ? memchr(body, 0, MIN(n, (size_t)NEWC_XATTR_NAME_MAX)) : NULL;
	if (!end || end == body)
		return -EBADMSG;
	*ret = (struct newc_xattr){ .name = (const char *)body,
				    .value = end + 1,
				    .bytes = n - (size_t)(end + 1 - body) };
	return 0;
}

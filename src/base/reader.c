/*
 * reader.c - bounds-checked reader over a borrowed buffer
 */
#include <errno.h>
#include <string.h>

#include "base/reader.h"

const uint8_t *reader_bytes(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->err || n > r->left) {
		r->err = -EBADMSG;
		return NULL;
	}
	if (n > 0)
		r->p += n;
	r->left -= n;
	return p;
}

void reader_copy(struct reader *r, void *to, size_t n)
{
	const uint8_t *p = reader_bytes(r, n);

	if (p && n > 0)
		memcpy(to, p, n);
}

void reader_skip(struct reader *r, size_t n)
{
	(void)reader_bytes(r, n); /* the error is sticky */
}

static uint64_t reader_be(struct reader *r, size_t n)
{
	const uint8_t *p = reader_bytes(r, n);
	uint64_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static uint64_t reader_le(struct reader *r, size_t n)
{
	const uint8_t *p = reader_bytes(r, n);
	uint64_t v = 0;

	for (size_t i = n; p && i > 0; i--)
		v = v << 8 | p[i - 1];
	return v;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_be(r, 1);
}

uint16_t reader_be16(struct reader *r)
{
	return (uint16_t)reader_be(r, 2);
}

uint32_t reader_be32(struct reader *r)
{
	return (uint32_t)reader_be(r, 4);
}

uint64_t reader_be64(struct reader *r)
{
	return reader_be(r, 8);
}

uint16_t reader_le16(struct reader *r)
{
	return (uint16_t)reader_le(r, 2);
}

uint32_t reader_le32(struct reader *r)
{
	return (uint32_t)reader_le(r, 4);
}

uint64_t reader_le64(struct reader *r)
{
	return reader_le(r, 8);
}

const char *reader_cstr(struct reader *r)
{
	const uint8_t *nul = r->err || r->left == 0 ? NULL : memchr(r->p, 0, r->left);

	if (!nul) {
		r->err = -EBADMSG;
		return NULL;
	}
	return (const char *)reader_bytes(r, (size_t)(nul - r->p) + 1);
}

struct reader reader_sub(struct reader *r, size_t n)
{
	const uint8_t *p = reader_bytes(r, n);

	return (struct reader){ .p = p, .left = p ? n : 0, .err = p ? 0 : -EBADMSG };
}

int reader_end(const struct reader *r)
{
	return r->err || r->left > 0 ? -EBADMSG : 0;
}

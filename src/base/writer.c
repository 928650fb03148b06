/*
 * writer.c - bounds-checked writer into a borrowed buffer
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/writer.h"

static uint8_t *writer_room(struct writer *w, size_t n)
{
	uint8_t *p;

	if (w->err || n > w->size - w->len) {
		w->err = -E2BIG;
		return NULL;
	}
	p = w->buf + w->len;
	w->len += n;
	return p;
}

void writer_bytes(struct writer *w, const void *p, size_t n)
{
	uint8_t *to = writer_room(w, n);

	if (to && n > 0)
		memcpy(to, p, n);
}

void writer_zero(struct writer *w, size_t n)
{
	uint8_t *to = writer_room(w, n);

	if (to && n > 0)
		memset(to, 0, n);
}

static void writer_be(struct writer *w, uint64_t v, size_t n)
{
	uint8_t *to = writer_room(w, n);

	for (size_t i = 0; to && i < n; i++)
		to[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

static void writer_le(struct writer *w, uint64_t v, size_t n)
{
	uint8_t *to = writer_room(w, n);

	for (size_t i = 0; to && i < n; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

void writer_u8(struct writer *w, uint8_t v)
{
	writer_be(w, v, 1);
}

void writer_be16(struct writer *w, uint16_t v)
{
	writer_be(w, v, 2);
}

void writer_be32(struct writer *w, uint32_t v)
{
	writer_be(w, v, 4);
}

void writer_be64(struct writer *w, uint64_t v)
{
	writer_be(w, v, 8);
}

void writer_le16(struct writer *w, uint16_t v)
{
	writer_le(w, v, 2);
}

void writer_le32(struct writer *w, uint32_t v)
{
	writer_le(w, v, 4);
}

void writer_le64(struct writer *w, uint64_t v)
{
	writer_le(w, v, 8);
}

void writer_cstr(struct writer *w, const char *s)
{
	writer_bytes(w, s, strlen(s) + 1);
}

void writer_text(struct writer *w, const char *s)
{
	writer_bytes(w, s, strlen(s));
}

void writer_printf(struct writer *w, const char *fmt, ...)
{
	size_t room = w->err ? 0 : w->size - w->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? (char *)w->buf + w->len : NULL, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room) /* the NUL must fit too while it is written */
		w->err = -E2BIG;
	else
		w->len += (size_t)n;
}

int writer_end(const struct writer *w, size_t *ret_len)
{
	if (w->err)
		return w->err;
	*ret_len = w->len;
	return 0;
}

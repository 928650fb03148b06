/*
 * writer.h - bounds-checked writer into a borrowed buffer
 *
 * The mirror of reader.h: errors are sticky, a whole record is written and writer_end() asked once.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

struct writer {
	uint8_t *buf; /* borrowed */
	size_t size;  /* bytes of @buf */
	size_t len;   /* bytes written */
	int err;      /* 0, or -E2BIG since the first write that did not fit */
};

#define WRITER(b, n) ((struct writer){ .buf = (uint8_t *)(b), .size = (n) })

void writer_bytes(struct writer *w, const void *p, size_t n);
void writer_zero(struct writer *w, size_t n);
void writer_u8(struct writer *w, uint8_t v);
void writer_be16(struct writer *w, uint16_t v);
void writer_be32(struct writer *w, uint32_t v);
void writer_be64(struct writer *w, uint64_t v);
void writer_le16(struct writer *w, uint16_t v);
void writer_le32(struct writer *w, uint32_t v);
void writer_le64(struct writer *w, uint64_t v);
void writer_cstr(struct writer *w, const char *s);			   /* with its NUL */
void writer_text(struct writer *w, const char *s);			   /* without */
void writer_printf(struct writer *w, const char *fmt, ...) _printf_(2, 3); /* without NUL */

/* Return: 0 with *ret_len set, or -E2BIG. */
_must_check_ int writer_end(const struct writer *w, size_t *ret_len);

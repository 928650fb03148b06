/*
 * buffer.h - a byte buffer that grows up to a named maximum
 *
 * Append at the end, consume at the front. What it holds is always followed by a NUL that is not
 * counted, so that text can be used in place. `struct buffer b = BUFFER(max);` needs no call before
 * use.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

struct buffer {
	uint8_t *data; /* owned; NULL while nothing was appended */
	size_t len;    /* bytes held */
	size_t cap;    /* bytes allocated */
	size_t max;    /* bytes it may ever hold */
};

#define BUFFER(limit)	 ((struct buffer){ .max = (limit) })
#define _cleanup_buffer_ _cleanup_(buffer_clear)

/* Free the memory; the buffer is empty and reusable with the same maximum. */
void buffer_clear(struct buffer *b);

/*
 * Room for @n more bytes behind the end; the caller fills it and adds to len. Return: 0, -E2BIG,
 * -ENOMEM.
 */
_must_check_ int buffer_reserve(struct buffer *b, size_t n);
_must_check_ int buffer_append(struct buffer *b, const void *p, size_t n);
_must_check_ int buffer_printf(struct buffer *b, const char *fmt, ...) _printf_(2, 3);

/* Drop @n bytes at the front (at most what is held). */
void buffer_consume(struct buffer *b, size_t n);

/* The text held, "" when empty; borrowed until the next change. */
const char *buffer_str(const struct buffer *b);

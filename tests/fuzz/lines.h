/*
 * lines.h - the property of files of lines: those that are accepted, written and read again are the
 * same
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/lines.h"

/* Read the words of one line and write it behind @to. Return: of the reading; abort() if the line
 * cannot be written. */
typedef int (*fuzz_line)(char *const *words, size_t n, struct buffer *to);

static inline int fuzz_lines_read(const void *p, size_t n, fuzz_line line, struct buffer *to)
{
	struct lines *l = malloc(sizeof(*l));
	int r;

	if (!l)
		abort();
	lines_init(l, "lines", p, n);
	while ((r = lines_next(l)) == 1) {
		r = line(l->words, l->n_words, to);
		if (r < 0)
			break;
	}
	free(l);
	return r;
}

/* @max: bytes that are written at most. */
static inline void fuzz_lines(const uint8_t *data, size_t size, fuzz_line line, size_t max)
{
	_cleanup_buffer_ struct buffer once = BUFFER(max), twice = BUFFER(max);

	if (size > max / 2 || fuzz_lines_read(data, size, line, &once) < 0)
		return;
	if (fuzz_lines_read(once.data, once.len, line, &twice) < 0)
		abort();
	if (once.len != twice.len || (once.len && memcmp(once.data, twice.data, once.len) != 0))
		abort();
}

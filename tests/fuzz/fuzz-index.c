/*
 * fuzz-index.c - an index that is accepted is written back byte for byte, and its parts cover the
 * image
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer b = BUFFER(INDEX_BYTES_MAX);
	_cleanup_index_ struct index x = { 0 };
	const char *why = NULL;
	unsigned line = 0;
	uint64_t at = 0;

	if (index_parse(data, size, &x, &line, &why) < 0) {
		if (!why || line == 0)
			abort();
		return 0;
	}
	for (size_t i = 0; i < x.n_parts; i++) {
		if (x.parts[i].offset != at || x.parts[i].raw_bytes == 0)
			abort();
		at += x.parts[i].raw_bytes;
	}
	if (at != x.image_bytes || index_format(&x, &b) < 0 || b.len != size ||
	    memcmp(b.data, data, size))
		abort();
	return 0;
}

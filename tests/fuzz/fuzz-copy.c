/*
 * fuzz-copy.c - records of a copy that are accepted are written back as the same bytes, and name
 * nothing outside of their folder
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/copy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	while (size >= COPY_HEAD_BYTES) {
		_cleanup_buffer_ struct buffer back = BUFFER(2 * COPY_BODY_MAX);
		struct copy_record c;
		enum copy_type type;
		size_t n;

		if (copy_head_read(data, &type, &n) < 0 || n > size - COPY_HEAD_BYTES)
			break;
		if (copy_body_read(type, data + COPY_HEAD_BYTES, n, &c) < 0)
			break;
		if (type == COPY_ATTRIBUTE ? !copy_attribute_valid(c.name)
					   : c.name && (strchr(c.name, '/') || !*c.name ||
							!strcmp(c.name, "..")))
			abort();
		if (copy_write(&back, &c) < 0 || back.len != COPY_HEAD_BYTES + n ||
		    memcmp(back.data, data, back.len) != 0)
			abort();
		data += COPY_HEAD_BYTES + n;
		size -= COPY_HEAD_BYTES + n;
	}
	return 0;
}

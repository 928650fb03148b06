/*
 * fuzz-pins.c - keys of nodes that are accepted, written and read again are the same
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/lines.h"
#include "wire/pins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_all(const void *p, size_t n, struct buffer *to)
{
	struct lines *l = malloc(sizeof(*l));
	int r;

	if (!l)
		abort();
	lines_init(l, "keys", p, n);
	while ((r = lines_next(l)) == 1) {
		struct pin pin;

		r = pins_read(l->words, l->n_words, &pin);
		if (r < 0)
			break;
		if (pins_write(to, &pin) < 0)
			abort();
	}
	free(l);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer once = BUFFER(PINS_BYTES_MAX),
				       twice = BUFFER(PINS_BYTES_MAX);

	if (size > PINS_BYTES_MAX / 2 || read_all(data, size, &once) < 0)
		return 0;
	if (read_all(once.data, once.len, &twice) < 0)
		abort();
	if (once.len != twice.len || (once.len && memcmp(once.data, twice.data, once.len) != 0))
		abort();
	return 0;
}

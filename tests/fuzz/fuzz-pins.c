/*
 * fuzz-pins.c - keys of nodes that are accepted, written and read again are the same
 */
#include "lines.h"
#include "wire/pins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int line(char *const *words, size_t n, struct buffer *to)
{
	struct pin pin;
	int r = pins_read(words, n, &pin);

	if (r == 0 && pins_write(to, &pin) < 0)
		abort();
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_lines(data, size, line, PINS_BYTES_MAX);
	return 0;
}

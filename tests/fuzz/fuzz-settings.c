/*
 * fuzz-settings.c - settings of nodes that are accepted, written and read again are the same
 */
#include "lines.h"
#include "wire/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int line(char *const *words, size_t n, struct buffer *to)
{
	_cleanup_settings_ struct settings s = SETTINGS();
	int r = settings_read(words, n, &s);

	if (r == 0 && settings_write(to, &s) < 0)
		abort();
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_lines(data, size, line, SETTINGS_BYTES_MAX);
	return 0;
}

/*
 * fuzz-settings.c - settings of nodes that are accepted, written and read again are the same
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/lines.h"
#include "wire/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_all(const void *p, size_t n, struct buffer *to)
{
	struct lines *l = malloc(sizeof(*l));
	int r;

	if (!l)
		abort();
	lines_init(l, "settings", p, n);
	while ((r = lines_next(l)) == 1) {
		_cleanup_settings_ struct settings s = SETTINGS();

		r = settings_read(l->words, l->n_words, &s);
		if (r < 0)
			break;
		if (settings_write(to, &s) < 0)
			abort();
	}
	free(l);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer once = BUFFER(SETTINGS_BYTES_MAX),
				       twice = BUFFER(SETTINGS_BYTES_MAX);

	if (read_all(data, size, &once) < 0)
		return 0;
	if (read_all(once.data, once.len, &twice) < 0)
		abort();
	if (once.len != twice.len || (once.len && memcmp(once.data, twice.data, once.len) != 0))
		abort();
	return 0;
}

/*
 * fuzz-manifest.c - a manifest that is accepted is written and read back as the same manifest
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer one = BUFFER(16 * MANIFEST_BYTES_MAX),
				       two = BUFFER(16 * MANIFEST_BYTES_MAX);
	char error[MANIFEST_ERROR_MAX];
	struct manifest m;
	unsigned line;

	if (manifest_parse(data, size, &m, &line, error) < 0)
		return 0;
	if (manifest_format(&m, &one) < 0)
		abort();
	manifest_clear(&m);
	/* Quoting may make a line longer than a line may be; all else has to be taken again. */
	if (manifest_parse(one.data, one.len, &m, &line, error) < 0) {
		if (!strstr(error, "longer than"))
			abort();
		return 0;
	}
	if (manifest_format(&m, &two) < 0 || one.len != two.len ||
	    (one.len && memcmp(one.data, two.data, one.len)))
		abort();
	manifest_clear(&m);
	return 0;
}

/*
 * fuzz-ldcache.c - an ld.so.cache that is accepted is written and read back as the same entries
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/ldcache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer text = BUFFER(LDCACHE_BYTES_MAX);
	_cleanup_ldcache_ struct ldcache a = { 0 }, b = { 0 };

	if (ldcache_parse(data, size, &a) < 0)
		return 0;
	if (ldcache_format(&a, &text) < 0)
		return 0; /* strings that were shared may be too much when each stands alone */
	if (ldcache_parse(text.data, text.len, &b) < 0 || a.n != b.n)
		abort();
	for (size_t i = 0; i < a.n; i++) {
		if (strcmp(a.entries[i].name, b.entries[i].name) ||
		    strcmp(a.entries[i].path, b.entries[i].path) ||
		    a.entries[i].flags != b.entries[i].flags ||
		    a.entries[i].hwcap != b.entries[i].hwcap)
			abort();
	}
	return 0;
}

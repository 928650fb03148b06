/*
 * fuzz-minisign.c - a key or signature file that is accepted is written and read back as the same
 * key or signature
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/minisign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MINISIGN_FILE_MAX);
	struct minisign_key k, k2;
	struct minisign_sig s, s2;

	if (minisign_key_parse(data, size, &k) == 0) {
		if (minisign_key_format(&k, &b) < 0 || minisign_key_parse(b.data, b.len, &k2) < 0 ||
		    memcmp(&k, &k2, sizeof(k)))
			abort();
	}
	if (minisign_sig_parse(data, size, &s) == 0) {
		buffer_clear(&b);
		if (minisign_sig_format(&s, &b) < 0 || minisign_sig_parse(b.data, b.len, &s2) < 0 ||
		    memcmp(&s, &s2, sizeof(s)))
			abort();
	}
	return 0;
}

/*
 * fuzz-masterkey.c - a key that is accepted is written back byte for byte
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/masterkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t key[MASTERKEY_BYTES];
	char text[MASTERKEY_TEXT_MAX];

	for (int kind = 0; kind < MASTERKEY_KIND_MAX_; kind++) {
		if (masterkey_parse((enum masterkey_kind)kind, data, size, key) < 0)
			continue;
		masterkey_format((enum masterkey_kind)kind, key, text);
		if (strlen(text) != size || memcmp(text, data, size))
			abort();
	}
	return 0;
}

/*
 * fuzz-nd.c - what options of neighbour discovery say of names, written and read again, is the same
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/nd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nd_names names = { 0 }, again = { 0 };
	uint8_t buf[1024];
	size_t n;

	if (nd_options_take(data, size, &names) < 0) {
		if (memcmp(&names, &again, sizeof(names)) != 0)
			abort();
		return 0;
	}
	if (names.n_dns > ND_DNS_MAX || names.search[ND_SEARCH_MAX - 1])
		abort();
	if (nd_options_format(&names, buf, sizeof(buf), &n) < 0)
		abort();
	if (nd_options_take(buf, n, &again) < 0 || memcmp(&names, &again, sizeof(names)) != 0)
		abort();
	if (nd_options_take(buf, n, &again) < 0 || memcmp(&names, &again, sizeof(names)) != 0)
		abort(); /* said twice is said once */
	return 0;
}

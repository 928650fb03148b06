/*
 * fuzz-leasefile.c - a lease file that is accepted, written and read again is the same lease
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/leasefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer once = BUFFER(4 * LEASEFILE_BYTES_MAX),
				       twice = BUFFER(4 * LEASEFILE_BYTES_MAX);
	struct leasefile *f = calloc(2, sizeof(*f));
	const char *why;

	if (!f)
		abort();
	if (size <= LEASEFILE_BYTES_MAX &&
	    leasefile_parse((const char *)data, size, f, &why) == 0) {
		if (!memchr(f->interface, 0, sizeof(f->interface)) ||
		    f->lease.renew_s > f->lease.rebind_s || f->lease.rebind_s > f->lease.lease_s)
			abort();
		if (leasefile_format(f, &once) < 0 ||
		    leasefile_parse(buffer_str(&once), once.len, f + 1, &why) < 0 ||
		    leasefile_format(f + 1, &twice) < 0)
			abort();
		if (once.len != twice.len || memcmp(once.data, twice.data, once.len) != 0)
			abort();
	}
	free(f);
	return 0;
}

/*
 * fuzz-http.c - an HTTP head that is accepted, written and read again says the same
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_thing)
{
	if (!true_thing)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head a, b;
	uint8_t buf[HTTP_HEAD_MAX];
	size_t n, end;

	if (http_head_end(data, size, &end) < 0)
		end = size;
	must(end <= size);
	if (http_head_parse(data, end, &a) < 0)
		return 0;
	must(a.status >= 100 && a.status <= 599);
	must(!a.has_range || (a.first <= a.last && (!a.has_total || a.last < a.total)));
	must(http_head_format(&a, buf, sizeof(buf), &n) == 0);
	must(http_head_end(buf, n, &end) == 0 && end == n);
	must(http_head_parse(buf, n, &b) == 0);
	must(a.status == b.status && a.keep == b.keep && a.encoded == b.encoded);
	must(a.has_length == b.has_length && a.length == b.length);
	must(a.has_range == b.has_range && a.has_total == b.has_total);
	must(!a.has_range || (a.first == b.first && a.last == b.last && a.total == b.total));
	must(!strcmp(a.reason, b.reason) && !strcmp(a.location, b.location) &&
	     !strcmp(a.etag, b.etag));
	return 0;
}

/*
 * fuzz-nodeset.c - a set that is accepted is written, and read back the same
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/nodeset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int node(const void *ctx, const char *name, uint32_t *ret)
{
	*ret = (uint32_t)strlen(name);
	return *name == 'n' ? 0 : -ENOENT;
}

static int group(const void *ctx, const char *name, struct nodeset *to,
		 char why[static NODESET_WHY_MAX])
{
	return *name == 'g' ? nodeset_add(to, (uint32_t)strlen(name)) : -ENOENT;
}

static void check(const char *text, const struct nodeset_space *space)
{
	_cleanup_nodeset_ struct nodeset s = NODESET(), again = NODESET();
	_cleanup_buffer_ struct buffer b = BUFFER(1u << 20);
	char why[NODESET_WHY_MAX] = "";

	if (nodeset_parse(text, space, &s, why) < 0) {
		if (!*why)
			abort();
		return;
	}
	if (nodeset_format(&s, &b) < 0)
		abort();
	if (s.n == 0 || b.len >= NODESET_TEXT_MAX)
		return;
	if (nodeset_parse(buffer_str(&b), NULL, &again, why) < 0 || s.n != again.n ||
	    memcmp(s.numbers, again.numbers, s.n * sizeof(*s.numbers)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t some[] = { 0, 1, 2, 3, 8, 9, 20, 99999 };
	_cleanup_nodeset_ struct nodeset all = NODESET();
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		if (nodeset_add(&all, some[i]) < 0)
			abort();
	}
	memcpy(text, data, size);
	text[size] = 0;
	check(text,
	      &(struct nodeset_space){ .all = &all, .up = &all, .node = node, .group = group });
	if (size < 12) /* literal ranges may be large: a few are enough */
		check(text, NULL);
	free(text);
	return 0;
}

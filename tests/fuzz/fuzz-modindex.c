/*
 * fuzz-modindex.c - a modules.index that is accepted is written and read back the same, and no file
 * is loaded twice
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "init/cmdline.h"
#include "init/drivers_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

/* A word in quotes, so that it may hold blanks. */
static void put(struct buffer *b, const char *word)
{
	must(buffer_append(b, " \"", 2) == 0);
	for (const char *p = word; *p; p++) {
		if (*p == '"' || *p == '\\')
			must(buffer_append(b, "\\", 1) == 0);
		must(buffer_append(b, p, 1) == 0);
	}
	must(buffer_append(b, "\"", 1) == 0);
}

static void put_params(struct buffer *b, const char *params)
{
	_cleanup_free_ char *copy = strdup(params);
	char *rest = copy, *word;

	must(copy != NULL);
	while ((word = strsep(&rest, " ")))
		put(b, word);
}

static void write_back(const struct drivers *d, struct buffer *b)
{
	must(buffer_printf(b, "bpboot-modules 1\n") == 0);
	if (d->kernel[0]) {
		must(buffer_printf(b, "kernel") == 0);
		put(b, d->kernel);
	}
	for (size_t i = 0; i < d->n_modules; i++) {
		must(buffer_printf(b, "\nmodule") == 0);
		put(b, d->modules[i].name);
		for (size_t k = 0; k < d->modules[i].n_needs; k++)
			put(b, d->files[d->modules[i].needs[k]].name);
	}
	for (size_t i = 0; i < d->n_aliases; i++) {
		must(buffer_printf(b, "\nalias") == 0);
		put(b, d->aliases[i].pattern);
		put(b, d->modules[d->aliases[i].module].name);
	}
	for (size_t i = 0; i < d->n_modules; i++) {
		if (!d->modules[i].always)
			continue;
		must(buffer_printf(b, "\nalways") == 0);
		put(b, d->modules[i].name);
		if (d->modules[i].params[0])
			put_params(b, d->modules[i].params);
	}
	must(buffer_append(b, "\n", 1) == 0);
}

static void load_all(struct drivers *d)
{
	char params[DRIVERS_PARAMS_MAX];
	size_t n = 0;

	drivers_want_always(d);
	for (size_t i = 0; i < d->n_aliases; i++)
		(void)drivers_match(
			d, d->aliases[i].pattern); /* hits or not: what counts is the queue */
	while (drivers_next(d, params)) {
		must(strlen(params) < sizeof(params));
		n++;
	}
	must(n <= d->n_files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer b = BUFFER(4 * (size_t)DRIVERS_INDEX_MAX),
				       again = BUFFER(b.max);
	struct drivers *d = NULL, *copy = NULL;
	const char *why = NULL;
	struct cmdline c;
	unsigned line = 0;
	int r;

	cmdline_parse("modprobe.blacklist=evil", &c);
	r = drivers_parse((const char *)data, size, &c, &d, &line, &why);
	if (r < 0) {
		must((r == -EBADMSG && why && line > 0) || r == -E2BIG || r == -ENOMEM);
		return 0;
	}
	write_back(d, &b);
	r = drivers_parse((const char *)b.data, b.len, &c, &copy, &line, &why);
	must(r == 0 || r == -EBADMSG); /* quotes made a line too long; then nothing is left */
	if (r == 0) {
		write_back(copy, &again);
		must(again.len == b.len && !memcmp(again.data, b.data, b.len));
	}
	load_all(d);
	drivers_free(d);
	drivers_free(copy);
	return 0;
}

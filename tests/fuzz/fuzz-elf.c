/*
 * fuzz-elf.c - whatever the bytes, no read leaves the file, and what comes out keeps the limits
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/elf.h"

struct memory {
	const uint8_t *p;
	size_t n;
};

static int read_memory(void *arg, uint64_t offset, void *buf, size_t n)
{
	const struct memory *m = arg;

	if (offset > m->n || n > m->n - offset)
		abort();
	memcpy(buf, m->p + offset, n);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory m = { .p = data, .n = size };
	struct elf_source s = { .read = read_memory, .arg = &m, .size = size };
	struct elf e;
	int r = elf_parse(&s, &e);

	if (r < 0) {
		if (r != -EBADMSG && r != -ENOEXEC && r != -E2BIG && r != -ENOMEM)
			abort();
		return 0;
	}
	if (e.n_needed > ELF_NEEDED_MAX || (e.n_needed && !e.dynamic))
		abort();
	for (size_t i = 0; i < e.n_needed; i++) {
		if (strlen(e.needed[i]) >= ELF_STRING_MAX)
			abort();
	}
	if (e.n_dlopens > ELF_DLOPEN_MAX)
		abort();
	for (size_t i = 0; i < e.n_dlopens;
	     i++) { /* names up to an empty one, and at least one of them */
		const char *name = e.dlopens[i].sonames;

		if (!*name)
			abort();
		while (*name)
			name += strlen(name) + 1;
		if (name - e.dlopens[i].sonames >= ELF_STRING_MAX)
			abort();
	}
	elf_clear(&e);
	return 0;
}

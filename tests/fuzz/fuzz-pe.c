/*
 * fuzz-pe.c - what is taken for a PE image can be given more sections: it is one then, its own
 * sections are as they were, and the new ones hold what was put in
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/pe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct pe_more more[] = { { ".initrd", "hello", 5 },
					       { ".linux", "a kernel", 8 } };
	_cleanup_buffer_ struct buffer b = BUFFER(4u << 20);
	struct pe pe, after;
	const char *why = NULL;
	uint16_t machine;
	int r = pe_parse(data, size, &pe, &why);

	if (r < 0) {
		must(r == -EBADMSG && why && *why);
		return 0;
	}
	must(pe_machine(data, size, &machine) == 0 && machine == pe.machine);
	r = pe_append(data, &pe, more, 2, &b);
	if (r < 0) {
		must(r == -ENOSPC || r == -EEXIST || r == -EPROTO || r == -E2BIG);
		return 0;
	}
	must(pe_parse(b.data, b.len, &after, &why) == 0 && after.n_sections == pe.n_sections + 2);
	must(after.table_end == pe.table_end && after.memory_end > pe.memory_end);
	for (size_t i = 0; i < pe.n_sections; i++) {
		const struct pe_section *s = &pe.sections[i];

		must(!memcmp(s, &after.sections[i], sizeof(*s)));
		must(s->bytes == 0 || s->offset < pe.table_end ||
		     !memcmp(data + s->offset, b.data + s->offset, s->bytes));
	}
	for (size_t i = 0; i < 2; i++) {
		const struct pe_section *s = &after.sections[pe.n_sections + i];

		must(!strcmp(s->name, more[i].name) && s->memory_bytes == more[i].bytes);
		must(s->memory % 4096 == 0 && s->memory >= pe.memory_end &&
		     s->offset >= pe.file_end);
		must(!memcmp(b.data + s->offset, more[i].data, more[i].bytes));
	}
	must(!pe_is_signed_copy(data, size, b.data, b.len));
	return 0;
}

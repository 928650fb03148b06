/*
 * test-interpreter.c - which interpreter an executable names
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/lang.h"
#include "init/interpreter.h"

static void find(const void *p, size_t n, char ret[static INTERPRETER_MAX])
{
	uint8_t *copy = memcpy(malloc(n ? n : 1), p, n);

	interpreter_find(copy, n, ret);
	free(copy);
}

static void scripts(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "#!/bin/sh\n", "/bin/sh" },
		{ "#! /usr/bin/env python\n", "/usr/bin/env" },
		{ "#!/bin/sh", "/bin/sh" },
		{ "#!", "" },
		{ "#!\n", "" },
		{ "echo\n", "" },
		{ "", "" },
	};
	char got[INTERPRETER_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		find(rows[i].text, strlen(rows[i].text), got);
		assert_string_equal(got, rows[i].want);
	}
}

static void elf_files(void **state)
{
	static const char name[] = "/lib64/ld-linux-x86-64.so.2";
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph[2];
		char text[sizeof(name)];
	} f = { .eh = { .e_ident = ELFMAG "\2",
			.e_phoff = sizeof(f.eh),
			.e_phnum = 2,
			.e_phentsize = sizeof(f.ph[0]) },
		.ph = { { .p_type = PT_LOAD },
			{ .p_type = PT_INTERP,
			  .p_offset = sizeof(f.eh) + sizeof(f.ph),
			  .p_filesz = sizeof(name) } } };
	char got[INTERPRETER_MAX];

	memcpy(f.text, name, sizeof(name));
	find(&f, sizeof(f.eh) + sizeof(f.ph) + sizeof(name), got);
	assert_string_equal(got, name);
	for (size_t n = 0; n < sizeof(f.eh) + sizeof(f.ph) + sizeof(name); n++) {
		find(&f, n, got); /* cut anywhere */
		assert_string_equal(got, "");
	}
	f.eh.e_phoff = UINT64_MAX;
	find(&f, sizeof(f), got);
	assert_string_equal(got, "");
	f.eh.e_phoff = sizeof(f.eh);
	f.ph[1].p_filesz = INTERPRETER_MAX;
	find(&f, sizeof(f), got);
	assert_string_equal(got, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scripts),
		cmocka_unit_test(elf_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-elf.c - ELF headers and dynamic sections, whole and broken
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "image/elf.h"

#include "elf_make.h"

struct memory {
	uint8_t *p;
	size_t n;
};

static int read_memory(void *arg, uint64_t offset, void *buf, size_t n)
{
	const struct memory *m = arg;

	assert_true(offset <= m->n && n <= m->n - offset); /* the parser asks for what is there */
	memcpy(buf, m->p + offset, n);
	return 0;
}

/* Parse a heap copy of the first @n bytes. */
static int parse(const void *bytes, size_t n, struct elf *ret)
{
	struct memory m = { .p = malloc(n ? n : 1), .n = n };
	struct elf_source s = { .read = read_memory, .arg = &m, .size = n };
	int r;

	assert_non_null(m.p);
	memcpy(m.p, bytes, n);
	r = elf_parse(&s, ret);
	free(m.p);
	return r;
}

static void a_program_names_what_it_needs(void **state)
{
	struct elf_make m;
	struct elf e;

	elf_make_begin(&m);
	elf_make_string(&m, DT_NEEDED, "liba.so.1");
	elf_make_string(&m, DT_NEEDED, "libb.so.2");
	elf_make_string(&m, DT_SONAME, "libme.so");
	elf_make_string(&m, DT_RPATH, "/r");
	elf_make_string(&m, DT_RUNPATH, "$ORIGIN/../lib");
	elf_make_dynamic(&m, DT_FLAGS_1, DF_1_NODEFLIB);
	assert_int_equal(parse(m.bytes, sizeof(m.bytes), &e), 0);
	assert_int_equal(e.machine, ELF_MACHINE_X86_64);
	assert_int_equal(e.class, ELF_CLASS_64);
	assert_string_equal(e.interpreter, "/lib/ld.so");
	assert_int_equal(e.n_needed, 2);
	assert_string_equal(e.needed[0], "liba.so.1");
	assert_string_equal(e.needed[1], "libb.so.2");
	assert_string_equal(e.soname, "libme.so");
	assert_string_equal(e.rpath, "/r");
	assert_string_equal(e.runpath, "$ORIGIN/../lib");
	assert_true(e.no_default_dirs);
	elf_clear(&e);
}

static void entries_behind_the_end_do_not_count(void **state)
{
	struct elf_make m;
	struct elf e;

	elf_make_begin(&m);
	elf_make_dynamic(&m, DT_NULL, 0);
	elf_make_string(&m, DT_NEEDED, "liba.so.1");
	assert_int_equal(parse(m.bytes, sizeof(m.bytes), &e), 0);
	assert_int_equal(e.n_needed, 0);
	elf_clear(&e);
}

static void no_elf_at_all_is_told_from_a_broken_one(void **state)
{
	struct elf_make m;
	struct elf e;

	elf_make_begin(&m);
	assert_int_equal(parse("", 0, &e), -ENOEXEC);
	assert_int_equal(parse("#!/bin/sh\n echo 0123456789\n", 26, &e), -ENOEXEC);
	assert_int_equal(parse(m.bytes, 20, &e), -EBADMSG);
	m.bytes[EI_CLASS] = 3;
	assert_int_equal(parse(m.bytes, sizeof(m.bytes), &e), -EBADMSG);
}

/* Each change breaks one rule. */
static void broken_files_are_refused(void **state)
{
	static const struct {
		const char *rule;
		size_t at;
		uint64_t value;
		size_t n;
	} table[] = {
		{ "program headers behind the end", offsetof(Elf64_Ehdr, e_phoff), 1u << 20, 8 },
		{ "program headers that wrap", offsetof(Elf64_Ehdr, e_phoff), UINT64_MAX - 8, 8 },
		{ "program headers too small", offsetof(Elf64_Ehdr, e_phentsize), 8, 2 },
		{ "too many program headers", offsetof(Elf64_Ehdr, e_phnum), 5000, 2 },
		{ "interpreter behind the end", MAKE_SEGMENTS + offsetof(Elf64_Phdr, p_offset),
		  UINT64_MAX, 8 },
		{ "interpreter without an end", MAKE_SEGMENTS + offsetof(Elf64_Phdr, p_filesz), 4,
		  8 },
		{ "dynamic section behind the end",
		  MAKE_SEGMENTS + 2 * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_offset), 1u << 20,
		  8 },
		{ "strings in no segment", MAKE_DYNAMIC + offsetof(Elf64_Dyn, d_un), 1u << 20, 8 },
		{ "name behind the strings",
		  MAKE_DYNAMIC + 2 * sizeof(Elf64_Dyn) + offsetof(Elf64_Dyn, d_un), 5000, 8 },
		{ "strings of no size",
		  MAKE_DYNAMIC + sizeof(Elf64_Dyn) + offsetof(Elf64_Dyn, d_un), 0, 8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct elf_make m;
		struct elf e;

		elf_make_begin(&m);
		elf_make_string(&m, DT_NEEDED, "liba.so.1");
		memcpy(m.bytes + table[i].at, &table[i].value, table[i].n);
		if (parse(m.bytes, sizeof(m.bytes), &e) != -EBADMSG)
			fail_msg("accepted: %s", table[i].rule);
	}
}

static void every_shorter_file_is_refused_or_parsed(void **state)
{
	struct elf_make m;

	elf_make_begin(&m);
	elf_make_string(&m, DT_NEEDED, "liba.so.1");
	for (size_t n = 0; n < sizeof(m.bytes); n++) {
		struct elf e;

		if (parse(m.bytes, n, &e) == 0)
			elf_clear(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_names_what_it_needs),
		cmocka_unit_test(entries_behind_the_end_do_not_count),
		cmocka_unit_test(no_elf_at_all_is_told_from_a_broken_one),
		cmocka_unit_test(broken_files_are_refused),
		cmocka_unit_test(every_shorter_file_is_refused_or_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

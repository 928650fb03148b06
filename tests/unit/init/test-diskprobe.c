/*
 * test-diskprobe.c - superblocks of ext2, ext3 and ext4 are told apart, and found by their names
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "init/diskprobe.h"

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static int probe(uint32_t compat, uint32_t incompat, uint32_t ro_compat, struct diskprobe *ret)
{
	uint8_t *start = calloc(1, DISKPROBE_BYTES);
	int r;

	start[1024 + 56] = 0x53;
	start[1024 + 57] = 0xef;
	put32(start + 1024 + 92, compat);
	put32(start + 1024 + 96, incompat);
	put32(start + 1024 + 100, ro_compat);
	for (uint8_t i = 0; i < 16; i++)
		start[1024 + 104 + i] = (uint8_t)(0xa0 + i);
	memcpy(start + 1024 + 120, "sixteen letters!", 16);
	r = diskprobe(start, ret);
	free(start);
	return r;
}

static void kinds_are_told_apart(void **state)
{
	static const struct {
		uint32_t compat, incompat, ro_compat;
		const char *type; /* NULL: none */
	} cases[] = {
		{ 0, 0, 0, "ext2" },
		{ 0x38, 0x2, 0x3, "ext2" },
		{ 0x3c, 0x2, 0x3, "ext3" },
		{ 0x3c, 0x6, 0x3, "ext3" }, /* was not unmounted */
		{ 0x3c, 0x2c2, 0x46b, "ext4" },
		{ 0x38, 0x42, 0x3, "ext4" }, /* extents without a journal */
		{ 0, 0x8, 0, NULL },	     /* a journal of another */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct diskprobe p = { 0 };
		int r = probe(cases[i].compat, cases[i].incompat, cases[i].ro_compat, &p);

		assert_int_equal(r, cases[i].type ? 0 : -ENOENT);
		if (cases[i].type)
			assert_string_equal(p.type, cases[i].type);
	}
}

static void names_are_matched_as_a_whole(void **state)
{
	static const struct {
		const char *root;
		int match;
	} cases[] = {
		{ "LABEL=sixteen letters!", 1 },
		{ "LABEL=sixteen letters", 0 },
		{ "LABEL=sixteen letters!!", 0 },
		{ "LABEL=Sixteen letters!", 0 },
		{ "LABEL=", 0 },
		{ "UUID=a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf", 1 },
		{ "UUID=A0A1A2A3-A4A5-A6A7-A8A9-AAABACADAEAF", 1 },
		{ "UUID=a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaea", 0 },
		{ "UUID=", 0 },
		{ "/dev/vda", 0 },
	};
	struct diskprobe p;

	assert_int_equal(probe(0, 0, 0, &p), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(diskprobe_matches(&p, cases[i].root), cases[i].match);
}

static void anything_else_is_nothing(void **state)
{
	uint8_t start[DISKPROBE_BYTES] = { 0 };
	struct diskprobe p;

	assert_int_equal(diskprobe(start, &p), -ENOENT);
	memset(start, 0xff, sizeof(start));
	assert_int_equal(diskprobe(start, &p), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(names_are_matched_as_a_whole),
		cmocka_unit_test(anything_else_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

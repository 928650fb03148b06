/*
 * test-index.c - the index: one spelling, every rule refused by its own words
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/index.h"

#define HASH_A "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define HASH_B "c2d2e1f000000000000000000000000000000000000000000000000000000001"
#define HEAD                                                                               \
	"bpboot-index 1\nname compute\ncounter 7\narch x86_64\nformat ext2\nsize 393216\n" \
	"digest " HASH_A "\ninit /sbin/bpslave\n"
#define PARTS "part " HASH_B " 81920 262144\nhole 131072\n"
#define GOOD  HEAD PARTS "end\n"

/* Parse from a copy of exactly the text's size, so that the sanitizer sees one byte over. */
static int parse(const char *text, size_t n, struct index *ret, unsigned *ret_line,
		 const char **ret_why)
{
	char *copy = memcpy(malloc(n ? n : 1), text, n);
	int r = index_parse(copy, n, ret, ret_line, ret_why);

	free(copy);
	return r;
}

static void reads_what_it_writes(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(INDEX_BYTES_MAX);
	_cleanup_index_ struct index x = { 0 };
	const char *why = NULL;
	unsigned line = 0;

	assert_int_equal(parse(GOOD, strlen(GOOD), &x, &line, &why), 0);
	assert_string_equal(x.name, "compute");
	assert_string_equal(x.init, "/sbin/bpslave");
	assert_int_equal(x.counter, 7);
	assert_int_equal(x.format, INDEX_EXT2);
	assert_int_equal(x.image_bytes, 393216);
	assert_int_equal(x.n_parts, 2);
	assert_int_equal(x.parts[0].stored_bytes, 81920);
	assert_int_equal(x.parts[1].offset, 262144);
	assert_int_equal(x.parts[1].stored_bytes, 0);
	assert_int_equal(x.parts[1].raw_bytes, 131072);
	assert_int_equal(index_stored_bytes(&x), 81920);
	assert_int_equal(index_format(&x, &b), 0);
	assert_string_equal(buffer_str(&b), GOOD);
}

/* What cpio takes when it is unpacked is said by its index, and by no other. */
static void memory_is_of_cpio(void **state)
{
	static const char good[] = "bpboot-index 1\nname c\ncounter 7\narch x86_64\nformat cpio\n"
				   "size 393216\ndigest " HASH_A "\ninit /init\nmemory 4096\n" PARTS
				   "end\n";
	_cleanup_buffer_ struct buffer b = BUFFER(INDEX_BYTES_MAX);
	_cleanup_index_ struct index x = { 0 };
	const char *why = NULL;
	unsigned line = 0;

	assert_int_equal(parse(good, strlen(good), &x, &line, &why), 0);
	assert_int_equal(x.memory_bytes, 4096);
	assert_int_equal(index_format(&x, &b), 0);
	assert_string_equal(buffer_str(&b), good);
	assert_int_equal(index_memory_bytes(INDEX_CPIO, 393216, 4096), 4096);
	assert_int_equal(index_memory_bytes(INDEX_EXT2, 393216, 0), 393216 + 2 * 640);
}

static void refuses_by_line(void **state)
{
	static const struct {
		const char *from, *to; /* GOOD with this replaced by that */
		unsigned line;
		const char *why; /* part of the words */
	} cases[] = {
		{ "index 1", "index 2", 1, "bpboot-index 1" },
		{ "index 1", "index 01", 1, "bpboot-index 1" },
		{ "name compute", "name .compute", 2, "name NAME" },
		{ "name compute", "name com/pute", 2, "name NAME" },
		{ "name compute", "name ", 2, "name NAME" },
		{ "name compute", "name  compute", 2, "name NAME" },
		{ "name compute", "name compute ", 2, "name NAME" },
		{ "name compute",
		  "name "
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  2, "name NAME" },
		{ "name compute\n", "", 2, "name NAME" },
		{ "name compute\n", "name compute\nname compute\n", 3, "counter" },
		{ "init /sbin/bpslave\n", "init /sbin/bpslave\nmemory 1\n", 9, "part" },
		{ "format ext2", "format cpio", 9, "memory BYTES" },
		{ "counter 7", "counter 0", 3, "counter" },
		{ "counter 7", "counter 07", 3, "counter" },
		{ "counter 7", "counter -7", 3, "counter" },
		{ "counter 7", "counter 9223372036854775808", 3, "counter" },
		{ "counter 7", "counter 7 7", 3, "counter" },
		{ "x86_64", "mips", 4, "arch" },
		{ "ext2", "ext3", 5, "format" },
		{ "size 393216", "size 393217", 6, "multiple of 1024" },
		{ "size 393216", "size 0", 6, "multiple of 1024" },
		{ "size 393216", "size 1099511628800", 6, "2^40" },
		{ "9f86d0", "9F86d0", 7, "lower-case" },
		{ "9f86d0", "9f86d", 7, "digest" },
		{ "init /sbin", "init sbin", 8, "absolute" },
		{ "init /sbin", "init /sb in", 8, "absolute" },
		{ "init /sbin", "init /sb\tin", 8, "absolute" },
		{ " 81920 ", " 0 ", 9, "part HASH" },
		{ " 81920 ", " 263169 ", 9, "raw size" },
		{ " 262144\n", " 4194305\n", 9, "4 MiB" },
		{ " 262144\n", " 4294967296\n", 9, "4 MiB" },
		{ " 262144\n", " 262145\n", 10, "multiple of 4096" },
		{ " 262144\n", " 262144 1\n", 9, "part HASH" },
		{ " 262144\n", " 258048\n", 11, "do not fill" },
		{ " 262144\n", " 266240\n", 10, "longer than the image" },
		{ "hole 131072", "hole 0", 10, "hole" },
		{ "hole 131072", "hole 4294963201", 10, "hole" },
		{ "hole 131072", "holy 131072", 10, "'part', 'hole' or 'end'" },
		{ "hole 131072\n", "hole 131072\n\n", 11, "'part', 'hole' or 'end'" },
		{ "hole 131072\n", "hole 131072\r\n", 10, "hole" },
		{ "end\n", "end", 11, "cut off" },
		{ "end\n", "", 11, "before 'end'" },
		{ "end\n", "end\n\n", 11, "behind" },
		{ "end\n", "end x\n", 11, "behind" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[2048];
		const char *at = strstr(GOOD, cases[i].from), *why = NULL;
		struct index x = { 0 };
		unsigned line = 0;

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - GOOD), GOOD, cases[i].to,
			 at + strlen(cases[i].from));
		assert_int_equal(parse(text, strlen(text), &x, &line, &why), -EBADMSG);
		if (line != cases[i].line || !strstr(why, cases[i].why))
			fail_msg("case %zu '%s': line %u, %s", i, cases[i].to, line, why);
	}
}

static void refuses_every_truncation(void **state)
{
	for (size_t n = 0; n < strlen(GOOD); n++) {
		struct index x = { 0 };
		const char *why = NULL;
		unsigned line = 0;

		assert_int_equal(parse(GOOD, n, &x, &line, &why), -EBADMSG);
		assert_non_null(why);
		assert_true(line > 0);
		assert_null(x.parts);
	}
}

static void refuses_more_parts_than_the_limit(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(INDEX_BYTES_MAX);
	struct index x = { 0 };
	const char *why = NULL;
	unsigned line = 0;

	assert_int_equal(buffer_printf(&b, "bpboot-index 1\nname a\ncounter 1\narch x86_64\n"
					   "format ext2\nsize 1073741824\ndigest " HASH_A
					   "\ninit /a\n"),
			 0);
	for (size_t i = 0; i <= INDEX_PARTS_MAX; i++)
		assert_int_equal(buffer_printf(&b, "hole 4096\n"), 0);
	assert_int_equal(buffer_printf(&b, "end\n"), 0);
	assert_int_equal(index_parse(b.data, b.len, &x, &line, &why), -EBADMSG);
	assert_non_null(strstr(why, "65536"));
	assert_int_equal(line, 8 + INDEX_PARTS_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(memory_is_of_cpio),
		cmocka_unit_test(refuses_by_line),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(refuses_more_parts_than_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-tar.c - headers and records of tar archives
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/tar.h"

static void headers_read_back_the_same(void **state)
{
	static const struct tar_header rows[] = {
		{ .type = TAR_FILE, .name = "a", .mode = 0644, .bytes = 5 },
		{ .type = TAR_FILE,
		  .name = "big",
		  .uid = 70000,
		  .gid = UINT32_MAX,
		  .bytes = 1ull << 40 },
		{ .type = TAR_DIR, .name = "folder/", .mode = 01777 },
		{ .type = TAR_SYMLINK, .name = "s", .link = "../target" },
		{ .type = TAR_HARD_LINK, .name = "h", .link = "a" },
		{ .type = TAR_CHAR, .name = "null", .major = 1, .minor = 3 },
		{ .type = TAR_BLOCK, .name = "disk", .major = 259, .minor = 3000000 },
		{ .type = TAR_FIFO, .name = "f" },
		{ .type = TAR_SPARSE,
		  .name = "s",
		  .n_pieces = 2,
		  .pieces = { { 512, 512 }, { 1ull << 35, 1 } },
		  .more = true,
		  .real_size = 1ull << 36 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t block[TAR_BLOCK_BYTES];
		struct tar_header h;

		assert_int_equal(tar_header_format(&rows[i], block), 0);
		assert_int_equal(tar_header_parse(block, &h), 0);
		assert_int_equal(h.type, rows[i].type);
		assert_string_equal(h.name, rows[i].name);
		assert_string_equal(h.link, rows[i].link);
		assert_true(h.mode == rows[i].mode && h.uid == rows[i].uid &&
			    h.gid == rows[i].gid && h.bytes == rows[i].bytes);
		assert_true(h.major == rows[i].major && h.minor == rows[i].minor);
		assert_int_equal(h.n_pieces, rows[i].n_pieces);
		assert_memory_equal(h.pieces, rows[i].pieces, sizeof(h.pieces));
		assert_true(h.more == rows[i].more && h.real_size == rows[i].real_size);
	}
}

static void long_names_are_split_at_a_slash(void **state)
{
	struct tar_header h = { .type = TAR_FILE }, again;
	uint8_t block[TAR_BLOCK_BYTES];

	memset(h.name, 'a', 250);
	assert_int_equal(tar_header_format(&h, block), -ENAMETOOLONG);
	h.name[155] = '/';
	h.name[200] = 0;
	assert_int_equal(tar_header_format(&h, block), 0);
	assert_int_equal(tar_header_parse(block, &again), 0);
	assert_string_equal(again.name, h.name);
}

static void what_is_wrong_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
		bool sum; /* made right again */
		int want;
	} rows[] = {
		{ 0, 'b', false, -EBADMSG },	 /* wrong sum */
		{ 124, '9', true, -EBADMSG },	 /* size: not octal */
		{ 124, 0xff, true, -EBADMSG },	 /* size: negative */
		{ 108, 0xbf, true, -EBADMSG },	 /* owner: too large */
		{ 156, 'M', true, -EOPNOTSUPP }, /* a further volume */
		{ 156, 'S', true, -EOPNOTSUPP }, /* holes, and not GNU's */
		{ 156, '7', true, 0 },		 /* contiguous: a file */
		{ 257, 'x', true, 0 },		 /* no magic: v7 */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tar_header h = { .type = TAR_FILE, .name = "a" };
		uint8_t block[TAR_BLOCK_BYTES];
		unsigned sum = 0;

		assert_int_equal(tar_header_format(&h, block), 0);
		block[rows[i].at] = rows[i].byte;
		if (rows[i].sum) {
			memset(block + 148, ' ', 8);
			for (size_t k = 0; k < sizeof(block); k++)
				sum += block[k];
			snprintf((char *)block + 148, 7, "%06o", sum);
		}
		assert_int_equal(tar_header_parse(block, &h), rows[i].want);
	}
}

static void zeros_end_an_archive(void **state)
{
	uint8_t block[TAR_BLOCK_BYTES] = { 0 };
	struct tar_header h;

	assert_int_equal(tar_header_parse(block, &h), 1);
}

static void records_say_their_length(void **state)
{
	static const struct {
		const char *text;
		int want;
		const char *key, *value;
	} rows[] = {
		{ "12 path=abc\n", 1, "path", "abc" },
		{ "12 path=a=c\n", 1, "path", "a=c" },
		{ "8 path=\n", 1, "path", "" },
		{ "", 0 },
		{ "11 path=abc\n", -EBADMSG },
		{ "13 path=abc\n", -EBADMSG },
		{ "12 path abc\n", -EBADMSG },
		{ "7 =abc\n", -EBADMSG },
		{ "99999999999999999999 a=b\n", -EBADMSG },
		{ " path=abc\n", -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].text);
		_cleanup_free_ uint8_t *copy = malloc(n ? n : 1);
		struct reader r = READER(copy, n);
		struct tar_record rec;

		assert_non_null(copy);
		memcpy(copy, rows[i].text, n);
		assert_int_equal(tar_record_next(&r, &rec), rows[i].want);
		if (rows[i].want != 1)
			continue;
		assert_int_equal(rec.key_len, strlen(rows[i].key));
		assert_memory_equal(rec.key, rows[i].key, rec.key_len);
		assert_int_equal(rec.value_len, strlen(rows[i].value));
		assert_memory_equal(rec.value, rows[i].value, rec.value_len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_read_back_the_same),
		cmocka_unit_test(long_names_are_split_at_a_slash),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(zeros_end_an_archive),
		cmocka_unit_test(records_say_their_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

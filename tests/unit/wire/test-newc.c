/*
 * test-newc.c - newc headers: what is written is what cpio writes, and reads back the same
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/newc.h"

/*
 * What `cpio -o -H newc --reproducible` writes for a file "a/bc" of 5 bytes, mode 0644, at
 * 1970-01-01 00:00:10.
 */
#define HEADER     \
	"070701"   \
	"00000001" \
	"000081A4" \
	"00000000" \
	"00000000" \
	"00000001" \
	"0000000A" \
	"00000005" \
	"00000000" \
	"00000000" \
	"00000000" \
	"00000000" \
	"00000005" \
	"00000000" \
	"a/bc\0\0\0"

static const struct newc sample = {
	.ino = 1, .mode = 0100644, .nlink = 1, .mtime = 10, .size = 5, .name = "a/bc"
};

static void writes_what_cpio_writes(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(4096);

	assert_int_equal(newc_format(&sample, &b), 0);
	/* 110 bytes of header and 5 of name are padded to 116 */
	assert_int_equal(b.len, 116);
	assert_memory_equal(b.data, HEADER, 116);
	assert_int_equal(buffer_append(&b, "hello", 5), 0);
	assert_int_equal(newc_pad(&b), 0);
	assert_int_equal(b.len, 124);
	assert_memory_equal(b.data + 121, "\0\0\0", 3);
}

static void reads_what_it_writes(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(16384);
	struct newc e;
	struct reader r;
	uint8_t *copy;

	for (size_t len = 1; len <= 9; len++) {
		struct newc in = sample;

		snprintf(in.name, sizeof(in.name), "%.*s", (int)len, "abcdefghi");
		in.size = (uint32_t)len;
		in.rdev_major = 5;
		in.rdev_minor = UINT32_MAX;
		b.len = 0;
		assert_int_equal(newc_format(&in, &b), 0);
		assert_int_equal(buffer_append(&b, "123456789", len), 0);
		assert_int_equal(newc_pad(&b), 0);
		copy = memcpy(malloc(b.len), b.data, b.len);
		r = READER(copy, b.len);
		assert_int_equal(newc_parse(&r, &e), 0);
		assert_string_equal(e.name, in.name);
		assert_int_equal(e.rdev_minor, UINT32_MAX);
		assert_memory_equal(newc_data(&r, &e), "123456789", len);
		assert_int_equal(reader_end(&r), 0);
		free(copy);
	}
}

static void refuses(void **state)
{
	static const struct {
		size_t at;
		const char *to;
		const char *what;
	} cases[] = {
		{ 0, "070703", "another magic" },
		{ 6, "0000000g", "a digit that is none" },
		{ 94, "00000001", "a name without room for a letter" },
		{ 94, "00001001", "a name over the limit" },
		{ 94, "00000004", "a name that does not end" },
		{ 94, "00000006", "a name that ends too soon" },
		{ 94, "FFFFFFFF", "a name beyond the archive" },
	};
	struct newc e = { .ino = 77 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t *copy = memcpy(malloc(116), HEADER, 116);
		struct reader r = READER(copy, 116);

		memcpy(copy + cases[i].at, cases[i].to, strlen(cases[i].to));
		if (newc_parse(&r, &e) != -EBADMSG || e.ino != 77)
			fail_msg("accepted: %s", cases[i].what);
		free(copy);
	}
	for (size_t n = 0; n < 116; n++) {
		uint8_t *copy = memcpy(malloc(n ? n : 1), HEADER, n);
		struct reader r = READER(copy, n);

		assert_int_equal(newc_parse(&r, &e), -EBADMSG);
		free(copy);
	}
}

static void refuses_data_beyond_the_archive(void **state)
{
	uint8_t *copy = memcpy(malloc(120), HEADER "hell", 120);
	struct reader r = READER(copy, 120);
	struct newc e;

	assert_int_equal(newc_parse(&r, &e), 0);
	assert_null(newc_data(&r, &e));
	assert_int_equal(reader_end(&r), -EBADMSG);
	free(copy);
}

static void attributes(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} bad[] = {
		{ "00000013"
		  "11"
		  "user.a",
		  16 }, /* cut off */
		{ "0000000A"
		  "11",
		  10 }, /* no name */
		{ "0000000B"
		  "11"
		  "\0",
		  11 }, /* an empty one */
		{ "0000000F"
		  "11"
		  "user.",
		  15 }, /* without its end */
		{ "0000000C"
		  "21"
		  "u\0",
		  12 }, /* another version */
		{ "0000000C"
		  "12"
		  "u\0",
		  12 }, /* another kind */
		{ "00000009"
		  "11"
		  "u\0",
		  12 }, /* shorter than its head */
	};
	_cleanup_buffer_ struct buffer b = BUFFER(4096);
	struct newc_xattr x;
	struct reader r;

	assert_int_equal(newc_xattr_format("user.a", "\0b", 2, &b), 0);
	assert_int_equal(newc_xattr_format("user.empty", "", 0, &b), 0);
	assert_int_equal(b.len, 10 + 7 + 2 + 10 + 11);
	assert_memory_equal(b.data, "0000001311user.a\0\0b", 19);
	r = READER(b.data, b.len);
	assert_int_equal(newc_xattr_parse(&r, &x), 0);
	assert_string_equal(x.name, "user.a");
	assert_int_equal(x.bytes, 2);
	assert_memory_equal(x.value, "\0b", 2);
	assert_int_equal(newc_xattr_parse(&r, &x), 0);
	assert_string_equal(x.name, "user.empty");
	assert_int_equal(x.bytes, 0);
	assert_int_equal(reader_end(&r), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t *copy = memcpy(malloc(bad[i].n), bad[i].text, bad[i].n);

		r = READER(copy, bad[i].n);
		assert_int_equal(newc_xattr_parse(&r, &x), -EBADMSG);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_cpio_writes),
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_data_beyond_the_archive),
		cmocka_unit_test(attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

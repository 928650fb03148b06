/*
 * test-bytes.c - reader, writer and buffer: sticky errors, exact ends, named maxima
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/reader.h"
#include "base/writer.h"

static void what_is_written_is_read_back(void **state)
{
	uint8_t buf[64];
	struct writer w = WRITER(buf, sizeof(buf));
	struct reader r, sub;
	size_t n = 0;

	writer_u8(&w, 0x12);
	writer_be16(&w, 0x1234);
	writer_be32(&w, 0x12345678);
	writer_be64(&w, UINT64_C(0x123456789abcdef0));
	writer_le16(&w, 0x1234);
	writer_le32(&w, 0x12345678);
	writer_le64(&w, UINT64_C(0x123456789abcdef0));
	writer_cstr(&w, "abc");
	writer_text(&w, "xy");
	writer_zero(&w, 1);
	assert_int_equal(writer_end(&w, &n), 0);
	assert_int_equal(buf[1], 0x12); /* big end first */
	assert_int_equal(buf[15], 0x34);

	r = READER(buf, n);
	assert_int_equal(reader_u8(&r), 0x12);
	assert_int_equal(reader_be16(&r), 0x1234);
	assert_int_equal(reader_be32(&r), 0x12345678);
	assert_true(reader_be64(&r) == UINT64_C(0x123456789abcdef0));
	assert_int_equal(reader_le16(&r), 0x1234);
	assert_int_equal(reader_le32(&r), 0x12345678);
	assert_true(reader_le64(&r) == UINT64_C(0x123456789abcdef0));
	assert_string_equal(reader_cstr(&r), "abc");
	sub = reader_sub(&r, 3);
	assert_string_equal(reader_cstr(&sub), "xy");
	assert_int_equal(reader_end(&sub), 0);
	assert_int_equal(reader_end(&r), 0);
}

static void a_short_read_sticks(void **state)
{
	uint8_t *one = malloc(1); /* exact, so that the sanitizer sees one byte over */
	struct reader r = READER(one, 1);

	one[0] = 7;
	assert_int_equal(reader_be16(&r), 0);
	assert_int_equal(reader_u8(&r), 0);
	assert_null(reader_bytes(&r, 0));
	assert_null(reader_cstr(&r));
	assert_int_equal(reader_end(&r), -EBADMSG);
	free(one);
}

static void a_string_without_its_end_is_refused(void **state)
{
	char *s = malloc(3);
	struct reader r = READER(s, 3);

	memcpy(s, "abc", 3);
	assert_null(reader_cstr(&r));
	assert_int_equal(reader_end(&r), -EBADMSG);
	free(s);
}

static void bytes_left_over_are_an_error(void **state)
{
	struct reader r = READER("ab", 2), empty = READER(NULL, 0);

	(void)reader_u8(&r); /* leaves one */
	assert_int_equal(reader_end(&r), -EBADMSG);
	assert_int_equal(reader_end(&empty), 0);
}

static void a_full_writer_sticks(void **state)
{
	uint8_t *buf = malloc(3);
	struct writer w = WRITER(buf, 3);
	size_t n = 99;

	writer_be32(&w, 1);
	writer_u8(&w, 1);
	assert_int_equal(writer_end(&w, &n), -E2BIG);
	assert_int_equal(n, 99);
	w = WRITER(buf, 3);
	writer_printf(&w, "%s", "abc"); /* the NUL does not fit while it is written */
	assert_int_equal(writer_end(&w, &n), -E2BIG);
	free(buf);
}

static void a_buffer_keeps_its_maximum(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(10);

	assert_string_equal(buffer_str(&b), "");
	assert_int_equal(buffer_append(&b, "12345", 5), 0);
	assert_int_equal(buffer_printf(&b, "%d", 67890), 0);
	assert_int_equal(buffer_append(&b, "x", 1), -E2BIG);
	assert_string_equal(buffer_str(&b), "1234567890");
	buffer_consume(&b, 3);
	assert_string_equal(buffer_str(&b), "4567890");
	assert_int_equal(buffer_reserve(&b, SIZE_MAX), -E2BIG);
	buffer_consume(&b, 100);
	assert_int_equal(b.len, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(a_short_read_sticks),
		cmocka_unit_test(a_string_without_its_end_is_refused),
		cmocka_unit_test(bytes_left_over_are_an_error),
		cmocka_unit_test(a_full_writer_sticks),
		cmocka_unit_test(a_buffer_keeps_its_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

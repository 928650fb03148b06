/*
 * test-unpack.c - streams are known by their first bytes, and end where they end
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/log.h"
#include "image/compress.h"
#include "image/unpack.h"

#define TEXT_BYTES 200000

static int file_of(const struct buffer *b)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, b->data, b->len), 0);
	return fd;
}

static void streams_are_known_by_their_first_bytes(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum unpack_kind kind;
	} cases[] = {
		{ "\x1f\x8b\x08", 3, UNPACK_GZIP },
		{ "\x1f\x8b", 2, UNPACK_PLAIN },
		{ "\xfd\x37zXZ\0", 6, UNPACK_XZ },
		{ "\xfd\x37zXZ", 5, UNPACK_PLAIN },
		{ "\x5d\0\0\x80", 4, UNPACK_LZMA },
		{ "\x28\xb5\x2f\xfd", 4, UNPACK_ZSTD },
		{ "\x04\x22\x4d\x18", 4, UNPACK_LZ4 },
		{ "\x02\x21\x4c\x18", 4, UNPACK_LZ4_LEGACY },
		{ "BZh9", 4, UNPACK_BZIP2 },
		{ "070701", 6, UNPACK_PLAIN },
		{ "", 0, UNPACK_PLAIN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t *copy =
			memcpy(malloc(cases[i].n ? cases[i].n : 1), cases[i].bytes, cases[i].n);

		assert_int_equal(unpack_detect(copy, cases[i].n), cases[i].kind);
		free(copy);
	}
}

static void a_stream_ends_where_it_ends(void **state)
{
	static const enum compress_kind packers[] = { COMPRESS_ZSTD, COMPRESS_GZIP };
	static const enum unpack_kind kinds[] = { UNPACK_ZSTD, UNPACK_GZIP };
	_cleanup_buffer_ struct buffer text = BUFFER(TEXT_BYTES + 64);

	while (text.len < TEXT_BYTES)
		assert_int_equal(buffer_printf(&text, "line %zu\n", text.len), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(2 * TEXT_BYTES),
					       got = BUFFER(2 * TEXT_BYTES);
		_cleanup_unpack_ struct unpack *u = NULL;
		_cleanup_close_ int fd = FD_NONE;
		size_t n, end;

		assert_int_equal(buffer_append(&b, "front", 5), 0);
		assert_int_equal(compress_buffer(packers[i], 1, &text, &b), 0);
		end = b.len;
		assert_int_equal(buffer_append(&b, "070701behind", 12), 0);
		fd = file_of(&b);
		assert_int_equal(unpack_open(fd, 5, kinds[i], &u), 0);
		assert_int_equal(buffer_reserve(&got, 2 * TEXT_BYTES), 0);
		do {
			assert_int_equal(unpack_read(u, got.data + got.len, 777, &n), 0);
			got.len += n;
		} while (n == 777);
		assert_int_equal(got.len, text.len);
		assert_memory_equal(got.data, text.data, text.len);
		assert_int_equal(unpack_offset(u), end);
	}
}

static void a_stream_that_is_cut_off_is_an_error(void **state)
{
	_cleanup_buffer_ struct buffer text = BUFFER(4096);

	while (text.len < 4000)
		assert_int_equal(buffer_printf(&text, "%zu ", text.len * 7919), 0);
	for (enum compress_kind k = COMPRESS_ZSTD; k <= COMPRESS_GZIP; k++) {
		_cleanup_buffer_ struct buffer b = BUFFER(65536);
		_cleanup_unpack_ struct unpack *u = NULL;
		_cleanup_close_ int fd = FD_NONE;
		uint8_t buf[8192];
		size_t n = 12345;

		assert_int_equal(compress_buffer(k, 1, &text, &b), 0);
		b.len /= 2;
		fd = file_of(&b);
		assert_int_equal(unpack_open(fd, 0, unpack_detect(b.data, b.len), &u), 0);
		assert_int_equal(unpack_read(u, buf, sizeof(buf), &n), -EBADMSG);
		assert_int_equal(n, 12345);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_are_known_by_their_first_bytes),
		cmocka_unit_test(a_stream_ends_where_it_ends),
		cmocka_unit_test(a_stream_that_is_cut_off_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-pe.c - PE images of the fuzz corpus: what each breaks, and sections put behind others
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/file.h"
#include "image/pe.h"

static void load(const char *name, struct buffer *to)
{
	char path[256];

	snprintf(path, sizeof(path), PE_CORPUS "/%s", name);
	assert_int_equal(file_read(AT_FDCWD, path, to), 0);
}

static const struct pe_more more[] = { { ".cmdline", "quiet", 5 }, { ".linux", "kernel", 6 } };

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *file, *why; /* of pe_parse() */
		int r;			/* of pe_append(), when it is an image */
	} rows[] = {
		{ "good", NULL, 0 },
		{ "good-two-sections-and-symbols", NULL, 0 },
		{ "good-no-section", NULL, 0 },
		{ "good-section-without-data", NULL, 0 },
		{ "no-mz", "not a PE image", 0 },
		{ "header-outside", "not a PE image", 0 },
		{ "header-not-aligned", "not a PE image", 0 },
		{ "32-bit", "not of 64 bits (PE32+)", 0 },
		{ "optional-header-short", "it is cut short", 0 },
		{ "no-directory", "it has no place for a signature", 0 },
		{ "file-alignment-no-power-of-two",
		  "its alignments are not powers of two from 512 to 65536", 0 },
		{ "headers-smaller-than-the-table", "its headers do not hold its section table",
		  0 },
		{ "too-many-sections", "it has more than 96 sections", 0 },
		{ "sections-overlap", "its sections overlap in memory, or are not in order", 0 },
		{ "section-beyond-the-file", "a section's data lie outside the file", 0 },
		{ "section-too-large", "a section is too large", 0 },
		{ "signature-beyond-the-file", "its signature lies outside the file", 0 },
		{ "signed", NULL, -EPROTO },
		{ "room-of-the-table-in-use", NULL, -ENOSPC },
		{ "has-linux-already", NULL, -EEXIST },
		{ "section-memory-at-the-limit", NULL, -E2BIG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(65536), to = BUFFER(65536);
		const char *why = "none";
		struct pe pe;
		int r;

		load(rows[i].file, &b);
		r = pe_parse(b.data, b.len, &pe, &why);
		if (rows[i].why)
			assert_string_equal(why, rows[i].why);
		assert_int_equal(r, rows[i].why ? -EBADMSG : 0);
		if (r == 0)
			assert_int_equal(pe_append(b.data, &pe, more, 2, &to), rows[i].r);
	}
}

static void test_sections_are_put_behind_the_others(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(65536), to = BUFFER(65536);
	const char *why;
	struct pe pe;
	uint32_t sum = 0;

	load("good", &b);
	assert_int_equal(pe_parse(b.data, b.len, &pe, &why), 0);
	assert_int_equal(pe_append(b.data, &pe, more, 2, &to), 0);
	assert_int_equal(to.len, 512 + 512 + 2 * 512);
	assert_int_equal(pe_parse(to.data, to.len, &pe, &why), 0);
	assert_int_equal(pe.n_sections, 3);
	assert_string_equal(pe.sections[1].name, ".cmdline");
	assert_int_equal(pe.sections[1].memory, 0x2000);
	assert_int_equal(pe.sections[1].offset, 1024);
	assert_string_equal(pe.sections[2].name, ".linux");
	assert_int_equal(pe.sections[2].memory, 0x3000);
	assert_memory_equal(to.data + pe.sections[2].offset, "kernel", 7); /* padded with zeros */
	assert_int_equal(pe.memory_end, 0x3006);
	/* The sum over all words but its own, and the length, is the sum that is written. */
	for (size_t i = 0; i < to.len; i += 2) {
		if (i == 64 + 24 + 64 || i == 64 + 24 + 66)
			continue;
		sum += to.data[i] | to.data[i + 1] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	sum += (uint32_t)to.len;
	assert_memory_equal(to.data + 64 + 24 + 64, &sum, 4);
}

static void test_a_signed_copy(void **state)
{
	_cleanup_buffer_ struct buffer a = BUFFER(65536), b = BUFFER(65536);
	const size_t place = 64 + 24 + 144;

	load("good", &a);
	load("good", &b);
	assert_false(pe_is_signed_copy(a.data, a.len, b.data, b.len));
	assert_int_equal(buffer_append(&b, "\10\0\0\0\0\2\2\0", 8), 0);
	memcpy(b.data + place, "\0\4\0\0\10\0\0\0", 8);
	assert_true(pe_is_signed_copy(a.data, a.len, b.data, b.len));
	b.data[64 + 24 + 64] ^= 1; /* the checksum may change */
	assert_true(pe_is_signed_copy(a.data, a.len, b.data, b.len));
	b.data[600] ^= 1;
	assert_false(pe_is_signed_copy(a.data, a.len, b.data, b.len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_sections_are_put_behind_the_others),
		cmocka_unit_test(test_a_signed_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

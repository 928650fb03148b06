/*
 * test-textdiff.c - what differs between two texts
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/textdiff.h"

static void check(const char *a, const char *b, const char *want)
{
	_cleanup_buffer_ struct buffer out = BUFFER(1 << 20);
	size_t a_n = strlen(a), b_n = strlen(b);
	char *x = malloc(a_n ? a_n : 1), *y = malloc(b_n ? b_n : 1);

	assert_non_null(x);
	assert_non_null(y);
	memcpy(x, a, a_n);
	memcpy(y, b, b_n);
	assert_int_equal(textdiff(x, a_n, y, b_n, &out), 0);
	assert_string_equal(buffer_str(&out), want);
	free(x);
	free(y);
}

static void test_texts(void **state)
{
	static const struct {
		const char *a, *b, *want;
	} rows[] = {
		{ "", "", "" },
		{ "a\n", "a\n", "" },
		{ "", "a\n", "@@ -0,0 +1 @@\n+a\n" },
		{ "a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n" },
		{ "a\nb\nc\n", "a\nX\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+X\n c\n" },
		{ "a\n", "a", "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\n4\n5\n6\n7\n8\n",
		  "@@ -5,3 +5,4 @@\n 5\n 6\n 7\n+8\n" },
		{ "a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n",
		  "@@ -1,7 +1,6 @@\n-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n" },
		{ "x\n1\n2\n3\n4\n5\n6\n7\ny\n", "X\n1\n2\n3\n4\n5\n6\n7\nY\n",
		  "@@ -1,4 +1,4 @@\n-x\n+X\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-y\n+Y\n" },
		{ "x\n1\n2\n3\n4\n5\n6\ny\n", "X\n1\n2\n3\n4\n5\n6\nY\n",
		  "@@ -1,8 +1,8 @@\n-x\n+X\n 1\n 2\n 3\n 4\n 5\n 6\n-y\n+Y\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(rows[i].a, rows[i].b, rows[i].want);
}

/* Give @a's hunks to @b's place and look whether @b comes out: what follows from any script. */
static void apply(const char *a, const char *hunks, struct buffer *ret)
{
	const char *at = a;

	while (*hunks) {
		const char *end = strchr(hunks, '\n');
		size_t n = (size_t)(end + 1 - hunks);

		if (*hunks == '@') { /* lines up to the hunk's first one are as they were */
			char *rest;
			size_t first = strtoul(hunks + 4, &rest, 10), line = 1;

			if (*rest == ',' && rest[1] == '0')
				first++;
			for (const char *p = a; p < at; p++)
				line += *p == '\n';
			for (; line < first; line++) {
				const char *next = strchr(at, '\n') + 1;

				assert_int_equal(buffer_append(ret, at, (size_t)(next - at)), 0);
				at = next;
			}
		} else {
			if (*hunks != '+') {
				assert_memory_equal(at, hunks + 1, n - 1);
				at += n - 1;
			}
			if (*hunks != '-')
				assert_int_equal(buffer_append(ret, hunks + 1, n - 1), 0);
		}
		hunks += n;
	}
	assert_int_equal(buffer_append(ret, at, strlen(at)), 0);
}

static void test_any_two_texts(void **state)
{
	unsigned seed = 1;

	for (int round = 0; round < 300; round++) {
		int lines = 1 + round % 40, letters = 2 + round % 5;
		_cleanup_buffer_ struct buffer a = BUFFER(1 << 20), b = BUFFER(1 << 20),
					       out = BUFFER(1 << 20), got = BUFFER(1 << 20);

		for (int i = 0; i < 2 * lines; i++) {
			char line[2] = { (char)('a' + rand_r(&seed) % letters), '\n' };

			assert_int_equal(buffer_append(i % 2 ? &a : &b, line, 2), 0);
		}
		assert_int_equal(textdiff(a.data, a.len, b.data, b.len, &out), 0);
		apply(buffer_str(&a), buffer_str(&out), &got);
		assert_string_equal(buffer_str(&got), buffer_str(&b));
	}
}

static void test_texts_that_differ_much(void **state)
{
	_cleanup_buffer_ struct buffer a = BUFFER(1 << 20), b = BUFFER(1 << 20),
				       out = BUFFER(1 << 20), got = BUFFER(1 << 20);

	for (int i = 0; i < 3000; i++) {
		assert_int_equal(buffer_printf(&a, "a%d\n", i), 0);
		assert_int_equal(buffer_printf(&b, "b%d\n", i), 0);
	}
	assert_int_equal(textdiff(a.data, a.len, b.data, b.len, &out), 0);
	apply(buffer_str(&a), buffer_str(&out), &got);
	assert_string_equal(buffer_str(&got), buffer_str(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_any_two_texts),
		cmocka_unit_test(test_texts_that_differ_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

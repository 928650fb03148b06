/*
 * test-format.c - format_print() says what libc's vsnprintf() says
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "init/format.h"

#define SIZE_MAX_TRIED 40
#define RANDOM_DOUBLES 200000

/* Compare at every size of the buffer, which is exactly as large as said. */
static void same(const char *fmt, ...) _printf_(1, 2);
static void same(const char *fmt, ...)
{
	for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
		char *ours = malloc(size ? size : 1), *libc = malloc(size ? size : 1);
		va_list ap;
		int n, m;

		va_start(ap, fmt);
		n = format_print(size ? ours : NULL, size, fmt, ap);
		va_end(ap);
		va_start(ap, fmt);
		m = vsnprintf(size ? libc : NULL, size, fmt, ap);
		va_end(ap);
		assert_int_equal(n, m);
		if (size)
			assert_string_equal(ours, libc);
		free(ours);
		free(libc);
	}
}

static int print(char *to, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = format_print(to, size, fmt, ap);
	va_end(ap);
	return n;
}

static void text_and_characters(void **state)
{
	same("%s", "");
	same("plain, and 100 %%");
	same("%s: %s", "one", "two");
	same("[%10s] [%-10s] [%2s]", "right", "left", "wide");
	same("[%.3s] [%.0s] [%.80s] [%10.2s] [%-10.2s]", "cut", "gone", "whole", "both", "both");
	same("[%.*s] [%*s] [%-*s] [%*s]", 2, "cut", 6, "a", 6, "b", -6, "c");
	same("[%.*s]", -1, "all of it");
	same("%c%c [%3c] [%-3c]", 'a', 0x7f, 'b', 'c');
}

static void text_that_does_not_end(void **state)
{
	char *four = malloc(4);

	memcpy(four, "four", 4);
	same("[%.4s]", four);
	free(four);
}

static void whole_numbers(void **state)
{
	static const uint64_t values[] = {
		0,
		1,
		9,
		10,
		255,
		32767,
		32768,
		65535,
		INT32_MAX,
		UINT32_MAX,
		UINT32_MAX + 1ull,
		INT64_MAX,
		INT64_MAX + 1ull,
		UINT64_MAX,
	};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		uint64_t v = values[i];

		same("%d %i %u %x %X %o", (int)v, (int)v, (unsigned)v, (unsigned)v, (unsigned)v,
		     (unsigned)v);
		same("%hhd %hhu %hd %hu", (signed char)v, (unsigned char)v, (short)v,
		     (unsigned short)v);
		same("%ld %lu %lx", (long)v, (unsigned long)v, (unsigned long)v);
		same("%lld %llu %llX", (long long)v, (unsigned long long)v, (unsigned long long)v);
		same("%zu %zd %jd %ju %td", (size_t)v, (ssize_t)v, (intmax_t)v, (uintmax_t)v,
		     (ptrdiff_t)v);
		same("%" PRIu64 " %" PRId64 " %08" PRIx32, v, (int64_t)v, (uint32_t)v);
		same("[%12d] [%-12d] [%012d] [%2d]", (int)v, (int)v, (int)v, (int)v);
		same("[%.5d] [%8.5u] [%-8.5x] [%.0u]", (int)v, (unsigned)v, (unsigned)v,
		     (unsigned)v);
		same("[%*u] [%0*u]", 7, (unsigned)v, 7, (unsigned)v);
		same("%02x %03u %04o %08X %06o", (unsigned)v, (unsigned)v, (unsigned)v, (unsigned)v,
		     (unsigned)v);
	}
	same("%p %p", (void *)0x1234, (void *)NULL);
	same("[%20p] [%-20p]", (void *)0xffff0000, (void *)NULL);
}

static void fractions(void **state)
{
	static const double values[] = {
		0,	 -0.0,	      0.5,     1.5,	  2.5,
		0.05,	 0.25,	      0.125,   999.5,	  99.95,
		9.995,	 1e-9,	      4.35,    1e-300,	  5e-324,
		1.0 / 3, 123456789.5, 1e15,    9e18,	  -1.5,
		0.1,	 -0.049,      1000000, 0.9999999, 4503599627370497.5,
	};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		double v = values[i];

		same("%f %.0f %.1f", v, v, v);
		same("%.2f %.3f %.9f", v, v, v);
		same("[%8.1f] [%-8.1f] [%08.1f] [%3.0f] [%.*f]", v, v, v, v, 2, v);
	}
}

static void random_fractions(void **state)
{
	uint64_t x = 88172645463325252;

	for (int i = 0; i < RANDOM_DOUBLES; i++) {
		char ours[64], libc[64];
		double v;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		v = ldexp((double)(int64_t)x, -(i % 130));
		assert_int_equal(print(ours, sizeof(ours), "%.*f", i % 10, v),
				 snprintf(libc, sizeof(libc), "%.*f", i % 10, v));
		assert_string_equal(ours, libc);
	}
}

static void null_text(void **state)
{
	char ours[32];
	const char *volatile none = NULL;

	assert_int_equal(print(ours, sizeof(ours), "[%s]", none), 8);
	assert_string_equal(ours, "[(null)]");
	assert_int_equal(print(ours, sizeof(ours), "[%.3s]", none), 2);
}

static void an_unknown_directive_is_refused(void **state)
{
	static const char *const unknown[] = { "%e",  "%g",  "%a",    "%n",  "%m",
					       "%+d", "% d", "%#x",   "%q",  "%Lf",
					       "%S",  "%ls", "%.10f", "%'d", "%" };

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		char fmt[32], ours[32], expected[32];

		snprintf(fmt, sizeof(fmt), "%%s %s %%s", unknown[i]);
		snprintf(expected, sizeof(expected), "one %s %%s", unknown[i]);
		if (!strcmp(unknown[i], "%")) { /* the last character of all */
			snprintf(fmt, sizeof(fmt), "%%s %%");
			snprintf(expected, sizeof(expected), "one %%");
		}
		assert_int_equal(print(ours, sizeof(ours), fmt, "one", "two"), -1);
		assert_string_equal(ours, expected);
	}
}

static void a_number_that_is_none_is_refused(void **state)
{
	char ours[32];

	assert_int_equal(print(ours, sizeof(ours), "%.1f", INFINITY), -1);
	assert_int_equal(print(ours, sizeof(ours), "%.1f", NAN), -1);
	assert_int_equal(print(ours, sizeof(ours), "%.1f", 1e19), -1);
	assert_string_equal(ours, "%.1f");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_characters),
		cmocka_unit_test(text_that_does_not_end),
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(fractions),
		cmocka_unit_test(random_fractions),
		cmocka_unit_test(null_text),
		cmocka_unit_test(an_unknown_directive_is_refused),
		cmocka_unit_test(a_number_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

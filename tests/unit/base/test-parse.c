/*
 * test-parse.c - numbers, sizes, modes, hex, addresses: what is taken, what is refused
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/parse.h"

static void numbers_are_whole_and_within_range(void **state)
{
	static const struct {
		const char *s;
		uint64_t max;
		int r;
		uint64_t v;
	} rows[] = {
		{ "0", 10, 0, 0 },
		{ "10", 10, 0, 10 },
		{ "11", 10, -ERANGE, 0 },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999", UINT64_MAX, -ERANGE, 0 },
		{ "", 10, -EINVAL, 0 },
		{ " 1", 10, -EINVAL, 0 },
		{ "1 ", 10, -EINVAL, 0 },
		{ "+1", 10, -EINVAL, 0 },
		{ "-1", 10, -EINVAL, 0 },
		{ "0x1", 10, -EINVAL, 0 },
		{ "1a", 10, -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 4711;

		assert_int_equal(parse_u64(rows[i].s, 0, rows[i].max, &v), rows[i].r);
		assert_int_equal(v, rows[i].r == 0 ? rows[i].v : 4711);
	}
}

static void sizes_have_binary_units(void **state)
{
	static const struct {
		const char *s;
		int r;
		uint64_t v;
	} rows[] = {
		{ "512", 0, 512 },
		{ "4K", 0, 4096 },
		{ "4KiB", 0, 4096 },
		{ "3M", 0, 3 << 20 },
		{ "2G", 0, UINT64_C(2) << 30 },
		{ "1T", 0, UINT64_C(1) << 40 },
		{ "4KB", -EINVAL, 0 },
		{ "4k", -EINVAL, 0 },
		{ "M", -EINVAL, 0 },
		{ "1.5M", -EINVAL, 0 },
		{ "2T", -ERANGE, 0 },
		{ "18446744073709551615K", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 0;

		assert_int_equal(parse_size(rows[i].s, UINT64_C(1) << 40, &v), rows[i].r);
		assert_int_equal(v, rows[i].v);
	}
}

static void modes_are_octal(void **state)
{
	uint32_t m = 0;

	assert_int_equal(parse_mode("4755", &m), 0);
	assert_int_equal(m, 04755);
	assert_int_equal(parse_mode("0644", &m), 0);
	assert_int_equal(m, 0644);
	assert_int_equal(parse_mode("888", &m), -EINVAL);
	assert_int_equal(parse_mode("17777", &m), -ERANGE);
}

static void hex_is_exact(void **state)
{
	uint8_t b[3];
	char s[7];

	assert_int_equal(parse_hex("00fFa5", b, 3), 0);
	assert_memory_equal(b, "\x00\xff\xa5", 3);
	format_hex(b, 3, s);
	assert_string_equal(s, "00ffa5");
	assert_int_equal(parse_hex("00ff", b, 3), -EINVAL);
	assert_int_equal(parse_hex("00ffa", b, 3), -EINVAL);
	assert_int_equal(parse_hex("00ffg5", b, 3), -EINVAL);
}

static void sizes_are_shown_with_three_digits(void **state)
{
	static const struct {
		uint64_t v;
		const char *s;
	} rows[] = {
		{ 0, "0 B" },		{ 999, "999 B" },	   { 1000, "1.00 kB" },
		{ 5242880, "5.24 MB" }, { 99949, "99.9 kB" },	   { 999499, "999 kB" },
		{ 999500, "1.00 MB" },	{ UINT64_MAX, "18.4 EB" },
	};
	char buf[FORMAT_SIZE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(format_size(rows[i].v, buf), rows[i].s);
}

static void mac_addresses(void **state)
{
	struct mac m;
	char s[MAC_STR_MAX];

	assert_int_equal(mac_parse("52:54:00:B0:00:01", &m), 0);
	assert_string_equal(mac_format(&m, s), "52:54:00:b0:00:01");
	assert_int_equal(mac_parse("52-54-00-b0-00-01", &m), 0);
	assert_int_equal(mac_parse("52:54:00:b0:00", &m), -EINVAL);
	assert_int_equal(mac_parse("52:54:00:b0:00:0g", &m), -EINVAL);
	assert_int_equal(mac_parse("52.54.00.b0.00.01", &m), -EINVAL);
}

static void ipv4_masks(void **state)
{
	struct in_addr a;
	unsigned n;
	char s[INET_ADDRSTRLEN];

	for (unsigned i = 0; i <= 32; i++) {
		assert_int_equal(ipv4_prefix(ipv4_mask(i), &n), 0);
		assert_int_equal(n, i);
	}
	assert_int_equal(ipv4_parse("255.0.255.0", &a), 0);
	assert_int_equal(ipv4_prefix(a, &n), -EINVAL);
	assert_string_equal(ipv4_format(a, s), "255.0.255.0");
	assert_int_equal(ipv4_parse("1.2.3", &a), -EINVAL);
	assert_int_equal(ipv4_parse("1.2.3.256", &a), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_whole_and_within_range),
		cmocka_unit_test(sizes_have_binary_units),
		cmocka_unit_test(modes_are_octal),
		cmocka_unit_test(hex_is_exact),
		cmocka_unit_test(sizes_are_shown_with_three_digits),
		cmocka_unit_test(mac_addresses),
		cmocka_unit_test(ipv4_masks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

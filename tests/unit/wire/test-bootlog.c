/*
 * test-bootlog.c - the line of a boot log: its exact text, times at the edges of the calendar, what
 * is refused
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wire/bootlog.h"

static const struct bootlog_entry entry = {
	.wall_ms = UINT64_C(1795343462123),
	.report = { .mac = { { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } },
		    .boot = 0x1a2b3c4d,
		    .seq = 7,
		    .ms = 1234,
		    .stage = REPORT_DHCP,
		    .state = REPORT_OK,
		    .words = "eth0: 10.0.0.2/24" },
};

static void test_the_text(void **state)
{
	char line[BOOTLOG_LINE_MAX];
	struct bootlog_entry e;

	assert_int_equal(bootlog_format(&entry, line, sizeof(line)), 0);
	assert_string_equal(line, "2026-11-22T10:31:02.123Z 52:54:00:12:34:56 1a2b3c4d 7 "
				  "bpboot: 1.234 dhcp ok: eth0: 10.0.0.2/24");
	assert_int_equal(bootlog_parse(line, &e), 0);
	assert_int_equal(e.wall_ms, entry.wall_ms);
	assert_int_equal(e.report.seq, 7);
	assert_int_equal(e.report.boot, 0x1a2b3c4d);
	assert_int_equal(e.report.ms, 1234);
	assert_string_equal(e.report.words, entry.report.words);
	assert_int_equal(bootlog_format(&entry, line, 40), -E2BIG);
}

static void test_times(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ UINT64_C(951782400000), "2000-02-29T00:00:00.000Z" },
		{ UINT64_C(1709251199999), "2024-02-29T23:59:59.999Z" },
		{ UINT64_C(4107542400000), "2100-03-01T00:00:00.000Z" },
		{ UINT64_C(253402300799999), "9999-12-31T23:59:59.999Z" },
	};
	char line[BOOTLOG_LINE_MAX];
	struct bootlog_entry e = entry, again;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		e.wall_ms = rows[i].ms;
		assert_int_equal(bootlog_format(&e, line, sizeof(line)), 0);
		assert_memory_equal(line, rows[i].text, strlen(rows[i].text));
		assert_int_equal(bootlog_parse(line, &again), 0);
		assert_int_equal(again.wall_ms, rows[i].ms);
	}
	e.wall_ms = UINT64_C(253402300800000);
	assert_int_equal(bootlog_format(&e, line, sizeof(line)), -ERANGE);
}

static void test_what_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"x",
		"2026-02-30T10:31:02.123Z 52:54:00:12:34:56 1a2b3c4d 7 bpboot: 1.234 dhcp ok: x",
		"2025-02-29T10:31:02.123Z 52:54:00:12:34:56 1a2b3c4d 7 bpboot: 1.234 dhcp ok: x",
		"2026-13-01T10:31:02.123Z 52:54:00:12:34:56 1a2b3c4d 7 bpboot: 1.234 dhcp ok: x",
		"2026-11-22T24:31:02.123Z 52:54:00:12:34:56 1a2b3c4d 7 bpboot: 1.234 dhcp ok: x",
		"2026-11-22T10:31:02.123 52:54:00:12:34:56 1a2b3c4d 7 bpboot: 1.234 dhcp ok: x",
		"2026-11-22T10:31:02.123Z 52:54:00:12:34 1a2b3c4d 7 bpboot: 1.234 dhcp ok: x",
		"2026-11-22T10:31:02.123Z 52:54:00:12:34:56 1a2b3c4 7 bpboot: 1.234 dhcp ok: x",
		"2026-11-22T10:31:02.123Z 52:54:00:12:34:56 1a2b3c4d -7 bpboot: 1.234 dhcp ok: x",
		"2026-11-22T10:31:02.123Z 52:54:00:12:34:56 1a2b3c4d 7 other bpboot: 1.234 dhcp x",
		"2026-11-22T10:31:02.123Z 52:54:00:12:34:56 1a2b3c4d 7",
		"2026-11-22T10:31:02.123Z 52:54:00:12:34:56 1a2b3c4d 7 bpboot: 1.234 lunch ok: x",
	};
	struct bootlog_entry e;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (bootlog_parse(rows[i], &e) != -EBADMSG)
			fail_msg("'%s' was taken", rows[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_text),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

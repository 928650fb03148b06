/*
 * test-report.c - events as datagrams and console lines, there and back
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/report.h"

static const struct {
	struct report e;
	const char *datagram, *line;
} rows[] = {
	{ { .mac = { { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } },
	    .boot = 0x9f86d081,
	    .seq = 4,
	    .ms = 2437,
	    .stage = REPORT_DHCP,
	    .state = REPORT_OK,
	    .words = "eth0: 10.0.0.2/24" },
	  "<133>1 - 52:54:00:12:34:56 bpboot - dhcp [bpboot@32473 boot=\"9f86d081\" seq=\"4\" "
	  "ms=\"2437\""
	  " state=\"ok\"] eth0: 10.0.0.2/24",
	  "bpboot: 2.437 dhcp ok: eth0: 10.0.0.2/24" },
	{ { .boot = 1,
	    .seq = 1,
	    .ms = 5,
	    .stage = REPORT_FETCH,
	    .state = REPORT_PROGRESS,
	    .done = 10,
	    .total = 40,
	    .words = "25 %" },
	  "<135>1 - 00:00:00:00:00:00 bpboot - fetch [bpboot@32473 boot=\"00000001\" seq=\"1\" "
	  "ms=\"5\""
	  " state=\"progress\" done=\"10\" total=\"40\"] 25 %",
	  "bpboot: 0.005 fetch progress: 10/40 25 %" },
	{ { .boot = UINT32_MAX,
	    .seq = UINT32_MAX,
	    .ms = 1000,
	    .stage = REPORT_SHELL,
	    .state = REPORT_BEGIN },
	  "<134>1 - 00:00:00:00:00:00 bpboot - shell [bpboot@32473 boot=\"ffffffff\" "
	  "seq=\"4294967295\""
	  " ms=\"1000\" state=\"begin\"]",
	  "bpboot: 1.000 shell begin: " },
};

static int parse_copy(const void *p, size_t n, struct report *ret)
{
	void *copy = memcpy(malloc(n ? n : 1), p, n);
	int r = report_parse(copy, n, ret);

	free(copy);
	return r;
}

static int line_parse_copy(const char *s, struct report *ret)
{
	char *copy = strdup(s);
	int r = report_line_parse(copy, ret);

	free(copy);
	return r;
}

static void writes_and_reads_datagrams(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[REPORT_DATAGRAM_MAX + 1];
		struct report e;
		size_t n;

		assert_int_equal(report_format(&rows[i].e, buf, REPORT_DATAGRAM_MAX, &n), 0);
		buf[n] = 0;
		assert_string_equal(buf, rows[i].datagram);
		assert_int_equal(parse_copy(buf, n, &e), 0);
		assert_memory_equal(&e, &rows[i].e, sizeof(e));
		assert_int_equal(report_format(&rows[i].e, buf, n - 1, &n), -E2BIG);
	}
}

static void writes_and_reads_console_lines(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[REPORT_LINE_MAX],
			noisy[REPORT_LINE_MAX + 64] = "[    2.1] x bpboot: no event ";
		struct report want = rows[i].e, e;

		want.mac = (struct mac){ 0 };
		want.boot = want.seq = 0;
		assert_int_equal(report_line_format(&rows[i].e, buf, sizeof(buf)), 0);
		assert_string_equal(buf, rows[i].line);
		assert_int_equal(line_parse_copy(buf, &e), 0);
		assert_memory_equal(&e, &want, sizeof(e));
		strncat(noisy, buf, sizeof(noisy) - strlen(noisy) - 1);
		strncat(noisy, "\r\n", sizeof(noisy) - strlen(noisy) - 1);
		assert_int_equal(line_parse_copy(noisy, &e), 0);
		assert_memory_equal(&e, &want, sizeof(e));
	}
}

static void longest_words_fit_and_unprintable_ones_are_masked(void **state)
{
	struct report e = { .ms = UINT64_MAX,
			    .stage = REPORT_VERIFY,
			    .state = REPORT_PROGRESS,
			    .done = UINT64_MAX,
			    .total = UINT64_MAX },
		      back;
	char buf[REPORT_DATAGRAM_MAX], line[REPORT_LINE_MAX];
	size_t n;

	memset(e.words, 'x', sizeof(e.words) - 1);
	e.words[1] = '\n';
	e.words[2] = (char)0xff;
	assert_int_equal(report_format(&e, buf, sizeof(buf), &n), 0);
	assert_int_equal(parse_copy(buf, n, &back), 0);
	assert_int_equal(strncmp(back.words, "x??x", 4), 0);
	assert_int_equal(strlen(back.words), REPORT_WORDS_MAX - 1);
	assert_int_equal(report_line_format(&e, line, sizeof(line)), 0);
}

static void refuses_malformed_datagrams(void **state)
{
	static const char *const texts[] = {
		"",
		"<",
		"<133>",
		"<999>1 - 00:00:00:00:00:00 bpboot - up [bpboot@32473 boot=\"00000001\" seq=\"1\" "
		"ms=\"5\" state=\"ok\"]",
		"<133>1 - 00:00:00:00:00 bpboot - up [bpboot@32473 boot=\"00000001\" seq=\"1\" "
		"ms=\"5\" state=\"ok\"]",
		"<133>1 - 00:00:00:00:00:00 bpboot - xx [bpboot@32473 boot=\"00000001\" seq=\"1\" "
		"ms=\"5\" state=\"ok\"]",
		"<133>1 - 00:00:00:00:00:00 bpboot - up [bpboot@32473 boot=\"1\" seq=\"1\" "
		"ms=\"5\" state=\"ok\"]",
		"<133>1 - 00:00:00:00:00:00 bpboot - up [bpboot@32473 boot=\"00000001\" seq=\"01\" "
		"ms=\"5\" state=\"ok\"]",
		"<133>1 - 00:00:00:00:00:00 bpboot - up [bpboot@32473 boot=\"00000001\" seq=\"1\" "
		"ms=\"5\" state=\"no\"]",
		"<133>1 - 00:00:00:00:00:00 bpboot - up [bpboot@32473 boot=\"00000001\" seq=\"1\" "
		"ms=\"5\" state=\"progress\"]",
		"<133>1 - 00:00:00:00:00:00 bpboot - up [bpboot@32473 boot=\"00000001\" seq=\"1\" "
		"ms=\"5\" state=\"ok\"]x",
		"<133>1 - 00:00:00:00:00:00 bpboot - up [bpboot@32473 boot=\"00000001\" seq=\"1\" "
		"ms=\"5\" state=\"ok\"] \n",
		"<133>1 - 00:00:00:00:00:00 bpboot - up [bpboot@32473 boot=\"00000001\" "
		"seq=\"4294967296\" ms=\"5\" state=\"ok\"]",
	};
	struct report e;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(parse_copy(texts[i], strlen(texts[i]), &e), -EBADMSG);
	for (size_t n = 0; n < strlen(rows[1].datagram) - strlen("] 25 %") + 1; n++)
		assert_int_equal(parse_copy(rows[1].datagram, n, &e), -EBADMSG);
}

static void refuses_lines_without_an_event(void **state)
{
	static const char *const texts[] = {
		"",
		"bpboot: ",
		"bpboot: 1.23 dhcp ok: x",
		"bpboot: 01.234 dhcp ok: x",
		"bpboot: 1.234 dhcp",
		"bpboot: 1.234 dhcp ok",
		"bpboot: 1.234 none ok: x",
		"bpboot: 1.234 dhcp none: x",
		"bpboot: 1.234 fetch progress: x",
		"bpboot: 1.234 dhcp ok: \x01",
		"bpboot: 1.234 dhcp ok:\n",
	};
	struct report e;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(line_parse_copy(texts[i], &e), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_and_reads_datagrams),
		cmocka_unit_test(writes_and_reads_console_lines),
		cmocka_unit_test(longest_words_fit_and_unprintable_ones_are_masked),
		cmocka_unit_test(refuses_malformed_datagrams),
		cmocka_unit_test(refuses_lines_without_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

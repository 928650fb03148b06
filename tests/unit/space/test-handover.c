/*
 * test-handover.c - what init leaves for bpslave
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "space/handover.h"

static void test_forms(void **state)
{
	static const struct {
		const char *text;
		int want;
		uint32_t boot;
		const char *master;
		uint16_t port;
	} rows[] = {
		{ "MAC=52:54:00:00:00:01\n", 0, 0, "", 2223 },
		{ "MAC=52:54:00:00:00:01", 0, 0, "", 2223 },
		{ "BOOT=9f86d081\nMAC=52:54:00:00:00:01\nMASTER=10.0.0.1\nURL=x=y\n", 0, 0x9f86d081,
		  "10.0.0.1", 2223 },
		{ "MAC=52:54:00:00:00:01\nMASTER=10.0.0.1:99\n", 0, 0, "10.0.0.1", 99 },
		{ "", -EBADMSG, 0, "", 0 },
		{ "MASTER=10.0.0.1\n", -EBADMSG, 0, "", 0 },
		{ "MAC=52:54:00:00:00\n", -EBADMSG, 0, "", 0 },
		{ "MAC=52:54:00:00:00:01\nMASTER=front-end\n", -EBADMSG, 0, "", 0 },
		{ "MAC=52:54:00:00:00:01\nMASTER=10.0.0.1:65536\n", -EBADMSG, 0, "", 0 },
		{ "MAC=52:54:00:00:00:01\nWATCHDOG_SECONDS=30\n", 0, 0, "", 2223 },
		{ "MAC=52:54:00:00:00:01\nWATCHDOG_SECONDS=-1\n", -EBADMSG, 0, "", 0 },
		{ "MAC=52:54:00:00:00:01\nNODE_KEY=efi\n", 0, 0, "", 2223 },
		{ "MAC=52:54:00:00:00:01\nNODE_KEY=/var/key\n", 0, 0, "", 2223 },
		{ "MAC=52:54:00:00:00:01\nNODE_KEY=key\n", -EBADMSG, 0, "", 0 },
		{ "MAC=52:54:00:00:00:01\nNODE_KEY=\n", -EBADMSG, 0, "", 0 },
		{ "MAC=52:54:00:00:00:01\nBOOT=xyz\n", -EBADMSG, 0, "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].text);
		char *copy = malloc(n ? n : 1), text[IP_STR_MAX];
		const char *why = NULL;
		struct handover h;

		assert_non_null(copy);
		memcpy(copy, rows[i].text, n);
		assert_int_equal(handover_parse(copy, n, &h, &why), rows[i].want);
		free(copy);
		if (rows[i].want < 0) {
			assert_non_null(why);
			continue;
		}
		assert_int_equal(h.boot, rows[i].boot);
		assert_int_equal(h.port, rows[i].port);
		assert_string_equal(ip_format(&h.master, text), rows[i].master);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

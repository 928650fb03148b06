/*
 * test-sets.c - groups of the cluster file, by name, made of each other
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/sets.h"

#define HEAD "[cluster]\ninterface=br0\nnetwork=10.1.0.0/16\naddress=10.1.0.1\n[groups]\n"

static const char table[] = "1 52:54:00:00:00:01\n2 52:54:00:00:00:02 - - login\n"
			    "3 52:54:00:00:00:03\n7 52:54:00:00:00:07\n";

static void with(const char *groups, struct cluster *c, struct nodes *t)
{
	_cleanup_buffer_ struct buffer text = BUFFER(CLUSTER_BYTES_MAX);
	unsigned line;
	char why[256] = "";

	assert_int_equal(buffer_printf(&text, HEAD "%s", groups), 0);
	if (cluster_parse("/c", text.data, text.len, c, &line, why) < 0)
		fail_msg("line %u: %s", line, why);
	assert_int_equal(nodes_parse(table, sizeof(table) - 1, t, &line, why), 0);
}

static void expect(const char *groups, const char *text, const char *want)
{
	_cleanup_cluster_ struct cluster c = { 0 };
	_cleanup_nodes_ struct nodes t = { 0 };
	_cleanup_nodeset_ struct nodeset s = NODESET();
	_cleanup_buffer_ struct buffer b = BUFFER(1024);
	char why[NODESET_WHY_MAX] = "";

	with(groups, &c, &t);
	if (sets_parse(&c, &t, text, &s, why) < 0) {
		if (!strstr(why, want))
			fail_msg("'%s' does not say '%s'", why, want);
		return;
	}
	assert_int_equal(nodeset_format(&s, &b), 0);
	assert_string_equal(buffer_str(&b), want);
}

static void groups_are_sets_by_name(void **state)
{
	static const char groups[] = "low=1-3\nspare = all-@low\nmixed=@low&@none_of\n";

	expect("low=1-3\nhigh = all-@low\n", "@high", "7");
	expect("low=1-3\nhigh = all-@low\n", "@low,@high-login", "1,3,7");
	expect("low=n[1-3]\n", "@low", "no node is called 'n2'");
	expect("low=n[1,3],login\n", "@low", "1-3");
	expect("low=1,\n  2\n", "@low", "1,2");
	expect("", "@low", "no group '@low'");
	expect("", "allup", "need a list");
	expect(groups, "1", "group mixed in line 8: there is no group '@none_of'");
}

static void groups_cannot_be_made_of_themselves(void **state)
{
	expect("a=@a\n", "@a", "there is no group '@a'");
	expect("a=@b\nb=@a\n", "@a", "there is no group '@b'");
}

static void groups_of_groups_are_worked_out_once(void **state)
{
	_cleanup_buffer_ struct buffer text = BUFFER(CLUSTER_BYTES_MAX);

	assert_int_equal(buffer_printf(&text, "g0=1\n"), 0);
	for (int i = 1; i < CLUSTER_GROUPS_MAX; i++)
		assert_int_equal(buffer_printf(&text, "g%d=@g%d,@g%d\n", i, i - 1, i - 1), 0);
	expect(buffer_str(&text), "@g255", "1"); /* else 2^255 steps */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_sets_by_name),
		cmocka_unit_test(groups_cannot_be_made_of_themselves),
		cmocka_unit_test(groups_of_groups_are_worked_out_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-nodes.c - node tables that are read, and ones that are refused with their line
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/nodes.h"

static int parse(const char *text, struct nodes *ret, unsigned *line, char *why)
{
	size_t n = strlen(text);
	char *copy = malloc(n ? n : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, n);
	r = nodes_parse(copy, n, ret, line, why);
	free(copy);
	return r;
}

static void nodes_are_found_by_number_name_and_mac(void **state)
{
	static const char text[] = "# the first rack\n3 52:54:00:00:00:03 10.1.0.3 big login\n"
				   "0 52-54-00-00-00-0A\n1 52:54:00:00:00:01 - - - # spare\n";
	_cleanup_nodes_ struct nodes t = { 0 };
	unsigned line;
	char why[256], name[NODES_NAME_MAX];

	assert_int_equal(parse(text, &t, &line, why), 0);
	assert_int_equal(t.n, 3);
	assert_int_equal(nodes_find(&t, "0")->number, 0);
	assert_int_equal(nodes_find(&t, "login")->number, 3);
	assert_int_equal(nodes_find(&t, "LOGIN")->number, 3);
	assert_int_equal(nodes_find(&t, "n1")->number, 1);
	assert_int_equal(nodes_find(&t, "52:54:00:00:00:0a")->number, 0);
	assert_null(nodes_find(&t, "n3")); /* it has another name */
	assert_null(nodes_find(&t, "2"));
	assert_null(nodes_find(&t, ""));
	assert_string_equal(nodes_by_number(&t, 3)->image, "big");
	assert_string_equal(nodes_by_number(&t, 1)->image, "");
	assert_string_equal(node_name(nodes_by_number(&t, 1), name), "n1");
}

static void a_table_is_written_back_the_same(void **state)
{
	static const char text[] =
		"0 52:54:00:00:00:0a - - -\n3 52:54:00:00:00:03 10.1.0.3 big login\n";
	_cleanup_nodes_ struct nodes t = { 0 };
	_cleanup_buffer_ struct buffer out = BUFFER(NODES_BYTES_MAX);
	unsigned line;
	char why[256];

	assert_int_equal(parse(text, &t, &line, why), 0);
	assert_int_equal(nodes_format(&t, &out), 0);
	assert_string_equal(buffer_str(&out), text);
}

static void faults_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *words;
	} rows[] = {
		{ "1\n", 1, "NUMBER MAC" },
		{ "\n1 2 3 4 5 6\n", 2, "more than five words" },
		{ "x 52:54:00:00:00:01\n", 1, "node number 'x'" },
		{ "100000 52:54:00:00:00:01\n", 1, "0 to 99999" },
		{ "1 52:54:00:00:00\n", 1, "MAC '52:54:00:00:00'" },
		{ "1 53:54:00:00:00:01\n", 1, "station's address" },
		{ "1 52:54:00:00:00:01 10.1.0\n", 1, "address '10.1.0'" },
		{ "1 52:54:00:00:00:01 - ../x\n", 1, "image '../x'" },
		{ "1 52:54:00:00:00:01 - - a.b\n", 1, "name 'a.b'" },
		{ "1 52:54:00:00:00:01 - - 12\n", 1, "name '12'" },
		{ "1 52:54:00:00:00:01\n2 52:54:00:00:00:02\n1 52:54:00:00:00:03\n", 3,
		  "number is the same as in line 1" },
		{ "1 52:54:00:00:00:01\n2 52:54:00:00:00:01\n", 2, "MAC is the same as in line 1" },
		{ "1 52:54:00:00:00:01 10.1.0.1\n2 52:54:00:00:00:02 10.1.0.1\n", 2,
		  "address is the same" },
		{ "1 52:54:00:00:00:01 - - n2\n2 52:54:00:00:00:02\n", 2,
		  "name is the same as in line 1" },
		{ "1 \"52:54\n", 1, "quote is not closed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct nodes t = { 0 };
		unsigned line = 999;
		char why[256] = "";

		print_message("# %s\n", rows[i].words);
		assert_int_equal(parse(rows[i].text, &t, &line, why), -EBADMSG);
		assert_int_equal(line, rows[i].line);
		if (!strstr(why, rows[i].words))
			fail_msg("'%s' does not say '%s'", why, rows[i].words);
		assert_null(t.list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_are_found_by_number_name_and_mac),
		cmocka_unit_test(a_table_is_written_back_the_same),
		cmocka_unit_test(faults_are_refused_with_their_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

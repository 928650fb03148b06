/*
 * test-nodeset.c - node sets: what each form means, and which are refused
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/nodeset.h"
#include "base/parse.h"

static struct nodeset literal(const char *text)
{
	struct nodeset s = NODESET();
	char why[NODESET_WHY_MAX];

	assert_int_equal(nodeset_parse(text, NULL, &s, why), 0);
	return s;
}

/* @want NULL: it is refused. */
static void expect(const char *text, const struct nodeset_space *space, const char *want)
{
	_cleanup_buffer_ struct buffer b = BUFFER(65536);
	_cleanup_nodeset_ struct nodeset s = NODESET();
	char why[NODESET_WHY_MAX] = "";
	int r = nodeset_parse(text, space, &s, why);

	if (!want) {
		if (r != -EINVAL || !*why)
			fail_msg("'%s' was taken", text);
		return;
	}
	if (r < 0)
		fail_msg("'%s' was refused: %s", text, why);
	assert_int_equal(nodeset_format(&s, &b), 0);
	assert_string_equal(buffer_str(&b), want);
}

static void test_forms(void **state)
{
	static const struct {
		const char *text,
			*want; /* with nodes 0-5,8-9,20, of which 1-3,20 are up; NULL: refused */
	} rows[] = {
		{ "4", "4" },
		{ "0", "0" },
		{ "7", "7" }, /* does not exist: the caller says so */
		{ "4-8", "4,5,8" },
		{ "5-", "5,8,9,20" },
		{ "6-7", "" },
		{ "1-3,5", "1-3,5" },
		{ "5,1-3,2", "1-3,5" },
		{ "all", "0-5,8,9,20" },
		{ "allup", "1-3,20" },
		{ "all,!2", "0,1,3-5,8,9,20" },
		{ "!2", "0,1,3-5,8,9,20" },
		{ "!allup", "0,4,5,8,9" },
		{ "all,!0-4", "5,8,9,20" },
		{ "all,!all", "" },
		{ "!all,3", "3" },
		{ "99999", "99999" },
		{ "", NULL },
		{ ",", NULL },
		{ "1,", NULL },
		{ "-1", NULL },
		{ "-", NULL },
		{ "5-3", NULL },
		{ "100000", NULL },
		{ "1-100000", NULL },
		{ "99999999999999999999", NULL },
		{ "1 2", NULL },
		{ "al", NULL },
		{ "allupx", NULL },
		{ "!", NULL },
		{ "!!1", NULL },
		{ "1-2-3", NULL },
		{ "+1", NULL },
	};
	_cleanup_nodeset_ struct nodeset all = literal("0-5,8-9,20"), up = literal("1-3,20");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect(rows[i].text, &(struct nodeset_space){ .all = &all, .up = &up },
		       rows[i].want);
}

/* Nodes n0 to n12, and 20 called gpu-a. */
static int node(const void *ctx, const char *name, uint32_t *ret)
{
	if (!strcmp(name, "gpu-a"))
		return *ret = 20, 0;
	return name[0] == 'n' ? parse_u32(name + 1, 0, 12, ret) : -ENOENT;
}

static int group(const void *ctx, const char *name, struct nodeset *to,
		 char why[static NODESET_WHY_MAX])
{
	int r = 0;

	if (!strcmp(name, "bad")) {
		snprintf(why, NODESET_WHY_MAX, "group @bad is broken");
		return -EINVAL;
	}
	if (strcmp(name, "low") && strcmp(name, "even"))
		return -ENOENT;
	for (uint32_t i = 0; r == 0 && i <= 4; i += name[0] == 'e' ? 2 : 1)
		r = nodeset_add(to, i);
	return r;
}

static void test_names_and_groups(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "n3", "3" },
		{ "n[1-3]", "1-3" },
		{ "n[1-3,7],9", "1-3,7,9" },
		{ "n[01-03]", "1-3" },
		{ "gpu-a", "20" },
		{ "gpu-a,n1", "1,20" },
		{ "@low", "0-4" },
		{ "@low&@even", "0,2,4" },
		{ "@low-@even", "1,3" },
		{ "@low,!@even", "1,3" },
		{ "all-@low", "5,8,9,20" },
		{ "all - n5 - gpu-a", "0-4,8,9" },
		{ "n[1-8]-n3", "1,2,4-8" },
		{ "n[1-8]&5-", "5,8" },
		{ "n[1-8]&5-6", "5" },
		{ " 1 , 2 ", "1,2" },
		{ "!@low", "5,8,9,20" },
		{ "1-@low", "" },
		{ "n99", NULL },
		{ "n[1-", NULL },
		{ "n[1-2", NULL },
		{ "n[]", NULL },
		{ "n[2-1]", NULL },
		{ "n[0-99999]", NULL },
		{ "n[1]x", NULL },
		{ "@", NULL },
		{ "@none", NULL },
		{ "@bad", NULL },
		{ "1 2", NULL },
		{ "1&", NULL },
		{ "&1", NULL },
		{ "1,,2", NULL },
		{ "@low&!@even", NULL },
	};
	_cleanup_nodeset_ struct nodeset all = literal("0-5,8-9,20");
	const struct nodeset_space space = {
		.all = &all, .up = &all, .node = node, .group = group
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect(rows[i].text, &space, rows[i].want);
}

static void test_without_a_list(void **state)
{
	expect("3-6,1", NULL, "1,3-6");
	expect("0-99999", NULL, "0-99999");
	expect("all", NULL, NULL);
	expect("allup", NULL, NULL);
	expect("5-", NULL, NULL);
	expect("!5", NULL, NULL);
	expect("5,!5", NULL, "");
}

static void test_too_long_is_refused(void **state)
{
	_cleanup_free_ char *text = malloc(NODESET_TEXT_MAX + 1);

	assert_non_null(text);
	for (size_t i = 0; i < NODESET_TEXT_MAX; i++)
		text[i] = i % 2 ? ',' : '1';
	text[NODESET_TEXT_MAX] = 0;
	expect(text, NULL, NULL);
}

static void test_membership(void **state)
{
	_cleanup_nodeset_ struct nodeset s = NODESET();

	for (uint32_t i = 100; i > 0; i -= 2)
		assert_int_equal(nodeset_add(&s, i), 0);
	assert_int_equal(nodeset_add(&s, 50), 0);
	assert_int_equal(nodeset_add(&s, NODE_NUMBER_MAX + 1), -ERANGE);
	assert_int_equal(s.n, 50);
	for (uint32_t i = 0; i <= 102; i++)
		assert_int_equal(nodeset_has(&s, i), i >= 2 && i <= 100 && i % 2 == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),	       cmocka_unit_test(test_names_and_groups),
		cmocka_unit_test(test_without_a_list), cmocka_unit_test(test_too_long_is_refused),
		cmocka_unit_test(test_membership),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

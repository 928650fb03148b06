/*
 * test-attributes.c - attributes of nodes, and the settings in which they are kept
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/lines.h"
#include "wire/attributes.h"
#include "wire/message.h"
#include "wire/settings.h"

static void changes(void **state)
{
	static const struct {
		const char *text, *word;
		int r;
		const char *want;
	} rows[] = {
		{ "", "rack=r1", 0, "rack=r1\n" },
		{ "", "rack=", 0, "rack=\n" },
		{ "", "rack=a=b c", 0, "rack=a=b c\n" },
		{ "rack=r1\n", "rack=r2", 0, "rack=r2\n" },
		{ "rack=r1\n", "a=1", 0, "a=1\nrack=r1\n" },
		{ "rack=r1\n", "rac=1", 0, "rac=1\nrack=r1\n" },
		{ "rack=r1\n", "racks=1", 0, "rack=r1\nracks=1\n" },
		{ "a=1\nc=3\n", "b=2", 0, "a=1\nb=2\nc=3\n" },
		{ "a=1\nb=2\nc=3\n", "b", 0, "a=1\nc=3\n" },
		{ "a=1\n", "a", 0, "" },
		{ "a=1\n", "b", -ENOENT, NULL },
		{ "", "a", -ENOENT, NULL },
		{ "", "", -EINVAL, NULL },
		{ "", "=x", -EINVAL, NULL },
		{ "", "a b=x", -EINVAL, NULL },
		{ "", "a=x\ny", -EINVAL, NULL },
		{ "", "a=\x1b[1m", -EINVAL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(4096);
		int r = attributes_set(rows[i].text, rows[i].word, &b);

		assert_int_equal(attributes_check(rows[i].text), 0);
		assert_int_equal(r, rows[i].r);
		if (r == 0) {
			assert_string_equal(buffer_str(&b), rows[i].want);
			assert_int_equal(attributes_check(buffer_str(&b)), 0);
		}
	}
}

static void too_many(void **state)
{
	_cleanup_buffer_ struct buffer text = BUFFER(4096), more = BUFFER(4096);
	char word[2 * ATTRIBUTES_VALUE_MAX];

	for (int i = 0; i < ATTRIBUTES_MAX; i++)
		assert_int_equal(buffer_printf(&text, "a%02d=\n", i), 0);
	assert_int_equal(attributes_check(buffer_str(&text)), 0);
	assert_int_equal(attributes_set(buffer_str(&text), "b=", &more), -E2BIG);
	buffer_clear(&more);
	assert_int_equal(attributes_set(buffer_str(&text), "a00=x", &more), 0);
	memset(word, 'x', sizeof(word));
	word[1] = '=';
	word[sizeof(word) - 1] = 0;
	buffer_clear(&more);
	assert_int_equal(attributes_set("", word, &more), -EINVAL);
	word[1 + ATTRIBUTES_VALUE_MAX] = 0;
	buffer_clear(&more);
	assert_int_equal(attributes_set("", word, &more), 0);
}

static void values(void **state)
{
	const char *text = "a=1\nb=x=y\nc=\n", *value;
	size_t n;

	assert_int_equal(attributes_get(text, "b", &value, &n), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(value, "x=y", 3);
	assert_int_equal(attributes_get(text, "c", &value, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(attributes_get(text, "d", &value, &n), -ENOENT);
	assert_int_equal(attributes_get(text, "", &value, &n), -ENOENT);
}

static void kept(void **state)
{
	_cleanup_settings_ struct settings s = SETTINGS();
	static const char line[] = "52:54:00:12:34:56 mode=110 user=7 group=8 boot=0a0b0c0d "
				   "state=drained \"a=say \\\"x\\\\\\\"\" \"b=2\"\n";
	struct lines *l = malloc(sizeof(*l));
	_cleanup_buffer_ struct buffer b = BUFFER(4096);

	assert_non_null(l);
	lines_init(l, "settings", line, strlen(line));
	assert_int_equal(lines_next(l), 1);
	assert_int_equal(settings_read(l->words, l->n_words, &s), 0);
	free(l);
	assert_int_equal(s.mode, 0110);
	assert_int_equal(s.boot, 0x0a0b0c0d);
	assert_string_equal(s.state, "drained");
	assert_string_equal(s.attributes, "a=say \"x\\\"\nb=2\n");
	assert_int_equal(settings_write(&b, &s), 0);
	assert_string_equal(buffer_str(&b), line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes),
		cmocka_unit_test(too_many),
		cmocka_unit_test(values),
		cmocka_unit_test(kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

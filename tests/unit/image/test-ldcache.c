/*
 * test-ldcache.c - ld.so.cache is read and written
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/ldcache.h"

static int parse(const void *p, size_t n, struct ldcache *ret)
{
	void *copy = malloc(n ? n : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, p, n);
	r = ldcache_parse(copy, n, ret);
	free(copy);
	return r;
}

static void make(struct buffer *to)
{
	static const char *const names[] = { "libz.so.1", "libc.so.6", "liba.so.10", "liba.so.9" };
	struct ldcache c = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(ldcache_add(&c, names[i], names[i], LDCACHE_X86_64), 0);
	assert_int_equal(ldcache_add(&c, "libc.so.6", "/32", LDCACHE_386), 0);
	assert_int_equal(ldcache_format(&c, to), 0);
	ldcache_clear(&c);
}

static void what_is_written_is_found_again(void **state)
{
	_cleanup_buffer_ struct buffer text = BUFFER(4096);
	_cleanup_ldcache_ struct ldcache c = { 0 };

	make(&text);
	assert_int_equal(parse(text.data, text.len, &c), 0);
	assert_int_equal(c.n, 5);
	assert_string_equal(c.entries[0].name, "libz.so.1"); /* descending, numbers as such */
	assert_string_equal(c.entries[3].name, "liba.so.10");
	assert_string_equal(c.entries[4].name, "liba.so.9");
	assert_string_equal(ldcache_find(&c, "libc.so.6", LDCACHE_X86_64), "libc.so.6");
	assert_string_equal(ldcache_find(&c, "libc.so.6", LDCACHE_386), "/32");
	assert_null(ldcache_find(&c, "libc.so.6", LDCACHE_AARCH64));
}

static void an_older_table_in_front_is_skipped(void **state)
{
	_cleanup_buffer_ struct buffer text = BUFFER(4096), both = BUFFER(4096);
	_cleanup_ldcache_ struct ldcache c = { 0 };
	uint8_t old[32] = "ld.so-1.7.0";

	old[12] =
		1; /* one entry of 12 bytes behind the 16 of the header, and 4 to a multiple of 8 */
	make(&text);
	assert_int_equal(buffer_append(&both, old, 32), 0);
	assert_int_equal(buffer_append(&both, text.data, text.len), 0);
	assert_int_equal(parse(both.data, both.len, &c), 0);
	assert_int_equal(c.n, 5);
}

static void every_cut_is_refused(void **state)
{
	_cleanup_buffer_ struct buffer text = BUFFER(4096);
	struct ldcache c;

	make(&text);
	for (size_t n = 0; n < text.len; n++)
		assert_int_equal(parse(text.data, n, &c), -EBADMSG);
	text.data[20] = text.data[22] = 0xff;
	assert_int_equal(parse(text.data, text.len, &c), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_found_again),
		cmocka_unit_test(an_older_table_in_front_is_skipped),
		cmocka_unit_test(every_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

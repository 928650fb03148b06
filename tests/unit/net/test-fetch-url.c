/*
 * test-fetch-url.c - which URLs are taken, and what is asked for then
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "net/fetch.h"

static void takes_and_writes_urls(void **state)
{
	static const struct {
		const char *url, *path, *back;
		unsigned port;
	} good[] = {
		{ "tftp://10.0.0.1/a", "a", NULL, 69 },
		{ "tftp://10.0.0.1:69/a", "a", "tftp://10.0.0.1/a", 69 },
		{ "tftp://10.0.0.1:6969/dir/x.index", "dir/x.index", NULL, 6969 },
		{ "tftp://10.0.0.1//abs/x", "/abs/x", NULL, 69 },
		{ "tftp://10.0.0.1/a%20b%25", "a b%", NULL, 69 },
		{ "http://10.0.0.1/a/x.index", "a/x.index", NULL, 80 },
		{ "http://10.0.0.1:8080/a", "a", NULL, 8080 },
		{ "http://[fd00::1]/a", "a", NULL, 80 },
		{ "tftp://[fd00::1]:6969/a", "a", NULL, 6969 },
		{ "tftp://[::ffff:10.0.0.1]/a", "a", NULL, 69 },
		{ "http://boot.example.org:81/a", "a", NULL, 81 },
		{ "tftp://boot1/a", "a", NULL, 69 },
	};
	char buf[FETCH_URL_MAX];
	struct fetch_url u;
	const char *why;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(fetch_url_parse(good[i].url, &u, &why), 0);
		assert_string_equal(u.path, good[i].path);
		assert_int_equal(u.port, good[i].port);
		assert_string_equal(fetch_url_format(&u, buf),
				    good[i].back ? good[i].back : good[i].url);
	}
}

static void refuses_others_and_says_why(void **state)
{
	static const struct {
		const char *url;
		int err;
	} bad[] = {
		{ "", -EPROTONOSUPPORT },
		{ "10.0.0.1/a", -EPROTONOSUPPORT },
		{ "ftp://10.0.0.1/a", -EPROTONOSUPPORT },
		{ "tftp://10.0.0.1", -EINVAL },
		{ "tftp://10.0.0.1/", -EINVAL },
		{ "tftp:///a", -EINVAL },
		{ "tftp://ho st/a", -EINVAL },
		{ "tftp://a..b/a", -EINVAL },
		{ "tftp://a./a", -EINVAL },
		{ "tftp://fd00::1/a", -EINVAL },
		{ "tftp://[fd00::1/a", -EINVAL },
		{ "tftp://[fd00::1]69/a", -EINVAL },
		{ "tftp://[fd00::1]:/a", -EINVAL },
		{ "tftp://[10.0.0.1]/a", -EINVAL },
		{ "tftp://[host]/a", -EINVAL },
		{ "tftp://10.0.0.256/a", -EINVAL },
		{ "tftp://10.0.0.1:/a", -EINVAL },
		{ "tftp://10.0.0.1:0/a", -EINVAL },
		{ "tftp://10.0.0.1:65536/a", -EINVAL },
		{ "tftp://10.0.0.1:69:69/a", -EINVAL },
		{ "tftp://10.0.0.1/a%", -EINVAL },
		{ "tftp://10.0.0.1/a%2", -EINVAL },
		{ "tftp://10.0.0.1/a%zz", -EINVAL },
		{ "tftp://10.0.0.1/a%00b", -EINVAL },
		{ "tftp://10.0.0.1/a\nb", -EINVAL },
	};
	char longest[700] = "tftp://10.0.0.1/";
	struct fetch_url u = { .port = 7 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why = NULL;

		if (fetch_url_parse(bad[i].url, &u, &why) != bad[i].err || !why || u.port != 7)
			fail_msg("'%s'", bad[i].url);
	}
	memset(longest + 16, 'x', 600);
	assert_int_equal(fetch_url_parse(longest, &u, &(const char *){ NULL }), -EINVAL);
	longest[16 + FETCH_PATH_MAX - 1] = 0; /* the longest that fits */
	assert_int_equal(fetch_url_parse(longest, &u, &(const char *){ NULL }), 0);
	assert_int_equal(fetch_url_sibling(&u, "y", &u), 0);
	assert_string_equal(u.path, "y");
}

static void finds_what_lies_beside(void **state)
{
	struct fetch_url u = { .path = "a/b/x.index" }, s;

	assert_int_equal(fetch_url_sibling(&u, "parts/00", &s), 0);
	assert_string_equal(s.path, "a/b/parts/00");
	strncpy(u.path, "x.index", sizeof(u.path) - 1);
	assert_int_equal(fetch_url_sibling(&u, "parts/00", &s), 0);
	assert_string_equal(s.path, "parts/00");
	memset(u.path, '/', sizeof(u.path) - 1);
	assert_int_equal(fetch_url_sibling(&u, "x", &s), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_and_writes_urls),
		cmocka_unit_test(refuses_others_and_says_why),
		cmocka_unit_test(finds_what_lies_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

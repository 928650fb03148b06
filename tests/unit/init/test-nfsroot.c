/*
 * test-nfsroot.c - where an NFS root is, in the ways of the kernel, of dracut and of URLs
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "init/nfsroot.h"

static const struct {
	const char *text, *server, *path, *options; /* server NULL: refused */
	bool only4, version;
} rows[] = {
	{ "nfs:10.0.0.1:/srv/root", "10.0.0.1", "/srv/root", "", false, false },
	{ "nfs4:10.0.0.1:/srv/root", "10.0.0.1", "/srv/root", "", true, false },
	{ "10.0.0.1:/srv/root", "10.0.0.1", "/srv/root", "", false, false },
	{ "/srv/root", "", "/srv/root", "", false, false },
	{ "nfs:/srv/root,ro", "", "/srv/root", "ro", false, false },
	{ "nfs:boot.example:/srv/%s,vers=3,ro", "boot.example", "/srv/%s", "vers=3,ro", false,
	  true },
	{ "nfs:boot:/srv:nfsvers=4", "boot", "/srv", "nfsvers=4", false, true },
	{ "nfs:boot:/srv,noatime,v4.1", "boot", "/srv", "noatime,v4.1", false, true },
	{ "nfs:boot:/srv,noatime,xvers=4", "boot", "/srv", "noatime,xvers=4", false, false },
	{ "nfs:[fd00::1]:/srv", "fd00::1", "/srv", "", false, false },
	{ "nfs://boot/srv", "boot", "/srv", "", false, false },
	{ "nfs://[fd00::1]/srv,ro", "fd00::1", "/srv", "ro", false, false },
	{ "nfs:boot:/", "boot", "/", "", false, false },
	{ "nfs:", NULL, "", "", false, false },
	{ "nfs:boot", NULL, "", "", false, false },
	{ "nfs:boot:", NULL, "", "", false, false },
	{ "nfs:boot:srv", NULL, "", "", false, false },
	{ "nfs::/srv", NULL, "", "", false, false },
	{ "nfs:fd00::1:/srv", NULL, "", "", false, false },
	{ "nfs:[fd00::1:/srv", NULL, "", "", false, false },
	{ "nfs:[fd00::1]/srv", NULL, "", "", false, false },
	{ "nfs:[]:/srv", NULL, "", "", false, false },
	{ "nfs://boot", NULL, "", "", false, false },
	{ "nfs:bo,ot:/srv", NULL, "", "", false, false },
	{ "", NULL, "", "", false, false },
};

static void every_way_to_say_it(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = strdup(rows[i].text);
		const char *why = NULL;
		struct nfsroot n = { .server = "untouched" };
		int r = nfsroot_parse(text, &n, &why);

		free(text);
		assert_int_equal(r, rows[i].server ? 0 : -EINVAL);
		if (r < 0) {
			assert_string_equal(n.server, "untouched");
			assert_non_null(why);
			continue;
		}
		assert_string_equal(n.server, rows[i].server);
		assert_string_equal(n.path, rows[i].path);
		assert_string_equal(n.options, rows[i].options);
		assert_int_equal(n.only4, rows[i].only4);
		assert_int_equal(nfsroot_names_version(&n), rows[i].version);
	}
}

static void what_is_meant(void **state)
{
	assert_true(nfsroot_is_meant("nfs:x"));
	assert_true(nfsroot_is_meant("nfs4:x"));
	assert_false(nfsroot_is_meant("nfs"));
	assert_false(nfsroot_is_meant("10.0.0.1:/srv"));
	assert_false(nfsroot_is_meant(NULL));
}

/* One byte less than the limit fits, one more does not. */
static void too_long_is_refused(void **state)
{
	char text[4 * NFSROOT_PATH_MAX];

	for (size_t n = NFSROOT_PATH_MAX - 2; n <= NFSROOT_PATH_MAX + 1; n++) {
		struct nfsroot root;
		const char *why;

		memset(text, 'x', sizeof(text));
		text[0] = '/';
		text[n] = 0;
		assert_int_equal(nfsroot_parse(text, &root, &why),
				 n < NFSROOT_PATH_MAX ? 0 : -EINVAL);
		text[n] = text[n + 1] = 'x';
		memcpy(text, "/,", 2);
		text[n + 2] = 0;
		assert_int_equal(nfsroot_parse(text, &root, &why),
				 n < NFSROOT_OPTIONS_MAX ? 0 : -EINVAL);
	}
}

static void a_node_s_name_goes_into_the_path(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{ "/srv/%s", "/srv/n1" },
		{ "/srv/%s/%s", "/srv/n1/%s" },
		{ "/srv/%d%", "/srv/%d%" },
		{ "/srv", "/srv" },
	};
	struct nfsroot n = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(n.path, sizeof(n.path), "%s", cases[i].path);
		assert_int_equal(nfsroot_expand(&n, "n1"), 0);
		assert_string_equal(n.path, cases[i].want);
	}
	memset(n.path, 'x', sizeof(n.path) - 1);
	memcpy(n.path, "/%s", 3);
	assert_int_equal(nfsroot_expand(&n, "abc"), -ENAMETOOLONG);
	assert_int_equal(nfsroot_expand(&n, "ab"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_to_say_it),
		cmocka_unit_test(what_is_meant),
		cmocka_unit_test(too_long_is_refused),
		cmocka_unit_test(a_node_s_name_goes_into_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

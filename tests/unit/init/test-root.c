/*
 * test-root.c - where the index is: command line, root-path, boot file, and what is said when none
 * of them tells
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "init/root.h"

static const struct {
	const char *root, *root_path, *next_server, *boot_file;
	int r;
	const char *want; /* the URL, or a part of the words */
} rows[] = {
	{ "tftp://10.0.0.9/a.index", "", "10.0.0.1", "", 0, "tftp://10.0.0.9/a.index" },
	{ "tftp://10.0.0.9/a.index", "tftp://1.1.1.1/b", NULL, "c.index", 0,
	  "tftp://10.0.0.9/a.index" },
	{ "tftp:///d/a.index", "", "10.0.0.1", "", 0, "tftp://10.0.0.1/d/a.index" },
	{ "tftp:///d/a.index", "", NULL, "", -EDESTADDRREQ, "no boot server" },
	{ "/dev/sda1", "", "10.0.0.1", "x.index", -EINVAL, "neither a URL nor" },
	{ "nfs://10.0.0.1/x", "", "10.0.0.1", "", -EINVAL, "only tftp://" },
	{ "tftp://ho$t/x", "", "10.0.0.1", "", -EINVAL, "cannot be used" },
	{ "tftp://host/x", "", "10.0.0.1", "", 0, "tftp://host/x" },
	{ "http://[fd00::1]/x", "", "10.0.0.1", "", 0, "http://[fd00::1]/x" },
	{ "/dev/ram0", "", "10.0.0.1", "x.index", 0, "tftp://10.0.0.1/x.index" },
	{ NULL, "tftp://10.0.0.2:6969/p.index", NULL, "", 0, "tftp://10.0.0.2:6969/p.index" },
	{ NULL, "/p/q.index", "10.0.0.1", "x.index", 0, "tftp://10.0.0.1/p/q.index" },
	{ NULL, "q.index", NULL, "", -EDESTADDRREQ, "no boot server" },
	{ NULL, "", "10.0.0.1", "compute.index", 0, "tftp://10.0.0.1/compute.index" },
	{ NULL, "", "10.0.0.1", "pxelinux.0", -ENOENT, "pxelinux.0" },
	{ NULL, "", "10.0.0.1", "", -ENOENT, "names no image" },
	{ NULL, "", NULL, "compute.index", -EDESTADDRREQ, "names no boot server" },
};

static void decides(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char why[ROOT_WHY_MAX] = "", text[FETCH_URL_MAX];
		struct dhcp_lease l = { 0 };
		struct fetch_url u;

		strncpy(l.root_path, rows[i].root_path, sizeof(l.root_path) - 1);
		strncpy(l.boot_file, rows[i].boot_file, sizeof(l.boot_file) - 1);
		if (rows[i].next_server)
			assert_int_equal(ipv4_parse(rows[i].next_server, &l.next_server), 0);
		assert_int_equal(root_decide(rows[i].root, &l, &u, why), rows[i].r);
		if (rows[i].r == 0)
			assert_string_equal(fetch_url_format(&u, text), rows[i].want);
		else
			assert_non_null(strstr(why, rows[i].want));
	}
}

static const struct {
	const char *root, *root_path;
	int r;
	const char *want; /* URLs with blanks between, or a part of the words */
} lists[] = {
	{ "tftp://10.0.0.9/a.index", "", 0, "tftp://10.0.0.9/a.index" },
	{ "tftp://10.0.0.9/a.index,http://10.0.0.8/b,c.index", "", 0,
	  "tftp://10.0.0.9/a.index http://10.0.0.8/b,c.index" },
	{ "tftp:///a,tftp://10.0.0.8/a,tftp:///b", "", 0,
	  "tftp://10.0.0.1/a tftp://10.0.0.8/a tftp://10.0.0.1/b" },
	{ NULL, "http://10.0.0.2/a,http://10.0.0.3/a", 0, "http://10.0.0.2/a http://10.0.0.3/a" },
	{ NULL, "p.index,tftp://10.0.0.3/a", 0, "tftp://10.0.0.1/p.index tftp://10.0.0.3/a" },
	{ NULL, "", 0, "tftp://10.0.0.1/x.index" },
	{ "tftp://10.0.0.9/a,tftp://ho$t/a", "", -EINVAL, "cannot be used" },
	{ "tftp:///1,tftp:///2,tftp:///3,tftp:///4,tftp:///5,tftp:///6,tftp:///7,tftp:///8,"
	  "tftp:///9",
	  "", -E2BIG, "more than 8 servers" },
};

static void several_servers_in_order(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		char why[ROOT_WHY_MAX] = "", text[FETCH_URL_MAX], all[2048] = "";
		struct fetch_url u[FETCH_SERVERS_MAX];
		struct dhcp_lease l = { .boot_file = "x.index" };
		size_t n = 0;

		strncpy(l.root_path, lists[i].root_path, sizeof(l.root_path) - 1);
		l.next_server.s_addr = htonl(0x0a000001);
		assert_int_equal(root_decide_all(lists[i].root, &l, u, &n, why), lists[i].r);
		for (size_t k = 0; k < n; k++) {
			size_t used = strlen(all);

			snprintf(all + used, sizeof(all) - used, "%s%s", k ? " " : "",
				 fetch_url_format(&u[k], text));
		}
		if (lists[i].r == 0)
			assert_string_equal(all, lists[i].want);
		else
			assert_non_null(strstr(why, lists[i].want));
	}
}

static void longest_texts_fit(void **state)
{
	char why[ROOT_WHY_MAX];
	struct dhcp_lease l = { 0 };
	struct fetch_url u;

	memset(l.root_path, 'x', sizeof(l.root_path) - 1);
	assert_int_equal(root_decide(NULL, &l, &u, why), -EDESTADDRREQ);
	l.next_server.s_addr = htonl(0x0a000001);
	assert_int_equal(root_decide(NULL, &l, &u, why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides),
		cmocka_unit_test(several_servers_in_order),
		cmocka_unit_test(longest_texts_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

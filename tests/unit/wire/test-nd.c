/*
 * test-nd.c - what routers say of name servers: what counts, what is passed over, what is refused
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/lang.h"
#include "wire/nd.h"

#define RDNSS(units)	  "\x19" units "\0\0\0\0\2\x58"
#define DNSSL(units)	  "\x1f" units "\0\0\0\0\2\x58"
#define OVER(kind, units) kind units "\0\0\0\0\0\0"
#define SERVER_1	  "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
#define SERVER_2	  "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
#define ORG		  "\3lab\3org\0\0\0\0\0\0\0\0"
#define S(s)		  s, sizeof(s) - 1

static int take(const char *bytes, size_t n, struct nd_names *names)
{
	char *copy = malloc(n ? n : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	r = nd_options_take(copy, n, names);
	free(copy);
	return r;
}

static void options(void **state)
{
	static const struct {
		const char *what, *bytes;
		size_t n;
		int want;
		const char *servers, *search;
	} rows[] = {
		{ "nothing", S(""), 0, "", "" },
		{ "two servers", S(RDNSS("\5") SERVER_1 SERVER_2), 0, "fd77::1 fd77::2 ", "" },
		{ "one server in each of two options", S(RDNSS("\3") SERVER_1 RDNSS("\3") SERVER_2),
		  0, "fd77::1 fd77::2 ", "" },
		{ "the same server twice", S(RDNSS("\3") SERVER_1 RDNSS("\3") SERVER_1), 0,
		  "fd77::1 ", "" },
		{ "a search list", S(DNSSL("\3") ORG), 0, "", "lab.org" },
		{ "a name of one letter", S(DNSSL("\2") "\1a\0\0\0\0\0\0"), 0, "", "a" },
		{ "names of two options",
		  S(DNSSL("\2") "\1a\0\1b\0\0\0" DNSSL("\2") "\1b\0\1c\0\0\0"), 0, "", "a b c" },
		{ "a server that is no more",
		  S(RDNSS("\5") SERVER_1 SERVER_2 OVER("\x19", "\3") SERVER_1), 0, "fd77::2 ", "" },
		{ "a name that is no more",
		  S(DNSSL("\2") "\1a\0\1b\0\0\0" OVER("\x1f", "\2") "\1a\0\0\0\0\0\0"), 0, "",
		  "b" },
		{ "an option that we do not know", S("\3\1\1\2\3\4\5\6" RDNSS("\3") SERVER_1), 0,
		  "fd77::1 ", "" },
		{ "half an address", S(RDNSS("\2") "\xfd\x77\0\0\0\0\0\0"), 0, "", "" },
		{ "no address", S(RDNSS("\1")), 0, "", "" },
		{ "a group as server", S(RDNSS("\3") "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"), 0, "",
		  "" },
		{ "a label past the option", S(DNSSL("\2") "\7a\0\0\0\0\0\0"), 0, "", "" },
		{ "a name that points to itself", S(DNSSL("\2") "\xc0\0\0\0\0\0\0\0"), 0, "", "" },
		{ "an option of length 0", S(RDNSS("\3") SERVER_1 "\3\0\0\0\0\0\0\0"), -EBADMSG, "",
		  "" },
		{ "an option past the end", S(RDNSS("\5") SERVER_1), -EBADMSG, "", "" },
		{ "half an option's head", S(RDNSS("\3") SERVER_1 "\3"), -EBADMSG, "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct nd_names names = { 0 };
		char servers[200] = "";

		if (take(rows[i].bytes, rows[i].n, &names) != rows[i].want)
			fail_msg("%s: not %d", rows[i].what, rows[i].want);
		for (size_t k = 0; k < names.n_dns; k++) {
			char one[INET6_ADDRSTRLEN];

			assert_non_null(inet_ntop(AF_INET6, &names.dns[k], one, sizeof(one)));
			strncat(servers, one, sizeof(servers) - strlen(servers) - 2);
			servers[strlen(servers)] = ' ';
		}
		if (strcmp(servers, rows[i].servers) != 0 ||
		    strcmp(names.search, rows[i].search) != 0)
			fail_msg("%s: '%s', '%s'", rows[i].what, servers, names.search);
	}
}

static void only_as_many_as_there_is_place_for(void **state)
{
	struct nd_names names = { 0 }, again = { 0 };
	uint8_t option[8 + 16] = { 25, 3, 0, 0, 0, 0, 2, 88, 0xfd };
	uint8_t list[8 + 64] = { 31, 9, 0, 0, 0, 0, 2, 88, 58 };
	uint8_t all[1024];
	size_t n;

	memset(list + 9, 'x', 58);
	for (uint8_t i = 1; i < 9; i++) {
		option[23] = i;
		list[9] = 'a' + i;
		assert_int_equal(take((char *)option, sizeof(option), &names), 0);
		assert_int_equal(take((char *)list, sizeof(list), &names), 0);
	}
	assert_int_equal(names.n_dns, ND_DNS_MAX);
	assert_int_equal(names.dns[0].s6_addr[15], 1);
	assert_int_equal(strlen(names.search), 4 * 58 + 3);
	assert_int_equal(nd_options_format(&names, all, sizeof(all), &n), 0);
	assert_int_equal(take((char *)all, n, &again), 0);
	assert_memory_equal(&names, &again, sizeof(names));
	assert_int_equal(nd_options_format(&names, all, n - 1, &n), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options),
		cmocka_unit_test(only_as_many_as_there_is_place_for),
	};

	return cmocka_run_group_tests_name("nd", tests, NULL, NULL);
}

/*
 * test-drivers.c - the index of modules: patterns, order of loading, blacklist, parameters,
 * malformed indices
 */
#include <errno.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "init/cmdline.h"
#include "init/drivers.h"

#define HEAD "bpboot-modules 1\nkernel 6.1.0\n"
#define TEXT                                                                              \
	HEAD "module virtio_net failover net_failover virtio_net\n"                       \
	     "module e1000 e1000\nmodule brd brd\nmodule ext4 crc16 mbcache jbd2 ext4\n"  \
	     "alias virtio:d00000001v* virtio_net\nalias pci:v00008086d0000100E* e1000\n" \
	     "alias pci:v00008086d* e1000\nalways ext4 a=1 b=2\nalways brd\n"

static struct cmdline *cmdline(const char *text)
{
	struct cmdline *c = malloc(sizeof(*c));

	cmdline_parse(text, c);
	return c;
}

static int parse(const char *text, const struct cmdline *c, struct drivers **ret, unsigned *line,
		 const char **why)
{
	size_t n = strlen(text);
	char *copy = memcpy(malloc(n ? n : 1), text, n);
	int r = drivers_parse(copy, n, c, ret, line, why);

	free(copy);
	return r;
}

/* Parameters of the last module taken are left in @params. */
static void assert_next(struct drivers *d, const char *names,
			char params[static DRIVERS_PARAMS_MAX])
{
	char got[256] = "";
	const char *name;

	while ((name = drivers_next(d, params)) != NULL) {
		strncat(got, name, sizeof(got) - strlen(got) - 1);
		strncat(got, " ", sizeof(got) - strlen(got) - 1);
	}
	assert_string_equal(got, names);
}

static void patterns_match_as_fnmatch_does(void **state)
{
	static const char *const patterns[] = { "",	  "*",	     "a*",
						"*a",	  "a*b*c",   "?",
						"a?c",	  "[ab]c",   "[!a]c",
						"[a-c]*", "x[0-9]y", "**a",
						"a**",	  "[]]",     "pci:v*d*sv*sd*bc02sc*i*" };
	static const char *const texts[] = {
		"",    "a",   "b",     "abc", "ac", "bc",  "zc",
		"x5y", "xay", "aXbYc", "]",   "ba", "aaa", "pci:v1d2sv3sd4bc02sc00i00"
	};

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
			assert_true(drivers_glob(patterns[i], texts[k]) ==
				    (fnmatch(patterns[i], texts[k], 0) == 0));
	}
}

static void loads_what_a_device_needs_in_order_once(void **state)
{
	struct cmdline *c = cmdline("");
	char params[DRIVERS_PARAMS_MAX];
	struct drivers *d;
	const char *why;
	unsigned line;

	assert_int_equal(parse(TEXT, c, &d, &line, &why), 0);
	assert_string_equal(drivers_kernel(d), "6.1.0");
	assert_null(drivers_next(d, params));
	assert_int_equal(drivers_match(d, "usb:v1234"), 0);
	assert_int_equal(drivers_match(d, "virtio:d00000001v00001AF4"), 1);
	assert_next(d, "failover net_failover virtio_net ", params);
	assert_int_equal(drivers_match(d, "virtio:d00000001v00001AF4"), 1);
	assert_next(d, "", params);
	assert_int_equal(drivers_match(d, "pci:v00008086d0000100Esv0"), 2);
	assert_next(d, "e1000 ", params);
	drivers_want_always(d); /* not brd, whose size is not known yet */
	assert_next(d, "crc16 mbcache jbd2 ext4 ", params);
	drivers_free(d);
	free(c);
}

/* Loaded is what drivers_next() has given out; nothing is loaded here. */
static void each_module_is_told_once(void **state)
{
	struct cmdline *c = cmdline("");
	char params[DRIVERS_PARAMS_MAX], names[32];
	struct drivers *d;
	const char *why;
	unsigned line;

	assert_int_equal(parse(TEXT, c, &d, &line, &why), 0);
	assert_int_equal(drivers_tell(d, names, sizeof(names)), 0);
	drivers_match(d, "virtio:d00000001v00001AF4");
	assert_next(d, "failover net_failover virtio_net ", params);
	assert_int_equal(drivers_tell(d, names, sizeof(names)), 2); /* as many as fit */
	assert_string_equal(names, "failover, net_failover");
	assert_int_equal(drivers_tell(d, names, sizeof(names)), 1);
	assert_string_equal(names, "virtio_net");
	assert_int_equal(drivers_tell(d, names, sizeof(names)), 0);
	drivers_match(d, "pci:v00008086d0000100E");
	assert_next(d, "e1000 ", params);
	assert_int_equal(drivers_tell(d, names, sizeof(names)), 1);
	assert_string_equal(names, "e1000");
	drivers_free(d);
	free(c);
}

static void blacklisted_modules_are_wanted_but_not_loaded(void **state)
{
	struct cmdline *c = cmdline("rd.driver.blacklist=virtio-net");
	char params[DRIVERS_PARAMS_MAX];
	struct drivers *d;
	const char *why;
	unsigned line;

	assert_int_equal(parse(TEXT, c, &d, &line, &why), 0);
	assert_int_equal(drivers_match(d, "virtio:d00000001v00001AF4"), 1);
	assert_next(d, "", params);
	drivers_free(d);
	free(c);
}

static void parameters_come_from_index_and_command_line(void **state)
{
	struct cmdline *c = cmdline("ext4.c=3 ext4x.d=4 other.e=5");
	char params[DRIVERS_PARAMS_MAX];
	struct drivers *d;
	const char *why, *name;
	unsigned line;

	assert_int_equal(parse(TEXT, c, &d, &line, &why), 0);
	drivers_want_always(d);
	while ((name = drivers_next(d, params)) && strcmp(name, "ext4"))
		assert_string_equal(params, "");
	assert_string_equal(params, "a=1 b=2 c=3");
	drivers_free(d);
	free(c);
}

static void malformed_indices_are_told_by_line(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} rows[] = {
		{ "", 1 },
		{ "bpboot-modules 2\n", 1 },
		{ HEAD "module a\n", 3 },
		{ HEAD "module a a\nmodule a a\n", 4 },
		{ HEAD "alias x a\n", 3 },
		{ HEAD "module a a\nalias x\n", 4 },
		{ HEAD "always a\n", 3 },
		{ HEAD "nonsense\n", 3 },
		{ HEAD "module \"a\n", 3 },
	};
	struct cmdline *c = cmdline("");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct drivers *d = NULL;
		const char *why = NULL;
		unsigned line = 0;

		assert_int_equal(parse(rows[i].text, c, &d, &line, &why), -EBADMSG);
		assert_int_equal(line, rows[i].line);
		assert_non_null(why);
		assert_null(d);
	}
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_fnmatch_does),
		cmocka_unit_test(loads_what_a_device_needs_in_order_once),
		cmocka_unit_test(each_module_is_told_once),
		cmocka_unit_test(blacklisted_modules_are_wanted_but_not_loaded),
		cmocka_unit_test(parameters_come_from_index_and_command_line),
		cmocka_unit_test(malformed_indices_are_told_by_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

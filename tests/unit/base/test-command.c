/*
 * test-command.c - options as users type them
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/command.h"
#include "base/log.h"

struct options {
	bool all, print;
	const char *output;
	uint64_t size, level;
};

static struct options seen;
static int seen_argc;
static char seen_args[256];

static void drop_line(enum log_level level, const char *line)
{
}

static int run(void *options, int argc, char **argv)
{
	seen = *(struct options *)options;
	seen_argc = argc;
	seen_args[0] = 0;
	for (int i = 0; i < argc; i++) {
		size_t n = strlen(seen_args);

		snprintf(seen_args + n, sizeof(seen_args) - n, "%s|", argv[i]);
	}
	return seen.level == 9 ? -EIO : (int)seen.level;
}

static const struct option_row rows[] = {
	{ "all", 'a', OPTION_FLAG, NULL, "all", offsetof(struct options, all) },
	{ "print", 'p', OPTION_FLAG, NULL, "print", offsetof(struct options, print) },
	{ "output", 'o', OPTION_STRING, "DIR", "where", offsetof(struct options, output) },
	{ "size", 0, OPTION_SIZE, "SIZE", "size", offsetof(struct options, size), 1, 1 << 20 },
	{ "level", 'l', OPTION_U64, "N", "level", offsetof(struct options, level), 0, 9 },
	{ 0 },
};

static void options_are_taken_as_typed(void **state)
{
	static const struct {
		const char *line; /* words between blanks */
		bool ends;
		int status;
		const char *args;
	} table[] = {
		{ "-a x y", false, 0, "x|y|" },
		{ "x -a y", false, 0, "x|y|" },
		{ "-pa -ofile x", false, 0, "x|" },
		{ "--output=file -- -a", false, 0, "-a|" },
		{ "--output file --size 4K x", false, 0, "x|" },
		{ "3 ls -l --all", true, 0, "3|ls|-l|--all|" },
		{ "--level 3 x", false, 3, "x|" },
		{ "--level=9 x", false, 1, "x|" },
		{ "--level 10 x", false, 2, NULL },
		{ "--size 0 x", false, 2, NULL },
		{ "--size 2M x", false, 2, NULL },
		{ "--all=1 x", false, 2, NULL },
		{ "--none x", false, 2, NULL },
		{ "-z x", false, 2, NULL },
		{ "x -o", false, 2, NULL },
		{ "-a", false, 2, NULL },
	};

	log_set_sink(drop_line);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct command c = { .name = "t",
				     .args = "X",
				     .summary = "s",
				     .options = rows,
				     .options_size = sizeof(struct options),
				     .args_min = 1,
				     .args_max = -1,
				     .first_arg_ends = table[i].ends,
				     .run = run };
		_cleanup_free_ char *copy = strdup(table[i].line);
		char *argv[16] = { 0 }, *save = NULL;
		int argc = 0;

		for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
			argv[argc++] = w;
		seen_argc = -1;
		assert_int_equal(command_run(&c, "", argc, argv), table[i].status);
		if (table[i].args)
			assert_string_equal(seen_args, table[i].args);
		else
			assert_int_equal(seen_argc, -1);
	}
	log_set_sink(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_taken_as_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

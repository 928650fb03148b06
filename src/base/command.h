/*
 * command.h - commands and their options as tables
 *
 * A row of a table is the option, its help and its place in the manual (a test holds `--help`
 * against the man page). Options are --name VALUE, --name=VALUE, -n VALUE, -nVALUE; flags may be
 * put together (-pn); "--" ends them. --help and --version need no row.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

enum option_type {
	OPTION_FLAG,   /* bool, set to true */
	OPTION_STRING, /* const char *, borrowed from argv */
	OPTION_U64,    /* uint64_t within min..max */
	OPTION_SIZE,   /* uint64_t bytes, parse_size(), within min..max */
	OPTION_CALL,   /* call(options, value) for anything else */
	OPTION_MAX_,
};

struct option_row {
	const char *name; /* long name without dashes */
	char letter;	  /* short name, or 0 */
	enum option_type type;
	const char *arg;  /* what --help calls the value; NULL for a flag */
	const char *help; /* one line, lower case, no full stop */
	size_t offset;	  /* of the value in the command's options struct */
	uint64_t min, max;
	int (*call)(void *options, const char *value); /* 0 or negative errno, already logged */
};

enum {
	COMMAND_OK = 0,
	COMMAND_FAILED = 1,
	COMMAND_USAGE = 2,
};

struct command {
	const char *name;    /* as typed: "image"; for a program of its own its name, "bpsh" */
	const char *args;    /* behind the options in the usage line: "MANIFEST", or "" */
	const char *summary; /* one line, lower case, no full stop */
	const char *details; /* further lines of --help, each ending in \n; or NULL */
	const struct option_row *options; /* ends with a row without a name */
	size_t options_size;		  /* bytes of the options struct, which starts zeroed */
	void (*defaults)(void *options);  /* or NULL */
	int args_min, args_max;		  /* number of other arguments; args_max -1: any */
	bool first_arg_ends; /* options end at the first other argument (bpsh NODES COMMAND ...) */
	/*
	 * Return: an exit status of 0 to 255, or a negative errno that was logged already (status
	 * 1).
	 */
	int (*run)(void *options, int argc, char **argv);
};

/* Print --help of @c to standard output; @prefix is "bpboot " for a subcommand, else "". */
void command_help(const struct command *c, const char *prefix);

/*
 * Parse argv (without the command's own name), run it, and say when standard output did not take
 * all. Return: exit status.
 */
int command_run(const struct command *c, const char *prefix, int argc, char **argv);
/* The end of a command with exit status @r. Return: that, or another one when standard output did
 * not take all. */
int command_end(int r);

/* Say how the command is called, as one line on standard error. Return: COMMAND_USAGE. */
int command_usage(const struct command *c, const char *prefix);

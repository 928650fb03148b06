/*
 * program.c - the frame of a program of its own
 */
#include <string.h>

#include "base/log.h"
#include "cli/program.h"

int program_main(const struct command *c, char version_letter, int argc, char **argv)
{
	static char help[] = "--help", version[] = "--version";

	log_setup(c->name, getenv("BPBOOT_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (argc > 1 && !strcmp(argv[1], "-h"))
		argv[1] = help;
	if (argc > 1 && argv[1][0] == '-' && (argv[1][1] == version_letter || argv[1][1] == 'V') &&
	    !argv[1][2])
		argv[1] = version;
	return command_run(c, "", argc - 1, argv + 1);
}

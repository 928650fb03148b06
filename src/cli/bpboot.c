/*
 * bpboot.c - the program `bpboot`: finds the subcommand in one table and runs it
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"

static const struct command *const commands[] = {
	&cmd_check, &cmd_config, &cmd_lab,     &cmd_log,       &cmd_diff,   &cmd_fetch,
	&cmd_image, &cmd_initrd, &cmd_inspect, &cmd_install,   &cmd_keygen, &cmd_needs,
	&cmd_node,  &cmd_serve,	 &cmd_size,    &cmd_uki,       &cmd_uninstall, &cmd_verify, NULL,
};

static int help(FILE *to)
{
	fprintf(to,
		"usage: bpboot COMMAND [OPTIONS] ...\n\n"
		"boot diskless Linux nodes into RAM, and run them as one machine\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands) && commands[i]; i++)
		fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(to, "\n'bpboot COMMAND --help' explains one of them.\n");
	return to == stdout ? COMMAND_OK : COMMAND_USAGE;
}

/* An interrupted command leaves no half-written file. */
static void on_interrupt(int sig)
{
	newfile_drop_all();
	signal(sig, SIG_DFL);
	raise(sig);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	log_setup("bpboot", getenv("BPBOOT_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	signal(SIGHUP, on_interrupt);
	if (!strcmp(name, "--help") || !strcmp(name, "help") || !strcmp(name, "-h"))
		return command_end(help(stdout));
	if (!strcmp(name, "--version")) {
		printf("bpboot %s\n", BPBOOT_VERSION);
		return command_end(COMMAND_OK);
	}
	if (argc < 2)
		return help(stderr);
	for (size_t i = 0; i < ARRAY_SIZE(commands) && commands[i]; i++) {
		if (!strcmp(name, commands[i]->name))
			return command_run(commands[i], "bpboot ", argc - 2, argv + 2);
	}
	log_err(0, "unknown command '%s'; 'bpboot --help' lists them", name);
	return COMMAND_USAGE;
}

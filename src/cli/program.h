/*
 * program.h - the frame of a program of its own: bpsh, bpstat, bpctl, bpmaster, bpslave
 */
#pragma once

#include "base/command.h"

/*
 * Set up logging under the command's name, take -h for --help, and -V and @version_letter for
 * --version, where they stand before other arguments, and run it. Return: exit status.
 */
int program_main(const struct command *c, char version_letter, int argc, char **argv);

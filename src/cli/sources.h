/*
 * sources.h - the rows of options that every command on a manifest's sources has
 *
 * Macros, since a row holds the place of its value in the command's own struct options.
 */
#pragma once

#include "base/command.h"

#define SOURCES_ROW_KERNEL(options_type)                                                  \
	{                                                                                 \
		.name = "kernel", .letter = 'k', .type = OPTION_STRING, .arg = "KERNEL",  \
		.help = "version below /lib/modules, or an unpacked kernel package, for " \
			"'module' lines",                                                 \
		.offset = offsetof(options_type, kernel)                                  \
	}

#define SOURCES_ROW_ROOT(options_type)                                                           \
	{                                                                                        \
		.name = "root", .letter = 'R', .type = OPTION_STRING, .arg = "DIR",              \
		.help = "tree of another system that programs and libraries are taken from (/)", \
		.offset = offsetof(options_type, root)                                           \
	}

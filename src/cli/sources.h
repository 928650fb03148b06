/*
 * sources.h - the rows of options that every command on a manifest's sources has
 *
 * Macros, since a row holds the place of its value in the command's own struct options.
 */
#pragma once

#include "base/command.h"
#include "base/lang.h"
#include "wire/index.h"

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

#define SOURCES_ROW_FORMAT(options_type)                                                 \
	{                                                                                \
		.name = "format", .letter = 'f', .type = OPTION_STRING, .arg = "FORMAT", \
		.help = "ext2, squashfs, erofs or cpio (as the manifest says, or ext2)", \
		.offset = offsetof(options_type, format)                                 \
	}

/*
 * The value of --format: *ret_format points to *ret, or is NULL without the option. Logs. Return:
 * 0 or -EINVAL.
 */
_must_check_ int sources_format(const char *option, enum index_format *ret,
				const enum index_format **ret_format);

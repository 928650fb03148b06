/*
 * sources.c - what the options that every command on a manifest's sources has mean
 */
#include <errno.h>
#include <stddef.h>

#include "base/log.h"
#include "cli/sources.h"
#include "image/format.h"

int sources_format(const char *option, enum index_format *ret, const enum index_format **ret_format)
{
	*ret_format = NULL;
	if (!option)
		return 0;
	if (format_parse(option, ret) < 0)
		return log_err(-EINVAL, "--format '%s': expected ext2, squashfs, erofs or cpio",
			       option);
	*ret_format = ret;
	return 0;
}

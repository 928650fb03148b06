/*
 * debian.h - a tree of Debian packages, made by mmdebstrap
 */
#pragma once

#include "base/lang.h"
#include "image/manifest.h"

#define DEBIAN_VARIANT "minbase" /* what is essential, and apt */

/*
 * Let mmdebstrap write a tar archive of what the line @e names to @fd. All its times are at most
 * @time_s, so that it may be the same another day. Logs, as @file. Return: 0; -ENOENT: it is not
 * installed; -EIO: it failed, and has said why; another errno.
 */
_must_check_ int debian_packages(const struct manifest_entry *e, int64_t time_s, int fd,
				 const char *file);

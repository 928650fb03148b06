/*
 * path.h - file names as text
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/lang.h"

/*
 * Make @s absolute and plain: one slash between names, no ".", no trailing slash; ".." takes the
 * name before it and stops at the root. Text only, no symlink is followed. Return: 0, or
 * -ENAMETOOLONG when the result needs more than PATH_MAX bytes. Caller frees *ret.
 */
_must_check_ int path_normalize(const char *s, char **ret);

/* "@a/@b" with one slash between. Return: 0, -ENAMETOOLONG, -ENOMEM. Caller frees *ret. */
_must_check_ int path_join(const char *a, const char *b, char **ret);

/* What follows the last slash. Borrowed. */
const char *path_base(const char *s);

/* Make directory @path and those above it below @dirfd; ones that exist are left as they are. */
_must_check_ int path_mkdirs(int dirfd, const char *path, mode_t mode);

/* Whether a file system is mounted at the folder @path. What cannot be looked at is none. */
bool path_is_mount(const char *path);

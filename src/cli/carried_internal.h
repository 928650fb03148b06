/*
 * carried_internal.h - shared by carried.c and carried_memory.c alone
 */
#pragma once

#include "cli/carried.h"

/* Add a file; the path is copied. */
_must_check_ int carried_add(struct carried *c, const char *path, const struct message_file *file);

/* What is remembered of @program, if nothing has changed since. Return: 0 or negative errno. */
_must_check_ int carried_recall(const char *program, struct carried *c);

/* Remember it; when that cannot be, it is found anew the next time. */
void carried_remember(const char *program, const struct carried *c);

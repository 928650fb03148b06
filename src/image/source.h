/*
 * source.h - the data of a file of the tree, and whether it is still what was looked at
 */
#pragma once

#include "base/lang.h"
#include "image/tree.h"

/*
 * Open the source of a file; source_check() after reading says whether that was it. The descriptor
 * is at the data's begin, which is i->source_offset: what lies before it and behind i->size bytes
 * of it may be others' data. Logs. Return: 0 or negative errno.
 */
_must_check_ int source_open(const struct inode *i, int *ret);

/* After reading: is it still the same? Logs. Return: 0 or -ESTALE. */
_must_check_ int source_check(const struct inode *i, int fd);

/* Log that the source is not what it was. Return: -ESTALE. */
int source_changed(const struct inode *i);

/*
 * Read @n bytes at @at of the data of @i, whose open file is @fd (-EBADF when the data is in
 * memory). Logs. Return: 0; -ESTALE when it is shorter than it was; another errno.
 */
_must_check_ int source_read(const struct inode *i, int fd, uint64_t at, void *buf, size_t n);

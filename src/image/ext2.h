/*
 * ext2.h - an ext2 image from a plan, in one pass from front to back (docs/ext2.md)
 */
#pragma once

#include <stdint.h>

#include "base/lang.h"
#include "image/plan.h"

/* Bytes that the entries of folder @n take: whole blocks. */
uint64_t ext2_folder_bytes(const struct node *n);

/*
 * Write the image of @p to @fd, a new regular file that is opened for reading and writing; zeros
 * stay holes. @progress, which may be NULL, is called with the bytes that are done. Logs. Return:
 * 0; -ESTALE when a source changed; another errno. On an error @fd holds rubbish.
 */
_must_check_ int ext2_write(const struct plan *p, int fd,
			    void (*progress)(void *user, uint64_t done), void *user);

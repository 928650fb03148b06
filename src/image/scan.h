/*
 * scan.h - the blocks of zeros in the files of a tree
 */
#pragma once

#include <stdint.h>

#include "base/lang.h"
#include "image/tree.h"

#define SCAN_FILE_MIN 16384u /* bytes of a file from which zeros become holes */

/* Called from time to time, by one thread at a time, with the bytes that were looked through. */
typedef void (*scan_progress_fn)(void *user, uint64_t done_bytes, uint64_t total_bytes);

/*
 * Find the blocks that hold only zeros in all files of SCAN_FILE_MIN bytes and more, by content, so
 * that the same file gives the same image however it is stored: inode.runs is what lies between.
 * Processors share the files. @progress may be NULL. Logs. Return: 0; -ESTALE when a source
 * changed; another errno.
 */
_must_check_ int scan_tree(struct tree *t, scan_progress_fn progress, void *user);

/* The same for one file of any size. Logs. */
_must_check_ int scan_inode(struct inode *i);

/*
 * extract.h - files of an inspected image, written below a folder and nowhere else
 *
 * What the image says is hostile. Paths with ".." are refused; symlinks are made as they are said,
 * and the kernel is told to take the folder for the root when it follows one. Owners, set-id bits
 * and device nodes are left out: the files belong to who extracts them.
 */
#pragma once

#include "image/inspect.h"

struct extract;

/* Begin to write below @dirfd (borrowed). */
_must_check_ int extract_new(int dirfd, struct extract **ret);
void extract_free(struct extract *x);
void extract_freep(struct extract **x);
#define _cleanup_extract_ _cleanup_(extract_freep)

/* Write one file; a later one of the same name replaces it. Logs. */
_must_check_ int extract_entry(struct extract *x, const struct inspect_entry *e,
			       struct inspect_data *data);

/* Give folders their modes and times, which had to wait. Logs. */
_must_check_ int extract_finish(struct extract *x);

/* How many device nodes, fifos and sockets were left out. */
uint64_t extract_left_out(const struct extract *x);

/*
 * state_file.h - files of lines that bpmaster keeps in its state folder over a restart
 */
#pragma once

#include <stddef.h>

#include "base/buffer.h"
#include "base/lang.h"

/* What such a file is. */
struct state_file {
	const char *name;    /* in the state folder */
	size_t max;	     /* bytes */
	const char *what;    /* that it holds */
	const char *without; /* what it means to remove the file */
	/* Take a line's words. Return: 0, -EBADMSG, -ENOMEM. */
	int (*take)(void *ctx, char *const *words, size_t n);
};

/*
 * Take all lines of the file in folder @dir; a file that is missing has none. Nobody but who runs
 * bpmaster, or root, may be able to write to either. Return: 0 or negative errno (logged).
 */
_must_check_ int state_file_read(const char *dir, const struct state_file *f, void *ctx);

/* Replace the file by @text, unless @err, with which that was made, is not 0. Return: 0 or negative
 * errno (logged). */
_must_check_ int state_file_write(const char *dir, const struct state_file *f, int err,
				  const struct buffer *text);

/*
 * tail.h - the lines of a file that others append to, as they come
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/lang.h"

#define TAIL_LINE_MAX 4096 /* a longer one is handed out in pieces */
#define TAIL_PATH_MAX 64

struct tail {
	int dir;		  /* borrowed */
	char path[TAIL_PATH_MAX]; /* within it */
	int fd;
	ino_t ino;
	struct buffer held; /* read, not yet handed out */
	size_t given;	    /* bytes at its front that were handed out */
};

#define TAIL() ((struct tail){ .fd = FD_NONE })

void tail_init(struct tail *t, int dir, const char *path);
void tail_deinit(struct tail *t);

/*
 * The next whole line, without its newline; valid until the next call. *ret_new is set when it is
 * the first of a file that took the other's place. Return: NULL when there is none now. A file that
 * is not there has no lines.
 */
char *tail_next(struct tail *t, bool *ret_new);

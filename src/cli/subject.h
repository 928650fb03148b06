/*
 * subject.h - what a command is to look into: a file, or an image that is published
 */
#pragma once

#include <stdbool.h>

#include "base/fd.h"
#include "image/published.h"

struct subject {
	struct medium *medium; /* what to read; borrowed from what follows */
	struct medium file;
	struct published *published; /* NULL when it is no published image */
	int fd, boot_dirfd;
	bool text; /* neither image nor archive by its first bytes: a manifest, perhaps */
};

#define SUBJECT()	  ((struct subject){ .fd = FD_NONE, .boot_dirfd = FD_NONE })
#define _cleanup_subject_ _cleanup_(subject_close)
void subject_close(struct subject *s);

/*
 * Open @arg: a file; the index of an image, with its parts beside it; or, when there is no such
 * file, the name of an image of the boot directory. Logs.
 */
_must_check_ int subject_open(const char *arg, struct subject *s);

/*
 * "NAME", "NAME.index" or a path of such: its folder, NULL when it has none, and NAME. Caller frees
 * both.
 */
_must_check_ int subject_split(const char *arg, char **ret_dir, char **ret_name);

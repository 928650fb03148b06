/*
 * seen.h - what was looked at to make an image, to see later whether looking again would tell the
 * same
 *
 * Unpacking a large archive only to find that it is the one of last time would take as long as
 * building. So a build that has one notes every file and folder that it looked at, also those that
 * were not there; when all are as they were, so is what comes of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define SEEN_BYTES_MAX (4u << 20) /* of all names; an image that looks at more is not noted */

enum seen_where {
	SEEN_SOURCE = 'S', /* below the manifest's folder, symlinks followed */
	SEEN_ROOT = 'R',   /* in the root, at this very place */
};

struct seen;

_must_check_ int seen_new(struct seen **ret);
void seen_free(struct seen *s);

/* Note a name, once. @s may be NULL. */
void seen_add(struct seen *s, enum seen_where where, const char *path);

/* What was looked at cannot be looked at again: standard input. @s may be NULL. */
void seen_give_up(struct seen *s);

/* All names as one text. Return: false when they are not all. */
bool seen_list(const struct seen *s, const uint8_t **ret, size_t *ret_n);

/* Called with what a name leads to now. */
typedef void (*seen_fn)(void *arg, const void *p, size_t n);

/*
 * Look again at each name of a list. Return: 0 with the time at which the newest of it changed;
 * -EBADMSG when it is no list.
 */
_must_check_ int seen_again(const uint8_t *list, size_t n, int source_dirfd, int root_fd,
			    seen_fn fn, void *arg, uint64_t *ret_newest_ns);

/*
 * published.h - a published image, read as if its parts were one file
 *
 * Each part is checked against the index when it is first touched; parts that nobody reads are not
 * looked at. The signature is verify.h's.
 */
#pragma once

#include "base/buffer.h"
#include "image/medium.h"
#include "wire/index.h"

#define PUBLISHED_SUFFIX ".index"

/* Read "@name.index" of the boot directory. Logs. Return: 0, -ENOENT, another errno. */
_must_check_ int published_text(int boot_dirfd, const char *name, struct buffer *ret);

/* Parse it; it has to be @name's. Logs. Return: 0, -EBADMSG, -ENOMEM. */
_must_check_ int published_index(const char *name, const struct buffer *text, struct index *ret);

struct published;

/* Open @name. @boot_dirfd is borrowed until published_free(). Logs. */
_must_check_ int published_open(int boot_dirfd, const char *name, struct published **ret);
void published_free(struct published *p);
void published_freep(struct published **p);
#define _cleanup_published_ _cleanup_(published_freep)

const struct index *published_index_of(const struct published *p);
struct medium *published_medium(struct published *p);

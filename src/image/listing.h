/*
 * listing.h - what an image holds, to compare it with another
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "image/medium.h"
#include "image/plan.h"

#define LISTING_HASH_BYTES 16

struct listing_row {
	char *path; /* "/usr/bin/ls"; owned, like the target */
	char *target;
	uint32_t mode; /* with the kind, as stat(2) has it */
	uint32_t uid, gid, major, minor;
	uint64_t size;
	uint8_t hash[LISTING_HASH_BYTES]; /* of the data of a file */
	size_t n_xattrs;
	uint8_t xattrs_hash[LISTING_HASH_BYTES]; /* of its extended attributes */

	size_t order; /* in which it was met */
	/* Of an archive: names of one file, of which perhaps only one comes with the data. */
	struct listing_file {
		uint32_t archive, dev_major, dev_minor;
		uint64_t ino;
	} file;
};

struct listing {
	struct listing_row *rows; /* owned; by path */
	size_t n;
	uint64_t image_bytes;
};

#define _cleanup_listing_ _cleanup_(listing_clear)
void listing_clear(struct listing *l);

/*
 * What @m, an image or archive called @name, holds; of several files of a name the last, as the
 * kernel leaves it. Logs.
 */
_must_check_ int listing_of_medium(struct medium *m, const char *name, struct listing *ret);

/* What an image of @p would hold. Logs. */
_must_check_ int listing_of_plan(const struct plan *p, struct listing *ret);

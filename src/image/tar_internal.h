/*
 * tar_internal.h - shared by tar.c and tar_facts.c alone
 */
#pragma once

#include "base/buffer.h"
#include "image/tar.h"

/* What headers before an entry's own said of it. Texts point into the records. */
struct tar_facts {
	const char *path, *link;
	bool has_size, has_uid, has_gid, has_real_size;
	uint64_t size, real_size;
	uint32_t uid, gid;

	bool sparse;		  /* the pieces count, even when there are none */
	bool map_in_data;	  /* pax sparse format 1.0: the data begin with them */
	struct tar_piece *pieces; /* owned */
	size_t n_pieces;

	struct tar_xattr xattrs[TAR_XATTRS_MAX];
	size_t n_xattrs;
	char *texts[TAR_XATTRS_MAX + 4]; /* owned: names, as texts that end */
	size_t n_texts;
};

void tar_facts_clear(struct tar_facts *f);

/* Add pieces. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int tar_facts_pieces(struct tar_facts *f, const struct tar_piece *p, size_t n);

/* Take pax records, which have to live as long as @f. Logs. */
_must_check_ int tar_facts_take(struct tar_facts *f, const struct span *s, uint64_t at,
				struct buffer *records);

/* Take the map that stands at *at in front of the @bytes of data, and go behind it. Logs. */
_must_check_ int tar_facts_map(struct tar_facts *f, const struct span *s, uint64_t *at,
			       uint64_t bytes);

/* Log what is wrong at byte @at of the archive. Return: @err. */
int tar_fail(const struct span *s, uint64_t at, int err, const char *fmt, ...) _printf_(4, 5);

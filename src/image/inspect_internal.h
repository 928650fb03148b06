/*
 * inspect_internal.h - what inspect.c (which segments) and the readers of each format share
 */
#pragma once

#include "image/inspect.h"
#include "image/unpack.h"

struct inspect_pass {
	struct medium *medium;
	const char *name; /* of the file */
	const struct inspect_visitor *visitor;
	unsigned segments;
	uint32_t archives;
	uint64_t entries, bytes; /* so far */
};

/* Read @n bytes at @at, fewer only at the end. Logs. */
_must_check_ int inspect_read(const struct inspect_pass *p, uint64_t at, void *buf, size_t n,
			      size_t *ret);

/* Count an entry and @bytes of it, and tell the visitor. Logs when a limit is met. */
_must_check_ int inspect_tell(struct inspect_pass *p, const struct inspect_entry *e,
			      struct inspect_data *d);

/*
 * Read archives from @u, up to the end of the stream; in one that is not packed up to the first
 * thing that is neither archive nor zeros, which *ret_end is the offset of. Logs.
 */
_must_check_ int inspect_cpio(struct inspect_pass *p, struct unpack *u, bool plain, uint64_t start,
			      uint64_t *ret_end);

/* Is the file an ext2, ext3 or ext4 file system? Then tell of its files. Logs. */
bool inspect_is_ext2(const struct inspect_pass *p);
_must_check_ int inspect_ext2(struct inspect_pass *p);

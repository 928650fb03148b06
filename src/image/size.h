/*
 * size.h - what an image consists of, to the byte
 */
#pragma once

#include <stdint.h>

#include "base/lang.h"
#include "image/format.h"
#include "image/plan.h"

/* A file of the image; a hard link once. */
struct size_row {
	const struct node *node; /* borrowed */
	char *path;		 /* owned */
	uint64_t bytes;
};

struct size_table {
	struct size_row *rows; /* owned; largest first, then by path */
	size_t n;
	uint64_t asked_bytes, needed_bytes; /* of files, by why they are in */
	size_t asked, needed;
	uint64_t library_bytes, module_bytes; /* of these: NAME.so*, and NAME.ko* of a kernel */
	size_t libraries, modules;
	size_t folders, links, others;

	/* These add up to an image of ext2, and are 0 for the other formats. */
	uint64_t data_bytes;	 /* of files, without their holes */
	uint64_t rounding_bytes; /* to whole blocks */
	uint64_t folder_bytes;	 /* and symlinks with long targets */
	uint64_t pointer_bytes;	 /* pointer blocks of large files */
	uint64_t meta_bytes;	 /* superblocks, bitmaps, inode tables */
	uint64_t free_bytes;
	uint64_t image_bytes;

	/* Memory of a node: what the root takes, and what has to be free to boot it. */
	uint64_t memory_bytes, boot_bytes;

	uint64_t hole_bytes; /* zeros of files that take no room */
	uint64_t free_inodes;
};

#define _cleanup_size_table_ _cleanup_(size_table_clear)
void size_table_clear(struct size_table *t);

/* Of an ext2 image, from its plan. */
_must_check_ int size_table_make(const struct plan *p, struct size_table *ret);

/* The files of an image in any format; what it comes to is set by size_table_finish(). */
_must_check_ int size_table_of_tree(const struct tree *t, struct size_table *ret);
void size_table_finish(struct size_table *t, enum index_format format,
		       const struct format_result *made);

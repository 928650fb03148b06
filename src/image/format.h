/*
 * format.h - a tree becomes an image in any of the formats of docs/index.md
 *
 * Each writer goes through the tree once or twice and writes an image of exactly what is in it;
 * the same tree and time give the same bytes.
 */
#pragma once

#include <stdint.h>

#include "base/lang.h"
#include "image/plan.h"
#include "image/tree.h"
#include "wire/index.h"

struct format_job {
	struct tree *tree;				   /* gets sorted */
	const struct plan *plan;			   /* of ext2; NULL for the others */
	int64_t time_s;					   /* of all files and of the image */
	const char *label;				   /* volume name where there is one */
	void (*progress)(void *user, uint64_t done_bytes); /* of the files' data; or NULL */
	void *user;
};

struct format_result {
	uint64_t image_bytes;
	uint64_t memory_bytes; /* of cpio: what the files take once they are unpacked; else 0 */
};

/* Return: 0; -EINVAL for no format. */
_must_check_ int format_parse(const char *name, enum index_format *ret);

/* Bytes that the files of the tree hold, for progress. */
uint64_t format_source_bytes(const struct format_job *job, enum index_format format);

/*
 * Write the image to @fd, a new file. Logs. Return: 0; -EOPNOTSUPP (the format cannot hold
 * something of the tree); -ESTALE (a source changed); -EFBIG; another errno.
 */
_must_check_ int format_write(const struct format_job *job, enum index_format format, int fd,
			      struct format_result *ret);

/* Kind and permissions of an inode, as st_mode has them. */
uint16_t format_mode(const struct inode *i);

/* The number of a device as file systems keep it in 32 bits. */
uint32_t format_device(const struct inode *i);

/* The writers; format_write() calls them. */
_must_check_ int erofs_write(const struct format_job *job, int fd, struct format_result *ret);
_must_check_ int squashfs_write(const struct format_job *job, int fd, struct format_result *ret);
_must_check_ int cpio_write(const struct format_job *job, int fd, struct format_result *ret);

/*
 * inspect.h - what is in an image that anyone made: initrd, cpio archive, ext2 file system
 *
 * One pass from front to back; a visitor is told of each segment and each file. Memory does not
 * grow with what the file claims.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "image/medium.h"

#define INSPECT_PATH_MAX    4096 /* bytes of a path or a symlink's target, with NUL */
#define INSPECT_ENTRIES_MAX (16u << 20)
#define INSPECT_BYTES_MAX   (UINT64_C(1) << 40) /* of all unpacked bytes */
#define INSPECT_XATTRS_MAX  256			/* of one file */
#define INSPECT_XATTR_BYTES (1u << 20)		/* of all their names and values */

struct inspect_segment {
	unsigned number;     /* from 1 */
	uint64_t offset;     /* in the file */
	const char *format;  /* "cpio", "ext2" */
	const char *packing; /* "none", "gzip", ... */
};

/* An extended attribute, as getxattr(2) gives it. */
struct inspect_xattr {
	const char *name;
	const uint8_t *value;
	size_t bytes;
};

struct inspect_entry {
	const char *path;   /* below the root, without "/" or "./" in front; "" for the root itself;
			       hostile */
	const char *target; /* of a symlink, else NULL; hostile */
	uint32_t mode, uid, gid, nlink;
	int64_t mtime;
	uint64_t size;
	uint32_t rdev_major, rdev_minor;
	/* Files with the same four numbers and more than one link are one file. */
	uint32_t archive, dev_major, dev_minor;
	uint64_t ino;
	const struct inspect_xattr *xattrs; /* in the order in which they stand */
	size_t n_xattrs;
};

/* The data of a file, while its visitor runs. */
struct inspect_data {
	/* Read up to @n bytes; fewer only at the end. Return: 0 or negative errno. */
	int (*read)(struct inspect_data *d, void *buf, size_t n, size_t *ret);
};

struct inspect_visitor {
	/*
	 * Return: 0, or negative errno, which ends the pass and is returned from it. Each may be
	 * NULL.
	 */
	int (*segment)(void *user, const struct inspect_segment *s);
	int (*entry)(void *user, const struct inspect_entry *e, struct inspect_data *data);
	void *user;
	/* Attributes of the file told last that stand behind it, as in an archive of ours. */
	int (*xattrs)(void *user, const struct inspect_xattr *list, size_t n);
};

/*
 * Look through the file @fd, called @name in messages. Logs what is wrong with it. Return: 0;
 * -EBADMSG (damaged, or of no kind that is known); -E2BIG (over a limit); what a visitor returned.
 */
_must_check_ int inspect_file(int fd, const char *name, const struct inspect_visitor *v);

/* The same of @m, wherever its bytes come from. */
_must_check_ int inspect_medium(struct medium *m, const char *name,
				const struct inspect_visitor *v);

/*
 * medium.h - what an image is read from: a file, or the parts of a published one
 *
 * Bytes at any place, as pread(2) gives them, wherever they come from.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

struct medium {
	/* Read @n bytes at @at, fewer only at the end. Return: 0 or negative errno. */
	int (*read)(struct medium *m, uint64_t at, void *buf, size_t n, size_t *ret);
	uint64_t bytes; /* that there are */
	bool told;	/* why it cannot be read was logged already */
	int fd;		/* of a file; borrowed */
};

/* A file or block device, which is not moved. Return: 0, -ESPIPE for what has no places. */
_must_check_ int medium_of_file(int fd, struct medium *ret);

/*
 * ramdisk.h - write the parts of an image to a block device
 *
 * One part at a time is unpacked into one aligned buffer and written with O_DIRECT, so that neither
 * a second copy of the image nor a page cache of it exists at any time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "wire/index.h"

#define RAMDISK_ALIGN 4096u

struct ramdisk {
	int fd;	      /* of the device or, in tests, a file; borrowed */
	uint8_t *raw; /* owned: an unpacked part */
	size_t raw_size;
	bool pad; /* the device takes multiples of RAMDISK_ALIGN only, and has room for that */
	void *zstd; /* owned: ZSTD_DCtx */
};

/* Memory for the largest part of @x. Return: 0 or -ENOMEM. */
_must_check_ int ramdisk_init(struct ramdisk *d, int fd, const struct index *x);
void ramdisk_deinit(struct ramdisk *d);

/*
 * Unpack @stored, which is one zstd frame of exactly the part's raw size, into d->raw. Return: 0 or
 * -EBADMSG (not such a frame).
 */
_must_check_ int ramdisk_unpack(struct ramdisk *d, const struct index_part *part,
				const void *stored, size_t n);

/*
 * Unpack @stored, which is one zstd frame of exactly the part's raw size, and write it to its
 * place. Return: 0, -EBADMSG (not such a frame), or the device's errno.
 */
_must_check_ int ramdisk_write(struct ramdisk *d, const struct index_part *part, const void *stored,
			       size_t n);

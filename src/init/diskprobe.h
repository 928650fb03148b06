/*
 * diskprobe.h - what file system a disk holds: ext2, ext3 or ext4, its label and its UUID
 *
 * Pure: looks at the disk's first DISKPROBE_BYTES, whatever they are. Layout: Linux,
 * Documentation/filesystems/ext4/super.rst.
 */
#pragma once

#include <stdint.h>

#include "base/lang.h"

#define DISKPROBE_BYTES	    2048u
#define DISKPROBE_LABEL_MAX 17 /* with NUL */
#define DISKPROBE_UUID_MAX  37 /* with NUL */

struct diskprobe {
	const char *type; /* "ext2", "ext3", "ext4" */
	char label[DISKPROBE_LABEL_MAX];
	char uuid[DISKPROBE_UUID_MAX]; /* lower case */
};

/* Return: 0, or -ENOENT: nothing that is known. */
_must_check_ int diskprobe(const uint8_t start[static DISKPROBE_BYTES], struct diskprobe *ret);

/* Is @p what root= asks for: "LABEL=data", "UUID=..."? */
_must_check_ int diskprobe_matches(const struct diskprobe *p, const char *root);

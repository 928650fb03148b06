/*
 * rootset.h - the modules that a kind of root needs in the initramfs (docs/initrd.md)
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"
#include "image/modules.h"

/* For a person: what may be named. */
#define ROOTSET_KINDS "ext2, squashfs, erofs, cpio, zram, zram-zstd, disk, nfs"

/*
 * Append to @to, behind a comma each, the names of the modules for the kinds of roots in @what,
 * which stand between commas. Logs. Return: 0; -EINVAL (no such kind); -ENOENT (the kernel lacks a
 * module); -ENOMEM.
 */
_must_check_ int rootset_modules(struct modules *m, const char *what, struct buffer *to);

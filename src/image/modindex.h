/*
 * modindex.h - modules.index of the initramfs: which modules to load for which hardware
 * (docs/initrd.md)
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"
#include "image/driverset.h"

/* Append the text. Return: 0, -E2BIG, -ENOMEM, or -EBADMSG (a module cannot be read; logged). */
_must_check_ int modindex_format(struct modules *m, const struct driverset *set, struct buffer *to);

/*
 * compress.h - one buffer compressed as a whole, the same bytes each time
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"

enum compress_kind { COMPRESS_ZSTD, COMPRESS_GZIP, COMPRESS_XZ, COMPRESS_NONE, COMPRESS_KIND_MAX_ };

#define COMPRESS_WINDOW_LOG 23 /* of zstd and xz: 8 MiB, a node's memory for unpacking */

const char *compress_name(enum compress_kind k); /* "zstd" */

/* Return: 0 or -EINVAL. */
_must_check_ int compress_parse(const char *name, enum compress_kind *ret);

/*
 * Append @from to @to, compressed. @level: of zstd, gzip or xz; 0 is the default, 18, 9 and 6.
 * Processors are used side by side by zstd; the bytes do not depend on their number. Logs.
 */
_must_check_ int compress_buffer(enum compress_kind kind, int level, const struct buffer *from,
				 struct buffer *to);

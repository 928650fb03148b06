/*
 * compress.h - one buffer compressed as a whole, the same bytes each time
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"

enum compress_kind { COMPRESS_ZSTD, COMPRESS_GZIP, COMPRESS_NONE, COMPRESS_KIND_MAX_ };

#define COMPRESS_WINDOW_LOG 23 /* of zstd: 8 MiB, which is what unpacking costs a node in memory \
				*/

const char *compress_name(enum compress_kind k); /* "zstd" */

/* Return: 0 or -EINVAL. */
_must_check_ int compress_parse(const char *name, enum compress_kind *ret);

/*
 * Append @from to @to, compressed. @level: of zstd or gzip; 0 is the default, 18 and 9. Processors
 * are used side by side; the bytes do not depend on their number. Logs.
 */
_must_check_ int compress_buffer(enum compress_kind kind, int level, const struct buffer *from,
				 struct buffer *to);

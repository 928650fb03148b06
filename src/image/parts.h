/*
 * parts.h - the stored parts of a published image, each checked and unpacked
 */
#pragma once

#include <zstd.h>

#include "base/buffer.h"
#include "wire/index.h"

struct parts {
	int boot_dirfd; /* borrowed */
	ZSTD_DCtx *zstd;
	struct buffer stored;
};

#define _cleanup_parts_ _cleanup_(parts_clear)
void parts_clear(struct parts *p);
_must_check_ int parts_init(struct parts *p, int boot_dirfd);

/*
 * Read part @number (from 1) of an image, which is no hole, and unpack it to its raw_bytes bytes at
 * @raw. Logs what is wrong. Return: 0; -EBADMSG when it is missing or is not what the index says.
 */
_must_check_ int parts_load(struct parts *p, const struct index_part *part, size_t number,
			    uint8_t *raw);

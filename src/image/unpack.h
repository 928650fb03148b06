/*
 * unpack.h - one compressed stream inside a file, unpacked as it is read
 *
 * Where a stream ends is known to the byte, since an initramfs may have another one right behind
 * it. Memory is bounded whatever the bytes say.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "image/medium.h"

enum unpack_kind {
	UNPACK_PLAIN, /* as it is, to the end of the file */
	UNPACK_GZIP,
	UNPACK_XZ,
	UNPACK_LZMA,
	UNPACK_ZSTD,
	UNPACK_LZ4,
	UNPACK_LZ4_LEGACY, /* what the kernel and `lz4 -l` make */
	UNPACK_BZIP2,
	UNPACK_KIND_MAX_,
};

#define UNPACK_MAGIC_MAX 6
#define UNPACK_MEMORY_MAX \
	(256u << 20) /* of a decoder's window; those that ask for more are refused */

struct unpack;

const char *unpack_name(enum unpack_kind k); /* "gzip" */

/* What begins with these bytes. Return: UNPACK_PLAIN when no compressed stream does. */
enum unpack_kind unpack_detect(const uint8_t *p, size_t n);

/* Begin at @offset of @fd (borrowed), which is not moved. Return: 0, -ENOMEM. */
_must_check_ int unpack_open(int fd, uint64_t offset, enum unpack_kind kind, struct unpack **ret);

/* The same in @m, borrowed. */
_must_check_ int unpack_open_medium(struct medium *m, uint64_t offset, enum unpack_kind kind,
				    struct unpack **ret);
void unpack_free(struct unpack *u);
void unpack_freep(struct unpack **u);
#define _cleanup_unpack_ _cleanup_(unpack_freep)

/*
 * Read up to @n bytes; fewer only at the end of the stream. Return: 0; -EBADMSG (damaged or cut
 * off), -E2BIG (the window is too large), -ENOMEM, or why the file cannot be read.
 */
_must_check_ int unpack_read(struct unpack *u, void *buf, size_t n, size_t *ret);

/* Where in the file the next byte of the stream stands; after its end, what follows it. */
uint64_t unpack_offset(const struct unpack *u);

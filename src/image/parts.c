/*
 * parts.c - the stored parts of a published image, each checked and unpacked
 *
 * As a node does it: the hash of what is stored comes first, only then is it unpacked, to exactly
 * the size that the index says.
 */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "image/parts.h"
#include "image/publish.h"

#define PARTS_WINDOW_LOG 23 /* of zstd: what init accepts, 8 MiB */
#define PARTS_PATH_BYTES 128

int parts_init(struct parts *p, int boot_dirfd)
{
	*p = (struct parts){ .boot_dirfd = boot_dirfd,
			     .zstd = ZSTD_createDCtx(),
			     .stored = BUFFER(ZSTD_COMPRESSBOUND(INDEX_PART_RAW_MAX)) };
	if (!p->zstd)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(p->zstd, ZSTD_d_windowLogMax, PARTS_WINDOW_LOG);
	return 0;
}

void parts_clear(struct parts *p)
{
	ZSTD_freeDCtx(p->zstd);
	buffer_clear(&p->stored);
	p->zstd = NULL;
}

static int bad(const struct index_part *p, size_t number, const char *what)
{
	char name[2 * INDEX_HASH_BYTES + 1];

	format_hex(p->hash, sizeof(p->hash), name);
	log_err(0, "part %zu ('%s/%s', image bytes %" PRIu64 " to %" PRIu64 "): %s", number,
		PUBLISH_PARTS_DIR, name, p->offset, p->offset + p->raw_bytes - 1, what);
	return -EBADMSG;
}

int parts_load(struct parts *p, const struct index_part *part, size_t number, uint8_t *raw)
{
	char path[PARTS_PATH_BYTES], name[2 * INDEX_HASH_BYTES + 1], what[128];
	uint8_t hash[INDEX_HASH_BYTES];
	struct buffer *b = &p->stored;
	size_t n;
	int r;

	format_hex(part->hash, sizeof(part->hash), name);
	snprintf(path, sizeof(path), "%s/%s", PUBLISH_PARTS_DIR, name);
	b->len = 0;
	r = file_read(p->boot_dirfd, path, b);
	if (r < 0 && r != -E2BIG)
		return bad(part, number, r == -ENOENT ? "the file is missing" : strerror(-r));
	if (r == -E2BIG || b->len != part->stored_bytes) {
		snprintf(what, sizeof(what), "has %zu%s bytes, expected %u", b->len,
			 r == -E2BIG ? " or more" : "", part->stored_bytes);
		return bad(part, number, what);
	}
	crypto_generichash(hash, sizeof(hash), b->data, b->len, NULL, 0);
	if (memcmp(hash, part->hash, sizeof(hash)))
		return bad(part, number,
			   "was changed: its bytes do not have the hash that it is named by");
	n = ZSTD_decompressDCtx(p->zstd, raw, part->raw_bytes, b->data, b->len);
	if (ZSTD_isError(n))
		return bad(part, number, ZSTD_getErrorName(n));
	return n == part->raw_bytes
		       ? 0
		       : bad(part, number, "unpacks to another size than the index says");
}

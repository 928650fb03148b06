/*
 * unpack.c - one compressed stream inside a file, unpacked as it is read
 *
 * Straight over each format's own library: libarchive knows all of them too, but takes what follows
 * a stream for more of it, or fails on it, and does not say where the stream ended.
 */
#include <bzlib.h>
#include <errno.h>
#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "image/unpack.h"

#define UNPACK_INPUT_BYTES (64u << 10)
#define UNPACK_ZSTD_LOG	   27	      /* window of 128 MiB */
#define LEGACY_BLOCK_BYTES (8u << 20) /* lz4's old format has blocks of this size */
#define LEGACY_MAGIC_BYTES 4
#define GZIP_WINDOW	   (15 + 16) /* zlib: largest window, gzip header */

struct unpack {
	enum unpack_kind kind;
	struct medium *medium; /* borrowed, or what follows */
	struct medium file;
	uint64_t at;	     /* in the file, of what was not read into `in` yet */
	const uint8_t *next; /* in `in` */
	size_t left;
	bool eof, done;
	union {
		z_stream gzip;
		lzma_stream xz;
		bz_stream bzip2;
		ZSTD_DCtx *zstd;
		LZ4F_dctx *lz4;
		struct {
			char *in, *out; /* owned; a block */
			size_t at, n;	/* of out: handed on, held */
		} legacy;
	};
	uint8_t in[UNPACK_INPUT_BYTES];
};

/*
 * One step: take input from next/left, put at most @n bytes at @to. Sets done at the end of the
 * stream.
 */
typedef int (*step_fn)(struct unpack *u, uint8_t *to, size_t n, size_t *ret);

static int refill(struct unpack *u)
{
	size_t n = 0;
	int r;

	if (u->left > 0 || u->eof)
		return 0;
	r = u->medium->read(u->medium, u->at, u->in, sizeof(u->in), &n);
	if (r < 0)
		return r;
	u->eof = n == 0;
	u->at += n;
	u->next = u->in;
	u->left = n;
	return 0;
}

static void took(struct unpack *u, size_t n)
{
	u->next += n;
	u->left -= n;
}

static int step_plain(struct unpack *u, uint8_t *to, size_t n, size_t *ret)
{
	size_t k = MIN(n, u->left);

	memcpy(to, u->next, k);
	took(u, k);
	u->done = u->eof;
	*ret = k;
	return 0;
}

static int start_gzip(struct unpack *u)
{
	return inflateInit2(&u->gzip, GZIP_WINDOW) == Z_OK ? 0 : -ENOMEM;
}

static int step_gzip(struct unpack *u, uint8_t *to, size_t n, size_t *ret)
{
	z_stream *s = &u->gzip;
	int r;

	s->next_in = (uint8_t *)u->next; /* zlib does not write there */
	s->avail_in = (uInt)u->left;
	s->next_out = to;
	s->avail_out = (uInt)MIN(n, (size_t)UINT32_MAX);
	r = inflate(s, Z_NO_FLUSH);
	took(u, u->left - s->avail_in);
	*ret = (size_t)(s->next_out - to);
	u->done = r == Z_STREAM_END;
	if (r == Z_MEM_ERROR)
		return -ENOMEM;
	return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR ? 0 : -EBADMSG;
}

static void stop_gzip(struct unpack *u)
{
	(void)inflateEnd(&u->gzip);
}

static int start_xz(struct unpack *u)
{
	u->xz = (lzma_stream)LZMA_STREAM_INIT;
	return lzma_stream_decoder(&u->xz, UNPACK_MEMORY_MAX, 0) == LZMA_OK ? 0 : -ENOMEM;
}

static int start_lzma(struct unpack *u)
{
	u->xz = (lzma_stream)LZMA_STREAM_INIT;
	return lzma_alone_decoder(&u->xz, UNPACK_MEMORY_MAX) == LZMA_OK ? 0 : -ENOMEM;
}

static int step_xz(struct unpack *u, uint8_t *to, size_t n, size_t *ret)
{
	lzma_ret r;

	u->xz.next_in = u->next;
	u->xz.avail_in = u->left;
	u->xz.next_out = to;
	u->xz.avail_out = n;
	r = lzma_code(&u->xz, u->eof ? LZMA_FINISH : LZMA_RUN);
	took(u, u->left - u->xz.avail_in);
	*ret = n - u->xz.avail_out;
	u->done = r == LZMA_STREAM_END;
	if (r == LZMA_MEMLIMIT_ERROR)
		return -E2BIG;
	if (r == LZMA_MEM_ERROR)
		return -ENOMEM;
	return r == LZMA_OK || r == LZMA_STREAM_END || r == LZMA_BUF_ERROR ? 0 : -EBADMSG;
}

static void stop_xz(struct unpack *u)
{
	lzma_end(&u->xz);
}

static int start_bzip2(struct unpack *u)
{
	return BZ2_bzDecompressInit(&u->bzip2, 0, 0) == BZ_OK ? 0 : -ENOMEM;
}

static int step_bzip2(struct unpack *u, uint8_t *to, size_t n, size_t *ret)
{
	bz_stream *s = &u->bzip2;
	int r;

	s->next_in = (char *)u->next; /* bzip2 does not write there */
	s->avail_in = (unsigned)u->left;
	s->next_out = (char *)to;
	s->avail_out = (unsigned)MIN(n, (size_t)UINT32_MAX);
	r = BZ2_bzDecompress(s);
	took(u, u->left - s->avail_in);
	*ret = (size_t)((uint8_t *)s->next_out - to);
	u->done = r == BZ_STREAM_END;
	if (r == BZ_MEM_ERROR)
		return -ENOMEM;
	return r == BZ_OK || r == BZ_STREAM_END ? 0 : -EBADMSG;
}

static void stop_bzip2(struct unpack *u)
{
	(void)BZ2_bzDecompressEnd(&u->bzip2);
}

static int start_zstd(struct unpack *u)
{
	u->zstd = ZSTD_createDCtx();
	if (!u->zstd)
		return -ENOMEM;
	return ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, UNPACK_ZSTD_LOG))
		       ? -EINVAL
		       : 0;
}

static int step_zstd(struct unpack *u, uint8_t *to, size_t n, size_t *ret)
{
	ZSTD_inBuffer in = { u->next, u->left, 0 };
	ZSTD_outBuffer out = { to, n, 0 };
	size_t r = ZSTD_decompressStream(u->zstd, &out, &in);

	took(u, in.pos);
	*ret = out.pos;
	u->done = r == 0;
	return ZSTD_isError(r) ? -EBADMSG : 0;
}

static void stop_zstd(struct unpack *u)
{
	ZSTD_freeDCtx(u->zstd);
}

static int start_lz4(struct unpack *u)
{
	return LZ4F_isError(LZ4F_createDecompressionContext(&u->lz4, LZ4F_VERSION)) ? -ENOMEM : 0;
}

static int step_lz4(struct unpack *u, uint8_t *to, size_t n, size_t *ret)
{
	size_t in = u->left, out = n, r = LZ4F_decompress(u->lz4, to, &out, u->next, &in, NULL);

	if (LZ4F_isError(r))
		return -EBADMSG;
	took(u, in);
	*ret = out;
	u->done = r == 0;
	return 0;
}

static void stop_lz4(struct unpack *u)
{
	(void)LZ4F_freeDecompressionContext(u->lz4);
}

static int start_legacy(struct unpack *u)
{
	u->at += LEGACY_MAGIC_BYTES;
	u->legacy.in = malloc((size_t)LZ4_COMPRESSBOUND(LEGACY_BLOCK_BYTES));
	u->legacy.out = malloc(LEGACY_BLOCK_BYTES);
	return u->legacy.in && u->legacy.out ? 0 : -ENOMEM;
}

/*
 * Take @n bytes of input. Return: 0, or -EBADMSG when there are fewer, with *ret_n of them taken.
 */
static int take(struct unpack *u, void *to, size_t n, size_t *ret_n)
{
	size_t done = 0;
	int r = 0;

	while (done < n && (r = refill(u)) == 0 && u->left > 0) {
		size_t k = MIN(n - done, u->left);

		memcpy((uint8_t *)to + done, u->next, k);
		took(u, k);
		done += k;
	}
	*ret_n = done;
	return r < 0 ? r : done < n ? -EBADMSG : 0;
}

/* The next block. What is no size of one ends the stream, and is not part of it. */
static int legacy_block(struct unpack *u)
{
	uint64_t before = unpack_offset(u);
	uint8_t head[4];
	size_t n = 0, got = 0;
	int r = take(u, head, sizeof(head), &got), out;

	if (r < 0 && r != -EBADMSG)
		return r;
	if (r == 0)
		n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
	if (n == 0 || n > (size_t)LZ4_COMPRESSBOUND(LEGACY_BLOCK_BYTES)) {
		u->at = before;
		u->left = 0;
		u->done = true;
		return 0;
	}
	r = take(u, u->legacy.in, n, &got);
	if (r < 0)
		return r;
	out = LZ4_decompress_safe(u->legacy.in, u->legacy.out, (int)n, LEGACY_BLOCK_BYTES);
	if (out <= 0)
		return -EBADMSG;
	u->legacy.at = 0;
	u->legacy.n = (size_t)out;
	return 0;
}

static int step_legacy(struct unpack *u, uint8_t *to, size_t n, size_t *ret)
{
	int r = 0;
	size_t k;

	if (u->legacy.at == u->legacy.n)
		r = legacy_block(u);
	if (r < 0)
		return r;
	k = u->done ? 0 : MIN(n, u->legacy.n - u->legacy.at);
	if (k > 0)
		memcpy(to, u->legacy.out + u->legacy.at, k);
	u->legacy.at += k;
	*ret = k;
	return 0;
}

static void stop_legacy(struct unpack *u)
{
	free(u->legacy.in);
	free(u->legacy.out);
}

static const struct {
	const char *name;
	uint8_t magic_bytes;
	uint8_t magic[UNPACK_MAGIC_MAX];
	int (*start)(struct unpack *u);
	step_fn step;
	void (*stop)(struct unpack *u);
} kinds[UNPACK_KIND_MAX_] = {
	[UNPACK_PLAIN] = { "none", 0, { 0 }, NULL, step_plain, NULL },
	[UNPACK_GZIP] = { "gzip", 3, { 0x1f, 0x8b, 8 }, start_gzip, step_gzip, stop_gzip },
	[UNPACK_XZ] = { "xz", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 }, start_xz, step_xz, stop_xz },
	[UNPACK_LZMA] = { "lzma", 3, { 0x5d, 0, 0 }, start_lzma, step_xz, stop_xz },
	[UNPACK_ZSTD] = { "zstd", 4, { 0x28, 0xb5, 0x2f, 0xfd }, start_zstd, step_zstd, stop_zstd },
	[UNPACK_LZ4] = { "lz4", 4, { 0x04, 0x22, 0x4d, 0x18 }, start_lz4, step_lz4, stop_lz4 },
	[UNPACK_LZ4_LEGACY] = { "lz4 (legacy)",
				LEGACY_MAGIC_BYTES,
				{ 0x02, 0x21, 0x4c, 0x18 },
				start_legacy,
				step_legacy,
				stop_legacy },
	[UNPACK_BZIP2] = { "bzip2", 3, { 'B', 'Z', 'h' }, start_bzip2, step_bzip2, stop_bzip2 },
};

const char *unpack_name(enum unpack_kind k)
{
	return kinds[k].name;
}

enum unpack_kind unpack_detect(const uint8_t *p, size_t n)
{
	for (int k = 0; k < UNPACK_KIND_MAX_; k++) {
		size_t m = kinds[k].magic_bytes;

		if (m > 0 && n >= m && !memcmp(p, kinds[k].magic, m))
			return (enum unpack_kind)k;
	}
	return UNPACK_PLAIN;
}

int unpack_open_medium(struct medium *m, uint64_t offset, enum unpack_kind kind,
		       struct unpack **ret)
{
	_cleanup_unpack_ struct unpack *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->kind = kind;
	u->medium = m;
	u->at = offset;
	r = kinds[kind].start ? kinds[kind].start(u) : 0;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(u);
	return 0;
}

int unpack_open(int fd, uint64_t offset, enum unpack_kind kind, struct unpack **ret)
{
	struct medium file;
	int r = medium_of_file(fd, &file);

	if (r == 0)
		r = unpack_open_medium(&file, offset, kind, ret);
	if (r < 0)
		return r;
	(*ret)->file = file;
	(*ret)->medium = &(*ret)->file;
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (u && kinds[u->kind].stop)
		kinds[u->kind].stop(u);
	free(u);
}

void unpack_freep(struct unpack **u)
{
	unpack_free(*u);
}

int unpack_read(struct unpack *u, void *buf, size_t n, size_t *ret)
{
	uint8_t *to = buf;
	size_t done = 0;

	while (done < n && !u->done) {
		size_t out = 0, left;
		int r = refill(u);

		left = u->left;
		if (r == 0)
			r = kinds[u->kind].step(u, to + done, n - done, &out);
		if (r < 0)
			return r;
		done += out;
		if (out == 0 && u->left == left && !u->done && (u->eof || left > 0))
			return -EBADMSG; /* neither takes nor gives: cut off */
	}
	*ret = done;
	return 0;
}

uint64_t unpack_offset(const struct unpack *u)
{
	return u->at - u->left;
}

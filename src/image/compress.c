/*
 * compress.c - one buffer compressed as a whole, the same bytes each time
 *
 * zstd through libzstd with worker threads, whose number it promises not to show in the result as
 * long as there is at least one; gzip through libarchive, without name and time in its header; xz
 * through liblzma, as the kernel's own decoder takes it: with a CRC-32 and no filter for code,
 * which makes modules larger (their addresses are relocations) and which not every kernel has.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <lzma.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/log.h"
#include "image/compress.h"

#define COMPRESS_ZSTD_LEVEL  18 /* 19 saves 0.2 % in size and costs a fifth more time */
#define COMPRESS_XZ_LEVEL    6
#define COMPRESS_WORKERS_MAX 16
/*
 * What one processor packs with xz, by itself, whatever their number: the full kernel's `net` set
 * makes two of these and 0.6 % more bytes. The kernel takes several blocks one behind the other.
 */
#define COMPRESS_XZ_BLOCK_BYTES (24u << 20)
#define COMPRESS_XZ_BLOCK_HEAD	4096u /* more than one has */
/*
 * What one worker takes, and how much of what goes before it sees (5: a sixteenth of the window,
 * 512 KiB). Both show in the result, so they do not follow the number of processors. On the archive
 * of the cloud kernel's `net` set (7 MB, 2 processors) this costs 0.8 % in size against one job,
 * and saves two fifths of the time.
 */
#define COMPRESS_JOB_BYTES (4 << 20)
#define COMPRESS_OVERLAP   5
/*
 * Of what is packed in several jobs, unless a level is asked for: matches of this length are taken
 * at once, and 2^N candidates looked at. On the same archive 0.8 % larger than level 18, in a sixth
 * less time.
 */
#define COMPRESS_TARGET_LENGTH 32
#define COMPRESS_SEARCH_LOG    4

static const char *const names[COMPRESS_KIND_MAX_] = {
	[COMPRESS_ZSTD] = "zstd",
	[COMPRESS_GZIP] = "gzip",
	[COMPRESS_XZ] = "xz",
	[COMPRESS_NONE] = "none",
};

const char *compress_name(enum compress_kind k)
{
	return names[k];
}

int compress_parse(const char *name, enum compress_kind *ret)
{
	for (int k = 0; k < COMPRESS_KIND_MAX_; k++) {
		if (!strcmp(name, names[k])) {
			*ret = (enum compress_kind)k;
			return 0;
		}
	}
	return -EINVAL;
}

/*
 * Up to a job's size one job, which packs best; up to two jobs' size two equal ones; then as many
 * as it takes.
 */
static int job_bytes(size_t n)
{
	return n <= COMPRESS_JOB_BYTES || n > 2 * COMPRESS_JOB_BYTES ? COMPRESS_JOB_BYTES
								     : (int)(n / 2 + 1);
}

static void set_level(ZSTD_CCtx *ctx, int level, size_t n)
{
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level ? level : COMPRESS_ZSTD_LEVEL);
	if (level || n <= COMPRESS_JOB_BYTES)
		return;
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_targetLength, COMPRESS_TARGET_LENGTH);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_searchLog, COMPRESS_SEARCH_LOG);
}

static uint32_t threads(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	return (uint32_t)MIN(MAX(online, 1L), (long)COMPRESS_WORKERS_MAX);
}

static int with_zstd(int level, const struct buffer *from, struct buffer *to)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	size_t n;
	int r = buffer_reserve(to, ZSTD_compressBound(from->len));

	if (r == 0 && !ctx)
		r = -ENOMEM;
	if (r == 0) {
		set_level(ctx, level, from->len);
		ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, COMPRESS_WINDOW_LOG);
		ZSTD_CCtx_setParameter(ctx, ZSTD_c_nbWorkers, (int)threads());
		ZSTD_CCtx_setParameter(ctx, ZSTD_c_jobSize, job_bytes(from->len));
		ZSTD_CCtx_setParameter(ctx, ZSTD_c_overlapLog, COMPRESS_OVERLAP);
		n = ZSTD_compress2(ctx, to->data + to->len, to->max - to->len, from->data,
				   from->len);
		if (ZSTD_isError(n)) {
			log_err(0, "zstd failed: %s", ZSTD_getErrorName(n));
			r = -EIO;
		} else {
			to->len += n;
			to->data[to->len] = 0;
		}
	}
	ZSTD_freeCCtx(ctx);
	return r;
}

static la_ssize_t take_output(struct archive *a, void *user, const void *p, size_t n)
{
	int r = buffer_append(user, p, n);

	if (r < 0) {
		archive_set_error(a, -r, "%s", strerror(-r));
		return -1;
	}
	return (la_ssize_t)n;
}

static int gzip_run(struct archive *a, const char *level, const struct buffer *from,
		    struct buffer *to)
{
	struct archive_entry *e = archive_entry_new();
	int ok;

	if (!e)
		return ARCHIVE_FATAL;
	archive_entry_set_pathname(e, "data");
	archive_entry_set_filetype(e, AE_IFREG);
	ok = archive_write_add_filter_gzip(a);
	if (ok == ARCHIVE_OK)
		ok = archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
	if (ok == ARCHIVE_OK)
		ok = archive_write_set_filter_option(a, "gzip", "compression-level", level);
	if (ok == ARCHIVE_OK)
		ok = archive_write_set_format_raw(a);
	if (ok == ARCHIVE_OK)
		ok = archive_write_set_bytes_in_last_block(a, 1);
	if (ok == ARCHIVE_OK)
		ok = archive_write_open(a, to, NULL, take_output, NULL);
	if (ok == ARCHIVE_OK)
		ok = archive_write_header(a, e);
	if (ok == ARCHIVE_OK &&
	    archive_write_data(a, from->data, from->len) != (la_ssize_t)from->len)
		ok = ARCHIVE_FATAL;
	if (ok == ARCHIVE_OK)
		ok = archive_write_close(a);
	archive_entry_free(e);
	return ok;
}

static int with_gzip(int level, const struct buffer *from, struct buffer *to)
{
	char digit[2] = { (char)('0' + (level < 1 || level > 9 ? 9 : level)), 0 };
	struct archive *a = archive_write_new();
	int r = 0;

	if (!a)
		return -ENOMEM;
	if (gzip_run(a, digit, from, to) != ARCHIVE_OK) {
		log_err(0, "gzip failed: %s", archive_error_string(a));
		r = -EIO;
	}
	archive_write_free(a);
	return r;
}

static int with_xz(int level, const struct buffer *from, struct buffer *to)
{
	uint32_t preset = level < 1 || level > 9 ? COMPRESS_XZ_LEVEL : (uint32_t)level;
	lzma_filter filters[] = { { .id = LZMA_FILTER_LZMA2 }, { .id = LZMA_VLI_UNKNOWN } };
	lzma_options_lzma options;
	lzma_mt mt = {
		.threads = threads(),
		.block_size = COMPRESS_XZ_BLOCK_BYTES,
		.filters = filters,
		.check = LZMA_CHECK_CRC32,
	};
	lzma_stream stream = LZMA_STREAM_INIT;
	/* The bound is that of one block; each more costs its header and its line in the index. */
	size_t room = lzma_stream_buffer_bound(from->len) +
		      COMPRESS_XZ_BLOCK_HEAD * (from->len / COMPRESS_XZ_BLOCK_BYTES);
	lzma_ret ok;
	int r = buffer_reserve(to, room);

	if (r < 0)
		return r;
	if (lzma_lzma_preset(&options, preset | LZMA_PRESET_EXTREME))
		return log_err(-EINVAL, "xz has no level %u", preset);
	options.dict_size = 1u << COMPRESS_WINDOW_LOG;
	filters[0].options = &options;
	ok = lzma_stream_encoder_mt(&stream, &mt);
	stream.next_in = from->data;
	stream.avail_in = from->len;
	stream.next_out = to->data + to->len;
	stream.avail_out = room;
	while (ok == LZMA_OK)
		ok = lzma_code(&stream, LZMA_FINISH);
	if (ok == LZMA_STREAM_END)
		to->len += room - stream.avail_out;
	else
		r = log_err(-EIO, "xz failed (%d)", (int)ok);
	lzma_end(&stream);
	to->data[to->len] = 0;
	return r;
}

int compress_buffer(enum compress_kind kind, int level, const struct buffer *from,
		    struct buffer *to)
{
	switch (kind) {
	case COMPRESS_ZSTD:
		return with_zstd(level, from, to);
	case COMPRESS_GZIP:
		return with_gzip(level, from, to);
	case COMPRESS_XZ:
		return with_xz(level, from, to);
	default:
		return buffer_append(to, from->data, from->len);
	}
}

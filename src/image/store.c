/*
 * store.c - the parts of an image, compressed side by side and written under the names of their
 * hashes
 *
 * Threads take the parts one by one; the first one computes the digest of the whole image before
 * that, which cannot be shared, while the others compress.
 *
 * A part of the previous image that lies at the same place and unpacks to the same bytes is taken
 * over: that is looked at in a hundredth of the time that compressing takes. Nothing is believed
 * for it, so that whoever can write into the boot directory still cannot get anything signed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "image/store.h"

#define STORE_FILE_MODE	   0644
#define STORE_NAME_BYTES   (2 * INDEX_HASH_BYTES + 1)
#define STORE_DIGEST_BYTES (256u << 10) /* read at once; stays in the cache */
#define STORE_WINDOW_LOG   23		/* of zstd: what init accepts, 8 MiB */

/* What each thread has of its own. */
struct bench {
	uint8_t *raw, *out;
	size_t out_size;
	uint8_t *again; /* a part of the previous image, unpacked */
	struct buffer stored;
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
};

static int bench_init(struct bench *b, const struct publish_spec *spec)
{
	*b = (struct bench){ .out_size = ZSTD_compressBound(spec->part_bytes) };
	b->stored = BUFFER(b->out_size);
	b->raw = malloc(spec->part_bytes);
	b->again = malloc(spec->part_bytes);
	b->out = malloc(b->out_size);
	b->pack = ZSTD_createCCtx();
	b->unpack = ZSTD_createDCtx();
	if (!b->raw || !b->again || !b->out || !b->pack || !b->unpack)
		return log_err(-ENOMEM, "cannot compress the parts");
	ZSTD_CCtx_setParameter(b->pack, ZSTD_c_compressionLevel, spec->level);
	ZSTD_DCtx_setParameter(b->unpack, ZSTD_d_windowLogMax, STORE_WINDOW_LOG);
	return 0;
}

static void bench_deinit(struct bench *b)
{
	ZSTD_freeCCtx(b->pack);
	ZSTD_freeDCtx(b->unpack);
	buffer_clear(&b->stored);
	free(b->raw);
	free(b->again);
	free(b->out);
}

static int read_raw(int fd, uint64_t at, size_t n, uint8_t *buf)
{
	for (size_t have = 0; have < n;) {
		ssize_t k = pread(fd, buf + have, n - have, (off_t)(at + have));

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return log_err(k < 0 ? -errno : -EIO, "cannot read the image");
		have += (size_t)k;
	}
	return 0;
}

static int make_digest(struct store *s)
{
	_cleanup_free_ uint8_t *buf = malloc(STORE_DIGEST_BYTES);
	crypto_generichash_state h;
	int r = buf ? 0 : log_err(-ENOMEM, "cannot read the image");

	crypto_generichash_init(&h, NULL, 0, INDEX_HASH_BYTES);
	for (uint64_t at = 0; r == 0 && at < s->x->image_bytes;) {
		size_t n = (size_t)MIN(s->x->image_bytes - at, (uint64_t)STORE_DIGEST_BYTES);

		r = read_raw(s->image_fd, at, n, buf);
		if (r == 0)
			crypto_generichash_update(&h, buf, n);
		at += n;
	}
	crypto_generichash_final(&h, s->x->digest, INDEX_HASH_BYTES);
	return r;
}

/* The previous image's part at the same place. Return: NULL if there is none. */
static const struct index_part *find_previous(const struct store *s, const struct index_part *p)
{
	size_t low = 0, high = s->previous ? s->previous->n_parts : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct index_part *q = &s->previous->parts[mid];

		if (q->offset == p->offset)
			return q->raw_bytes == p->raw_bytes && q->stored_bytes > 0 ? q : NULL;
		if (q->offset < p->offset)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Is there a part of the previous image that is what its name says and unpacks to b->raw? */
static bool take_over(const struct store *s, struct index_part *p, struct bench *b)
{
	const struct index_part *q = find_previous(s, p);
	uint8_t hash[INDEX_HASH_BYTES];
	char name[STORE_NAME_BYTES];
	struct stat st;

	if (!q)
		return false;
	format_hex(q->hash, sizeof(q->hash), name);
	b->stored.len = 0;
	if (fstatat(s->parts_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    (st.st_mode & 0444) != 0444 || file_read(s->parts_fd, name, &b->stored) < 0 ||
	    b->stored.len != q->stored_bytes ||
	    ZSTD_decompressDCtx(b->unpack, b->again, p->raw_bytes, b->stored.data, b->stored.len) !=
		    p->raw_bytes ||
	    memcmp(b->again, b->raw, p->raw_bytes) != 0)
		return false;
	crypto_generichash(hash, sizeof(hash), b->stored.data, b->stored.len, NULL, 0);
	if (memcmp(hash, q->hash, sizeof(hash)) != 0)
		return false;
	memcpy(p->hash, q->hash, sizeof(p->hash));
	p->stored_bytes = q->stored_bytes;
	return true;
}

/* Is the file called @name exactly these bytes? Then it need not be written. */
static bool part_stands(int dirfd, const char *name, const void *data, size_t n)
{
	_cleanup_buffer_ struct buffer b = BUFFER(n);
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == n && (st.st_mode & 0444) == 0444 &&
	       file_read(dirfd, name, &b) == 0 && b.len == n && !memcmp(b.data, data, n);
}

/*
 * Write a part aside; it is not synced, since all parts are at once before the index is written.
 * Return: 0 with *ret_created.
 */
static int part_write(int dirfd, const char *name, const void *data, size_t n, uint8_t *ret_created)
{
	_cleanup_newfile_ struct newfile f = NEWFILE();
	int r;

	if (part_stands(dirfd, name, data, n)) {
		*ret_created = 0;
		return 0;
	}
	r = newfile_open(&f, dirfd, name, STORE_FILE_MODE);
	if (r == 0)
		r = fd_write_all(f.fd, data, n);
	if (r == 0)
		r = newfile_commit_unsynced(&f);
	if (r < 0)
		return log_err(r, "cannot write part '%s/%s'", PUBLISH_PARTS_DIR, name);
	*ret_created = 1;
	return 0;
}

/* Compress part @i, unless it is there; with the lock, write it. */
static int store_part(struct store *s, size_t i, struct bench *b)
{
	struct index_part *p = &s->x->parts[i];
	char name[STORE_NAME_BYTES];
	bool fresh;
	size_t n;
	int r = read_raw(s->image_fd, p->offset, p->raw_bytes, b->raw);

	if (r < 0)
		return r;
	fresh = !take_over(s, p, b);
	if (fresh) {
		n = ZSTD_compress2(b->pack, b->out, b->out_size, b->raw, p->raw_bytes);
		if (ZSTD_isError(n))
			return log_err(-EIO, "zstd cannot compress a part: %s",
				       ZSTD_getErrorName(n));
		crypto_generichash(p->hash, sizeof(p->hash), b->out, n, NULL, 0);
		p->stored_bytes = (uint32_t)n;
	}
	format_hex(p->hash, sizeof(p->hash), name);
	pthread_mutex_lock(&s->lock);
	if (fresh)
		r = part_write(s->parts_fd, name, b->out, p->stored_bytes, &s->created[i]);
	s->n_compressed += fresh;
	s->done_bytes += p->raw_bytes;
	if (r == 0 && s->spec->progress)
		s->spec->progress(s->spec->progress_user, s->done_bytes, s->total_bytes);
	pthread_mutex_unlock(&s->lock);
	return r;
}

/*
 * Take the next part that has to be stored. Return: its number, or n_parts when there is none or a
 * thread failed.
 */
static size_t take_part(struct store *s)
{
	size_t i;

	pthread_mutex_lock(&s->lock);
	while (s->next < s->x->n_parts && s->holes[s->next])
		s->next++;
	i = s->err < 0 || s->next == s->x->n_parts ? s->x->n_parts : s->next++;
	pthread_mutex_unlock(&s->lock);
	return i;
}

/* Return: whether no other thread computes the digest. */
static bool take_digest(struct store *s)
{
	bool mine;

	pthread_mutex_lock(&s->lock);
	mine = !s->digesting;
	s->digesting = true;
	pthread_mutex_unlock(&s->lock);
	return mine;
}

static void *store_thread(void *arg)
{
	struct store *s = arg;
	struct bench b;
	int r = bench_init(&b, s->spec);
	size_t i;

	if (r == 0 && take_digest(s))
		r = make_digest(s);
	while (r == 0 && (i = take_part(s)) < s->x->n_parts)
		r = store_part(s, i, &b);
	bench_deinit(&b);
	if (r < 0) {
		pthread_mutex_lock(&s->lock);
		if (s->err == 0)
			s->err = r;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

void store_undo(struct store *s)
{
	for (size_t i = 0; i < s->x->n_parts; i++) {
		char name[STORE_NAME_BYTES];

		if (!s->created[i])
			continue;
		format_hex(s->x->parts[i].hash, INDEX_HASH_BYTES, name);
		(void)unlinkat(s->parts_fd, name, 0); /* a later prune takes what stays */
	}
}

int store_parts(struct store *s)
{
	pthread_t threads[STORE_THREADS_MAX];
	unsigned n = 0, most = MIN(s->spec->threads, (unsigned)STORE_THREADS_MAX);

	for (size_t i = 0; i < s->x->n_parts; i++)
		s->total_bytes += s->holes[i] ? 0 : s->x->parts[i].raw_bytes;
	pthread_mutex_init(&s->lock, NULL);
	while (n + 1 < most && pthread_create(&threads[n], NULL, store_thread, s) == 0)
		n++;
	store_thread(s); /* this one works too, so none at all can start and it is still done */
	while (n > 0)
		pthread_join(threads[--n], NULL);
	pthread_mutex_destroy(&s->lock);
	if (s->err == 0 && syncfs(s->parts_fd) < 0)
		s->err = log_err(-errno, "cannot sync the parts");
	return s->err;
}

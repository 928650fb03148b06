/*
 * verify.c - check a published image on disk as a node would check it, and further
 *
 * Parts are read one by one and unpacked into one buffer, so that memory does not grow with the
 * image.
 */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "image/publish.h"
#include "image/verify.h"

#define VERIFY_PATH_BYTES  128
#define VERIFY_WINDOW_LOG  23 /* of zstd: what init accepts, 8 MiB */
#define VERIFY_ZEROS_BYTES (64u << 10)

static int check_signature(int dirfd, const char *name, const struct buffer *text,
			   const struct minisign_key *keys, size_t n_keys,
			   struct verify_result *res)
{
	_cleanup_buffer_ struct buffer sig = BUFFER(MINISIGN_FILE_MAX);
	char file[VERIFY_PATH_BYTES];
	struct minisign_sig s = { 0 };
	int r;

	snprintf(file, sizeof(file), "%s.index.minisig", name);
	r = file_read(dirfd, file, &sig);
	if (r == -ENOENT) {
		log_err(0, "'%s.index' is not signed ('%s' is missing)", name, file);
		return -EBADMSG;
	}
	if (r < 0)
		return log_err(r, "cannot read '%s'", file);
	r = -ENOKEY;
	for (size_t i = 0; i < n_keys && r == -ENOKEY; i++)
		r = sign_check(&keys[i], &sig, text->data, text->len, &s);
	minisign_id_str(s.id, res->key_id);
	if (r == -ENOKEY)
		log_err(0, "'%s.index' is signed by key %s, which is not the key to check with",
			name, res->key_id);
	else if (r == -EKEYREJECTED)
		log_err(0,
			"the signature of '%s.index' is wrong: index or signature was changed "
			"after "
			"key %s signed it",
			name, res->key_id);
	else if (r < 0)
		log_err(0, "'%s' is not a minisign signature", file);
	snprintf(res->comment, sizeof(res->comment), "%s", s.trusted_comment);
	return r < 0 ? -EBADMSG : 0;
}

static int bad_part(const struct index_part *p, size_t number, const char *what)
{
	char name[2 * INDEX_HASH_BYTES + 1];

	format_hex(p->hash, sizeof(p->hash), name);
	log_err(0, "part %zu ('%s/%s', image bytes %" PRIu64 " to %" PRIu64 "): %s", number,
		PUBLISH_PARTS_DIR, name, p->offset, p->offset + p->raw_bytes - 1, what);
	return -EBADMSG;
}

/* Check part @number and unpack it to @raw. */
static int check_part(int dirfd, const struct index_part *p, size_t number, ZSTD_DCtx *ctx,
		      struct buffer *stored, uint8_t *raw)
{
	char path[VERIFY_PATH_BYTES], name[2 * INDEX_HASH_BYTES + 1], what[128];
	uint8_t hash[INDEX_HASH_BYTES];
	size_t n;
	int r;

	format_hex(p->hash, sizeof(p->hash), name);
	snprintf(path, sizeof(path), "%s/%s", PUBLISH_PARTS_DIR, name);
	stored->len = 0;
	r = file_read(dirfd, path, stored);
	if (r < 0 && r != -E2BIG)
		return bad_part(p, number, r == -ENOENT ? "the file is missing" : strerror(-r));
	if (r == -E2BIG || stored->len != p->stored_bytes) {
		snprintf(what, sizeof(what), "has %zu%s bytes, expected %u", stored->len,
			 r == -E2BIG ? " or more" : "", p->stored_bytes);
		return bad_part(p, number, what);
	}
	crypto_generichash(hash, sizeof(hash), stored->data, stored->len, NULL, 0);
	if (memcmp(hash, p->hash, sizeof(hash)))
		return bad_part(p, number,
				"was changed: its bytes do not have the hash that it is named by");
	n = ZSTD_decompressDCtx(ctx, raw, p->raw_bytes, stored->data, stored->len);
	if (ZSTD_isError(n))
		return bad_part(p, number, ZSTD_getErrorName(n));
	return n == p->raw_bytes
		       ? 0
		       : bad_part(p, number, "unpacks to another size than the index says");
}

static void hash_zeros(crypto_generichash_state *st, uint64_t n)
{
	static const uint8_t zeros[VERIFY_ZEROS_BYTES];

	while (n > 0) {
		uint64_t k = MIN(n, (uint64_t)sizeof(zeros));

		crypto_generichash_update(st, zeros, k);
		n -= k;
	}
}

static int check_parts(int dirfd, const char *name, const struct index *x,
		       struct verify_result *res)
{
	_cleanup_buffer_ struct buffer stored = BUFFER(ZSTD_COMPRESSBOUND(INDEX_PART_RAW_MAX));
	_cleanup_free_ uint8_t *raw = malloc(INDEX_PART_RAW_MAX);
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	crypto_generichash_state st;
	uint8_t digest[INDEX_HASH_BYTES];
	int err = raw && ctx ? 0 : -ENOMEM;

	if (err == 0)
		ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, VERIFY_WINDOW_LOG);
	crypto_generichash_init(&st, NULL, 0, sizeof(digest));
	for (size_t i = 0; err != -ENOMEM && i < x->n_parts; i++) {
		const struct index_part *p = &x->parts[i];

		if (p->stored_bytes == 0) {
			res->holes++;
			hash_zeros(&st, p->raw_bytes);
			continue;
		}
		res->parts++;
		if (check_part(dirfd, p, i + 1, ctx, &stored, raw) < 0)
			err = -EBADMSG;
		else
			crypto_generichash_update(&st, raw, p->raw_bytes);
	}
	ZSTD_freeDCtx(ctx);
	crypto_generichash_final(&st, digest, sizeof(digest));
	if (err == 0 && memcmp(digest, x->digest, sizeof(digest))) {
		log_err(0,
			"every part of '%s' is good, but the whole image does not have the digest "
			"of the "
			"index",
			name);
		err = -EBADMSG;
	}
	return err;
}

int verify_image(int boot_dirfd, const char *name, const struct minisign_key *keys, size_t n_keys,
		 struct verify_result *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(INDEX_BYTES_MAX);
	_cleanup_index_ struct index x = { 0 };
	struct verify_result res = { 0 };
	char file[VERIFY_PATH_BYTES];
	const char *why = "";
	unsigned line = 0;
	int r, signature = 0;

	if (sodium_init() < 0)
		return log_err(-EIO, "cannot start libsodium");
	if (!publish_name_ok(name))
		return log_err(-EINVAL, "'%s' cannot be an image's name", name);
	snprintf(file, sizeof(file), "%s.index", name);
	r = file_read(boot_dirfd, file, &text);
	if (r < 0)
		return log_err(r, "cannot read '%s'", file);
	if (n_keys > 0)
		signature = check_signature(boot_dirfd, name, &text, keys, n_keys, &res);
	r = index_parse(text.data, text.len, &x, &line, &why);
	if (r == -EBADMSG)
		log_err(0, "%s:%u: %s", file, line, why);
	if (r == 0 && strcmp(x.name, name)) {
		log_err(0, "'%s' is the index of an image called '%s'", file, x.name);
		r = -EBADMSG;
	}
	if (r == 0)
		r = check_parts(boot_dirfd, name, &x, &res);
	if (r == 0)
		r = signature;
	if (r < 0)
		return r;
	res.counter = x.counter;
	res.image_bytes = x.image_bytes;
	res.stored_bytes = index_stored_bytes(&x);
	*ret = res;
	return 0;
}

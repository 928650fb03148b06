/*
 * verify.c - check a published image on disk as a node would check it, and further
 *
 * Parts are read one by one and unpacked into one buffer, so that memory does not grow with the
 * image.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "image/parts.h"
#include "image/published.h"
#include "image/sign.h"
#include "image/verify.h"

#define VERIFY_PATH_BYTES  128
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
	_cleanup_free_ uint8_t *raw = malloc(INDEX_PART_RAW_MAX);
	_cleanup_parts_ struct parts parts = { 0 };
	crypto_generichash_state st;
	uint8_t digest[INDEX_HASH_BYTES];
	int err = raw ? parts_init(&parts, dirfd) : -ENOMEM;

	crypto_generichash_init(&st, NULL, 0, sizeof(digest));
	for (size_t i = 0; err != -ENOMEM && i < x->n_parts; i++) {
		const struct index_part *p = &x->parts[i];

		if (p->stored_bytes == 0) {
			res->holes++;
			hash_zeros(&st, p->raw_bytes);
			continue;
		}
		res->parts++;
		if (parts_load(&parts, p, i + 1, raw) < 0)
			err = -EBADMSG;
		else
			crypto_generichash_update(&st, raw, p->raw_bytes);
	}
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
	int r, signature = 0;

	if (sodium_init() < 0)
		return log_err(-EIO, "cannot start libsodium");
	r = published_text(boot_dirfd, name, &text);
	if (r < 0)
		return r;
	if (n_keys > 0)
		signature = check_signature(boot_dirfd, name, &text, keys, n_keys, &res);
	r = published_index(name, &text, &x);
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

/*
 * sign.c - the key that signs indexes, in minisign's formats (docs/keys.md)
 *
 * The secret key's file is what `minisign -G -W` writes: algorithm "Ed", KDF zero (no password),
 * checksum "B2", 48 bytes of salt and limits that a KDF would use (zeros), key id, Ed25519 secret
 * key, 32 bytes of checksum. minisign 0.11 leaves the checksum zero when there is no password; both
 * that and the true one are accepted here.
 *
 * A key with a password is refused with the command that removes it: a build that asks for a
 * password does not run from cron, and scrypt of 1 GB for each image helps nobody who can read the
 * builder's disk.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "image/sign.h"

#define SIGN_KDF_BYTES	 48 /* salt, operations limit, memory limit */
#define SIGN_CHECK_BYTES 32
#define SIGN_RAW_BYTES \
	(6 + SIGN_KDF_BYTES + MINISIGN_ID_BYTES + SIGN_SECRET_BYTES + SIGN_CHECK_BYTES)
#define SIGN_TEXT_BYTES (sodium_base64_ENCODED_LEN(SIGN_RAW_BYTES, sodium_base64_VARIANT_ORIGINAL))
#define SIGN_HASH_BYTES 64

static const char key_comment[] = "untrusted comment: minisign encrypted secret key\n";

void sign_key_clear(struct sign_key *k)
{
	sodium_memzero(k, sizeof(*k));
}

int sign_key_generate(struct sign_key *ret)
{
	uint8_t public_key[MINISIGN_KEY_BYTES];

	if (sodium_init() < 0)
		return log_err(-EIO, "cannot start libsodium");
	randombytes_buf(ret->id, sizeof(ret->id));
	crypto_sign_keypair(public_key, ret->secret);
	return 0;
}

static void checksum(const struct sign_key *k, uint8_t ret[static SIGN_CHECK_BYTES])
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, SIGN_CHECK_BYTES);
	crypto_generichash_update(&st, (const uint8_t *)"Ed", 2);
	crypto_generichash_update(&st, k->id, sizeof(k->id));
	crypto_generichash_update(&st, k->secret, sizeof(k->secret));
	crypto_generichash_final(&st, ret, SIGN_CHECK_BYTES);
}

static int parse_raw(const uint8_t raw[static SIGN_RAW_BYTES], struct sign_key *ret)
{
	struct reader r = READER(raw, SIGN_RAW_BYTES);
	uint8_t alg[6], check[SIGN_CHECK_BYTES], expected[SIGN_CHECK_BYTES];
	uint8_t seed[crypto_sign_SEEDBYTES], public_key[MINISIGN_KEY_BYTES],
		pair[SIGN_SECRET_BYTES];
	_cleanup_sign_key_ struct sign_key k;
	int derived;

	reader_copy(&r, alg, sizeof(alg));
	reader_skip(&r, SIGN_KDF_BYTES);
	reader_copy(&r, k.id, sizeof(k.id));
	reader_copy(&r, k.secret, sizeof(k.secret));
	reader_copy(&r, check, sizeof(check));
	if (reader_end(&r) < 0 || memcmp(alg, "Ed", 2) || memcmp(alg + 4, "B2", 2))
		return -EBADMSG;
	if (!memcmp(alg + 2, "Sc", 2))
		return -EPROTO;
	if (memcmp(alg + 2, "\0\0", 2))
		return -EBADMSG;
	checksum(&k, expected);
	if (!sodium_is_zero(check, sizeof(check)) && memcmp(check, expected, sizeof(check)))
		return -EBADMSG;
	/* A damaged half would leak the other through its signatures. */
	memcpy(seed, k.secret, sizeof(seed));
	crypto_sign_seed_keypair(public_key, pair, seed);
	derived = sodium_memcmp(pair, k.secret, sizeof(pair));
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(pair, sizeof(pair));
	if (derived != 0)
		return -EBADMSG;
	*ret = k;
	return 0;
}

static int parse_text(const struct buffer *b, struct sign_key *ret)
{
	struct reader r = READER(b->data, b->len);
	const uint8_t *nl = b->len ? memchr(b->data, '\n', b->len) : NULL;
	uint8_t raw[SIGN_RAW_BYTES];
	size_t n = 0;
	int err;

	if (!nl)
		return -EBADMSG;
	reader_skip(&r, (size_t)(nl - b->data) + 1);
	if (r.left > 0 && r.p[r.left - 1] == '\n')
		r.left--;
	if (sodium_base642bin(raw, sizeof(raw), (const char *)r.p, r.left, NULL, &n, NULL,
			      sodium_base64_VARIANT_ORIGINAL) < 0 ||
	    n != sizeof(raw))
		err = -EBADMSG;
	else
		err = parse_raw(raw, ret);
	sodium_memzero(raw, sizeof(raw));
	return err;
}

int sign_key_load(int dirfd, const char *path, struct sign_key *ret)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MINISIGN_FILE_MAX);
	int r;

	if (sodium_init() < 0)
		return log_err(-EIO, "cannot start libsodium");
	r = file_read(dirfd, path, &b);
	if (r == -ENOENT)
		return log_err(r, "cannot read signing key '%s' ('bpboot keygen' makes one)", path);
	if (r < 0)
		return log_err(r, "cannot read signing key '%s'", path);
	r = parse_text(&b, ret);
	sodium_memzero(b.data, b.len);
	if (r == -EPROTO) {
		log_err(0,
			"signing key '%s' has a password; expected one without "
			"('minisign -C -W -s %s' removes it)",
			path, path);
		return r;
	}
	if (r < 0)
		log_err(0, "'%s' is not a minisign secret key", path);
	return r;
}

int sign_key_format(const struct sign_key *k, struct buffer *to)
{
	uint8_t raw[SIGN_RAW_BYTES];
	char text[SIGN_TEXT_BYTES];
	struct writer w = WRITER(raw, sizeof(raw));
	size_t n;
	int r;

	writer_bytes(&w, "Ed\0\0B2", 6);
	writer_zero(&w, SIGN_KDF_BYTES);
	writer_bytes(&w, k->id, sizeof(k->id));
	writer_bytes(&w, k->secret, sizeof(k->secret));
	writer_zero(&w, SIGN_CHECK_BYTES);
	r = writer_end(&w, &n);
	if (r == 0) {
		sodium_bin2base64(text, sizeof(text), raw, n, sodium_base64_VARIANT_ORIGINAL);
		r = buffer_printf(to, "%s%s\n", key_comment, text);
	}
	sodium_memzero(raw, sizeof(raw));
	sodium_memzero(text, sizeof(text));
	return r;
}

void sign_public(const struct sign_key *k, struct minisign_key *ret)
{
	memcpy(ret->id, k->id, sizeof(ret->id));
	memcpy(ret->public_key, k->secret + SIGN_SECRET_BYTES - MINISIGN_KEY_BYTES,
	       MINISIGN_KEY_BYTES);
}

int sign_public_load(int dirfd, const char *path, struct minisign_key *ret)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MINISIGN_FILE_MAX);
	int r = file_read(dirfd, path, &b);

	if (r == -ENOENT)
		return log_err(r, "cannot read public key '%s' ('bpboot keygen' makes one)", path);
	if (r < 0)
		return log_err(r, "cannot read public key '%s'", path);
	r = minisign_key_parse(b.data, b.len, ret);
	if (r < 0)
		log_err(0, "'%s' is not a minisign public key", path);
	return r;
}

/* What the global signature signs. */
static size_t global_text(const struct minisign_sig *s,
			  uint8_t ret[static MINISIGN_SIG_BYTES + MINISIGN_COMMENT_MAX])
{
	size_t n = strlen(s->trusted_comment);

	memcpy(ret, s->signature, MINISIGN_SIG_BYTES);
	memcpy(ret + MINISIGN_SIG_BYTES, s->trusted_comment, n);
	return MINISIGN_SIG_BYTES + n;
}

int sign_make(const struct sign_key *k, const void *data, size_t n, const char *trusted_comment,
	      struct buffer *to)
{
	uint8_t hash[SIGN_HASH_BYTES], text[MINISIGN_SIG_BYTES + MINISIGN_COMMENT_MAX];
	struct minisign_sig s = { .prehashed = true };
	size_t len = strlen(trusted_comment);

	if (len >= sizeof(s.trusted_comment))
		return -E2BIG;
	memcpy(s.id, k->id, sizeof(s.id));
	memcpy(s.trusted_comment, trusted_comment, len + 1);
	crypto_generichash(hash, sizeof(hash), data, n, NULL, 0);
	crypto_sign_detached(s.signature, NULL, hash, sizeof(hash), k->secret);
	crypto_sign_detached(s.global_signature, NULL, text, global_text(&s, text), k->secret);
	return minisign_sig_format(&s, to);
}

int sign_check(const struct minisign_key *pub, const struct buffer *sig, const void *data, size_t n,
	       struct minisign_sig *ret)
{
	uint8_t hash[SIGN_HASH_BYTES], text[MINISIGN_SIG_BYTES + MINISIGN_COMMENT_MAX];
	int r = minisign_sig_parse(sig->data, sig->len, ret);

	if (r < 0)
		return r;
	if (memcmp(ret->id, pub->id, sizeof(pub->id)))
		return -ENOKEY;
	if (ret->prehashed) {
		crypto_generichash(hash, sizeof(hash), data, n, NULL, 0);
		data = hash;
		n = sizeof(hash);
	}
	if (crypto_sign_verify_detached(ret->signature, data, n, pub->public_key) < 0 ||
	    crypto_sign_verify_detached(ret->global_signature, text, global_text(ret, text),
					pub->public_key) < 0)
		return -EKEYREJECTED;
	return 0;
}

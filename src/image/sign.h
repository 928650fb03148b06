/*
 * sign.h - the key that signs indexes, in minisign's formats (docs/keys.md)
 *
 * sign.key is a minisign secret key without a password (its KDF is "none"), sign.pub the public
 * half; signatures are prehashed Ed25519 ("ED"), so that stock minisign checks ours and makes ones
 * that we accept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "wire/minisign.h"

#define SIGN_SECRET_BYTES 64

#define SIGN_KEY_FILE	 "sign.key" /* names below where_key_dir() */
#define SIGN_PUBLIC_FILE "sign.pub"

struct sign_key {
	uint8_t id[MINISIGN_ID_BYTES];
	uint8_t secret[SIGN_SECRET_BYTES]; /* seed, then public key */
};

#define _cleanup_sign_key_ _cleanup_(sign_key_clear)
void sign_key_clear(struct sign_key *k); /* wipes */

_must_check_ int sign_key_generate(struct sign_key *ret);

/*
 * Read a secret key file; logs. Return: 0, -EBADMSG, -EPROTO (encrypted with a password), or why it
 * cannot be read.
 */
_must_check_ int sign_key_load(int dirfd, const char *path, struct sign_key *ret);

/* Append the text of the secret key file. */
_must_check_ int sign_key_format(const struct sign_key *k, struct buffer *to);

/*
 * Sign @n bytes and append the text of the .minisig file; @trusted_comment is signed too and is one
 * line. The same input gives the same bytes.
 */
_must_check_ int sign_make(const struct sign_key *k, const void *data, size_t n,
			   const char *trusted_comment, struct buffer *to);

/* The public half. */
void sign_public(const struct sign_key *k, struct minisign_key *ret);

/* Read a .pub file; logs. */
_must_check_ int sign_public_load(int dirfd, const char *path, struct minisign_key *ret);

/*
 * Check @sig, the text of a .minisig file, over @n bytes. Return: 0; -EBADMSG (malformed); -ENOKEY
 * (made by another key, *ret->id says which); -EKEYREJECTED (it does not sign these bytes). *ret is
 * the signature when it could be read.
 */
_must_check_ int sign_check(const struct minisign_key *pub, const struct buffer *sig,
			    const void *data, size_t n, struct minisign_sig *ret);

/*
 * minisign.h - minisign's public key and signature files as structs
 *
 * A pure codec: nothing is verified here. Formats as of minisign 0.11: a comment line, then base64.
 * What the signature signs: the message when !prehashed ("Ed"), its BLAKE2b-512 when prehashed
 * ("ED"); the global signature signs the 64 signature bytes followed by the trusted comment's text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define MINISIGN_FILE_MAX    4096 /* bytes of a .pub or .minisig that is accepted */
#define MINISIGN_COMMENT_MAX 1024 /* trusted comment with NUL */
#define MINISIGN_ID_STR_MAX  17	  /* a key's id as minisign prints it, with NUL */
#define MINISIGN_ID_BYTES    8
#define MINISIGN_KEY_BYTES   32
#define MINISIGN_SIG_BYTES   64

struct minisign_key {
	uint8_t id[MINISIGN_ID_BYTES]; /* random, only tells keys apart */
	uint8_t public_key[MINISIGN_KEY_BYTES];
};

struct minisign_sig {
	bool prehashed;		       /* "ED": of the message's BLAKE2b-512; else of the message */
	uint8_t id[MINISIGN_ID_BYTES]; /* of the key that signed */
	uint8_t signature[MINISIGN_SIG_BYTES];
	char trusted_comment[MINISIGN_COMMENT_MAX]; /* no control characters but the tab */
	uint8_t global_signature[MINISIGN_SIG_BYTES];
};

/* Parse a whole file. Return: 0 or -EBADMSG. */
_must_check_ int minisign_key_parse(const void *text, size_t n, struct minisign_key *ret);
_must_check_ int minisign_sig_parse(const void *text, size_t n, struct minisign_sig *ret);

/*
 * Append the whole file. Return: 0, -E2BIG, -ENOMEM; -EINVAL when the comment holds a control
 * character.
 */
_must_check_ int minisign_key_format(const struct minisign_key *k, struct buffer *to);
_must_check_ int minisign_sig_format(const struct minisign_sig *s, struct buffer *to);

/* The id as minisign prints it: an upper-case hex number, bytes little-endian. Return: @ret. */
const char *minisign_id_str(const uint8_t id[static MINISIGN_ID_BYTES],
			    char ret[static MINISIGN_ID_STR_MAX]);

/*
 * cipher.h - the cryptography of the channel: a handshake that proves the master, then sealed
 * frames
 *
 * The pattern is Noise's NK: the slave knows the master's static public key (it travels in the
 * signed image), the master knows nothing of the slave. Both add an ephemeral key, so that a key
 * that leaks later opens nothing recorded before. X25519, BLAKE2b and ChaCha20-Poly1305 of
 * libsodium; docs/protocol.md writes each step down, docs/security.md says what it proves. No I/O
 * here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

#define CIPHER_KEY_BYTES   32
#define CIPHER_TAG_BYTES   16
#define CIPHER_HASH_BYTES  32
#define CIPHER_MAGIC	   "bpspace1" /* opens the first message */
#define CIPHER_MAGIC_BYTES 8
#define CIPHER_GREETING_BYTES \
	(CIPHER_MAGIC_BYTES + CIPHER_KEY_BYTES + CIPHER_TAG_BYTES) /* slave to master */
#define CIPHER_ANSWER_BYTES (CIPHER_KEY_BYTES + CIPHER_TAG_BYTES)  /* master to slave */

/* One direction of a connection. */
struct cipher {
	uint8_t key[CIPHER_KEY_BYTES];
	uint64_t counter; /* frames sealed or opened: the nonce */
};

/* The slave's side between greeting and answer. */
struct handshake {
	uint8_t secret[CIPHER_KEY_BYTES]; /* ephemeral */
	uint8_t master[CIPHER_KEY_BYTES]; /* static public key */
	uint8_t hash[CIPHER_HASH_BYTES];  /* transcript so far */
};

/* Encrypt @n bytes in place; @ad is authenticated beside them. */
void cipher_seal(struct cipher *c, const void *ad, size_t ad_n, uint8_t *text, size_t n,
		 uint8_t ret_tag[static CIPHER_TAG_BYTES]);

/* Decrypt @n bytes in place. Return: 0, or -EBADMSG when it is not the next frame of the peer;
 * @text is wiped then. */
_must_check_ int cipher_open(struct cipher *c, const void *ad, size_t ad_n, uint8_t *text, size_t n,
			     const uint8_t tag[static CIPHER_TAG_BYTES]);

/* Public key of a secret one. */
_must_check_ int cipher_public(const uint8_t secret[static CIPHER_KEY_BYTES],
			       uint8_t ret[static CIPHER_KEY_BYTES]);

/* Slave: begin. Return: 0, or -EKEYREJECTED when @master is not a usable key. */
_must_check_ int handshake_greet(struct handshake *h, const uint8_t master[static CIPHER_KEY_BYTES],
				 uint8_t ret[static CIPHER_GREETING_BYTES]);

/*
 * Master: answer a greeting.
 * Return: 0; -EBADMSG (no greeting of this protocol), -EKEYREJECTED (made for another master's
 * key).
 */
_must_check_ int handshake_answer(const uint8_t secret[static CIPHER_KEY_BYTES],
				  const uint8_t greeting[static CIPHER_GREETING_BYTES],
				  uint8_t ret_answer[static CIPHER_ANSWER_BYTES],
				  struct cipher *ret_receive, struct cipher *ret_send);

/* Slave: take the answer. Return: 0, or -EKEYREJECTED when it is not from the master whose key we
 * know. */
_must_check_ int handshake_finish(struct handshake *h,
				  const uint8_t answer[static CIPHER_ANSWER_BYTES],
				  struct cipher *ret_receive, struct cipher *ret_send);

void handshake_clear(struct handshake *h);
void cipher_clear(struct cipher *c);

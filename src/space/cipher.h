/*
 * cipher.h - the cryptography of the channel: a handshake that proves both ends, then sealed frames
 *
 * The pattern is Noise's XK: the slave knows the master's static public key (it travels in the
 * signed image) and shows its own one, encrypted, in the third message, where it proves that it
 * holds the secret half. Both add an ephemeral key, so that a key that leaks later opens nothing
 * recorded before. X25519, BLAKE2b and ChaCha20-Poly1305 of libsodium; docs/protocol.md writes each
 * step down, docs/security.md says what it proves. No I/O here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

#define CIPHER_KEY_BYTES   32
#define CIPHER_TAG_BYTES   16
#define CIPHER_HASH_BYTES  32
#define CIPHER_MAGIC	   "bpspace2" /* opens the first message */
#define CIPHER_MAGIC_BYTES 8
#define CIPHER_GREETING_BYTES \
	(CIPHER_MAGIC_BYTES + CIPHER_KEY_BYTES + CIPHER_TAG_BYTES)	     /* slave to master */
#define CIPHER_ANSWER_BYTES   (CIPHER_KEY_BYTES + CIPHER_TAG_BYTES)	     /* master to slave */
#define CIPHER_IDENTITY_BYTES (1 + CIPHER_KEY_BYTES)			     /* kind, public key */
#define CIPHER_PROOF_BYTES    (CIPHER_IDENTITY_BYTES + 2 * CIPHER_TAG_BYTES) /* slave to master */
#define CIPHER_FINGERPRINT    33 /* characters of one, with NUL */

/* One direction of a connection. */
struct cipher {
	uint8_t key[CIPHER_KEY_BYTES];
	uint64_t counter; /* frames sealed or opened: the nonce */
};

/* A static key pair. */
struct keypair {
	uint8_t secret[CIPHER_KEY_BYTES], public[CIPHER_KEY_BYTES];
};

/* Who a slave is. */
struct identity {
	uint8_t key[CIPHER_KEY_BYTES]; /* static public key */
	bool lasting;		       /* outlives a boot, so it says */
};

/* Either side between its first message and its last one. */
struct handshake {
	uint8_t secret[CIPHER_KEY_BYTES]; /* ephemeral */
	uint8_t master[CIPHER_KEY_BYTES]; /* static public key */
	uint8_t hash[CIPHER_HASH_BYTES];  /* transcript so far */
	uint8_t root[CIPHER_KEY_BYTES];	  /* master: from the answer on */
	bool answered;			  /* master */
};

/* Encrypt @n bytes in place; @ad is authenticated beside them. */
void cipher_seal(struct cipher *c, const void *ad, size_t ad_n, uint8_t *text, size_t n,
		 uint8_t ret_tag[static CIPHER_TAG_BYTES]);

/* Decrypt @n bytes in place. Return: 0, or -EBADMSG when it is not the next frame of the peer;
 * @text is wiped then. */
_must_check_ int cipher_open(struct cipher *c, const void *ad, size_t ad_n, uint8_t *text, size_t n,
			     const uint8_t tag[static CIPHER_TAG_BYTES]);

/* The pair of a secret key. Return: 0, or -EKEYREJECTED. */
_must_check_ int keypair_of(const uint8_t secret[static CIPHER_KEY_BYTES], struct keypair *ret);
void keypair_make(struct keypair *ret);
void keypair_clear(struct keypair *k);

/* What people compare: 128 bits of a hash of a public key, in hexadecimal. Return: @ret. */
const char *cipher_fingerprint(const uint8_t public[static CIPHER_KEY_BYTES],
			       char ret[static CIPHER_FINGERPRINT]);

/* Slave: begin. Return: 0, or -EKEYREJECTED when @master is not a usable key. */
_must_check_ int handshake_greet(struct handshake *h, const uint8_t master[static CIPHER_KEY_BYTES],
				 uint8_t ret[static CIPHER_GREETING_BYTES]);

/*
 * Master: answer a greeting.
 * Return: 0; -EBADMSG (no greeting of this protocol), -EKEYREJECTED (made for another master's
 * key).
 */
_must_check_ int handshake_answer(struct handshake *h, const struct keypair *master,
				  const uint8_t greeting[static CIPHER_GREETING_BYTES],
				  uint8_t ret_answer[static CIPHER_ANSWER_BYTES]);

/*
 * Slave: take the answer, and prove who we are. Return: 0, or -EKEYREJECTED when it is not from the
 * master whose key we know.
 */
_must_check_ int handshake_prove(struct handshake *h, const struct keypair *slave, bool lasting,
				 const uint8_t answer[static CIPHER_ANSWER_BYTES],
				 uint8_t ret_proof[static CIPHER_PROOF_BYTES],
				 struct cipher *ret_receive, struct cipher *ret_send);

/*
 * Master: who is it? Return: 0; -EBADMSG when it is not what follows that answer; -EKEYREJECTED
 * when the slave does not hold the secret of the key that it shows.
 */
_must_check_ int handshake_check(struct handshake *h,
				 const uint8_t proof[static CIPHER_PROOF_BYTES],
				 struct identity *ret_slave, struct cipher *ret_receive,
				 struct cipher *ret_send);

void handshake_clear(struct handshake *h);
void cipher_clear(struct cipher *c);

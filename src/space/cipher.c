/*
 * cipher.c - the cryptography of the channel
 *
 * greeting: magic, E_s, tag1          tag1 = AEAD(key1, "", ad = h1)
 * answer:   E_m, tag2                 tag2 = AEAD(key2, "", ad = h2)
 * proof:    sealed, tag4              sealed = AEAD(key3, kind S, ad = h3)
 *                                     tag4 = AEAD(key4, "", ad = h4)
 *
 *   h0 = H(name, M)                   M, S: static public keys of master and slave
 *   h1 = H(h0, magic, E_s)            E_s, E_m: ephemeral public keys
 *   key1 = KDF(DH(E_s, M), h1, "greeting")
 *   h2 = H(H(h1, tag1), E_m)
 *   root = KDF(DH(E_s, M) || DH(E_s, E_m), h2, "root")
 *   key2 = KDF(root, h2, "answer")
 *   h3 = H(h2, tag2)                  key3 = KDF(root, h3, "identity")
 *   h4 = H(h3, sealed)
 *   root2 = KDF(root || DH(S, E_m), h4, "root 2")
 *   key4, and a key for each direction = KDF(root2, h4, label)
 *
 * tag1 lets the master drop what was not made for its key before it computes more; tag2 proves to
 * the slave that the other side holds the secret of M; tag4 proves to the master that the slave
 * holds the secret of S, now, since E_m is new in each connection. Every hash takes its inputs at
 * fixed lengths, so no two transcripts share a hash.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/parse.h"
#include "space/cipher.h"

static const char protocol_name[32] = "bpboot-space-XK-25519-CCP-B2b-2";

static void nonce_of(uint64_t counter, uint8_t ret[crypto_aead_chacha20poly1305_ietf_NPUBBYTES])
{
	memset(ret, 0, crypto_aead_chacha20poly1305_ietf_NPUBBYTES);
	for (int i = 0; i < 8; i++)
		ret[4 + i] = (uint8_t)(counter >> (8 * i));
}

void cipher_seal(struct cipher *c, const void *ad, size_t ad_n, uint8_t *text, size_t n,
		 uint8_t ret_tag[static CIPHER_TAG_BYTES])
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	nonce_of(c->counter++, nonce);
	(void)crypto_aead_chacha20poly1305_ietf_encrypt_detached(
		text, ret_tag, NULL, text, n, ad, ad_n, NULL, nonce, c->key); /* cannot fail */
}

int cipher_open(struct cipher *c, const void *ad, size_t ad_n, uint8_t *text, size_t n,
		const uint8_t tag[static CIPHER_TAG_BYTES])
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	nonce_of(c->counter, nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt_detached(text, NULL, text, n, tag, ad, ad_n,
							       nonce, c->key) != 0)
		return -EBADMSG;
	c->counter++;
	return 0;
}

int keypair_of(const uint8_t secret[static CIPHER_KEY_BYTES], struct keypair *ret)
{
	memmove(ret->secret, secret, sizeof(ret->secret));
	return crypto_scalarmult_base(ret->public, secret) == 0 ? 0 : -EKEYREJECTED;
}

void keypair_make(struct keypair *ret)
{
	randombytes_buf(ret->secret, sizeof(ret->secret));
	(void)crypto_scalarmult_base(ret->public, ret->secret); /* fails for no secret */
}

void keypair_clear(struct keypair *k)
{
	sodium_memzero(k, sizeof(*k));
}

const char *cipher_fingerprint(const uint8_t public[static CIPHER_KEY_BYTES],
			       char ret[static CIPHER_FINGERPRINT])
{
	uint8_t hash[(CIPHER_FINGERPRINT - 1) / 2];

	(void)crypto_generichash(hash, sizeof(hash), public, CIPHER_KEY_BYTES, NULL, 0);
	format_hex(hash, sizeof(hash), ret);
	return ret;
}

static void hash3(uint8_t out[static CIPHER_HASH_BYTES], const void *a, size_t a_n, const void *b,
		  size_t b_n, const void *c, size_t c_n)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, CIPHER_HASH_BYTES);
	crypto_generichash_update(&st, a, a_n);
	crypto_generichash_update(&st, b, b_n);
	crypto_generichash_update(&st, c, c_n);
	crypto_generichash_final(&st, out, CIPHER_HASH_BYTES);
}

/* A key from secret bytes (32 or 64 of them), bound to the transcript and a label. */
static void derive(uint8_t out[static CIPHER_KEY_BYTES], const uint8_t *secret, size_t secret_n,
		   const uint8_t hash[static CIPHER_HASH_BYTES], const char *label)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, secret, secret_n, CIPHER_KEY_BYTES);
	crypto_generichash_update(&st, hash, CIPHER_HASH_BYTES);
	crypto_generichash_update(&st, (const uint8_t *)label, strlen(label));
	crypto_generichash_final(&st, out, CIPHER_KEY_BYTES);
}

/* The tag of an empty text under a key that is used once. */
static void tag_make(const uint8_t key[static CIPHER_KEY_BYTES],
		     const uint8_t hash[static CIPHER_HASH_BYTES],
		     uint8_t ret[static CIPHER_TAG_BYTES])
{
	struct cipher c = { 0 };
	uint8_t none[1];

	memcpy(c.key, key, sizeof(c.key));
	cipher_seal(&c, hash, CIPHER_HASH_BYTES, none, 0, ret);
	cipher_clear(&c);
}

static int tag_check(const uint8_t key[static CIPHER_KEY_BYTES],
		     const uint8_t hash[static CIPHER_HASH_BYTES],
		     const uint8_t tag[static CIPHER_TAG_BYTES])
{
	struct cipher c = { 0 };
	uint8_t none[1];
	int r;

	memcpy(c.key, key, sizeof(c.key));
	r = cipher_open(&c, hash, CIPHER_HASH_BYTES, none, 0, tag);
	cipher_clear(&c);
	return r < 0 ? -EKEYREJECTED : 0;
}

/* h1 of the transcript. */
static void transcript1(uint8_t ret[static CIPHER_HASH_BYTES],
			const uint8_t master[static CIPHER_KEY_BYTES], const uint8_t *greeting)
{
	uint8_t h0[CIPHER_HASH_BYTES];

	hash3(h0, protocol_name, sizeof(protocol_name), master, CIPHER_KEY_BYTES, "", 0);
	hash3(ret, h0, sizeof(h0), greeting, CIPHER_MAGIC_BYTES, greeting + CIPHER_MAGIC_BYTES,
	      CIPHER_KEY_BYTES);
}

int handshake_greet(struct handshake *h, const uint8_t master[static CIPHER_KEY_BYTES],
		    uint8_t ret[static CIPHER_GREETING_BYTES])
{
	uint8_t shared[CIPHER_KEY_BYTES], key1[CIPHER_KEY_BYTES];
	uint8_t *public = ret + CIPHER_MAGIC_BYTES, *tag = public + CIPHER_KEY_BYTES;

	memcpy(h->master, master, sizeof(h->master));
	randombytes_buf(h->secret, sizeof(h->secret));
	memcpy(ret, CIPHER_MAGIC, CIPHER_MAGIC_BYTES);
	if (crypto_scalarmult_base(public, h->secret) != 0 ||
	    crypto_scalarmult(shared, h->secret, master) != 0)
		return -EKEYREJECTED;
	transcript1(h->hash, master, ret);
	derive(key1, shared, sizeof(shared), h->hash, "greeting");
	tag_make(key1, h->hash, tag);
	hash3(h->hash, h->hash, sizeof(h->hash), tag, CIPHER_TAG_BYTES, "", 0);
	sodium_memzero(shared, sizeof(shared));
	sodium_memzero(key1, sizeof(key1));
	return 0;
}

/* The key that seals @label's one text of the handshake. */
static void key_set(struct cipher *c, const uint8_t root[static CIPHER_KEY_BYTES],
		    const uint8_t hash[static CIPHER_HASH_BYTES], const char *label)
{
	*c = (struct cipher){ 0 };
	derive(c->key, root, CIPHER_KEY_BYTES, hash, label);
}

/* root and h2, from both results of DH. */
static void mix_answer(uint8_t hash[static CIPHER_HASH_BYTES],
		       const uint8_t shared[static 2 * CIPHER_KEY_BYTES],
		       const uint8_t public[static CIPHER_KEY_BYTES],
		       uint8_t ret_root[static CIPHER_KEY_BYTES],
		       uint8_t ret_confirm[static CIPHER_KEY_BYTES])
{
	hash3(hash, hash, CIPHER_HASH_BYTES, public, CIPHER_KEY_BYTES, "", 0);
	derive(ret_root, shared, 2 * CIPHER_KEY_BYTES, hash, "root");
	derive(ret_confirm, ret_root, CIPHER_KEY_BYTES, hash, "answer");
}

/* root 2, key4 and the keys of both directions, as the slave uses them. */
static void keys_last(const struct handshake *h, const uint8_t dh[static CIPHER_KEY_BYTES],
		      uint8_t ret_key4[static CIPHER_KEY_BYTES], struct cipher *ret_to_master,
		      struct cipher *ret_to_slave)
{
	uint8_t shared[2 * CIPHER_KEY_BYTES], root[CIPHER_KEY_BYTES];

	memcpy(shared, h->root, CIPHER_KEY_BYTES);
	memcpy(shared + CIPHER_KEY_BYTES, dh, CIPHER_KEY_BYTES);
	derive(root, shared, sizeof(shared), h->hash, "root 2");
	derive(ret_key4, root, sizeof(root), h->hash, "proof");
	key_set(ret_to_master, root, h->hash, "slave to master");
	key_set(ret_to_slave, root, h->hash, "master to slave");
	sodium_memzero(shared, sizeof(shared));
	sodium_memzero(root, sizeof(root));
}

int handshake_answer(struct handshake *h, const struct keypair *master,
		     const uint8_t greeting[static CIPHER_GREETING_BYTES],
		     uint8_t ret_answer[static CIPHER_ANSWER_BYTES])
{
	const uint8_t *slave = greeting + CIPHER_MAGIC_BYTES, *tag1 = slave + CIPHER_KEY_BYTES;
	uint8_t shared[2 * CIPHER_KEY_BYTES], key[CIPHER_KEY_BYTES], *public = ret_answer;
	uint8_t *tag2 = public + CIPHER_KEY_BYTES;
	int r;

	if (memcmp(greeting, CIPHER_MAGIC, CIPHER_MAGIC_BYTES) != 0)
		return -EBADMSG;
	if (crypto_scalarmult(shared, master->secret, slave) != 0)
		return -EKEYREJECTED;
	transcript1(h->hash, master->public, greeting);
	derive(key, shared, CIPHER_KEY_BYTES, h->hash, "greeting");
	r = tag_check(key, h->hash, tag1);
	if (r == 0) {
		hash3(h->hash, h->hash, sizeof(h->hash), tag1, CIPHER_TAG_BYTES, "", 0);
		randombytes_buf(h->secret, sizeof(h->secret));
		if (crypto_scalarmult_base(public, h->secret) != 0 ||
		    crypto_scalarmult(shared + CIPHER_KEY_BYTES, h->secret, slave) != 0)
			r = -EKEYREJECTED;
	}
	if (r == 0) {
		mix_answer(h->hash, shared, public, h->root, key);
		tag_make(key, h->hash, tag2);
		hash3(h->hash, h->hash, sizeof(h->hash), tag2, CIPHER_TAG_BYTES, "", 0);
		h->answered = true;
	}
	sodium_memzero(key, sizeof(key));
	sodium_memzero(shared, sizeof(shared));
	return r;
}

int handshake_prove(struct handshake *h, const struct keypair *slave, bool lasting,
		    const uint8_t answer[static CIPHER_ANSWER_BYTES],
		    uint8_t ret_proof[static CIPHER_PROOF_BYTES], struct cipher *ret_receive,
		    struct cipher *ret_send)
{
	const uint8_t *public = answer, *tag2 = answer + CIPHER_KEY_BYTES;
	uint8_t shared[2 * CIPHER_KEY_BYTES], key[CIPHER_KEY_BYTES], *tag3;
	struct handshake now = *h; /* an answer that is refused leaves @h as it was */
	struct cipher identity;
	int r = -EKEYREJECTED;

	if (crypto_scalarmult(shared, h->secret, h->master) != 0 ||
	    crypto_scalarmult(shared + CIPHER_KEY_BYTES, h->secret, public) != 0)
		goto out;
	mix_answer(now.hash, shared, public, now.root, key);
	if (tag_check(key, now.hash, tag2) < 0 ||
	    crypto_scalarmult(shared, slave->secret, public) != 0)
		goto out;
	hash3(now.hash, now.hash, sizeof(now.hash), tag2, CIPHER_TAG_BYTES, "", 0);
	key_set(&identity, now.root, now.hash, "identity");
	ret_proof[0] = lasting;
	memcpy(ret_proof + 1, slave->public, CIPHER_KEY_BYTES);
	tag3 = ret_proof + CIPHER_IDENTITY_BYTES;
	cipher_seal(&identity, now.hash, sizeof(now.hash), ret_proof, CIPHER_IDENTITY_BYTES, tag3);
	cipher_clear(&identity);
	hash3(now.hash, now.hash, sizeof(now.hash), ret_proof,
	      CIPHER_IDENTITY_BYTES + CIPHER_TAG_BYTES, "", 0);
	keys_last(&now, shared, key, ret_send, ret_receive);
	tag_make(key, now.hash, tag3 + CIPHER_TAG_BYTES);
	r = 0;
out:
	handshake_clear(&now);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(shared, sizeof(shared));
	return r;
}

int handshake_check(struct handshake *h, const uint8_t proof[static CIPHER_PROOF_BYTES],
		    struct identity *ret_slave, struct cipher *ret_receive, struct cipher *ret_send)
{
	const uint8_t *tag3 = proof + CIPHER_IDENTITY_BYTES, *tag4 = tag3 + CIPHER_TAG_BYTES;
	uint8_t text[CIPHER_IDENTITY_BYTES], shared[CIPHER_KEY_BYTES], key[CIPHER_KEY_BYTES];
	struct cipher identity, receive, send;
	int r;

	memcpy(text, proof, sizeof(text));
	key_set(&identity, h->root, h->hash, "identity");
	r = cipher_open(&identity, h->hash, sizeof(h->hash), text, sizeof(text), tag3);
	cipher_clear(&identity);
	if (r < 0 || text[0] > 1)
		return -EBADMSG;
	if (crypto_scalarmult(shared, h->secret, text + 1) != 0)
		return -EKEYREJECTED;
	hash3(h->hash, h->hash, sizeof(h->hash), proof, CIPHER_IDENTITY_BYTES + CIPHER_TAG_BYTES,
	      "", 0);
	keys_last(h, shared, key, &receive, &send);
	r = tag_check(key, h->hash, tag4);
	if (r == 0) {
		memcpy(ret_slave->key, text + 1, sizeof(ret_slave->key));
		ret_slave->lasting = text[0];
		*ret_receive = receive;
		*ret_send = send;
	}
	cipher_clear(&receive);
	cipher_clear(&send);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(shared, sizeof(shared));
	return r;
}

void handshake_clear(struct handshake *h)
{
	sodium_memzero(h, sizeof(*h));
}

void cipher_clear(struct cipher *c)
{
	sodium_memzero(c, sizeof(*c));
}

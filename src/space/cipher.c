/*
 * cipher.c - the cryptography of the channel
 *
 * greeting: magic, E_s, tag1          tag1 = AEAD(key1, "", ad = h1)
 * answer:   E_m, tag2                 tag2 = AEAD(key2, "", ad = h2)
 *
 *   h0 = H(name, M)                   M: the master's static public key
 *   h1 = H(h0, magic, E_s)            E_s, E_m: ephemeral public keys of slave and master
 *   key1 = KDF(DH(E_s, M), h1, "greeting")
 *   h2 = H(H(h1, tag1), E_m)
 *   root = KDF(DH(E_s, M) || DH(E_s, E_m), h2, "root")
 *   key2, and a key for each direction = KDF(root, h2, label)
 *
 * tag1 lets the master drop what was not made for its key before it computes more; tag2 proves to
 * the slave that the other side holds the secret of M. That the slave has the keys too is proved by
 * its first frame. Every hash takes its inputs at fixed lengths, so no two transcripts share a
 * hash.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "space/cipher.h"

static const char protocol_name[32] = "bpboot-space-NK-25519-CCP-B2b-1";

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

int cipher_public(const uint8_t secret[static CIPHER_KEY_BYTES],
		  uint8_t ret[static CIPHER_KEY_BYTES])
{
	return crypto_scalarmult_base(ret, secret) == 0 ? 0 : -EKEYREJECTED;
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

/* What both sides know after the second message. */
struct keys {
	uint8_t confirm[CIPHER_KEY_BYTES], to_master[CIPHER_KEY_BYTES], to_slave[CIPHER_KEY_BYTES];
};

static void keys_derive(struct keys *k, const uint8_t shared[static 2 * CIPHER_KEY_BYTES],
			const uint8_t h2[static CIPHER_HASH_BYTES])
{
	uint8_t root[CIPHER_KEY_BYTES];

	derive(root, shared, 2 * CIPHER_KEY_BYTES, h2, "root");
	derive(k->confirm, root, sizeof(root), h2, "answer");
	derive(k->to_master, root, sizeof(root), h2, "slave to master");
	derive(k->to_slave, root, sizeof(root), h2, "master to slave");
	sodium_memzero(root, sizeof(root));
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

static void ciphers_set(struct cipher *receive, const uint8_t receive_key[static CIPHER_KEY_BYTES],
			struct cipher *send, const uint8_t send_key[static CIPHER_KEY_BYTES])
{
	*receive = *send = (struct cipher){ 0 };
	memcpy(receive->key, receive_key, sizeof(receive->key));
	memcpy(send->key, send_key, sizeof(send->key));
}

int handshake_answer(const uint8_t secret[static CIPHER_KEY_BYTES],
		     const uint8_t greeting[static CIPHER_GREETING_BYTES],
		     uint8_t ret_answer[static CIPHER_ANSWER_BYTES], struct cipher *ret_receive,
		     struct cipher *ret_send)
{
	const uint8_t *slave = greeting + CIPHER_MAGIC_BYTES, *tag1 = slave + CIPHER_KEY_BYTES;
	uint8_t master[CIPHER_KEY_BYTES], mine[CIPHER_KEY_BYTES], key1[CIPHER_KEY_BYTES];
	uint8_t shared[2 * CIPHER_KEY_BYTES], h[CIPHER_HASH_BYTES], *public = ret_answer;
	struct keys k;
	int r;

	if (memcmp(greeting, CIPHER_MAGIC, CIPHER_MAGIC_BYTES) != 0)
		return -EBADMSG;
	if (cipher_public(secret, master) < 0 || crypto_scalarmult(shared, secret, slave) != 0)
		return -EKEYREJECTED;
	transcript1(h, master, greeting);
	derive(key1, shared, CIPHER_KEY_BYTES, h, "greeting");
	r = tag_check(key1, h, tag1);
	sodium_memzero(key1, sizeof(key1));
	if (r < 0)
		return r;
	hash3(h, h, sizeof(h), tag1, CIPHER_TAG_BYTES, "", 0);

	randombytes_buf(mine, sizeof(mine));
	if (crypto_scalarmult_base(public, mine) != 0 ||
	    crypto_scalarmult(shared + CIPHER_KEY_BYTES, mine, slave) != 0)
		return -EKEYREJECTED;
	hash3(h, h, sizeof(h), public, CIPHER_KEY_BYTES, "", 0);
	keys_derive(&k, shared, h);
	tag_make(k.confirm, h, public + CIPHER_KEY_BYTES);
	ciphers_set(ret_receive, k.to_master, ret_send, k.to_slave);
	sodium_memzero(&k, sizeof(k));
	sodium_memzero(mine, sizeof(mine));
	sodium_memzero(shared, sizeof(shared));
	return 0;
}

int handshake_finish(struct handshake *h, const uint8_t answer[static CIPHER_ANSWER_BYTES],
		     struct cipher *ret_receive, struct cipher *ret_send)
{
	uint8_t shared[2 * CIPHER_KEY_BYTES], hash[CIPHER_HASH_BYTES];
	struct keys k;
	int r;

	if (crypto_scalarmult(shared, h->secret, h->master) != 0 ||
	    crypto_scalarmult(shared + CIPHER_KEY_BYTES, h->secret, answer) != 0)
		return -EKEYREJECTED;
	hash3(hash, h->hash, sizeof(h->hash), answer, CIPHER_KEY_BYTES, "", 0);
	keys_derive(&k, shared, hash);
	r = tag_check(k.confirm, hash, answer + CIPHER_KEY_BYTES);
	if (r == 0)
		ciphers_set(ret_receive, k.to_slave, ret_send, k.to_master);
	sodium_memzero(&k, sizeof(k));
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

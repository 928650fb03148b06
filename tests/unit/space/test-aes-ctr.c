/*
 * test-aes-ctr.c - the stream is that of the standards' vectors and of libsodium's AES-256-GCM,
 * from any block on, at any length, and each way gives the same
 */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/lang.h"
#include "base/parse.h"
#include "space/aes_ctr.h"

#define GCM_FIRST 2u /* the counter of the first block of text in GCM, with a nonce of 96 bits */

/* What a standard says: one key, the nonce and first number, text and what becomes of it. */
static const struct {
	const char *name, *key, *nonce, *text, *hidden;
	uint32_t counter;
} vectors[] = {
	{ "NIST SP 800-38A, F.5.5",
	  "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
	  "f0f1f2f3f4f5f6f7f8f9fafb",
	  "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	  "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
	  "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
	  "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
	  0xfcfdfeff },
	{ "RFC 3686, test vector 7",
	  "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104",
	  "00000060db5672c97aa8f0b2", "53696e676c6520626c6f636b206d7367",
	  "145ad01dbf824ec7560863dc71e3e0c0", 1 },
	{ "RFC 3686, test vector 8",
	  "f6d66d6bd52d59bb0796365879eff886c66dd51a5b6a99744b50590c87a23884",
	  "00faac24c1585ef15a43d875",
	  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	  "f05e231b3894612c49ee000b804eb2a9b8306b508f839d6a5530831d9344af1c", 1 },
	{ "RFC 3686, test vector 9",
	  "ff7a617ce69148e4f1726e2f43581de2aa62d9f805532edff1eed687fb54153d",
	  "001cc5b751a51d70a1c11148",
	  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
	  "eb6c52821d0bbbf7ce7594462aca4faab407df866569fd07f48cc0b583d6071f1ec0e6b8", 1 },
	{ "NIST AESAVS, VarKey 256, 1",
	  "8000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "00000000000000000000000000000000",
	  "e35a6dcb19b201a01ebcfa8aa22b5759", 0 },
	{ "AES-256 of zeros", "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "00000000000000000000000000000000",
	  "dc95c078a2408989ad48a21492842087", 0 },
};

static size_t from_hex(const char *hex, uint8_t *to)
{
	size_t n = strlen(hex) / 2;

	assert_int_equal(parse_hex(hex, to, n), 0);
	return n;
}

static void test_vectors(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		uint8_t key[AES_CTR_KEY], text[64], want[64], got[64];
		size_t n = from_hex(vectors[i].text, text);
		struct aes_ctr c;

		print_message("# %s\n", vectors[i].name);
		assert_int_equal(from_hex(vectors[i].key, key), sizeof(key));
		assert_int_equal(from_hex(vectors[i].hidden, want), n);
		for (enum aes_ctr_way way = 0; way < AES_CTR_MAX_; way++) {
			if (!aes_ctr_knows(way))
				continue;
			aes_ctr_init(&c, key);
			assert_int_equal(from_hex(vectors[i].nonce, c.nonce), sizeof(c.nonce));
			memcpy(got, text, n);
			aes_ctr_by(way, &c, vectors[i].counter, got, n);
			assert_memory_equal(got, want, n);
		}
	}
}

/* Behind 2^32 - 1 comes 0, and the nonce stays; no file is that long. Each way from any block on,
 * in pieces of any length that ends with a block. */
static void test_ways(void **state)
{
	static const uint32_t counters[] = { 0, 1, 255, 65535, 0x00ffffff, UINT32_MAX - 9 };
	uint8_t key[AES_CTR_KEY], want[40 * AES_CTR_BLOCK + 5], got[sizeof(want)];
	struct aes_ctr c;

	if (!aes_ctr_known())
		return;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 31 + 7);
	aes_ctr_init(&c, key);
	memset(c.nonce, 0x5a, sizeof(c.nonce));
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		memset(want, 0, sizeof(want));
		for (uint32_t b = 0; b <= sizeof(want) / AES_CTR_BLOCK; b++)
			aes_ctr_by(AES_CTR_NARROW, &c, counters[i] + b, want + b * AES_CTR_BLOCK,
				   MIN((size_t)AES_CTR_BLOCK, sizeof(want) - b * AES_CTR_BLOCK));
		for (enum aes_ctr_way way = 0; way < AES_CTR_MAX_; way++) {
			for (size_t step = AES_CTR_BLOCK;
			     aes_ctr_knows(way) && step < 2 * sizeof(want); step += AES_CTR_BLOCK) {
				memset(got, 0, sizeof(got));
				for (size_t at = 0; at < sizeof(got); at += step)
					aes_ctr_by(way, &c,
						   counters[i] + (uint32_t)(at / AES_CTR_BLOCK),
						   got + at, MIN(step, sizeof(got) - at));
				assert_memory_equal(got, want, sizeof(want));
			}
		}
	}
}

/* A processor without: the other way of peers.c is all there is. */
static bool missing(void)
{
	return !aes_ctr_known() || !crypto_aead_aes256gcm_is_available();
}

static void test_against_gcm(void **state)
{
	static const size_t sizes[] = {
		1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1000, 65536, 65537
	};
	const uint8_t nonce[12] = { 0 };

	if (missing())
		return;
	for (uint8_t seed = 0; seed < 20; seed++) {
		uint8_t key[AES_CTR_KEY], tag[16];
		struct aes_ctr c;

		for (size_t i = 0; i < sizeof(key); i++)
			key[i] = (uint8_t)(seed * 37 + i * (seed + 11));
		aes_ctr_init(&c, key);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			size_t n = sizes[i], half = n / 32 * 16;
			uint8_t *text = malloc(n), *want = malloc(n), *got = malloc(n);

			assert_true(text && want && got);
			for (size_t k = 0; k < n; k++)
				text[k] = (uint8_t)(k * 7 + seed);
			crypto_aead_aes256gcm_encrypt_detached(want, tag, NULL, text, n, NULL, 0,
							       NULL, nonce, key);
			memcpy(got, text, n);
			aes_ctr(&c, GCM_FIRST, got, n);
			assert_memory_equal(got, want, n);
			/* back again, in two steps */
			aes_ctr(&c, GCM_FIRST, got, half);
			aes_ctr(&c, GCM_FIRST + (uint32_t)(half / AES_CTR_BLOCK), got + half,
				n - half);
			assert_memory_equal(got, text, n);
			free(text);
			free(want);
			free(got);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_gcm),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_ways),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

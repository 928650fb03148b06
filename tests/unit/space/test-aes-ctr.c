/*
 * test-aes-ctr.c - the stream is the one of libsodium's AES-256-GCM, from any block on, at any
 * length
 */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/lang.h"
#include "space/aes_ctr.h"

#define GCM_FIRST 2u /* the counter of the first block of text in GCM, with a nonce of 96 bits */

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

/* A known answer (NIST, AESAVS, all zeros). */
static void test_known_answer(void **state)
{
	static const uint8_t want[16] = { 0xdc, 0x95, 0xc0, 0x78, 0xa2, 0x40, 0x89, 0x89,
					  0xad, 0x48, 0xa2, 0x14, 0x92, 0x84, 0x20, 0x87 };
	const uint8_t key[AES_CTR_KEY] = {
		0
	}; /* AES-256 of a block of zeros under a key of zeros */
	uint8_t text[16] = { 0 };
	struct aes_ctr c;

	if (missing())
		return;
	aes_ctr_init(&c, key);
	aes_ctr(&c, 0, text, sizeof(text));
	assert_memory_equal(text, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_gcm),
		cmocka_unit_test(test_known_answer),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

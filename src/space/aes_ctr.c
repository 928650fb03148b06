/*
 * aes_ctr.c - AES-256 in counter mode, where the processor has instructions for it
 *
 * A vector of 512 bits takes four blocks through a round at once (VAES), and four such vectors keep
 * the unit busy; a processor without those has eight blocks under way, one in each vector of 128
 * bits (AES-NI). Both give the same bytes, so that nodes of both kinds understand each other. No
 * table, no branch that depends on a secret. The unit test holds them against the standards'
 * vectors and libsodium's AES-256-GCM, whose ciphertext is that of counter mode. Elsewhere the
 * sealed frames of cipher.h do the work.
 */
#include <assert.h>
#include <string.h>

#include "base/lang.h"
#include "base/processor.h"
#include "space/aes_ctr.h"

bool aes_ctr_known(void)
{
	return aes_ctr_knows(AES_CTR_NARROW);
}

void aes_ctr(const struct aes_ctr *c, uint32_t counter, uint8_t *text, size_t n)
{
	aes_ctr_by(aes_ctr_knows(AES_CTR_WIDE) ? AES_CTR_WIDE : AES_CTR_NARROW, c, counter, text,
		   n);
}

#ifdef __x86_64__
#include <immintrin.h>

#define ROUNDS	      14
#define VECTORS	      4 /* wide ones at a time */
#define BLOCKS	      8 /* narrow ones at a time */
#define TARGET	      __attribute__((target("aes,vaes,avx512f,avx512bw")))
#define TARGET_NARROW __attribute__((target("aes,ssse3,sse4.1")))

bool aes_ctr_knows(enum aes_ctr_way way)
{
	bool narrow = PROCESSOR_HAS(AES) && PROCESSOR_HAS(SSSE3) && PROCESSOR_HAS(SSE4_1);

	if (way == AES_CTR_WIDE)
		return narrow && PROCESSOR_HAS(VAES) && PROCESSOR_HAS(AVX512F) &&
		       PROCESSOR_HAS(AVX512BW);
	return way == AES_CTR_NARROW && narrow;
}

/* The next four words of the key: @last is the half before it, @word what AESKEYGENASSIST made. */
TARGET_NARROW static __m128i expand(__m128i last, __m128i word)
{
	last = _mm_xor_si128(last, _mm_slli_si128(last, 4));
	last = _mm_xor_si128(last, _mm_slli_si128(last, 8));
	return _mm_xor_si128(last, word);
}

/* FIPS 197, section 5.2: even round keys take a round constant, odd ones do not. */
#define EVEN(i, rcon)            \
	(k[i] = expand(k[(i)-2], \
		       _mm_shuffle_epi32(_mm_aeskeygenassist_si128(k[(i)-1], rcon), 0xff)))
#define ODD(i) \
	(k[i] = expand(k[(i)-2], _mm_shuffle_epi32(_mm_aeskeygenassist_si128(k[(i)-1], 0), 0xaa)))

TARGET_NARROW void aes_ctr_init(struct aes_ctr *c, const uint8_t key[static AES_CTR_KEY])
{
	__m128i k[ROUNDS + 1];

	k[0] = _mm_loadu_si128((const __m128i *)(const void *)key);
	k[1] = _mm_loadu_si128((const __m128i *)(const void *)(key + 16));
	EVEN(2, 0x01), ODD(3);
	EVEN(4, 0x02), ODD(5);
	EVEN(6, 0x04), ODD(7);
	EVEN(8, 0x08), ODD(9);
	EVEN(10, 0x10), ODD(11);
	EVEN(12, 0x20), ODD(13);
	EVEN(14, 0x40);
	memcpy(c->rounds, k, sizeof(c->rounds));
	memset(c->nonce, 0, sizeof(c->nonce));
	explicit_bzero(k, sizeof(k));
}

/* Block @counter before it is enciphered, but for the order of the number's bytes: those of the
 * nonce, and the number as the processor has numbers. */
static void first_block(const struct aes_ctr *c, uint32_t counter,
			uint8_t ret[static AES_CTR_BLOCK])
{
	memcpy(ret, c->nonce, sizeof(c->nonce));
	memcpy(ret + sizeof(c->nonce), &counter, sizeof(counter));
}

TARGET_NARROW static void narrow(const struct aes_ctr *c, uint32_t counter, uint8_t *text, size_t n)
{
	/* The number's highest byte comes first. */
	const __m128i order = _mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	const __m128i one = _mm_set_epi32(1, 0, 0, 0);
	uint8_t first[AES_CTR_BLOCK];
	__m128i k[ROUNDS + 1], next;

	for (int i = 0; i <= ROUNDS; i++)
		k[i] = _mm_load_si128((const __m128i *)(const void *)c->rounds[i]);
	first_block(c, counter, first);
	next = _mm_loadu_si128((const __m128i *)(const void *)first);
	while (n > 0) {
		_Alignas(16) uint8_t last[BLOCKS * AES_CTR_BLOCK];
		size_t some = MIN(n, sizeof(last));
		uint8_t *at = some == sizeof(last) ? text : last;
		__m128i b[BLOCKS];

		if (at == last)
			memcpy(last, text, some);
		for (int v = 0; v < BLOCKS; v++) {
			b[v] = _mm_xor_si128(_mm_shuffle_epi8(next, order), k[0]);
			next = _mm_add_epi32(next, one);
		}
#pragma GCC unroll 16
		for (int i = 1; i < ROUNDS; i++) {
#pragma GCC unroll 8
			for (int v = 0; v < BLOCKS; v++)
				b[v] = _mm_aesenc_si128(b[v], k[i]);
		}
		for (int v = 0; v < BLOCKS; v++) {
			__m128i *to = (__m128i *)(void *)(at + (size_t)v * AES_CTR_BLOCK);

			b[v] = _mm_aesenclast_si128(b[v], k[ROUNDS]);
			_mm_storeu_si128(to, _mm_xor_si128(b[v], _mm_loadu_si128(to)));
		}
		if (at == last)
			memcpy(text, last, some);
		text += some;
		n -= some;
	}
}

TARGET static void wide(const struct aes_ctr *c, uint32_t counter, uint8_t *text, size_t n)
{
	const __m512i order = _mm512_broadcast_i32x4(
		_mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
	const __m512i step = _mm512_maskz_set1_epi32(0x8888, 4 * VECTORS); /* the numbers alone */
	const __m512i four = _mm512_maskz_set1_epi32(0x8888, 4);
	const __m512i lanes = _mm512_set_epi32(3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
	uint8_t first[AES_CTR_BLOCK];
	__m512i k[ROUNDS + 1], next[VECTORS];

	for (int i = 0; i <= ROUNDS; i++)
		k[i] = _mm512_broadcast_i32x4(
			_mm_load_si128((const __m128i *)(const void *)c->rounds[i]));
	first_block(c, counter, first);
	next[0] = _mm512_add_epi32(
		_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)first)),
		lanes);
	for (int v = 1; v < VECTORS; v++)
		next[v] = _mm512_add_epi32(next[v - 1], four);
	while (n > 0) {
		_Alignas(64) uint8_t last[VECTORS * sizeof(__m512i)];
		size_t some = MIN(n, sizeof(last));
		uint8_t *at = some == sizeof(last) ? text : last;
		__m512i b[VECTORS];

		if (at == last)
			memcpy(last, text, some);
		for (int v = 0; v < VECTORS; v++) {
			b[v] = _mm512_xor_si512(_mm512_shuffle_epi8(next[v], order), k[0]);
			next[v] = _mm512_add_epi32(next[v], step);
		}
#pragma GCC unroll 16
		for (int i = 1; i < ROUNDS; i++) {
#pragma GCC unroll 4
			for (int v = 0; v < VECTORS; v++)
				b[v] = _mm512_aesenc_epi128(b[v], k[i]);
		}
		for (int v = 0; v < VECTORS; v++) {
			uint8_t *to = at + (size_t)v * sizeof(__m512i);
			__m512i x = _mm512_loadu_si512(to);

			b[v] = _mm512_aesenclast_epi128(b[v], k[ROUNDS]);
			_mm512_storeu_si512(to, _mm512_xor_si512(b[v], x));
		}
		if (at == last)
			memcpy(text, last, some);
		text += some;
		n -= some;
	}
}

void aes_ctr_by(enum aes_ctr_way way, const struct aes_ctr *c, uint32_t counter, uint8_t *text,
		size_t n)
{
	assert(aes_ctr_knows(way));
	if (way == AES_CTR_WIDE)
		wide(c, counter, text, n);
	else
		narrow(c, counter, text, n);
}

#else

bool aes_ctr_knows(enum aes_ctr_way way)
{
	return false;
}

void aes_ctr_init(struct aes_ctr *c, const uint8_t key[static AES_CTR_KEY])
{
	memset(c, 0, sizeof(*c)); /* never used */
}

void aes_ctr_by(enum aes_ctr_way way, const struct aes_ctr *c, uint32_t counter, uint8_t *text,
		size_t n)
{
	assert(false); /* it is known nowhere */
}

#endif

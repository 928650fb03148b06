/*
 * aes_ctr.c - AES-256 in counter mode, where the processor has it in wide vectors
 *
 * A vector of 512 bits takes four blocks through a round at once (VAES), and four such vectors keep
 * the unit busy. No table, no branch that depends on a secret. The unit test holds it against
 * libsodium's AES-256-GCM, whose ciphertext is that of counter mode. Nothing else in space/ knows a
 * processor; elsewhere the sealed frames of cipher.h do the work.
 */
#include <string.h>

#include "base/lang.h"
#include "space/aes_ctr.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

#define ROUNDS	14
#define VECTORS 4 /* at a time */
#define TARGET	__attribute__((target("aes,vaes,avx512f,avx512bw")))

bool aes_ctr_known(void)
{
	unsigned a, b, c, d; /* clang 14 has no name for VAES */

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & bit_VAES &&
	       __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

/* The next four words of the key: @last is the half before it, @word what AESKEYGENASSIST made. */
TARGET static __m128i expand(__m128i last, __m128i word)
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

TARGET void aes_ctr_init(struct aes_ctr *c, const uint8_t key[static AES_CTR_KEY])
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
	explicit_bzero(k, sizeof(k));
}

/* The counters of the @vector-th four blocks behind @first, as little-endian numbers. */
TARGET static __m512i numbers(uint32_t first, uint32_t vector)
{
	uint32_t n = first + 4 * vector;

	return _mm512_set_epi32((int)(n + 3), 0, 0, 0, (int)(n + 2), 0, 0, 0, (int)(n + 1), 0, 0, 0,
				(int)n, 0, 0, 0);
}

TARGET void aes_ctr(const struct aes_ctr *c, uint32_t counter, uint8_t *text, size_t n)
{
	/* A block is twelve bytes of zero, then its number with the highest byte first. */
	const __m512i order = _mm512_broadcast_i32x4(
		_mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
	const __m512i step = _mm512_maskz_set1_epi32(0x8888, 4 * VECTORS); /* the numbers alone */
	__m512i k[ROUNDS + 1], next[VECTORS];

	for (int i = 0; i <= ROUNDS; i++)
		k[i] = _mm512_broadcast_i32x4(
			_mm_load_si128((const __m128i *)(const void *)c->rounds[i]));
	for (uint32_t v = 0; v < VECTORS; v++)
		next[v] = numbers(counter, v);
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

#else

bool aes_ctr_known(void)
{
	return false;
}

void aes_ctr_init(struct aes_ctr *c, const uint8_t key[static AES_CTR_KEY])
{
	memset(c, 0, sizeof(*c)); /* never used */
}

void aes_ctr(const struct aes_ctr *c, uint32_t counter, uint8_t *text, size_t n)
{
}

#endif

/*
 * fetch_hash.c - the hashes of several parts at once
 *
 * BLAKE2b (RFC 7693) is one long chain for a message, and a processor that can do four steps of it
 * at a time has nothing else to do: libsodium gets 1.4 GB/s of one message where four messages get
 * 2.2 GB/s together, 2.9 with AVX-512's rotations, and eight of them 5.1 GB/s in vectors of 512
 * bits. The lanes of a vector of 64-bit numbers carry one message each. Messages end at different
 * blocks; a lane whose message is over computes on without effect.
 *
 * A single part, and machines without AVX2, are libsodium's. The unit test holds each way against
 * that. Nothing else in net/ knows a processor.
 */
#include <assert.h>
#include <endian.h>
#include <sodium.h>
#include <string.h>

#include "base/lang.h"
#include "base/processor.h"
#include "net/fetch_hash.h"

#ifdef __x86_64__

#define LANES	    FETCH_HASH_AT_ONCE
#define NARROW	    4  /* lanes of the smaller vector */
#define WORDS	    16 /* of a block */
#define BLOCK_BYTES 128
#define ROUNDS	    12
#define PARAMETERS  (UINT64_C(0x01010000) | INDEX_HASH_BYTES) /* no key, no tree */

static const uint64_t iv[8] = {
	UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b), UINT64_C(0x3c6ef372fe94f82b),
	UINT64_C(0xa54ff53a5f1d36f1), UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
	UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179),
};

static const uint8_t sigma[ROUNDS][WORDS] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
};

/* One message and how far it is. */
struct message {
	const uint8_t *at; /* the next block */
	size_t left;	   /* bytes from there on */
	uint64_t done;	   /* bytes, with those of the block that is being hashed */
	bool over;
	uint8_t last[BLOCK_BYTES]; /* the last block, filled up with zeros */
};

#define ROTATE(x, n) (((x) >> (n)) | ((x) << (64 - (n))))
#define MIX(a, b, c, d, x, y)                \
	do {                                 \
		(a) += (b) + (x);            \
		(d) = ROTATE((d) ^ (a), 32); \
		(c) += (d);                  \
		(b) = ROTATE((b) ^ (c), 24); \
		(a) += (b) + (y);            \
		(d) = ROTATE((d) ^ (a), 16); \
		(c) += (d);                  \
		(b) = ROTATE((b) ^ (c), 63); \
	} while (0)

/* What the messages add next. */
struct step {
	const uint8_t *block[LANES];
	uint64_t done[LANES]; /* bytes, with those of these blocks */
	uint64_t last[LANES]; /* all ones: the block ends the message */
	uint64_t live[LANES]; /* zero: the message ended before */
};

#define LOAD(to, from) memcpy(&(to), (from), sizeof(to))

/* The function F of RFC 7693, for as many lanes as a vector has, from @first on. */
#define DEFINE_COMPRESS(name, processor, lanes_n)                                                  \
	static __attribute__((target(processor))) void name(uint64_t(*h)[LANES],                   \
							    const struct step *step, size_t first) \
	{                                                                                          \
		typedef uint64_t lanes __attribute__((vector_size((lanes_n)*8)));                  \
		lanes v[WORDS], m[WORDS], done, last, live;                                        \
                                                                                                   \
		for (size_t i = 0; i < WORDS; i++) {                                               \
			for (size_t k = 0; k < (lanes_n); k++) {                                   \
				uint64_t word;                                                     \
                                                                                                   \
				LOAD(word, step->block[first + k] + 8 * i);                        \
				m[i][k] = le64toh(word);                                           \
			}                                                                          \
		}                                                                                  \
		for (size_t i = 0; i < 8; i++) {                                                   \
			LOAD(v[i], h[i] + first);                                                  \
			v[i + 8] = (lanes){ 0 } + iv[i];                                           \
		}                                                                                  \
		LOAD(done, step->done + first);                                                    \
		LOAD(last, step->last + first);                                                    \
		LOAD(live, step->live + first);                                                    \
		v[12] ^= done;                                                                     \
		v[14] ^= last;                                                                     \
		for (size_t r = 0; r < ROUNDS; r++) {                                              \
			const uint8_t *s = sigma[r];                                               \
                                                                                                   \
			MIX(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);                            \
			MIX(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);                            \
			MIX(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);                           \
			MIX(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);                           \
			MIX(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);                           \
			MIX(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);                         \
			MIX(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);                          \
			MIX(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);                          \
		}                                                                                  \
		for (size_t i = 0; i < 8; i++) {                                                   \
			lanes was;                                                                 \
                                                                                                   \
			LOAD(was, h[i] + first);                                                   \
			was ^= (v[i] ^ v[i + 8]) & live;                                           \
			memcpy(h[i] + first, &was, sizeof(was));                                   \
		}                                                                                  \
	}

DEFINE_COMPRESS(compress_avx2, "avx2", NARROW)
DEFINE_COMPRESS(compress_avx512, "avx512vl", NARROW)
DEFINE_COMPRESS(compress_wide, "avx512f", LANES)

/* The next blocks of @n messages. */
static void compress(enum fetch_hash_way way, uint64_t (*h)[LANES], const struct step *step,
		     size_t n)
{
	if (way == FETCH_HASH_WIDE) {
		compress_wide(h, step, 0);
		return;
	}
	for (size_t first = 0; first < n; first += NARROW) {
		if (way == FETCH_HASH_AVX512)
			compress_avx512(h, step, first);
		else
			compress_avx2(h, step, first);
	}
}

/* The next block of @m. Return: where it is; *ret_last: it ends the message. */
static const uint8_t *next_block(struct message *m, bool *ret_last)
{
	const uint8_t *block = m->at;
	size_t n = MIN(m->left, (size_t)BLOCK_BYTES);

	if (m->left <= BLOCK_BYTES) {
		memcpy(m->last, m->at, n);
		block = m->last;
	}
	*ret_last = m->left <= BLOCK_BYTES;
	m->at += n;
	m->left -= n;
	m->done += n;
	return block;
}

static void hash_lanes(enum fetch_hash_way way, struct fetch_hash *parts, size_t n)
{
	struct message messages[LANES] = { 0 };
	uint64_t h[8][LANES];
	size_t left = n;

	for (size_t k = 0; k < LANES; k++) {
		for (size_t i = 0; i < 8; i++)
			h[i][k] = i ? iv[i] : iv[i] ^ PARAMETERS;
		messages[k].over = k >= n;
		if (k < n) {
			messages[k].at = parts[k].data;
			messages[k].left = parts[k].n;
		}
	}
	while (left > 0) {
		struct step step = { 0 };

		for (size_t k = 0; k < LANES; k++) {
			struct message *m = &messages[k];
			bool ends = false;

			step.block[k] = m->last;
			if (m->over)
				continue;
			step.block[k] = next_block(m, &ends);
			step.done[k] = m->done;
			step.last[k] = ends ? UINT64_MAX : 0;
			step.live[k] = UINT64_MAX;
			m->over = ends;
			left -= ends;
		}
		compress(way, h, &step, n);
	}
	for (size_t k = 0; k < n; k++) {
		for (size_t i = 0; i < INDEX_HASH_BYTES / 8; i++) {
			uint64_t word = htole64(h[i][k]);

			memcpy(parts[k].hash + 8 * i, &word, sizeof(word));
		}
	}
}

bool fetch_hash_knows(enum fetch_hash_way way)
{
	switch (way) {
	case FETCH_HASH_WIDE:
		return PROCESSOR_HAS(AVX512F);
	case FETCH_HASH_AVX512:
		return PROCESSOR_HAS(AVX512VL);
	case FETCH_HASH_AVX2:
		return PROCESSOR_HAS(AVX2);
	default:
		return way == FETCH_HASH_SODIUM;
	}
}

#else

bool fetch_hash_knows(enum fetch_hash_way way)
{
	return way == FETCH_HASH_SODIUM;
}

static void hash_lanes(enum fetch_hash_way way, struct fetch_hash *parts, size_t n)
{
}

#endif

void fetch_hash_by(enum fetch_hash_way way, struct fetch_hash *parts, size_t n)
{
	assert(n <= FETCH_HASH_AT_ONCE && fetch_hash_knows(way));
	if (way != FETCH_HASH_SODIUM) {
		hash_lanes(way, parts, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		crypto_generichash(parts[i].hash, INDEX_HASH_BYTES, parts[i].data, parts[i].n, NULL,
				   0);
}

void fetch_hash(struct fetch_hash *parts, size_t n)
{
	enum fetch_hash_way way = n > FETCH_HASH_AT_ONCE / 2 ? FETCH_HASH_WIDE
				  : n > 1		     ? FETCH_HASH_AVX512
							     : FETCH_HASH_SODIUM;

	while (!fetch_hash_knows(way))
		way--;
	fetch_hash_by(way, parts, n);
}

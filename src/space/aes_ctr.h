/*
 * aes_ctr.h - AES-256 in counter mode, where the processor has instructions for it
 *
 * For files from node to node (space/peers.h), which are compared with a hash that came over the
 * sealed channel: they need to be hidden, and nothing else. Two to ten times as fast as an AEAD. A
 * key is used for one transfer of one file and never again, so that the nonce is zero; a file has
 * fewer than 2^32 blocks, so that no number comes twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AES_CTR_KEY   32u
#define AES_CTR_BLOCK 16u
#define AES_CTR_NONCE 12u

struct aes_ctr {
	_Alignas(16) uint8_t rounds[15][16];
	uint8_t nonce[AES_CTR_NONCE]; /* zero but in tests: the standards' vectors have one */
};

/* Whether this processor can. */
bool aes_ctr_known(void);

void aes_ctr_init(struct aes_ctr *c, const uint8_t key[static AES_CTR_KEY]);

/* Hide or show @n bytes in place, which begin at block number @counter of the key's stream. */
void aes_ctr(const struct aes_ctr *c, uint32_t counter, uint8_t *text, size_t n);

/* The ways to do so, from the slowest on, which give the same bytes; for tests. */
enum aes_ctr_way {
	AES_CTR_NARROW, /* a block in each vector */
	AES_CTR_WIDE,	/* four */
	AES_CTR_MAX_
};
bool aes_ctr_knows(enum aes_ctr_way way);
void aes_ctr_by(enum aes_ctr_way way, const struct aes_ctr *c, uint32_t counter, uint8_t *text,
		size_t n);

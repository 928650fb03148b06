/*
 * aes_ctr.h - AES-256 in counter mode, where the processor has it in wide vectors
 *
 * For files from node to node (space/peers.h), which are compared with a hash that came over the
 * sealed channel: they need to be hidden, and nothing else. Ten times as fast as an AEAD. A key is
 * used for one file and never again, so that the nonce is zero.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AES_CTR_KEY   32u
#define AES_CTR_BLOCK 16u

struct aes_ctr {
	_Alignas(16) uint8_t rounds[15][16];
};

/* Whether this processor can. */
bool aes_ctr_known(void);

void aes_ctr_init(struct aes_ctr *c, const uint8_t key[static AES_CTR_KEY]);

/* Hide or show @n bytes in place, which begin at block number @counter of the key's stream. */
void aes_ctr(const struct aes_ctr *c, uint32_t counter, uint8_t *text, size_t n);

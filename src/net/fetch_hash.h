/*
 * fetch_hash.h - the hashes of several parts at once (BLAKE2b, 32 bytes: docs/index.md)
 *
 * Four or eight messages side by side, one in each lane of a vector, are hashed in a fraction of
 * the time that they take one behind the other; where the processor has no such vectors it is that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/index.h"

#define FETCH_HASH_AT_ONCE 8

struct fetch_hash {
	const uint8_t *data; /* borrowed */
	size_t n;	     /* bytes */
	uint8_t hash[INDEX_HASH_BYTES];
};

/* Fill in the hashes of @n parts, at most FETCH_HASH_AT_ONCE. */
void fetch_hash(struct fetch_hash *parts, size_t n);

/* The ways to do so, from the slowest on, and whether this processor knows one; for tests. */
enum fetch_hash_way {
	FETCH_HASH_SODIUM,
	FETCH_HASH_AVX2,   /* four at a time */
	FETCH_HASH_AVX512, /* the same with its rotations */
	FETCH_HASH_WIDE,   /* eight at a time */
	FETCH_HASH_MAX_
};
bool fetch_hash_knows(enum fetch_hash_way way);
void fetch_hash_by(enum fetch_hash_way way, struct fetch_hash *parts, size_t n);

/*
 * file_hash.h - the hash by which a file of a program is known (docs/protocol.md)
 *
 * BLAKE2b-256 of the BLAKE2b-256 hashes of its chunks of 64 KiB, one behind the other. Chunks are
 * independent, so eight of them are hashed at once (net/fetch_hash.h), and a file can be hashed
 * while it arrives.
 */
#pragma once

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "wire/index.h"

#define FILE_HASH_BYTES INDEX_HASH_BYTES
#define FILE_HASH_CHUNK 65536u

#define FILE_HASH_GROUP (8 * FILE_HASH_CHUNK) /* bytes that are hashed at once */

struct file_hash {
	crypto_generichash_state chunks; /* of the hashes of chunks */
};

void file_hash_init(struct file_hash *h);

/* The next @n bytes: whole groups, but for the end of the file. */
void file_hash_add(struct file_hash *h, const uint8_t *p, size_t n);
void file_hash_final(struct file_hash *h, uint8_t ret[static FILE_HASH_BYTES]);

/* All @n bytes of a file. */
void file_hash(const uint8_t *p, size_t n, uint8_t ret[static FILE_HASH_BYTES]);

/* An open file of @bytes, from its beginning. Return: 0; -ESTALE when it has another size; another
 * errno. */
_must_check_ int file_hash_fd(int fd, uint64_t bytes, uint8_t ret[static FILE_HASH_BYTES]);

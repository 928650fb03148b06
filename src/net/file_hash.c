/*
 * file_hash.c - the hash by which a file of a program is known
 */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/fetch_hash.h"
#include "net/file_hash.h"

_Static_assert(FILE_HASH_GROUP % FILE_HASH_CHUNK == 0, "groups end with chunks");

void file_hash_init(struct file_hash *h)
{
	crypto_generichash_init(&h->chunks, NULL, 0, FILE_HASH_BYTES);
}

void file_hash_add(struct file_hash *h, const uint8_t *p, size_t n)
{
	while (n > 0) {
		struct fetch_hash parts[FETCH_HASH_AT_ONCE];
		size_t count = 0;

		while (n > 0 && count < FETCH_HASH_AT_ONCE) {
			struct fetch_hash *part = &parts[count++];

			part->data = p;
			part->n = MIN(n, (size_t)FILE_HASH_CHUNK);
			p += part->n;
			n -= part->n;
		}
		fetch_hash(parts, count);
		for (size_t i = 0; i < count; i++)
			crypto_generichash_update(&h->chunks, parts[i].hash, FILE_HASH_BYTES);
	}
}

void file_hash_final(struct file_hash *h, uint8_t ret[static FILE_HASH_BYTES])
{
	crypto_generichash_final(&h->chunks, ret, FILE_HASH_BYTES);
}

void file_hash(const uint8_t *p, size_t n, uint8_t ret[static FILE_HASH_BYTES])
{
	struct file_hash h;

	file_hash_init(&h);
	file_hash_add(&h, p, n);
	file_hash_final(&h, ret);
}

int file_hash_fd(int fd, uint64_t bytes, uint8_t ret[static FILE_HASH_BYTES])
{
	_cleanup_free_ uint8_t *group = malloc(FILE_HASH_GROUP);
	struct file_hash h;
	uint64_t done = 0;
	size_t n = FILE_HASH_GROUP;
	int r = group ? 0 : -ENOMEM;

	file_hash_init(&h);
	while (r == 0 && n == FILE_HASH_GROUP && done <= bytes) {
		r = fd_read_full(fd, group, FILE_HASH_GROUP, &n);
		if (r == 0)
			file_hash_add(&h, group, n);
		done += n;
	}
	if (r == 0 && done != bytes)
		r = -ESTALE;
	if (r == 0)
		file_hash_final(&h, ret);
	return r;
}

/*
 * erofs_lz4.c - the data of one file as the compressed clusters of erofs
 *
 * The index has an entry for each EROFS_BLOCK bytes of the file: the cluster that begins there, or
 * how far back the one began that covers it. Since a cluster covers at least EROFS_BLOCK bytes,
 * no two begin in the same.
 */
#include <errno.h>
#include <lz4.h>
#include <lz4hc.h>
#include <string.h>

#include "base/log.h"
#include "image/erofs_lz4.h"
#include "image/source.h"

#define IN_BYTES   (512u << 10)
#define INDEX_MAX  (64u << 20) /* of one file: 32 GiB */
#define BLOCKS_MAX (EROFS_LZ4_TRIAL + 16 * EROFS_BLOCK)

enum { CLUSTER_PLAIN, CLUSTER_HEAD, CLUSTER_INSIDE };

int erofs_lz4_init(struct erofs_lz4 *z)
{
	*z = (struct erofs_lz4){ .state = malloc((size_t)LZ4_sizeofStateHC()),
				 .in = malloc(IN_BYTES),
				 .blocks = BUFFER(BLOCKS_MAX),
				 .index = BUFFER(INDEX_MAX) };
	if (z->state && z->in)
		return 0;
	erofs_lz4_deinit(z);
	return -ENOMEM;
}

void erofs_lz4_deinit(struct erofs_lz4 *z)
{
	free(z->state);
	free(z->in);
	buffer_clear(&z->blocks);
	buffer_clear(&z->index);
	*z = (struct erofs_lz4){ 0 };
}

static int put_entry(struct erofs_lz4 *z, unsigned type, uint32_t at, uint32_t where)
{
	uint8_t bytes[EROFS_CLUSTER_BYTES];
	struct writer w = WRITER(bytes, sizeof(bytes));

	writer_le16(&w, (uint16_t)type);
	writer_le16(&w, (uint16_t)at);
	writer_le32(&w, where);
	return buffer_append(&z->index, bytes, sizeof(bytes));
}

/* The entries of a cluster at block @block that covers the file's next @n bytes. */
static int add_cluster(struct erofs_lz4 *z, uint32_t n, bool plain, uint32_t block)
{
	uint32_t whole = (z->at + n) / EROFS_BLOCK;
	int r = put_entry(z, plain || !whole ? CLUSTER_PLAIN : CLUSTER_HEAD, z->at, block);

	for (uint32_t k = 1; r == 0 && k < whole; k++)
		r = put_entry(z, CLUSTER_INSIDE, 0, k | (whole - k) << 16);
	z->at = whole ? (z->at + n) % EROFS_BLOCK : 0;
	return r;
}

/* Press the start of @n bytes into one block. Return: how many bytes it holds. */
static uint32_t press(struct erofs_lz4 *z, const uint8_t *p, uint32_t n, uint8_t *block,
		      bool *ret_plain)
{
	uint8_t packed[EROFS_BLOCK];
	int took = (int)MIN(n, EROFS_LZ4_CLUSTER_MAX), len = 0;

	if (n > EROFS_BLOCK)
		len = LZ4_compress_HC_destSize(z->state, (const char *)p, (char *)packed, &took,
					       EROFS_BLOCK, EROFS_LZ4_LEVEL);
	memset(block, 0, EROFS_BLOCK);
	*ret_plain = len <= 0 || took <= (int)EROFS_BLOCK;
	if (*ret_plain) {
		memcpy(block, p, MIN(n, EROFS_BLOCK));
		return MIN(n, EROFS_BLOCK);
	}
	memcpy(block + EROFS_BLOCK - len, packed, (size_t)len);
	return (uint32_t)took;
}

/* Are the blocks and the index smaller than the file's blocks and what is left over? */
static bool pays(const struct erofs_lz4 *z, uint64_t size)
{
	return (uint64_t)z->n_blocks * EROFS_BLOCK + z->index.len + EROFS_INDEX_HEAD_BYTES < size;
}

static int put_all(struct erofs_lz4 *z, int (*put)(void *ctx, const uint8_t *block), void *ctx)
{
	int r = 0;

	for (size_t k = 0; r == 0 && k < z->blocks.len; k += EROFS_BLOCK)
		r = put(ctx, z->blocks.data + k);
	z->blocks.len = 0;
	return r;
}

/* Fill up z->in, of which @have bytes are left at its start. */
static int refill(struct erofs_lz4 *z, const struct inode *i, int source, uint64_t *at,
		  uint32_t *have)
{
	size_t n = (size_t)MIN((uint64_t)(IN_BYTES - *have), i->size - *at);
	int r = source_read(i, source, *at, z->in + *have, n);

	*at += n;
	*have += (uint32_t)n;
	return r;
}

int erofs_lz4_file(struct erofs_lz4 *z, const struct inode *i, int source, uint32_t first,
		   int (*put)(void *ctx, const uint8_t *block), void *ctx)
{
	uint64_t read = 0, done = 0;
	uint32_t have = 0, used = 0;
	uint8_t block[EROFS_BLOCK];
	bool sure = false, plain;
	int r = 0;

	z->index.len = z->blocks.len = 0;
	z->n_blocks = z->at = 0;
	while (r == 0 && done < i->size) {
		uint32_t n;

		if (have - used < EROFS_LZ4_CLUSTER_MAX && read < i->size) {
			memmove(z->in, z->in + used, have - used);
			have -= used;
			used = 0;
			r = refill(z, i, source, &read, &have);
			if (r < 0)
				return r;
		}
		n = press(z, z->in + used, have - used, block, &plain);
		r = add_cluster(z, n, plain, first + z->n_blocks);
		if (r == 0)
			r = buffer_append(&z->blocks, block, EROFS_BLOCK);
		z->n_blocks++;
		used += n;
		done += n;
		if (!sure && done >= EROFS_LZ4_TRIAL && !pays(z, done))
			return 1;
		sure = sure || done >= EROFS_LZ4_TRIAL;
		if (r == 0 && sure)
			r = put_all(z, put, ctx);
	}
	if (r == 0 && z->at)
		r = put_entry(z, CLUSTER_PLAIN, z->at, 0);
	if (r == 0 && !sure && !pays(z, i->size))
		return 1;
	if (r == 0)
		r = put_all(z, put, ctx);
	return r == -ENOMEM || r == -E2BIG ? log_err(r, "cannot compress a file of the image") : r;
}

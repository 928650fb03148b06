/*
 * fuzz-tar.c - headers and pax records that are accepted can be written and read back the same
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(const struct tar_header *a, const struct tar_header *b)
{
	return a->type == b->type && !strcmp(a->name, b->name) && !strcmp(a->link, b->link) &&
	       a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->major == b->major &&
	       a->minor == b->minor && a->bytes == b->bytes && a->n_pieces == b->n_pieces &&
	       !memcmp(a->pieces, b->pieces, a->n_pieces * sizeof(a->pieces[0])) &&
	       a->more == b->more && a->real_size == b->real_size;
}

/* Mutations rarely hit the sum; it is not what is tested. */
static void put_sum(uint8_t *block)
{
	char text[8];
	unsigned sum = 0;

	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
		sum += block[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(block + 148, text, 7);
}

static void try_header(const uint8_t *data)
{
	uint8_t block[TAR_BLOCK_BYTES], written[TAR_BLOCK_BYTES];
	struct tar_header h, again;

	memcpy(block, data, sizeof(block));
	if (block[257] == 'u')
		put_sum(block);
	if (tar_header_parse(block, &h) != 0)
		return;
	if (strlen(h.name) >= TAR_NAME_MAX || strlen(h.link) >= TAR_LINK_MAX || h.mode > 07777 ||
	    h.n_pieces > TAR_OLD_SPARSE)
		abort();
	if (tar_header_format(&h, written) < 0)
		abort();
	if (tar_header_parse(written, &again) != 0 || !same(&h, &again))
		abort();
}

static void try_pieces(const uint8_t *data)
{
	struct tar_piece pieces[TAR_OLD_SPARSE_EXT];
	bool more;
	size_t n;

	if (tar_pieces_parse(data, pieces, &n, &more) == 0 && n > TAR_OLD_SPARSE_EXT)
		abort();
}

/* "LENGTH KEY=VALUE\n", whose length counts its own digits. */
static size_t write_record(const struct tar_record *rec, uint8_t *to, size_t room)
{
	size_t rest = 1 + rec->key_len + 1 + rec->value_len + 1, digits = 1, n = rest + 1;
	char text[32];

	while ((size_t)snprintf(text, sizeof(text), "%zu", n) != digits)
		n = rest + ++digits;
	if (n > room)
		return 0;
	memcpy(to, text, digits);
	to[digits] = ' ';
	memcpy(to + digits + 1, rec->key, rec->key_len);
	to[digits + 1 + rec->key_len] = '=';
	if (rec->value_len > 0)
		memcpy(to + digits + 2 + rec->key_len, rec->value, rec->value_len);
	to[n - 1] = '\n';
	return n;
}

static void try_records(const uint8_t *data, size_t size)
{
	struct reader r = READER(data, size);
	struct tar_record rec, again;

	while (tar_record_next(&r, &rec) == 1) {
		uint8_t *written = malloc(size + 32);
		size_t n = written ? write_record(&rec, written, size + 32) : 0;
		struct reader back = READER(written, n);

		if (n == 0 || tar_record_next(&back, &again) != 1 || back.left != 0 ||
		    rec.key_len != again.key_len || rec.value_len != again.value_len ||
		    memcmp(rec.key, again.key, rec.key_len) ||
		    (rec.value_len > 0 && memcmp(rec.value, again.value, rec.value_len)))
			abort();
		free(written);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= TAR_BLOCK_BYTES) {
		try_header(data);
		try_pieces(data);
	}
	try_records(data, size);
	return 0;
}

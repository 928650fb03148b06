/*
 * layout.c - where the parts and the holes of an image are
 *
 * The image is read once, block by block of 4096 bytes. A run of zero blocks that is long enough
 * becomes a hole; what lies between holes is cut into parts.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "image/layout.h"

#define LAYOUT_READ_BYTES (1u << 20)
#define LAYOUT_HOLE_MAX	  (UINT32_MAX - INDEX_PART_ALIGN + 1)

struct layout {
	struct index *x;
	uint8_t *holes; /* owned; 1 for each of x->parts that is a hole */
	size_t cap;
	uint32_t part_bytes;
	uint64_t data_from; /* first byte that is in no part or hole yet */
	uint64_t zero_from; /* first byte of the zeros that run now */
	int in_zeros;
};

static int add(struct layout *l, uint64_t from, uint64_t bytes, int hole)
{
	struct index *x = l->x;

	if (x->n_parts == INDEX_PARTS_MAX)
		return log_err(-E2BIG, "image needs more than %u parts", INDEX_PARTS_MAX);
	if (x->n_parts == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct index_part *parts = reallocarray(x->parts, cap, sizeof(*parts));
		uint8_t *holes;

		if (!parts)
			return -ENOMEM;
		x->parts = parts;
		holes = reallocarray(l->holes, cap, 1);
		if (!holes)
			return -ENOMEM;
		l->holes = holes;
		l->cap = cap;
	}
	l->holes[x->n_parts] = (uint8_t)hole;
	x->parts[x->n_parts++] =
		(struct index_part){ .offset = from, .raw_bytes = (uint32_t)bytes };
	return 0;
}

/* Data from l->data_from to @end, cut at multiples of the part size. */
static int flush_data(struct layout *l, uint64_t end)
{
	while (l->data_from < end) {
		uint64_t cut = (l->data_from / l->part_bytes + 1) * l->part_bytes;
		uint64_t n = MIN(cut, end) - l->data_from;
		int r = add(l, l->data_from, n, 0);

		if (r < 0)
			return r;
		l->data_from += n;
	}
	return 0;
}

/* The zeros that ran end at @end: a hole when they are many, else data like what is around them. */
static int flush_zeros(struct layout *l, uint64_t end)
{
	int r = 0;

	l->in_zeros = 0;
	if (end - l->zero_from < LAYOUT_HOLE_MIN)
		return 0;
	r = flush_data(l, l->zero_from);
	while (r == 0 && l->data_from < end) {
		uint64_t n = MIN(end - l->data_from, (uint64_t)LAYOUT_HOLE_MAX);

		r = add(l, l->data_from, n, 1);
		l->data_from += n;
	}
	return r;
}

/* Look at @n bytes that are at @offset, a multiple of the block size. */
static int scan(struct layout *l, const uint8_t *p, size_t n, uint64_t offset)
{
	for (size_t at = 0; at < n; at += INDEX_PART_ALIGN) {
		size_t len = MIN(n - at, (size_t)INDEX_PART_ALIGN);
		int zero = p[at] == 0 && (len == 1 || !memcmp(p + at, p + at + 1, len - 1));

		if (zero && !l->in_zeros) {
			l->in_zeros = 1;
			l->zero_from = offset + at;
		} else if (!zero && l->in_zeros) {
			int r = flush_zeros(l, offset + at);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int scan_all(struct layout *l, int fd, uint64_t bytes, uint8_t *buf)
{
	uint64_t at = 0;
	int r = 0;

	while (r == 0 && at < bytes) {
		size_t want = (size_t)MIN(bytes - at, (uint64_t)LAYOUT_READ_BYTES);
		ssize_t n;

		for (size_t have = 0; have < want; have += (size_t)n) {
			n = pread(fd, buf + have, want - have, (off_t)(at + have));
			if (n < 0)
				return log_err(-errno, "cannot read the image");
			if (n == 0)
				return log_err(-EIO, "the image ends after %llu of %llu bytes",
					       (unsigned long long)(at + have),
					       (unsigned long long)bytes);
		}
		r = scan(l, buf, want, at);
		at += want;
	}
	if (r == 0 && l->in_zeros)
		r = flush_zeros(l, bytes);
	if (r == 0)
		r = flush_data(l, bytes);
	return r;
}

int layout_make(int image_fd, uint64_t image_bytes, uint32_t part_bytes, struct index *x,
		uint8_t **ret_holes)
{
	_cleanup_free_ uint8_t *buf = malloc(LAYOUT_READ_BYTES);
	struct layout l = { .x = x, .part_bytes = part_bytes };
	int r;

	if (!buf)
		return -ENOMEM;
	x->image_bytes = image_bytes;
	r = scan_all(&l, image_fd, image_bytes, buf);
	if (r < 0) {
		free(l.holes);
		return r;
	}
	*ret_holes = l.holes;
	return 0;
}

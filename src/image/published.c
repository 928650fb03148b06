/*
 * published.c - a published image, read as if its parts were one file
 *
 * A few parts are kept unpacked, those used last: who reads a file system goes back and forth
 * between its tables and its data.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "image/parts.h"
#include "image/published.h"
#include "image/publish.h"

#define PUBLISHED_KEPT 8 /* parts that are kept unpacked */

struct kept {
	uint8_t *raw; /* owned */
	size_t part;  /* place in the index, from 1; 0: none */
	uint64_t used;
};

struct published {
	struct medium medium; /* first */
	struct index index;
	struct parts parts;
	struct kept kept[PUBLISHED_KEPT];
	uint64_t clock; /* of uses */
};

int published_text(int boot_dirfd, const char *name, struct buffer *ret)
{
	char file[INDEX_NAME_MAX + sizeof(PUBLISHED_SUFFIX)];
	int r;

	if (!publish_name_ok(name))
		return log_err(-EINVAL, "'%s' cannot be an image's name", name);
	snprintf(file, sizeof(file), "%s" PUBLISHED_SUFFIX, name);
	r = file_read(boot_dirfd, file, ret);
	return r < 0 ? log_err(r, "cannot read '%s'", file) : 0;
}

int published_index(const char *name, const struct buffer *text, struct index *ret)
{
	_cleanup_index_ struct index x = { 0 };
	const char *why = "";
	unsigned line = 0;
	int r = index_parse(text->data, text->len, &x, &line, &why);

	if (r == -EBADMSG)
		log_err(0, "%s" PUBLISHED_SUFFIX ":%u: %s", name, line, why);
	if (r < 0)
		return r;
	if (strcmp(x.name, name)) {
		log_err(0, "'%s" PUBLISHED_SUFFIX "' is the index of an image called '%s'", name,
			x.name);
		return -EBADMSG;
	}
	*ret = x;
	x = (struct index){ 0 };
	return 0;
}

/* The part that holds byte @at of the image, from 0. */
static size_t find_part(const struct index *x, uint64_t at)
{
	size_t low = 0, high = x->n_parts;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (x->parts[middle].offset <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Unpack part @i, or find it among those kept. */
static int keep_part(struct published *p, size_t i, const uint8_t **ret)
{
	struct kept *k = p->kept;
	int r;

	for (size_t j = 0; j < PUBLISHED_KEPT; j++) {
		if (p->kept[j].part == i + 1) {
			p->kept[j].used = ++p->clock;
			*ret = p->kept[j].raw;
			return 0;
		}
		if (p->kept[j].used < k->used)
			k = &p->kept[j];
	}
	if (!k->raw)
		k->raw = malloc(INDEX_PART_RAW_MAX); /* what is not touched takes no memory */
	if (!k->raw)
		return -ENOMEM;
	k->part = 0;
	r = parts_load(&p->parts, &p->index.parts[i], i + 1, k->raw);
	if (r < 0) {
		p->medium.told = true;
		return r;
	}
	k->part = i + 1;
	k->used = ++p->clock;
	*ret = k->raw;
	return 0;
}

static int read_parts(struct medium *m, uint64_t at, void *buf, size_t n, size_t *ret)
{
	struct published *p = (struct published *)m;
	const struct index *x = &p->index;
	size_t done = 0;

	while (done < n && at + done < x->image_bytes) {
		size_t i = find_part(x, at + done);
		uint64_t skip = at + done - x->parts[i].offset;
		size_t k = (size_t)MIN((uint64_t)(n - done), x->parts[i].raw_bytes - skip);
		const uint8_t *raw;

		if (x->parts[i].stored_bytes == 0) {
			memset((uint8_t *)buf + done, 0, k);
		} else {
			int r = keep_part(p, i, &raw);

			if (r < 0)
				return r;
			memcpy((uint8_t *)buf + done, raw + skip, k);
		}
		done += k;
	}
	*ret = done;
	return 0;
}

int published_open(int boot_dirfd, const char *name, struct published **ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(INDEX_BYTES_MAX);
	_cleanup_published_ struct published *p = calloc(1, sizeof(*p));
	int r;

	if (sodium_init() < 0)
		return log_err(-EIO, "cannot start libsodium");
	if (!p)
		return -ENOMEM;
	r = published_text(boot_dirfd, name, &text);
	if (r == 0)
		r = published_index(name, &text, &p->index);
	if (r == 0)
		r = parts_init(&p->parts, boot_dirfd);
	if (r < 0)
		return r;
	p->medium =
		(struct medium){ .read = read_parts, .bytes = p->index.image_bytes, .fd = FD_NONE };
	*ret = TAKE_PTR(p);
	return 0;
}

void published_free(struct published *p)
{
	if (!p)
		return;
	for (size_t j = 0; j < PUBLISHED_KEPT; j++)
		free(p->kept[j].raw);
	parts_clear(&p->parts);
	index_clear(&p->index);
	free(p);
}

void published_freep(struct published **p)
{
	published_free(*p);
}

const struct index *published_index_of(const struct published *p)
{
	return &p->index;
}

struct medium *published_medium(struct published *p)
{
	return &p->medium;
}

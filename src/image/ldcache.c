/*
 * ldcache.c - ld.so.cache, the loader's list of libraries
 *
 * Layout: magic and version (20 bytes), number of entries, bytes of the strings, flags, extension
 * offset, 12 unused; then entries of 24 bytes (flags, name, path, OS version, hwcap), whose names
 * are offsets from the start. An older table may stand before it ("ld.so-1.7.0") and is skipped.
 * Extensions (hwcaps names) are not read: the entries for better processors only shadow those for
 * every machine, which an image for many machines needs.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/reader.h"
#include "image/ldcache.h"

#define MAGIC_NEW	 "glibc-ld.so.cache1.1"
#define MAGIC_OLD	 "ld.so-1.7.0"
#define HEADER_BYTES	 48
#define ENTRY_BYTES	 24
#define OLD_HEADER_BYTES 16
#define OLD_ENTRY_BYTES	 12
#define FLAG_LITTLE	 2

void ldcache_clear(struct ldcache *c)
{
	free(c->text);
	free(c->entries);
	*c = (struct ldcache){ 0 };
}

/* Drop the older table in front. */
static int skip_old(struct reader *r)
{
	size_t bytes;
	uint32_t n;

	if (r->left < sizeof(MAGIC_OLD) - 1 || memcmp(r->p, MAGIC_OLD, sizeof(MAGIC_OLD) - 1))
		return 0;
	reader_skip(r, OLD_HEADER_BYTES - 4);
	n = reader_le32(r);
	if (n > LDCACHE_ENTRIES_MAX)
		return -E2BIG;
	bytes = (size_t)n * OLD_ENTRY_BYTES;
	reader_skip(r, (OLD_HEADER_BYTES + bytes + 7) / 8 * 8 - OLD_HEADER_BYTES);
	return r->err;
}

/* The string at offset @at of the table at @p. */
static const char *string_at(const uint8_t *p, size_t n, uint32_t at)
{
	struct reader r = READER(p, n);

	reader_skip(&r, at);
	return reader_cstr(&r);
}

static int parse_entries(struct ldcache *c, const uint8_t *p, size_t n)
{
	struct reader r = READER(p, n);
	const uint8_t *magic = reader_bytes(&r, sizeof(MAGIC_NEW) - 1);
	uint32_t count = reader_le32(&r);

	if (!magic || memcmp(magic, MAGIC_NEW, sizeof(MAGIC_NEW) - 1))
		return -EBADMSG;
	if (count > LDCACHE_ENTRIES_MAX)
		return -E2BIG;
	reader_skip(&r, HEADER_BYTES - sizeof(MAGIC_NEW) + 1 - 4);
	if (r.err)
		return r.err;
	c->entries = calloc(MAX(count, 1u), sizeof(*c->entries));
	if (!c->entries)
		return -ENOMEM;
	for (; c->n < count; c->n++) {
		struct ldcache_entry *e = &c->entries[c->n];

		e->flags = reader_le32(&r);
		e->name = string_at(p, n, reader_le32(&r));
		e->path = string_at(p, n, reader_le32(&r));
		(void)reader_le32(&r); /* OS version, no longer used */
		e->hwcap = reader_le64(&r);
		if (r.err || !e->name || !e->path)
			return -EBADMSG;
	}
	return 0;
}

int ldcache_parse(const void *p, size_t n, struct ldcache *ret)
{
	struct ldcache c = { 0 };
	struct reader r;
	int err;

	if (n > LDCACHE_BYTES_MAX)
		return -E2BIG;
	c.text = malloc(MAX(n, (size_t)1));
	if (!c.text)
		return -ENOMEM;
	if (n > 0)
		memcpy(c.text, p, n);
	r = READER(c.text, n);
	err = skip_old(&r);
	if (err == 0)
		err = parse_entries(&c, r.p, r.left);
	if (err < 0) {
		ldcache_clear(&c);
		return err;
	}
	*ret = c;
	return 0;
}

int ldcache_add(struct ldcache *c, const char *name, const char *path, uint32_t flags)
{
	struct ldcache_entry *more;

	if (c->n == LDCACHE_ENTRIES_MAX)
		return -E2BIG;
	if ((c->n & (c->n - 1)) == 0) { /* grow at powers of two */
		more = realloc(c->entries, MAX(2 * c->n, (size_t)1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		c->entries = more;
	}
	c->entries[c->n++] = (struct ldcache_entry){ .name = name, .path = path, .flags = flags };
	return 0;
}

/* The loader's order of names: runs of digits count as numbers. */
static int compare_names(const char *a, const char *b)
{
	while (*a) {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			uint64_t x = 0, y = 0;

			while (isdigit((unsigned char)*a))
				x = x * 10 + (uint64_t)(*a++ - '0');
			while (isdigit((unsigned char)*b))
				y = y * 10 + (uint64_t)(*b++ - '0');
			if (x != y)
				return x < y ? -1 : 1;
		} else if (isdigit((unsigned char)*a)) {
			return 1;
		} else if (isdigit((unsigned char)*b)) {
			return -1;
		} else if (*a != *b) {
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		} else {
			a++;
			b++;
		}
	}
	return *b ? -1 : 0;
}

/*
 * Descending, as the loader halves; then by flags and path, so that the order is the only one
 * possible.
 */
static int compare_entries(const void *va, const void *vb)
{
	const struct ldcache_entry *a = va, *b = vb;
	int d = compare_names(b->name, a->name);

	if (d == 0)
		d = strcmp(b->name, a->name);
	if (d == 0 && a->flags != b->flags)
		d = a->flags < b->flags ? 1 : -1;
	if (d == 0 && a->hwcap != b->hwcap)
		d = a->hwcap < b->hwcap ? 1 : -1;
	return d ? d : strcmp(a->path, b->path);
}

static void put_le(uint8_t *to, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

int ldcache_format(struct ldcache *c, struct buffer *to)
{
	uint8_t head[HEADER_BYTES] = { 0 };
	size_t at = HEADER_BYTES + c->n * ENTRY_BYTES, bytes = 0;
	int r;

	if (c->n > 0)
		qsort(c->entries, c->n, sizeof(*c->entries), compare_entries);
	for (size_t i = 0; i < c->n; i++)
		bytes += strlen(c->entries[i].name) + strlen(c->entries[i].path) + 2;
	if (at + bytes > LDCACHE_BYTES_MAX)
		return -E2BIG;
	memcpy(head, MAGIC_NEW, sizeof(MAGIC_NEW) - 1);
	put_le(head + 20, c->n, 4);
	put_le(head + 24, bytes, 4);
	head[28] = FLAG_LITTLE;
	r = buffer_append(to, head, sizeof(head));
	for (size_t i = 0; r == 0 && i < c->n; i++) {
		const struct ldcache_entry *e = &c->entries[i];
		uint8_t raw[ENTRY_BYTES] = { 0 };

		put_le(raw, e->flags, 4);
		put_le(raw + 4, at, 4);
		at += strlen(e->name) + 1;
		put_le(raw + 8, at, 4);
		at += strlen(e->path) + 1;
		put_le(raw + 16, e->hwcap, 8);
		r = buffer_append(to, raw, sizeof(raw));
	}
	for (size_t i = 0; r == 0 && i < c->n; i++) {
		r = buffer_append(to, c->entries[i].name, strlen(c->entries[i].name) + 1);
		if (r == 0)
			r = buffer_append(to, c->entries[i].path, strlen(c->entries[i].path) + 1);
	}
	return r;
}

const char *ldcache_find(const struct ldcache *c, const char *name, uint32_t flags)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct ldcache_entry *e = &c->entries[i];

		if (e->flags == flags && e->hwcap == 0 && !strcmp(e->name, name))
			return e->path;
	}
	return NULL;
}

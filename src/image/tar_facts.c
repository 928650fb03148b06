/*
 * tar_facts.c - what pax records say of the next entry of a tar archive
 *
 * Known are those that change what the entry is: its name, link, size, owner, attributes, ACLs and
 * the three ways to store holes. Times, comments and what vendors add do not.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "image/tar_internal.h"

#define XATTR_PREFIX "SCHILY.xattr."
#define MAP_LINE_MAX 32 /* bytes of a line of a map in the data */

/* Records being taken. */
struct taking {
	struct tar_facts *f;
	const struct span *s;
	uint64_t at;
	bool has_offset; /* of sparse format 0.0: its number of bytes comes next */
	uint64_t offset;
};

void tar_facts_clear(struct tar_facts *f)
{
	for (size_t i = 0; i < f->n_texts; i++)
		free(f->texts[i]);
	free(f->pieces);
	memset(f, 0, offsetof(struct tar_facts, xattrs));
	f->n_xattrs = f->n_texts = 0;
}

int tar_facts_pieces(struct tar_facts *f, const struct tar_piece *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (f->n_pieces == TAR_PIECES_MAX)
			return -E2BIG;
		if ((f->n_pieces & (f->n_pieces - 1)) == 0) {
			size_t cap = MAX(2 * f->n_pieces, (size_t)1);
			struct tar_piece *more = reallocarray(f->pieces, cap, sizeof(*more));

			if (!more)
				return -ENOMEM;
			f->pieces = more;
		}
		f->pieces[f->n_pieces++] = p[i];
	}
	return 0;
}

/* A copy that ends with a NUL and lives as long as the facts. */
static int keep_text(struct taking *t, const void *p, size_t n, const char **ret)
{
	char *copy;

	if (t->f->n_texts == ARRAY_SIZE(t->f->texts))
		return -E2BIG;
	if (memchr(p, 0, n))
		return -EBADMSG;
	copy = strndup(p, n);
	if (!copy)
		return -ENOMEM;
	t->f->texts[t->f->n_texts++] = copy;
	*ret = copy;
	return 0;
}

/* Each record replaces the one before; a name is kept once. */
static int take_path(struct taking *t, const struct tar_record *rec)
{
	return keep_text(t, rec->value, rec->value_len, &t->f->path);
}

static int take_link(struct taking *t, const struct tar_record *rec)
{
	return keep_text(t, rec->value, rec->value_len, &t->f->link);
}

static int take_number(const struct tar_record *rec, uint64_t max, uint64_t *ret, bool *ret_has)
{
	int r = tar_decimal(rec->value, rec->value_len, ret);

	*ret_has = r == 0;
	return r == 0 && *ret > max ? -EBADMSG : r;
}

static int take_size(struct taking *t, const struct tar_record *rec)
{
	return take_number(rec, INT64_MAX, &t->f->size, &t->f->has_size);
}

static int take_uid(struct taking *t, const struct tar_record *rec)
{
	uint64_t v = 0;
	int r = take_number(rec, UINT32_MAX, &v, &t->f->has_uid);

	t->f->uid = (uint32_t)v;
	return r;
}

static int take_gid(struct taking *t, const struct tar_record *rec)
{
	uint64_t v = 0;
	int r = take_number(rec, UINT32_MAX, &v, &t->f->has_gid);

	t->f->gid = (uint32_t)v;
	return r;
}

static int take_real_size(struct taking *t, const struct tar_record *rec)
{
	t->f->sparse = true;
	return take_number(rec, INT64_MAX, &t->f->real_size, &t->f->has_real_size);
}

static int take_major(struct taking *t, const struct tar_record *rec)
{
	t->f->sparse = true;
	t->f->map_in_data = rec->value_len == 1 && rec->value[0] == '1';
	return 0;
}

static int take_offset(struct taking *t, const struct tar_record *rec)
{
	return take_number(rec, INT64_MAX, &t->offset, &t->has_offset);
}

static int take_bytes(struct taking *t, const struct tar_record *rec)
{
	struct tar_piece p = { .offset = t->offset };
	bool unused;
	int r = t->has_offset ? take_number(rec, INT64_MAX, &p.bytes, &unused) : -EBADMSG;

	t->has_offset = false;
	return r < 0 ? r : tar_facts_pieces(t->f, &p, 1);
}

/* Sparse format 0.1: "OFFSET,BYTES,OFFSET,BYTES". */
static int take_map(struct taking *t, const struct tar_record *rec)
{
	const uint8_t *p = rec->value, *end = p + rec->value_len;
	struct tar_piece piece = { 0 };
	bool second = false;
	int r = 0;

	t->f->n_pieces = 0;
	while (r == 0 && p < end) {
		const uint8_t *comma = memchr(p, ',', (size_t)(end - p));
		size_t n = (size_t)((comma ? comma : end) - p);

		r = tar_decimal(p, n, second ? &piece.bytes : &piece.offset);
		if (r == 0 && second)
			r = tar_facts_pieces(t->f, &piece, 1);
		second = !second;
		p += n + (comma ? 1 : 0);
	}
	return r == 0 && second ? -EBADMSG : r;
}

static int take_xattr(struct taking *t, const struct tar_record *rec, const char *name, size_t n)
{
	struct tar_facts *f = t->f;
	struct tar_xattr *x = &f->xattrs[f->n_xattrs];

	for (size_t i = 0; i < f->n_xattrs;
	     i++) { /* said again: of all entries, then of this one */
		if (strlen(f->xattrs[i].name) == n && !memcmp(f->xattrs[i].name, name, n)) {
			f->xattrs[i].value = rec->value;
			f->xattrs[i].bytes = rec->value_len;
			return 0;
		}
	}
	if (f->n_xattrs == TAR_XATTRS_MAX)
		return -E2BIG;
	if (n == 0 || keep_text(t, name, n, &x->name) < 0)
		return -EBADMSG;
	x->value = rec->value;
	x->bytes = rec->value_len;
	f->n_xattrs++;
	return 0;
}

static const struct {
	const char *key;
	int (*take)(struct taking *t, const struct tar_record *rec); /* NULL: an attribute */
} keys[] = {
	{ "path", take_path },
	{ "linkpath", take_link },
	{ "size", take_size },
	{ "uid", take_uid },
	{ "gid", take_gid },
	{ "GNU.sparse.name", take_path },
	{ "GNU.sparse.major", take_major },
	{ "GNU.sparse.realsize", take_real_size },
	{ "GNU.sparse.size", take_real_size },
	{ "GNU.sparse.offset", take_offset },
	{ "GNU.sparse.numbytes", take_bytes },
	{ "GNU.sparse.map", take_map },
	{ TAR_ACL_ACCESS, NULL },
	{ TAR_ACL_DEFAULT, NULL },
};

static int take_record(struct taking *t, const struct tar_record *rec)
{
	const size_t prefix = strlen(XATTR_PREFIX);

	if (rec->key_len > prefix && !memcmp(rec->key, XATTR_PREFIX, prefix))
		return take_xattr(t, rec, rec->key + prefix, rec->key_len - prefix);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strlen(keys[i].key) != rec->key_len ||
		    memcmp(keys[i].key, rec->key, rec->key_len))
			continue;
		if (rec->value_len == 0)
			return 0; /* says that it says nothing */
		return keys[i].take ? keys[i].take(t, rec)
				    : take_xattr(t, rec, rec->key, rec->key_len);
	}
	return 0;
}

/* "GNU.sparse.name" stands over "path", whichever comes first. */
static int take_sparse_name(struct taking *t, const struct buffer *records)
{
	struct reader r = READER(records->data, records->len);
	struct tar_record rec;

	while (tar_record_next(&r, &rec) == 1) {
		if (rec.key_len == strlen("GNU.sparse.name") &&
		    !memcmp(rec.key, "GNU.sparse.name", rec.key_len) && rec.value_len > 0)
			return take_path(t, &rec);
	}
	return 0;
}

int tar_facts_take(struct tar_facts *f, const struct span *s, uint64_t at, struct buffer *records)
{
	struct taking t = { .f = f, .s = s, .at = at };
	struct reader r = READER(records->data, records->len);
	struct tar_record rec;
	int k;

	while ((k = tar_record_next(&r, &rec)) == 1) {
		k = take_record(&t, &rec);
		if (k < 0)
			break;
	}
	if (k == 0 && f->sparse)
		k = take_sparse_name(&t, records);
	if (k == -E2BIG)
		return tar_fail(s, at, k, "an entry with more than %u attributes or %u pieces",
				TAR_XATTRS_MAX, TAR_PIECES_MAX);
	if (k == -ENOMEM)
		return log_err(k, "cannot read '%s'", s->in->name);
	return k < 0 ? tar_fail(s, at, k, "a damaged pax record") : 0;
}

/* The next line of the map: a decimal number. */
static int map_number(const struct span *s, uint64_t *at, uint64_t end, uint64_t *ret)
{
	uint8_t line[MAP_LINE_MAX];
	size_t n = (size_t)MIN(end - *at, (uint64_t)sizeof(line));
	const uint8_t *newline;
	int r = tar_read_bytes(s, *at, line, n);

	if (r < 0)
		return r;
	newline = memchr(line, '\n', n);
	if (!newline || tar_decimal(line, (size_t)(newline - line), ret) < 0)
		return tar_fail(s, *at, -EBADMSG, "a damaged map of holes");
	*at += (uint64_t)(newline - line) + 1;
	return 0;
}

int tar_facts_map(struct tar_facts *f, const struct span *s, uint64_t *at, uint64_t bytes)
{
	uint64_t begin = *at, here = *at, end, count, used;
	struct tar_piece p;
	int r;

	if (bytes > s->bytes - begin)
		return tar_fail(s, begin, -EBADMSG, "it is cut off");
	end = begin + bytes;
	r = map_number(s, &here, end, &count);
	if (r == 0 && count > TAR_PIECES_MAX)
		r = tar_fail(s, begin, -E2BIG, "a file with more than %u pieces", TAR_PIECES_MAX);
	for (uint64_t i = 0; r == 0 && i < count; i++) {
		r = map_number(s, &here, end, &p.offset);
		if (r == 0)
			r = map_number(s, &here, end, &p.bytes);
		if (r == 0)
			r = tar_facts_pieces(f, &p, 1);
	}
	if (r < 0)
		return r;
	used = (here - begin + TAR_BLOCK_BYTES - 1) / TAR_BLOCK_BYTES * TAR_BLOCK_BYTES;
	if (used > bytes)
		return tar_fail(s, begin, -EBADMSG, "a damaged map of holes");
	*at = begin + used;
	f->size = bytes - used; /* of data behind the map */
	f->has_size = true;
	return 0;
}

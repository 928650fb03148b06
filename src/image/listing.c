/*
 * listing.c - what an image holds, to compare it with another
 *
 * Data is read and kept as a hash, so that two files of one size can be told apart, and two images
 * of any size be compared in little memory. Times and inode numbers are not looked at.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/inspect.h"
#include "image/listing.h"
#include "image/source.h"

#define READ_BYTES	(256u << 10)
#define NAMES_BYTES_MAX (UINT64_C(1) << 30) /* of all paths and targets, which are kept */

struct reading {
	struct listing l;
	uint8_t *buf; /* READ_BYTES */
	const char *name;
	uint64_t names_bytes;
	bool last_left_out; /* the file told last has no row */
};

static int add_row(struct listing *l, struct listing_row *row)
{
	struct listing_row *more;

	if ((l->n & (l->n - 1)) == 0) { /* grow at powers of two */
		more = realloc(l->rows, MAX(2 * l->n, (size_t)1) * sizeof(*more));
		if (!more) {
			free(row->path);
			free(row->target);
			return -ENOMEM;
		}
		l->rows = more;
	}
	row->order = l->n;
	l->rows[l->n++] = *row;
	return 0;
}

static void hash_xattr(crypto_generichash_state *h, const char *name, const void *value, size_t n)
{
	uint64_t length = n;

	crypto_generichash_update(h, (const uint8_t *)name, strlen(name) + 1);
	crypto_generichash_update(h, (const uint8_t *)&length, sizeof(length));
	if (n > 0)
		crypto_generichash_update(h, value, n);
}

static int compare_xattrs(const void *a, const void *b)
{
	return strcmp(((const struct inspect_xattr *)a)->name,
		      ((const struct inspect_xattr *)b)->name);
}

/* By their names, in whatever order they stand. */
static int hash_xattrs(const struct inspect_entry *e, struct listing_row *row)
{
	_cleanup_free_ struct inspect_xattr *sorted = calloc(e->n_xattrs + 1, sizeof(*sorted));
	crypto_generichash_state h;

	if (!sorted)
		return -ENOMEM;
	crypto_generichash_init(&h, NULL, 0, LISTING_HASH_BYTES);
	if (e->n_xattrs > 0) {
		memcpy(sorted, e->xattrs, e->n_xattrs * sizeof(*sorted));
		qsort(sorted, e->n_xattrs, sizeof(*sorted), compare_xattrs);
	}
	for (size_t i = 0; i < e->n_xattrs; i++)
		hash_xattr(&h, sorted[i].name, sorted[i].value, sorted[i].bytes);
	crypto_generichash_final(&h, row->xattrs_hash, LISTING_HASH_BYTES);
	row->n_xattrs = e->n_xattrs;
	return 0;
}

static int hash_entry(struct reading *r, struct inspect_data *data,
		      uint8_t ret[static LISTING_HASH_BYTES])
{
	crypto_generichash_state h;
	size_t n = READ_BYTES;

	crypto_generichash_init(&h, NULL, 0, LISTING_HASH_BYTES);
	while (n == READ_BYTES) {
		int err = data->read(data, r->buf, READ_BYTES, &n);

		if (err < 0)
			return err;
		if (n > 0)
			crypto_generichash_update(&h, r->buf, n);
	}
	crypto_generichash_final(&h, ret, LISTING_HASH_BYTES);
	return 0;
}

static int take_entry(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	struct reading *r = user;
	struct listing_row row = { .mode = e->mode, .uid = e->uid, .gid = e->gid };
	int err = 0;

	r->last_left_out = !*e->path;
	if (r->last_left_out)
		return 0; /* the root itself is in every image */
	if (S_ISREG(e->mode)) {
		row.size = e->size;
		err = hash_entry(r, data, row.hash);
	}
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode)) {
		row.major = e->rdev_major;
		row.minor = e->rdev_minor;
	}
	if (S_ISREG(e->mode) && e->nlink > 1)
		row.file = (struct listing_file){ e->archive, e->dev_major, e->dev_minor, e->ino };
	if (err == 0)
		err = hash_xattrs(e, &row);
	if (err < 0)
		return err;
	r->names_bytes += strlen(e->path) + 2 + (e->target ? strlen(e->target) + 1 : 0);
	if (r->names_bytes > NAMES_BYTES_MAX)
		return log_err(-E2BIG, "'%s' holds more than %llu bytes of names", r->name,
			       (unsigned long long)NAMES_BYTES_MAX);
	if (asprintf(&row.path, "/%s", e->path) < 0) {
		row.path = NULL;
		return log_err(-ENOMEM, "cannot list '%s'", r->name);
	}
	row.target = e->target ? strdup(e->target) : NULL;
	return add_row(&r->l, &row);
}

/* Attributes of the row added last. */
static int take_xattrs(void *user, const struct inspect_xattr *list, size_t n)
{
	struct reading *r = user;
	struct inspect_entry e = { .xattrs = list, .n_xattrs = n };

	return r->last_left_out || r->l.n == 0 ? 0 : hash_xattrs(&e, &r->l.rows[r->l.n - 1]);
}

static int compare_rows(const void *va, const void *vb)
{
	const struct listing_row *a = va, *b = vb;
	int d = strcmp(a->path, b->path);

	return d ? d : a->order < b->order ? -1 : a->order > b->order;
}

static int compare_files(const void *va, const void *vb)
{
	const struct listing_file *a = &(*(struct listing_row *const *)va)->file,
				  *b = &(*(struct listing_row *const *)vb)->file;

	if (a->archive != b->archive)
		return a->archive < b->archive ? -1 : 1;
	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	if (a->dev_major != b->dev_major)
		return a->dev_major < b->dev_major ? -1 : 1;
	return a->dev_minor < b->dev_minor ? -1 : a->dev_minor > b->dev_minor;
}

/* Each name of a file gets the data that one of them came with. */
static int share_data(struct listing *l)
{
	_cleanup_free_ struct listing_row **linked = calloc(l->n + 1, sizeof(*linked));
	size_t n = 0;

	if (!linked)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++) {
		if (l->rows[i].file.ino)
			linked[n++] = &l->rows[i];
	}
	if (n > 1)
		qsort(linked, n, sizeof(struct listing_row *), compare_files);
	for (size_t i = 0, end; i < n; i = end) {
		const struct listing_row *with = linked[i], *x = linked[i];

		for (end = i; end < n && compare_files(&linked[i], &linked[end]) == 0; end++) {
			with = linked[end]->size > 0 ? linked[end] : with;
			x = linked[end]->n_xattrs > 0 ? linked[end] : x;
		}
		for (size_t k = i; k < end; k++) {
			linked[k]->size = with->size;
			memcpy(linked[k]->hash, with->hash, sizeof(with->hash));
			linked[k]->n_xattrs = x->n_xattrs;
			memcpy(linked[k]->xattrs_hash, x->xattrs_hash, sizeof(x->xattrs_hash));
		}
	}
	return 0;
}

/* Of several rows of a name the last remains. */
static void keep_last(struct listing *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (i + 1 < l->n && !strcmp(l->rows[i].path, l->rows[i + 1].path)) {
			free(l->rows[i].path);
			free(l->rows[i].target);
		} else {
			l->rows[n++] = l->rows[i];
		}
	}
	l->n = n;
}

static int finish(struct listing *l, uint64_t image_bytes)
{
	int r = share_data(l);

	if (l->n > 1)
		qsort(l->rows, l->n, sizeof(*l->rows), compare_rows);
	keep_last(l);
	l->image_bytes = image_bytes;
	return r;
}

int listing_of_medium(struct medium *m, const char *name, struct listing *ret)
{
	_cleanup_free_ uint8_t *buf = malloc(READ_BYTES);
	struct reading r = { .buf = buf, .name = name };
	struct inspect_visitor v = { .entry = take_entry, .user = &r, .xattrs = take_xattrs };
	int err = buf ? inspect_medium(m, name, &v) : -ENOMEM;

	if (err == 0)
		err = finish(&r.l, m->bytes);
	if (err == -ENOMEM)
		log_err(err, "cannot list '%s'", name);
	if (err < 0) {
		listing_clear(&r.l);
		return err;
	}
	*ret = r.l;
	return 0;
}

/* The data of a file that is still at its source. */
static int hash_source(struct reading *r, const struct inode *i,
		       uint8_t ret[static LISTING_HASH_BYTES])
{
	_cleanup_close_ int fd = FD_NONE;
	crypto_generichash_state h;
	uint64_t left = i->size;
	int err;

	crypto_generichash_init(&h, NULL, 0, LISTING_HASH_BYTES);
	if (!i->source) {
		crypto_generichash_update(&h, i->data, i->size);
		crypto_generichash_final(&h, ret, LISTING_HASH_BYTES);
		return 0;
	}
	err = source_open(i, &fd);
	while (err == 0 && left > 0) {
		size_t want = (size_t)MIN(left, (uint64_t)READ_BYTES), n;

		err = fd_read_full(fd, r->buf, want, &n);
		if (err < 0)
			return log_err(err, "cannot read '%s'", i->source);
		if (n < want)
			return source_changed(i);
		crypto_generichash_update(&h, r->buf, n);
		left -= n;
	}
	if (err < 0)
		return err;
	crypto_generichash_final(&h, ret, LISTING_HASH_BYTES);
	return source_check(i, fd);
}

static int hash_plan_xattrs(const struct inode *i, struct listing_row *row)
{
	_cleanup_free_ struct inspect_xattr *list = calloc(i->n_xattrs + 1, sizeof(*list));
	struct inspect_entry e = { .xattrs = list, .n_xattrs = i->n_xattrs };

	if (!list)
		return -ENOMEM;
	for (size_t k = 0; k < i->n_xattrs; k++)
		list[k] = (struct inspect_xattr){ i->xattrs[k].name, i->xattrs[k].value,
						  i->xattrs[k].bytes };
	return hash_xattrs(&e, row);
}

static int take_node(struct reading *r, const struct node *n)
{
	static const mode_t kinds[INODE_KIND_MAX_] = {
		[INODE_DIR] = S_IFDIR,	   [INODE_FILE] = S_IFREG,  [INODE_LINK] = S_IFLNK,
		[INODE_CHAR] = S_IFCHR,	   [INODE_BLOCK] = S_IFBLK, [INODE_FIFO] = S_IFIFO,
		[INODE_SOCKET] = S_IFSOCK,
	};
	const struct inode *i = n->inode;
	struct listing_row row = { .mode = kinds[i->kind] | i->mode,
				   .uid = i->uid,
				   .gid = i->gid,
				   .major = i->major,
				   .minor = i->minor };
	int err = 0;

	if (i->kind == INODE_FILE) {
		row.size = i->size;
		err = hash_source(r, i, row.hash);
	}
	if (err == 0)
		err = hash_plan_xattrs(i, &row);
	if (err < 0)
		return err;
	row.path = tree_path(n);
	row.target = i->target ? strdup(i->target) : NULL;
	if (!row.path)
		return log_err(-ENOMEM, "cannot list the image");
	return add_row(&r->l, &row);
}

int listing_of_plan(const struct plan *p, struct listing *ret)
{
	_cleanup_free_ uint8_t *buf = malloc(READ_BYTES);
	struct reading r = { .buf = buf };
	int err = buf ? 0 : log_err(-ENOMEM, "cannot list the image");

	for (const struct node *n = tree_root(p->tree); err == 0 && n; n = tree_next(n))
		err = n->parent ? take_node(&r, n) : 0;
	if (err == 0)
		err = finish(&r.l, plan_bytes(p));
	if (err < 0) {
		listing_clear(&r.l);
		return err;
	}
	*ret = r.l;
	return 0;
}

void listing_clear(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->rows[i].path);
		free(l->rows[i].target);
	}
	free(l->rows);
	*l = (struct listing){ 0 };
}

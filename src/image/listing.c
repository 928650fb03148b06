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

#define READ_BYTES (256u << 10)

struct reading {
	struct listing l;
	uint8_t *buf; /* READ_BYTES */
	const char *name;
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
	l->rows[l->n++] = *row;
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

	if (!*e->path)
		return 0; /* the root itself is in every image */
	if (S_ISREG(e->mode)) {
		row.size = e->size;
		err = hash_entry(r, data, row.hash);
	}
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode)) {
		row.major = e->rdev_major;
		row.minor = e->rdev_minor;
	}
	if (err < 0)
		return err;
	if (asprintf(&row.path, "/%s", e->path) < 0) {
		row.path = NULL;
		return log_err(-ENOMEM, "cannot list '%s'", r->name);
	}
	row.target = e->target ? strdup(e->target) : NULL;
	return add_row(&r->l, &row);
}

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct listing_row *)a)->path, ((const struct listing_row *)b)->path);
}

static void finish(struct listing *l, uint64_t image_bytes)
{
	if (l->n > 1)
		qsort(l->rows, l->n, sizeof(*l->rows), compare_rows);
	l->image_bytes = image_bytes;
}

int listing_of_file(int fd, const char *name, struct listing *ret)
{
	_cleanup_free_ uint8_t *buf = malloc(READ_BYTES);
	struct reading r = { .buf = buf, .name = name };
	struct inspect_visitor v = { .entry = take_entry, .user = &r };
	struct stat st;
	int err;

	if (!buf || fstat(fd, &st) < 0)
		return log_err(buf ? -errno : -ENOMEM, "cannot read '%s'", name);
	err = inspect_file(fd, name, &v);
	if (err < 0) {
		listing_clear(&r.l);
		return err;
	}
	finish(&r.l, (uint64_t)st.st_size);
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
	int err = buf ? 0 : -ENOMEM;

	for (const struct node *n = tree_root(p->tree); err == 0 && n; n = tree_next(n))
		err = n->parent ? take_node(&r, n) : 0;
	if (err < 0) {
		listing_clear(&r.l);
		return err;
	}
	finish(&r.l, plan_bytes(p));
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

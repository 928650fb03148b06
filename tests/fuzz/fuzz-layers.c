/*
 * fuzz-layers.c - whatever the archive, what it brings lies in it, and the tree stays whole
 *
 * An archive is read twice, the second time as a layer with whiteouts over the first, and then as a
 * container image. Each entry's data have to lie in the archive, its holes to be in order; each
 * name of the tree has to be one that a folder can have, and each file to have as many names as it
 * says.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/gather_internal.h"
#include "image/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void say_nothing(enum log_level level, const char *line)
{
}

/* Mutations rarely hit the sums of headers; they are not what is tested. */
static void put_sums(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + TAR_BLOCK_BYTES <= size; at += TAR_BLOCK_BYTES) {
		uint8_t *block = data + at;
		char text[8];
		unsigned sum = 0;

		if (memcmp(block + 257, "ustar", 5))
			continue;
		memset(block + 148, ' ', 8);
		for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
			sum += block[i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(block + 148, text, 7);
	}
}

static void check_span(const struct span *s)
{
	if (s->at > s->in->size || s->bytes > s->in->size - s->at)
		abort();
}

static int take(void *arg, const struct tar_entry *e)
{
	uint64_t end = 0, sum = 0;

	if (strlen(e->path) >= TAR_PATH_MAX || !*e->path || strlen(e->link) >= TAR_PATH_MAX ||
	    e->mode > 07777 || e->n_xattrs > TAR_XATTRS_MAX)
		abort();
	if (e->kind == INODE_FILE && !e->hard_link)
		check_span(&e->data);
	if (e->kind == INODE_FILE && !e->hard_link && !e->sparse && e->size != e->data.bytes)
		abort();
	for (size_t i = 0; e->sparse && i < e->n_pieces; i++) {
		if (e->pieces[i].offset < end || e->pieces[i].bytes > e->size ||
		    e->pieces[i].offset > e->size - e->pieces[i].bytes)
			abort();
		end = e->pieces[i].offset + e->pieces[i].bytes;
		sum += e->pieces[i].bytes;
	}
	if (e->sparse && sum != e->data.bytes)
		abort();
	if (e->size > (1u << 20)) /* holes of any size are not written here */
		return 0;
	return layer_take(arg, e);
}

static void check_tree(const struct tree *t)
{
	size_t n = 0;

	for (struct node *x = tree_root(t); x; x = tree_next(x), n++) {
		uint32_t folders = 0;

		if (x->parent && (!*x->name || strchr(x->name, '/') || !strcmp(x->name, ".") ||
				  !strcmp(x->name, "..") || strlen(x->name) > TREE_NAME_MAX ||
				  tree_child(t, x->parent, x->name, strlen(x->name)) != x))
			abort();
		for (size_t i = 0; i < x->n_children; i++)
			folders += x->children[i]->inode->kind == INODE_DIR;
		if (x->inode->kind == INODE_DIR ? x->inode->links != 2 + folders
						: x->n_children > 0 || x->inode->links == 0)
			abort();
		if (x->inode->kind == INODE_LINK && !*x->inode->target)
			abort();
	}
	if (n != tree_nodes(t))
		abort();
}

static void try_image(struct tree *t, const struct span *all)
{
	_cleanup_blobs_ struct blobs s = { .tree = t, .what = "fuzz", .dirfd = FD_NONE };
	_cleanup_oci_image_ struct oci_image image = { 0 };

	if (blobs_open_tar(&s, all) != 1 || oci_open(&s, NULL, NULL, &image) < 0)
		return;
	if (image.n > OCI_LAYERS_MAX)
		abort();
	for (size_t i = 0; i < image.n; i++)
		check_span(&image.layers[i].data);
}

static int prepare(const uint8_t *data, size_t size, struct tree *t, struct span *ret)
{
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	_cleanup_free_ uint8_t *copy = malloc(size ? size : 1);
	int r;

	if (fd < 0 || !copy)
		return -ENOMEM;
	if (size > 0)
		memcpy(copy, data, size);
	put_sums(copy, size);
	r = fd_write_all(fd, copy, size);
	if (r == 0)
		r = blobs_bundle(t, TAKE_FD(fd), "fuzz", &ret->in);
	ret->at = 0;
	ret->bytes = size;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gather_spec spec = { .file = "fuzz" };
	_cleanup_tree_ struct tree *t = NULL;
	_cleanup_spool_ struct spool spool = SPOOL();
	struct layer_use use = { 0 };
	struct gather g = { .spec = &spec, .in_layer = true };
	struct layer l = { .g = &g, .what = "fuzz", .spool = &spool, .use = &use };
	struct span all;

	log_set_sink(say_nothing);
	if (tree_new(&t) < 0 || prepare(data, size, t, &all) < 0)
		return 0;
	g.tree = t;
	for (unsigned i = 0; i < 2; i++) {
		int r = tree_add_origin(t, "layer", &l.origin);

		if (r == 0)
			r = tar_read(&all, take, &l);
		if (r != 0 && r != -EBADMSG && r != -E2BIG && r != -ENOMEM && r != -EOPNOTSUPP &&
		    r != -EXDEV && r != -ENAMETOOLONG && r != -EMLINK && r != -ENOTDIR &&
		    r != -ELOOP && r != -ENOSPC)
			abort();
		if (r != 0)
			return 0; /* the tree is thrown away, half filled as it may be */
		l.whiteouts = true;
	}
	if (gather_acls(&g) > 0) /* ACLs as text may be anything */
		abort();
	tree_sort(t);
	check_tree(t);
	try_image(t, &all);
	return 0;
}

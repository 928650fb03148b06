/*
 * gather_from.c - the line "from": whole trees that a site has already
 *
 * A folder, a tar archive (plain, or packed with gzip, xz, lzma, zstd, lz4 or bzip2; also from
 * standard input), a container image (OCI image layout as folder or archive, or what `docker save`
 * writes). They are laid over each other in the order of their lines. What a file is, its bytes
 * say, not its name. A plain archive is used where it lies; others are unpacked aside (spool.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/debian.h"
#include "image/gather_internal.h"
#include "image/oci.h"
#include "image/unpack.h"

/* One line while it is taken. */
struct from {
	struct layer layer;
	struct spool spool;
	struct layer_use *use;
};

static int add_origin(struct from *f, const char *what)
{
	int r = tree_add_origin(f->layer.g->tree, what, &f->layer.origin);

	return r < 0 ? gather_error(f->layer.g, r, f->layer.e,
				    "more than %u layers and other sources", TREE_ORIGINS_MAX)
		     : 0;
}

/* What a stream holds, as a file. */
static int take_stream(struct from *f, int fd, struct span *ret)
{
	struct bundle like = { .fd = FD_NONE, .name = (char *)f->layer.what, .known = false };
	const struct bundle *b = NULL;
	uint64_t at;
	int r = spool_copy(&f->spool, f->layer.what, fd, &at);

	/* Nothing says whether it will be the same again. */
	like.changed_ns = UINT64_MAX / 2;
	return r < 0 ? r : spool_span(&f->spool, f->layer.g->tree, &like, at, &b, ret);
}

static int take_stdin(struct from *f, struct span *ret)
{
	struct stat st;
	off_t at;
	int fd;

	if (isatty(STDIN_FILENO))
		return gather_error(f->layer.g, -EINVAL, f->layer.e,
				    "standard input is a terminal; expected a tar archive");
	at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) && at >= 0 && at <= st.st_size) {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		*ret = (struct span){ .at = (uint64_t)at,
				      .bytes = (uint64_t)st.st_size - (uint64_t)at };
		seen_give_up(f->layer.g->seen); /* nothing says which file it will be */
		return fd < 0 ? gather_error(f->layer.g, -errno, f->layer.e,
					     "cannot read standard input")
			      : blobs_bundle(f->layer.g->tree, fd, f->layer.what, &ret->in);
	}
	return take_stream(f, STDIN_FILENO, ret);
}

/* The bytes of a source that is no folder. */
static int take_file(struct from *f, const struct stat *st, struct span *ret)
{
	struct gather *g = f->layer.g;
	const struct manifest_entry *e = f->layer.e;
	_cleanup_close_ int fd = FD_NONE;
	int r;

	if (!S_ISREG(st->st_mode) && !S_ISFIFO(st->st_mode) && !S_ISCHR(st->st_mode))
		return gather_error(g, -EINVAL, e, "'%s' is neither a folder nor a file",
				    e->source);
	fd = openat(g->spec->dirfd, e->source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return gather_error(g, -errno, e, "cannot read '%s': %s", e->source,
				    strerror(errno));
	if (!S_ISREG(st->st_mode))
		return take_stream(f, fd, ret);
	r = blobs_bundle(g->tree, TAKE_FD(fd), f->layer.what, &ret->in);
	ret->at = 0;
	ret->bytes = r == 0 ? ret->in->size : 0;
	return r;
}

/* Unpack what is packed. */
static int unpack(struct from *f, struct span *data)
{
	uint8_t magic[UNPACK_MAGIC_MAX];
	size_t n = (size_t)MIN(data->bytes, (uint64_t)sizeof(magic));
	const struct bundle *b = NULL;
	uint64_t at;
	int r = tar_read_bytes(data, 0, magic, n);

	if (r < 0 || unpack_detect(magic, n) == UNPACK_PLAIN)
		return r;
	r = spool_unpack(&f->spool, data, &at);
	return r < 0 ? r : spool_span(&f->spool, f->layer.g->tree, data->in, at, &b, data);
}

static bool is_tar(const struct span *data)
{
	uint8_t block[TAR_BLOCK_BYTES];

	return data->bytes >= sizeof(block) && tar_read_bytes(data, 0, block, sizeof(block)) == 0 &&
	       tar_begins(block, sizeof(block));
}

static void note_architecture(struct gather *g, const char *name)
{
	if (g->has_arch || (strcmp(name, "amd64") && strcmp(name, "arm64")))
		return;
	g->has_arch = true;
	g->arch = strcmp(name, "arm64") ? INDEX_X86_64 : INDEX_AARCH64;
}

/* A layer of a container image. */
static int take_layer(struct from *f, const struct oci_layer *l, size_t i, size_t n)
{
	_cleanup_free_ char *what = NULL;
	struct span data = l->data;
	const char *digest = l->digest[0] ? l->digest : l->plain;
	int r;

	if (asprintf(&what, "%s, layer %zu of %zu (%.19s)", f->layer.what, i + 1, n, digest) < 0) {
		what = NULL;
		return log_err(-ENOMEM, "cannot take '%s'", f->layer.what);
	}
	r = add_origin(f, what);
	if (r == 0)
		r = unpack(f, &data);
	if (r == 0 && l->plain[0])
		r = blobs_verify(&data, f->layer.what, l->plain);
	f->layer.holes = NULL;
	f->layer.whiteouts = true;
	return r < 0 ? r : tar_read(&data, layer_take, &f->layer);
}

static int take_image(struct from *f, struct blobs *s)
{
	const struct manifest_entry *e = f->layer.e;
	_cleanup_oci_image_ struct oci_image image = { 0 };
	int r = oci_open(s, e->image, e->platform, &image);

	if (r == 0)
		note_architecture(f->layer.g, image.architecture);
	for (size_t i = 0; r == 0 && i < image.n; i++)
		r = take_layer(f, &image.layers[i], i, image.n);
	return r;
}

static int no_image(const struct from *f)
{
	const struct manifest_entry *e = f->layer.e;

	if (!e->image && !e->platform)
		return 0;
	return gather_error(f->layer.g, -EINVAL, e,
			    "'%s' is no container image, so that %s= says nothing", e->source,
			    e->image ? "image" : "platform");
}

static int take_archive(struct from *f, struct span *data)
{
	_cleanup_blobs_ struct blobs s = { .tree = f->layer.g->tree,
					   .what = f->layer.what,
					   .dirfd = FD_NONE };
	int r = unpack(f, data);

	if (r < 0)
		return r;
	if (!is_tar(data))
		return gather_error(f->layer.g, -EBADMSG, f->layer.e,
				    "'%s' is neither a tar archive (plain, or packed with gzip, "
				    "xz, zstd, lz4 or bzip2) nor a container image",
				    f->layer.what);
	r = blobs_open_tar(&s, data);
	if (r < 0)
		return r;
	if (r == 1)
		return take_image(f, &s);
	r = no_image(f);
	if (r == 0)
		r = add_origin(f, f->layer.what);
	return r < 0 ? r : tar_read(data, layer_take, &f->layer);
}

static int take_folder(struct from *f)
{
	const struct manifest_entry *e = f->layer.e;
	struct gather *g = f->layer.g;
	_cleanup_blobs_ struct blobs s = { .tree = g->tree,
					   .what = f->layer.what,
					   .dirfd = FD_NONE };
	int r;

	if (blobs_is_folder(g->spec->dirfd, e->source)) {
		r = blobs_open_folder(&s, g->spec->dirfd, e->source);
		return r < 0 ? r : take_image(f, &s);
	}
	r = no_image(f);
	if (r == 0)
		r = add_origin(f, f->layer.what);
	return r < 0 ? r : gather_folder(&f->layer, e->source);
}

static int take_source(struct from *f)
{
	const struct manifest_entry *e = f->layer.e;
	struct gather *g = f->layer.g;
	struct span data;
	struct stat st;
	int r;

	if (!strcmp(e->source, MANIFEST_STDIN)) {
		f->layer.what = "standard input";
		r = take_stdin(f, &data);
		return r < 0 ? r : take_archive(f, &data);
	}
	if (fstatat(g->spec->dirfd, e->source, &st, 0) < 0)
		return gather_error(g, -errno, e, "cannot find '%s': %s", e->source,
				    strerror(errno));
	if (S_ISDIR(st.st_mode))
		return take_folder(f);
	r = take_file(f, &st, &data);
	return r < 0 ? r : take_archive(f, &data);
}

/* Packages, as a tar archive that mmdebstrap makes. */
static int take_packages(struct from *f)
{
	_cleanup_free_ char *what = NULL;
	struct gather *g = f->layer.g;
	struct bundle like = { .fd = FD_NONE, .changed_ns = UINT64_MAX / 2 };
	const struct bundle *b = NULL;
	struct span data;
	int r;

	if (asprintf(&what, "mmdebstrap %s", f->layer.e->source) < 0) {
		what = NULL;
		return log_err(-ENOMEM, "cannot take packages");
	}
	like.name = what;
	f->layer.what = what;
	r = spool_begin(&f->spool, what);
	if (r == 0)
		r = debian_packages(f->layer.e, g->spec->time_s, f->spool.fd, g->spec->file);
	if (r == 0)
		r = spool_took(&f->spool, what);
	if (r == 0)
		r = spool_span(&f->spool, g->tree, &like, 0, &b, &data);
	if (r == 0)
		r = add_origin(f, what);
	if (r == 0)
		r = tar_read(&data, layer_take, &f->layer);
	f->layer.what = NULL;
	return r;
}

void gather_note_sources(struct gather *g)
{
	static const char *const merged[] = {
		"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"
	};
	const struct bundle *b;

	if (!g->seen)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(merged); i++)
		seen_add(g->seen, SEEN_ROOT, merged[i]);
	for (size_t i = 0; (b = tree_bundle(g->tree, i)); i++) {
		if (b->known)
			seen_add(g->seen, SEEN_SOURCE, b->name);
		else
			seen_give_up(g->seen);
	}
	for (const struct node *n = tree_root(g->tree); n; n = tree_next(n)) {
		const struct inode *i = n->inode;

		if (!i->source || i->bundle)
			continue;
		/* Below the root, at a canonical path; else as it was named. */
		seen_add(g->seen, i->source_dirfd == g->spec->root->fd ? SEEN_ROOT : SEEN_SOURCE,
			 i->source);
	}
	for (size_t i = 0; i < g->spec->manifest->n; i++) {
		if (g->spec->manifest->entries[i].kind == MANIFEST_MODULE)
			seen_give_up(g->seen); /* a kernel's lists are looked at by libkmod */
	}
}

int gather_sources(struct gather *g)
{
	const struct manifest *m = g->spec->manifest;
	struct layer_use use = { 0 };
	int r = 0;

	g->in_layer = true;
	for (size_t i = 0; r == 0 && i < m->n; i++) {
		const struct manifest_entry *e = &m->entries[i];
		struct from f = { .layer = { .g = g, .e = e, .what = e->source, .use = &use },
				  .spool = SPOOL() };

		if (e->kind != MANIFEST_FROM && e->kind != MANIFEST_PACKAGES)
			continue;
		f.layer.spool = &f.spool;
		g->has_from = true;
		if (!g->seen)
			r = seen_new(&g->seen);
		if (r < 0)
			return log_err(r, "cannot take '%s'", e->source);
		r = e->kind == MANIFEST_FROM ? take_source(&f) : take_packages(&f);
		spool_close(&f.spool);
	}
	g->in_layer = false;
	return r < 0 ? r : gather_acls(g);
}

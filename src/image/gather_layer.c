/*
 * gather_layer.c - an archive laid over what is in the image already
 *
 * Nothing is written to any file system: names become nodes of the tree, so that a hostile archive
 * has nowhere to escape to. A path with ".." is refused all the same, since it was meant to. What
 * comes later replaces what came before, but a folder over a folder, which are merged; the symlinks
 * of the image on the way are followed inside it. Layers of container images also take names away
 * (OCI image specification, "Whiteouts").
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/gather_internal.h"

#define WHITEOUT	".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define WHITEOUT_META	".wh..wh." /* what AUFS keeps for itself */
#define SHOWN_BYTES	300	   /* of a path in a message */
#define COPY_BYTES	(256u << 10)
#define XATTR_BYTES_MAX 65536u /* of one value, as Linux has it */

/* A path of the archive taken apart. */
struct place {
	char above[TAR_PATH_MAX]; /* plain names with slashes between; "" at the top */
	char name[TAR_PATH_MAX];  /* the last one; "" for the root itself */
};

static int layer_error(const struct layer *l, int err, const char *path, const char *why)
{
	char shown[SHOWN_BYTES];
	size_t n = 0;

	for (; path[n] && n < sizeof(shown) - 1; n++)
		shown[n] = path[n] >= ' ' && path[n] < 0x7f ? path[n] : '?';
	shown[n] = 0;
	return gather_error(l->g, err, l->e, "'%s' of '%s'%s%s", shown, l->what, why ? " " : ": ",
			    why ? why : strerror(-err));
}

static int take_apart(const struct layer *l, const char *path, struct place *ret)
{
	char *to = ret->above;
	const char *name = "";
	size_t len = 0, depth = 0;

	for (const char *at = path; *(at += strspn(at, "/"));) {
		size_t n = strcspn(at, "/");

		if (n == 2 && at[0] == '.' && at[1] == '.')
			return layer_error(l, -EXDEV, path, "leads out of the image by '..'");
		if (n > TREE_NAME_MAX)
			return layer_error(l, -ENAMETOOLONG, path, NULL);
		if (n != 1 || at[0] != '.') {
			if (++depth > TREE_DEPTH_MAX)
				return layer_error(l, -EMLINK, path,
						   "is more than 1000 folders deep");
			if (len > 0) {
				*to++ = '/';
				memcpy(to, name, len);
				to += len;
			}
			name = at;
			len = n;
		}
		at += n;
	}
	*to = 0;
	memcpy(ret->name, name, len);
	ret->name[len] = 0;
	return 0;
}

/* Memory that names and attributes take has a limit, however well they were packed. */
static int account(struct layer *l, const char *path, size_t bytes)
{
	struct layer_use *u = l->use;

	if (u->entries == GATHER_ENTRIES_MAX || bytes > GATHER_TEXT_MAX - u->text)
		return layer_error(l, -E2BIG, path,
				   "is one too many: 'from' takes at most 2097152 entries, with "
				   "512 MiB of names and attributes");
	u->entries++;
	u->text += bytes;
	return 0;
}

/* Take away what other layers brought below @n; what this one brought stays. */
static void hide_below(struct layer *l, struct node *n)
{
	for (size_t i = n->n_children; i-- > 0;) {
		struct node *x = n->children[i];

		hide_below(l, x);
		if (x->origin != l->origin && x->n_children == 0)
			tree_remove(l->g->tree, x);
	}
}

/* ".wh.NAME" takes away NAME of the layers below, ".wh..wh..opq" all that they have in a folder. */
static int take_whiteout(struct layer *l, struct node *dir, const char *name)
{
	struct node *n;

	if (!strcmp(name, WHITEOUT_OPAQUE)) {
		hide_below(l, dir);
		return 0;
	}
	if (!strncmp(name, WHITEOUT_META, strlen(WHITEOUT_META)))
		return 0;
	name += strlen(WHITEOUT);
	n = tree_child(l->g->tree, dir, name, strlen(name));
	if (!n)
		return 0;
	hide_below(l, n);
	if (n->origin != l->origin && n->n_children == 0)
		tree_remove(l->g->tree, n);
	return 0;
}

int layer_add(struct layer *l, struct node *dir, const char *name, enum inode_kind kind,
	      uint16_t mode, struct inode *same, struct node **ret)
{
	struct node *n = tree_child(l->g->tree, dir, name, strlen(name));
	int r;

	if (n && kind == INODE_DIR && n->inode->kind == INODE_DIR) {
		n->inode->mode = mode;
		gather_drop_xattrs(n->inode);
	} else {
		if (n)
			tree_remove(l->g->tree, n);
		r = tree_add(l->g->tree, dir, name, strlen(name), kind, mode, same, &n);
		if (r < 0)
			return r;
	}
	n->origin = l->origin;
	n->entry = l->e;
	n->reason = REASON_ASKED;
	*ret = n;
	return 0;
}

/* The inode that a hard link names, by the way to it and its name. */
static int find_linked(struct layer *l, const struct tar_entry *e, struct node **ret)
{
	_cleanup_free_ struct place *p = malloc(sizeof(*p));
	struct node *dir, *n = NULL;
	int r = p ? take_apart(l, e->link, p) : log_err(-ENOMEM, "cannot take '%s'", e->path);

	if (r < 0)
		return r;
	if (tree_lookup(l->g->tree, p->above, &dir) == 0 && dir->inode->kind == INODE_DIR)
		n = tree_child(l->g->tree, dir, p->name, strlen(p->name));
	if (!n || n->inode->kind == INODE_DIR)
		return layer_error(l, -EBADMSG, e->path,
				   "is a hard link to a file that was not before it");
	*ret = n;
	return 0;
}

static int take_hard_link(struct layer *l, const struct tar_entry *e, struct node *dir,
			  const char *name)
{
	struct node *to = NULL, *n;
	int r = find_linked(l, e, &to);

	if (r < 0)
		return r;
	n = tree_child(l->g->tree, dir, name, strlen(name));
	if (n && n->inode == to->inode)
		return 0;
	r = layer_add(l, dir, name, to->inode->kind, 0, to->inode, &n);
	return r < 0 ? layer_error(l, r, e->path, NULL) : 0;
}

static int take_xattrs(struct layer *l, struct inode *i, const struct tar_entry *e)
{
	for (size_t k = 0; k < e->n_xattrs; k++) {
		const struct tar_xattr *x = &e->xattrs[k];
		int r;

		if (x->bytes > XATTR_BYTES_MAX)
			return layer_error(l, -E2BIG, e->path, "has an attribute over 64 KiB");
		r = account(l, e->path, x->bytes);
		if (r == 0)
			r = gather_add_xattr(i, x->name, x->value, x->bytes);
		if (r < 0)
			return r == -E2BIG ? r : layer_error(l, r, e->path, NULL);
	}
	return 0;
}

/* A file with holes: its pieces come into the spool at their places. */
static int spool_pieces(struct layer *l, const struct tar_entry *e, struct span *ret)
{
	_cleanup_free_ uint8_t *buf = malloc(COPY_BYTES);
	uint64_t begin = l->spool->end, at = 0;
	int r = buf ? 0 : log_err(-ENOMEM, "cannot take '%s'", e->path);

	for (size_t i = 0; r == 0 && i < e->n_pieces; i++) {
		const struct tar_piece *p = &e->pieces[i];

		r = spool_skip(l->spool, l->what, begin + p->offset - l->spool->end);
		for (uint64_t done = 0; r == 0 && done < p->bytes;) {
			size_t n = (size_t)MIN(p->bytes - done, (uint64_t)COPY_BYTES);

			r = tar_read_bytes(&e->data, at, buf, n);
			if (r == 0)
				r = spool_write(l->spool, l->what, buf, n);
			at += n;
			done += n;
		}
	}
	if (r == 0)
		r = spool_skip(l->spool, l->what, begin + e->size - l->spool->end);
	return r < 0 ? r : spool_span(l->spool, l->g->tree, e->data.in, begin, &l->holes, ret);
}

static int take_data(struct layer *l, struct inode *i, const struct tar_entry *e)
{
	struct span data = e->data;
	const struct bundle *b;
	int r;

	i->size = e->size;
	if (e->size == 0)
		return 0;
	if (e->size > SPOOL_BYTES_MAX - l->use->bytes)
		return layer_error(l, -EFBIG, e->path, "makes it more than 1 TiB");
	l->use->bytes += e->size;
	if (e->sparse) {
		r = spool_pieces(l, e, &data);
		if (r < 0)
			return r;
	}
	b = data.in;
	i->source = strdup(e->path);
	if (!i->source)
		return log_err(-ENOMEM, "cannot take '%s'", e->path);
	i->bundle = b;
	i->source_offset = data.at;
	i->mtime_s = b->mtime_s;
	i->mtime_ns = b->mtime_ns;
	i->source_ino = b->source_ino;
	i->changed_ns = b->changed_ns;
	return 0;
}

static int fill(struct layer *l, struct inode *i, const struct tar_entry *e)
{
	int r;

	i->uid = e->uid;
	i->gid = e->gid;
	if (i->kind == INODE_FILE)
		r = take_data(l, i, e);
	else
		r = 0;
	if (i->kind == INODE_LINK) {
		i->target = strdup(e->link);
		if (!i->target)
			return log_err(-ENOMEM, "cannot take '%s'", e->path);
		i->size = strlen(e->link);
	} else if (i->kind == INODE_CHAR || i->kind == INODE_BLOCK) {
		if (e->major > MANIFEST_MAJOR_MAX || e->minor > MANIFEST_MINOR_MAX)
			return layer_error(l, -EBADMSG, e->path,
					   "is a device with a number that Linux does not have");
		i->major = e->major;
		i->minor = e->minor;
	}
	return r < 0 ? r : take_xattrs(l, i, e);
}

int layer_take(void *arg, const struct tar_entry *e)
{
	struct layer *l = arg;
	_cleanup_free_ struct place *p = malloc(sizeof(*p));
	struct node *dir, *n;
	int r = p ? account(l, e->path, strlen(e->path) + strlen(e->link))
		  : log_err(-ENOMEM, "cannot take '%s'", e->path);

	if (r == 0)
		r = take_apart(l, e->path, p);
	if (r == 0)
		r = gather_dir(l->g, l->e, p->above, &dir);
	if (r < 0)
		return r;
	if (l->whiteouts && !strncmp(p->name, WHITEOUT, strlen(WHITEOUT)))
		return take_whiteout(l, dir, p->name);
	if (!*p->name && e->kind != INODE_DIR)
		return layer_error(l, -EBADMSG, e->path, "takes the place of the root");
	if (e->hard_link)
		return take_hard_link(l, e, dir, p->name);
	if (e->kind == INODE_LINK && !*e->link)
		return layer_error(l, -EBADMSG, e->path, "is a symlink to nothing");
	if (!*p->name) {
		n = dir;
		n->inode->mode = e->mode;
		gather_drop_xattrs(n->inode);
		n->origin = l->origin;
	} else {
		r = layer_add(l, dir, p->name, e->kind, e->kind == INODE_LINK ? 0777 : e->mode,
			      NULL, &n);
		if (r < 0)
			return layer_error(l, r, e->path, NULL);
	}
	return fill(l, n->inode, e);
}

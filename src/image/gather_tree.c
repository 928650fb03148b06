/*
 * gather_tree.c - a folder with all that is below, as it is: the line "tree", and "from" a folder
 *
 * Symlinks are kept, hard links within one tree too; devices, fifos and sockets need no right to be
 * read as such.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "image/gather_internal.h"

#define NAMES_MAX ((size_t)1 << 30) /* bytes of all names of a folder */

/* Files of one tree that have several names. */
struct hard_link {
	dev_t dev;
	ino_t ino;
	struct inode *inode;
};

struct walk {
	struct gather *g;
	const struct manifest_entry *e;
	struct layer *layer;	 /* of a line "from", which replaces what is there; else NULL */
	int at;			 /* the folder that is read; owned by walk_dir() */
	struct hard_link *links; /* open addressing by inode number */
	size_t n_links, n_slots;
};

static struct hard_link *link_slot(struct walk *w, dev_t dev, ino_t ino)
{
	size_t at = (size_t)(ino * 0x9e3779b97f4a7c15u) & (w->n_slots - 1);

	while (w->links[at].inode && (w->links[at].dev != dev || w->links[at].ino != ino))
		at = (at + 1) & (w->n_slots - 1);
	return &w->links[at];
}

static int grow_links(struct walk *w)
{
	struct hard_link *old = w->links;
	size_t n = w->n_slots;

	if (2 * (w->n_links + 1) <= n)
		return 0;
	w->n_slots = n ? 2 * n : 64;
	w->links = calloc(w->n_slots, sizeof(*w->links));
	if (!w->links) {
		w->links = old;
		w->n_slots = n;
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		if (old[i].inode)
			*link_slot(w, old[i].dev, old[i].ino) = old[i];
	}
	free(old);
	return 0;
}

static enum inode_kind kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return INODE_DIR;
	case S_IFREG:
		return INODE_FILE;
	case S_IFLNK:
		return INODE_LINK;
	case S_IFCHR:
		return INODE_CHAR;
	case S_IFBLK:
		return INODE_BLOCK;
	case S_IFIFO:
		return INODE_FIFO;
	case S_IFSOCK:
		return INODE_SOCKET;
	default:
		return INODE_KIND_MAX_;
	}
}

/* mode= counts for files; a folder can be entered by whom it lets read. */
static uint16_t mode_of(const struct manifest_entry *e, const struct stat *st)
{
	if (S_ISLNK(st->st_mode))
		return 0777;
	if (!e->has_mode)
		return st->st_mode & 07777;
	return (uint16_t)(S_ISDIR(st->st_mode) ? (e->mode & 0777) | (e->mode & 0444) >> 2
					       : e->mode);
}

static int walk_error(const struct walk *w, int err, const char *path)
{
	return gather_error(w->g, err, w->e, "cannot take '%s': %s", path, strerror(-err));
}

/* Fill a new inode from what lies at @path. */
static int fill(struct walk *w, struct inode *i, const char *name, const char *path,
		const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n;
	int r;

	i->uid = st->st_uid;
	i->gid = st->st_gid;
	switch (i->kind) {
	case INODE_FILE:
		r = gather_source_data(i, w->g->spec->dirfd, path, st);
		return r < 0 ? r : gather_xattrs(i, w->at, name);
	case INODE_LINK:
		n = readlinkat(w->at, name, target, sizeof(target) - 1);
		if (n < 0)
			return walk_error(w, -errno, path);
		i->target = strndup(target, (size_t)n);
		if (!i->target)
			return walk_error(w, -ENOMEM, path);
		i->size = (uint64_t)n;
		return 0;
	case INODE_CHAR:
	case INODE_BLOCK:
		i->major = major(st->st_rdev);
		i->minor = minor(st->st_rdev);
		return 0;
	default:
		return 0;
	}
}

static int walk_dir(struct walk *w, struct node *dir, const char *path);

/* Let a folder of the image be as the one at @path. */
static int like_folder(struct walk *w, struct node *n, const char *path, const struct stat *st)
{
	n->inode->mode = mode_of(w->e, st);
	n->inode->uid = st->st_uid;
	n->inode->gid = st->st_gid;
	n->entry = w->e;
	n->reason = REASON_ASKED;
	return gather_xattrs(n->inode, w->g->spec->dirfd, path);
}

/* A name below a folder that is a folder, too: where it comes to lie in the image. */
static int enter(struct walk *w, struct node *dir, const char *name, const char *path)
{
	_cleanup_free_ char *above = tree_path(dir), *in_image = NULL;
	struct node *n = tree_child(w->g->tree, dir, name, strlen(name));
	bool fresh = !n;
	struct stat st;
	int r;

	if (fstatat(w->g->spec->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return walk_error(w, -errno, path);
	if (!S_ISDIR(st.st_mode))
		return walk_error(w, -ESTALE, path);
	if (w->layer) {
		r = layer_add(w->layer, dir, name, INODE_DIR, 0, NULL, &n);
		if (r < 0)
			return walk_error(w, r, path);
		r = like_folder(w, n, path, &st);
		return r < 0 ? r : walk_dir(w, n, path);
	}
	if (!above || path_join(above, name, &in_image) < 0)
		return walk_error(w, -ENOMEM, path);
	r = gather_dir(w->g, w->e, in_image, &n);
	if (r < 0)
		return r;
	if (fresh || n->reason == REASON_IMPLIED) {
		r = like_folder(w, n, path, &st);
		if (r < 0)
			return r;
	}
	return walk_dir(w, n, path);
}

/* Is @n, made on the way to something else, the symlink that lies at @path? */
static bool same_link(const struct walk *w, const struct node *n, const char *path,
		      const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t len;

	if (!S_ISLNK(st->st_mode) || n->inode->kind != INODE_LINK || n->reason != REASON_IMPLIED)
		return false;
	len = readlinkat(w->g->spec->dirfd, path, target, sizeof(target));
	return len >= 0 && (uint64_t)len == n->inode->size &&
	       !memcmp(target, n->inode->target, (size_t)len);
}

/* A new name in a folder. Return: 0; -EEXIST with the one that is there; another errno. */
static int add_name(struct walk *w, struct node *dir, const char *name, const char *path,
		    const struct stat *st, struct inode *same, struct node **ret)
{
	struct node *old = tree_child(w->g->tree, dir, name, strlen(name));

	if (old && old->origin) {
		int r = gather_replace(w->g, w->e, path, old);

		if (r < 0)
			return r == -EEXIST ? -ENOTEMPTY : r;
		old = NULL;
	}
	if (old) {
		*ret = old;
		return -EEXIST;
	}
	return tree_add(w->g->tree, dir, name, strlen(name), kind_of(st->st_mode),
			mode_of(w->e, st), same, ret);
}

static int already(const struct walk *w, const struct node *dir, const char *name, const char *path)
{
	_cleanup_free_ char *in_image = tree_path(dir);

	return gather_error(w->g, -EEXIST, w->e,
			    "'%s/%s' is in the image already; '%s' would replace it",
			    in_image && in_image[1] ? in_image : "", name, path);
}

/* A name of the folder that is read; one that is a folder is noted in @folders for later. */
static int take_entry(struct walk *w, struct node *dir, const char *name, const char *path,
		      struct buffer *folders)
{
	struct hard_link *link = NULL;
	struct node *n;
	struct stat st;
	int r;

	if (fstatat(w->at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return walk_error(w, -errno, path);
	if (S_ISDIR(st.st_mode))
		return buffer_append(folders, name, strlen(name) + 1);
	if (st.st_nlink > 1 && grow_links(w) < 0)
		return walk_error(w, -ENOMEM, path);
	link = st.st_nlink > 1 ? link_slot(w, st.st_dev, st.st_ino) : NULL;
	if (w->layer)
		r = layer_add(w->layer, dir, name, kind_of(st.st_mode), mode_of(w->e, &st),
			      link ? link->inode : NULL, &n);
	else
		r = add_name(w, dir, name, path, &st, link ? link->inode : NULL, &n);
	if (r == -EEXIST)
		return same_link(w, n, path, &st) ? 0 : already(w, dir, name, path);
	if (r < 0)
		return r == -ENOTEMPTY ? r : walk_error(w, r, path);
	n->entry = w->e;
	n->reason = REASON_ASKED;
	if (link && link->inode)
		return 0;
	if (link) {
		*link = (struct hard_link){ .dev = st.st_dev, .ino = st.st_ino, .inode = n->inode };
		w->n_links++;
	}
	return fill(w, n->inode, name, path, &st);
}

/* The names of a folder, each followed by a NUL. */
static int read_names(DIR *dir, struct buffer *to)
{
	struct dirent *d;
	int r = 0;

	errno = 0;
	while (r == 0 && (d = readdir(dir))) {
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			r = buffer_append(to, d->d_name, strlen(d->d_name) + 1);
	}
	return r < 0 ? r : -errno;
}

/*
 * For each name in @names: a folder to enter, or something in the open folder, which adds to
 * @folders.
 */
static int take_names(struct walk *w, struct node *dir, const char *path,
		      const struct buffer *names, struct buffer *folders)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < names->len; at += strlen((char *)names->data + at) + 1) {
		const char *name = (char *)names->data + at;
		_cleanup_free_ char *below = NULL;

		if (asprintf(&below, "%s/%s", path, name) < 0) {
			below = NULL;
			return walk_error(w, -ENOMEM, path);
		}
		r = folders ? take_entry(w, dir, name, below, folders) : enter(w, dir, name, below);
	}
	return r;
}

/* All that lies in @path of the source but folders, whose names come into @folders. */
static int take_folder(struct walk *w, struct node *dir, const char *path, struct buffer *folders)
{
	_cleanup_buffer_ struct buffer names = BUFFER(NAMES_MAX);
	int fd = openat(w->g->spec->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r;

	seen_add(w->g->seen, SEEN_SOURCE, path);
	if (!d) {
		r = -errno;
		(void)fd_close(fd);
		return walk_error(w, r, path);
	}
	r = read_names(d, &names);
	w->at = fd;
	r = r < 0 ? walk_error(w, r, path) : take_names(w, dir, path, &names, folders);
	(void)closedir(d); /* only read */
	return r;
}

/*
 * All below @path of the source, into @dir of the image. What is no folder is looked at from the
 * open folder, by one name and not by its whole path; no descriptor stays open on the way down.
 */
static int walk_dir(struct walk *w, struct node *dir, const char *path)
{
	_cleanup_buffer_ struct buffer folders = BUFFER(NAMES_MAX);
	int r = take_folder(w, dir, path, &folders);

	return r < 0 ? r : take_names(w, dir, path, &folders, NULL);
}

int gather_tree(struct gather *g, const struct manifest_entry *e)
{
	struct walk w = { .g = g, .e = e };
	struct node *top;
	struct stat st;
	int r;

	if (fstatat(g->spec->dirfd, e->source, &st, 0) < 0)
		return gather_error(g, -errno, e, "cannot find '%s': %s", e->source,
				    strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return gather_error(g, -ENOTDIR, e, "'%s' is not a folder; 'file' takes files",
				    e->source);
	r = gather_dir(g, e, e->target, &top);
	if (r == 0 && top->parent && top->reason == REASON_IMPLIED)
		r = like_folder(&w, top, e->source, &st);
	if (r == 0)
		r = walk_dir(&w, top, e->source);
	free(w.links);
	return r;
}

int gather_folder(struct layer *l, const char *path)
{
	struct walk w = { .g = l->g, .e = l->e, .layer = l };
	struct node *top = tree_root(l->g->tree);
	struct stat st;
	int r;

	if (fstatat(l->g->spec->dirfd, path, &st, 0) < 0)
		return walk_error(&w, -errno, path);
	gather_drop_xattrs(top->inode);
	r = like_folder(&w, top, path, &st);
	top->origin = l->origin;
	if (r == 0)
		r = walk_dir(&w, top, path);
	free(w.links);
	return r;
}

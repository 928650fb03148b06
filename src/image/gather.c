/*
 * gather.c - from a manifest to the tree of an image
 *
 * Whole trees come first ("from"), and give way to what other lines bring. Lines that put something
 * at a place of their own come next, programs with their libraries after them: so what a manifest
 * says outright stands, in whatever order its lines are. Where the machine that builds has merged
 * /bin, /sbin and /lib into /usr by symlinks, the image gets the same symlinks as soon as something
 * lies below one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "image/gather_internal.h"

int gather_error(const struct gather *g, int err, const struct manifest_entry *e, const char *fmt,
		 ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (e)
		(void)log_err(0, "%s:%u: %s", g->spec->file, e->line, text);
	else
		(void)log_err(0, "%s: %s", g->spec->file, text);
	return err;
}

/* Names at the top that a merged system has as symlinks into /usr. */
static bool is_merged_name(const char *name, size_t n)
{
	static const char *const names[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) == n && !memcmp(names[i], name, n))
			return true;
	}
	return false;
}

/* A missing folder: where the root has a symlink of the merge, that symlink. */
static int add_missing(struct gather *g, struct node *dir, const char *name, size_t n,
		       struct node **ret)
{
	_cleanup_free_ char *path = NULL, *target = NULL;
	int r;

	if (!g->in_layer && !dir->parent && is_merged_name(name, n)) {
		if (asprintf(&path, "/%.*s", (int)n, name) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		if (root_readlink(g->spec->root, path, &target) == 0) {
			r = tree_add(g->tree, dir, name, n, INODE_LINK, 0777, NULL, ret);
			if (r == 0) {
				(*ret)->inode->size = strlen(target);
				(*ret)->inode->target = TAKE_PTR(target);
			}
			return r;
		}
	}
	return tree_add(g->tree, dir, name, n, INODE_DIR, 0755, NULL, ret);
}

/* What a symlink at @link leads to, with @rest behind it. Caller frees *ret. */
static int follow(const struct node *link, const char *rest, char **ret)
{
	_cleanup_free_ char *dir = tree_path(link->parent), *joined = NULL;

	if (!dir || asprintf(&joined, "%s/%s/%s", link->inode->target[0] == '/' ? "" : dir,
			     link->inode->target, rest) < 0) {
		joined = NULL;
		return -ENOMEM;
	}
	return path_normalize(joined, ret);
}

static int dir_at(struct gather *g, const struct manifest_entry *e, const char *path,
		  unsigned links, struct node **ret)
{
	struct node *at = tree_root(g->tree);
	const char *whole = path;

	while (*(path += strspn(path, "/"))) {
		size_t n = strcspn(path, "/");
		struct node *x = tree_child(g->tree, at, path, n);
		int r = x ? 0 : add_missing(g, at, path, n, &x);

		if (r < 0)
			return gather_error(g, r, e, "cannot make '%s' in the image: %s", whole,
					    strerror(-r));
		path += n;
		if (x->inode->kind == INODE_LINK) {
			_cleanup_free_ char *next = NULL;

			if (links == TREE_LINKS_MAX)
				return gather_error(g, -ELOOP, e,
						    "'%s' leads through too many symlinks", whole);
			r = follow(x, path, &next);
			return r < 0 ? gather_error(g, r, e, "cannot follow '%s': %s", whole,
						    strerror(-r))
				     : dir_at(g, e, next, links + 1, ret);
		}
		if (x->inode->kind != INODE_DIR)
			return gather_error(g, -ENOTDIR, e,
					    "'%.*s' is not a folder; '%s' would lie in it",
					    (int)(path - whole), whole, whole);
		at = x;
	}
	*ret = at;
	return 0;
}

int gather_dir(struct gather *g, const struct manifest_entry *e, const char *path,
	       struct node **ret)
{
	return dir_at(g, e, path, 0, ret);
}

static int twice(const struct gather *g, const struct manifest_entry *e, const char *path,
		 const struct node *old)
{
	if (old->entry)
		return gather_error(g, -EEXIST, e, "'%s' is in the image already, by line %u", path,
				    old->entry->line);
	return gather_error(g, -EEXIST, e, "'%s' is in the image already", path);
}

bool gather_gives_way(const struct node *n)
{
	return n->origin && n->entry &&
	       (n->entry->kind == MANIFEST_FROM || n->entry->kind == MANIFEST_PACKAGES);
}

int gather_replace(struct gather *g, const struct manifest_entry *e, const char *path,
		   struct node *old)
{
	if (!gather_gives_way(old))
		return twice(g, e, path, old);
	if (old->n_children > 0)
		return gather_error(g, -EEXIST, e,
				    "'%s' would take the place of a folder of '%s' that is not "
				    "empty",
				    path, tree_origin(g->tree, old->origin));
	tree_remove(g->tree, old);
	return 0;
}

int gather_new(struct gather *g, const struct manifest_entry *e, const char *path,
	       enum inode_kind kind, uint16_t mode, struct node **ret)
{
	_cleanup_free_ char *above = strndup(path, (size_t)(path_base(path) - path));
	const char *name = path_base(path);
	struct node *dir, *old;
	int r = above ? gather_dir(g, e, above, &dir) : -ENOMEM;

	if (r < 0)
		return r;
	if (!*name)
		return gather_error(g, -EEXIST, e, "'/' is a folder");
	old = tree_child(g->tree, dir, name, strlen(name));
	r = old ? gather_replace(g, e, path, old) : 0;
	if (r < 0)
		return r;
	r = tree_add(g->tree, dir, name, strlen(name), kind, mode, NULL, ret);
	if (r < 0)
		return gather_error(g, r, e, "cannot make '%s' in the image: %s", path,
				    strerror(-r));
	(*ret)->entry = e;
	(*ret)->reason = e ? REASON_ASKED : REASON_IMPLIED;
	return 0;
}

int gather_source_data(struct inode *i, int dirfd, const char *path, const struct stat *st)
{
	i->source = strdup(path);
	if (!i->source)
		return log_err(-ENOMEM, "cannot take '%s'", path);
	i->source_dirfd = dirfd;
	i->size = (uint64_t)st->st_size;
	i->mtime_s = st->st_mtim.tv_sec;
	i->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
	i->source_ino = st->st_ino;
	i->changed_ns = (uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec;
	i->uid = st->st_uid;
	i->gid = st->st_gid;
	return 0;
}

int gather_source(struct inode *i, int dirfd, const char *path, const struct stat *st)
{
	int r = gather_source_data(i, dirfd, path, st);

	return r < 0 ? r : gather_xattrs(i, dirfd, path);
}

/* Copy what @from has of data and attributes. */
int gather_copy_source(struct inode *i, const struct inode *from)
{
	i->size = from->size;
	i->source = from->source ? strdup(from->source) : NULL;
	i->data = from->data ? malloc(MAX((size_t)from->size, (size_t)1)) : NULL;
	if ((from->source && !i->source) || (from->data && !i->data))
		return log_err(-ENOMEM, "cannot take '%s'", from->source ? from->source : "a file");
	if (i->data)
		memcpy(i->data, from->data, (size_t)from->size);
	i->source_dirfd = from->source_dirfd;
	i->bundle = from->bundle;
	i->source_offset = from->source_offset;
	i->mtime_s = from->mtime_s;
	i->mtime_ns = from->mtime_ns;
	i->source_ino = from->source_ino;
	i->changed_ns = from->changed_ns;
	i->uid = from->uid;
	i->gid = from->gid;
	for (size_t k = 0; k < from->n_xattrs; k++) {
		const struct inode_xattr *x = &from->xattrs[k];
		int r = gather_add_xattr(i, x->name, x->value, x->bytes);

		if (r < 0)
			return log_err(r, "cannot take '%s'", i->source ? i->source : "a file");
	}
	return 0;
}

static int take_file(struct gather *g, const struct manifest_entry *e)
{
	struct node *n;
	struct stat st;
	int r;

	if (fstatat(g->spec->dirfd, e->source, &st, 0) < 0)
		return gather_error(g, -errno, e, "cannot find '%s': %s", e->source,
				    strerror(errno));
	if (S_ISDIR(st.st_mode))
		return gather_error(g, -EISDIR, e, "'%s' is a folder; 'tree' takes folders",
				    e->source);
	if (!S_ISREG(st.st_mode))
		return gather_error(g, -EINVAL, e, "'%s' is not a regular file", e->source);
	if (faccessat(g->spec->dirfd, e->source, R_OK, AT_EACCESS) < 0)
		return gather_error(g, -errno, e, "cannot read '%s': %s", e->source,
				    strerror(errno));
	r = gather_new(g, e, e->target, INODE_FILE, e->has_mode ? e->mode : st.st_mode & 07777, &n);
	return r < 0 ? r : gather_source(n->inode, g->spec->dirfd, e->source, &st);
}

/* A folder that is there may be named once: to give it a mode and an owner. */
static int take_dir(struct gather *g, const struct manifest_entry *e)
{
	struct node *n;
	int r = gather_dir(g, e, e->target, &n);

	if (r < 0)
		return r;
	if (n->entry && n->entry->kind == MANIFEST_DIR)
		return twice(g, e, e->target, n);
	n->entry = e;
	n->reason = REASON_ASKED;
	if (e->has_mode)
		n->inode->mode = e->mode;
	return 0;
}

static int take_link(struct gather *g, const struct manifest_entry *e)
{
	struct node *n;
	int r = gather_new(g, e, e->target, INODE_LINK, 0777, &n);

	if (r < 0)
		return r;
	n->inode->target = strdup(e->link);
	if (!n->inode->target)
		return log_err(-ENOMEM, "cannot take '%s'", e->target);
	n->inode->size = strlen(e->link);
	return 0;
}

static int take_node(struct gather *g, const struct manifest_entry *e)
{
	struct node *n;
	int r = gather_new(g, e, e->target, e->block ? INODE_BLOCK : INODE_CHAR,
			   e->has_mode ? e->mode : 0600, &n);

	if (r < 0)
		return r;
	n->inode->major = e->major;
	n->inode->minor = e->minor;
	return 0;
}

/*
 * What every root has, unless the manifest has it: mount points, and a console before /dev is
 * mounted.
 */
static int add_always(struct gather *g)
{
	static const struct {
		const char *path;
		enum inode_kind kind;
		uint16_t mode;
		uint32_t major, minor;
	} always[] = {
		{ "/dev", INODE_DIR, 0755 },
		{ "/proc", INODE_DIR, 0555 },
		{ "/run", INODE_DIR, 0755 },
		{ "/sys", INODE_DIR, 0555 },
		{ "/tmp", INODE_DIR, 01777 },
		{ "/dev/console", INODE_CHAR, 0600, 5, 1 },
		{ "/dev/null", INODE_CHAR, 0666, 1, 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
		struct node *n, *dir;
		int r;

		if (tree_lookup(g->tree, always[i].path, &n) == 0) {
			if (always[i].kind == INODE_DIR && n->reason == REASON_IMPLIED && !n->entry)
				n->inode->mode = always[i].mode;
			continue;
		}
		if (tree_lookup(g->tree, "/dev", &dir) == 0 && dir->inode->kind != INODE_DIR)
			continue; /* the manifest made something else of it */
		r = gather_new(g, NULL, always[i].path, always[i].kind, always[i].mode, &n);
		if (r < 0)
			return r;
		n->inode->major = always[i].major;
		n->inode->minor = always[i].minor;
	}
	return 0;
}

static int check_init(struct gather *g, struct gathered *out)
{
	const struct manifest_entry *e = manifest_find(g->spec->manifest, MANIFEST_INIT);
	struct node *n;
	int r;

	out->init = e ? e->target : GATHER_INIT_DEFAULT;
	r = tree_lookup(g->tree, out->init, &n);
	out->has_init = r == 0 && n->inode->kind == INODE_FILE;
	if (out->has_init)
		gather_note_init(g, out->init);
	if (!e || out->has_init) {
		if (out->has_init && !(n->inode->mode & 0111))
			return gather_error(g, -EACCES, e,
					    "init '%s' is not executable (mode %04o)", out->init,
					    n->inode->mode);
		return 0;
	}
	if (r == 0)
		return gather_error(g, -EINVAL, e, "init '%s' is not a file", out->init);
	return gather_error(g, r, e, "init '%s' is not in the image; name it with 'program %s'",
			    out->init, out->init);
}

static int take_plain(struct gather *g, const struct manifest_entry *e)
{
	switch (e->kind) {
	case MANIFEST_FILE:
		return take_file(g, e);
	case MANIFEST_TREE:
		return gather_tree(g, e);
	case MANIFEST_DIR:
		return take_dir(g, e);
	case MANIFEST_LINK:
		return take_link(g, e);
	case MANIFEST_NODE:
		return take_node(g, e);
	default:
		return 0;
	}
}

static int take_program(struct gather *g, const struct manifest_entry *e)
{
	switch (e->kind) {
	case MANIFEST_PROGRAM:
		return gather_program(g, e);
	case MANIFEST_BPSLAVE:
		return gather_slave(g, e);
	default:
		return 0;
	}
}

/* What is opened later is for the machine that the programs are for. */
static int take_opened(struct gather *g, const struct manifest_entry *e)
{
	switch (e->kind) {
	case MANIFEST_NEEDS:
		return gather_needs(g, e);
	case MANIFEST_GCONV:
		return gather_gconv(g, e);
	default:
		return 0;
	}
}

void gather_look(struct gather *g, bool inside)
{
	g->root = inside ? &g->inside_root : &g->outside_root;
	g->closure = inside ? g->inside : g->outside;
}

/* The image is as the lines made it that say outright what it has: now programs are looked for. */
static int open_closures(struct gather *g)
{
	int r = 0;

	g->outside_root = *g->spec->root;
	if (g->has_from) {
		g->outside_root.tree = g->tree;
		g->outside_root.seen = g->seen;
		g->inside_root = ROOT();
		g->inside_root.tree = g->tree;
		r = closure_new(&g->inside_root, &g->inside);
	}
	if (r == 0)
		r = closure_new(&g->outside_root, &g->outside);
	if (r < 0)
		return log_err(r, "cannot look for programs");
	gather_look(g, false);
	return 0;
}

static int gather_all(struct gather *g, struct gathered *out)
{
	const struct manifest *m = g->spec->manifest;
	int r = gather_sources(g);

	/* Symlinks first: they decide where what is named through them comes to lie. */
	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = m->entries[i].kind == MANIFEST_LINK ? take_plain(g, &m->entries[i]) : 0;
	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = m->entries[i].kind != MANIFEST_LINK ? take_plain(g, &m->entries[i]) : 0;
	if (r == 0)
		r = open_closures(g);
	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = take_program(g, &m->entries[i]);
	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = take_opened(g, &m->entries[i]);
	if (r == 0)
		r = gather_nss(g);
	if (r == 0)
		r = gather_modules(g);
	if (r == 0)
		r = gather_cache(g);
	if (r == 0)
		r = add_always(g);
	if (r == 0)
		r = gather_owners(g);
	return r < 0 ? r : check_init(g, out);
}

void gathered_clear(struct gathered *g)
{
	tree_free(g->tree);
	seen_free(g->seen);
	*g = (struct gathered){ 0 };
}

int gather(const struct gather_spec *spec, struct gathered *ret)
{
	struct gather g = { .spec = spec };
	struct gathered out = { 0 };
	struct utsname u;
	int r = tree_new(&g.tree);

	g.root = spec->root;
	if (r < 0)
		(void)log_err(r, "cannot begin the image");
	else
		r = gather_all(&g, &out);
	closure_free(g.inside);
	closure_free(g.outside);
	if (r < 0) {
		tree_free(g.tree);
		seen_free(g.seen);
		return r;
	}
	gather_note_sources(&g);
	out.tree = g.tree;
	out.seen = g.seen;
	out.arch = g.arch;
	if (!g.has_arch && uname(&u) == 0 && !strcmp(u.machine, "aarch64"))
		out.arch = INDEX_AARCH64; /* nothing to tell by: the machine that builds */
	*ret = out;
	return 0;
}

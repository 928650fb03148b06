/*
 * root.c - a tree of files that things are taken from, and paths inside it
 *
 * Paths are walked name by name rather than left to the kernel, because every symlink on the way
 * has to be known: the image gets each of them, so that all names of a file work on the node.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image/root.h"
#include "image/source.h"

int root_open(struct root *r, const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*r = (struct root){ .fd = fd };
	return 0;
}

void root_close(struct root *r)
{
	r->fd = fd_close(r->fd);
}

/* The name that openat() takes: canonical paths start with a slash, the root itself is ".". */
static const char *relative(const char *canonical)
{
	return canonical[1] ? canonical + 1 : ".";
}

/*
 * Open below the directory. Under a tree, a path that is canonical in both together may lead
 * through a symlink of the directory alone: nothing is there then. Return: a descriptor or a
 * negative errno.
 */
static int open_below(const struct root *r, const char *canonical, int flags)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	long fd;

	if (r->fd < 0)
		return -ENOENT;
	if (r->tree)
		seen_add(r->seen, SEEN_ROOT, canonical);
	if (!r->tree)
		fd = openat(r->fd, relative(canonical), flags | O_CLOEXEC | O_NOFOLLOW);
	else
		fd = syscall(SYS_openat2, r->fd, relative(canonical), &how, sizeof(how));
	if (fd < 0)
		return r->tree && errno == ELOOP ? -ENOENT : -errno;
	return (int)fd;
}

struct node *root_node(const struct root *r, const char *canonical)
{
	struct node *at = r->tree ? tree_root(r->tree) : NULL;

	while (at && *(canonical += strspn(canonical, "/"))) {
		size_t n = strcspn(canonical, "/");

		at = tree_child(r->tree, at, canonical, n);
		canonical += n;
	}
	return at;
}

static mode_t mode_of(const struct inode *i)
{
	static const mode_t kinds[INODE_KIND_MAX_] = {
		[INODE_DIR] = S_IFDIR,	   [INODE_FILE] = S_IFREG,  [INODE_LINK] = S_IFLNK,
		[INODE_CHAR] = S_IFCHR,	   [INODE_BLOCK] = S_IFBLK, [INODE_FIFO] = S_IFIFO,
		[INODE_SOCKET] = S_IFSOCK,
	};

	return kinds[i->kind] | i->mode;
}

/* What is at a canonical path, not followed. */
static int look(const struct root *r, const char *canonical, struct stat *ret)
{
	const struct node *n = root_node(r, canonical);
	_cleanup_close_ int fd = FD_NONE;

	if (n) {
		*ret = (struct stat){ .st_mode = mode_of(n->inode),
				      .st_size = (off_t)n->inode->size };
		return 0;
	}
	if (r->fd < 0)
		return -ENOENT;
	if (!r->tree)
		return fstatat(r->fd, relative(canonical), ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
											 : 0;
	fd = open_below(r, canonical, O_PATH);
	if (fd < 0)
		return fd;
	return fstat(fd, ret) < 0 ? -errno : 0;
}

/* A file of the tree whose bytes are in memory. */
static int open_bytes(const struct inode *i, struct root_data *ret)
{
	_cleanup_close_ int fd = memfd_create("bpboot", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_all(fd, i->data, (size_t)i->size);

	if (r == 0)
		*ret = (struct root_data){ .fd = TAKE_FD(fd), .bytes = i->size };
	return r;
}

int root_open_file(const struct root *r, const char *canonical, struct root_data *ret)
{
	const struct node *n = root_node(r, canonical);
	struct root_data d = { .fd = FD_NONE };
	struct stat st;
	int err;

	if (n && n->inode->kind != INODE_FILE)
		return n->inode->kind == INODE_DIR ? -EISDIR : -EINVAL;
	if (n && !n->inode->source)
		return open_bytes(n->inode, ret);
	if (n) {
		err = source_open(n->inode, &d.fd);
		d.at = n->inode->source_offset;
		d.bytes = n->inode->size;
	} else {
		d.fd = open_below(r, canonical, O_RDONLY | O_NONBLOCK);
		err = d.fd < 0 ? d.fd : fstat(d.fd, &st) < 0 ? -errno : 0;
		d.bytes = err == 0 ? (uint64_t)st.st_size : 0;
	}
	if (err < 0) {
		d.fd = fd_close(d.fd);
		return err;
	}
	*ret = d;
	return 0;
}

static int list_below(const struct root *r, const char *canonical, root_name_fn fn, void *arg)
{
	int fd = open_below(r, canonical, O_RDONLY | O_DIRECTORY), err = 0;
	const struct node *over = root_node(r, canonical);
	const struct dirent *e;
	DIR *d;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		err = -errno;
		(void)fd_close(fd);
		return err;
	}
	while (err == 0 && (e = readdir(d))) {
		if (over && tree_child(r->tree, over, e->d_name, strlen(e->d_name)))
			continue;
		err = fn(arg, e->d_name);
	}
	(void)closedir(d); /* only read */
	return err;
}

int root_list(const struct root *r, const char *canonical, root_name_fn fn, void *arg)
{
	const struct node *n = root_node(r, canonical);
	int err = 0;

	if (n && n->inode->kind != INODE_DIR)
		return -ENOTDIR;
	for (size_t i = 0; n && err == 0 && i < n->n_children; i++)
		err = fn(arg, n->children[i]->name);
	if (err != 0)
		return err;
	err = list_below(r, canonical, fn, arg);
	return n && (err == -ENOENT || err == -ENOTDIR) ? 0 : err;
}

int root_readlink(const struct root *r, const char *canonical, char **ret)
{
	const struct node *in_tree = root_node(r, canonical);
	_cleanup_close_ int fd = FD_NONE;
	char target[PATH_MAX];
	ssize_t n;

	if (in_tree) {
		if (in_tree->inode->kind != INODE_LINK)
			return -EINVAL;
		*ret = strdup(in_tree->inode->target);
		return *ret ? 0 : -ENOMEM;
	}
	if (r->tree) {
		fd = open_below(r, canonical, O_PATH);
		if (fd < 0)
			return fd;
	}
	n = readlinkat(r->tree ? fd : r->fd, r->tree ? "" : relative(canonical), target,
		       sizeof(target));
	if (n < 0)
		return -errno;
	if (n == sizeof(target))
		return -ENAMETOOLONG;
	*ret = strndup(target, (size_t)n);
	return *ret ? 0 : -ENOMEM;
}

/* Where a path is while it is followed. */
struct walk {
	const struct root *root;
	char done[PATH_MAX]; /* canonical so far, "" for the root */
	char todo[PATH_MAX]; /* what is left, read from its start */
	unsigned links;
};

static void walk_up(struct walk *w)
{
	char *slash = strrchr(w->done, '/');

	if (slash)
		*slash = 0;
}

/* Put the target of the symlink at w->done in front of what is left. */
static int walk_link(struct walk *w, const char *rest, root_link_fn fn, void *arg)
{
	_cleanup_free_ char *target = NULL;
	char next[PATH_MAX];
	int r = root_readlink(w->root, w->done, &target);

	if (r < 0)
		return r;
	if (++w->links > ROOT_LINKS_MAX)
		return -ELOOP;
	r = fn ? fn(arg, w->done, target) : 0;
	if (r != 0)
		return r;
	if (strlen(target) + strlen(rest) + 2 > sizeof(next))
		return -ENAMETOOLONG;
	memcpy(next, target, strlen(target));
	next[strlen(target)] = '/';
	memcpy(next + strlen(target) + 1, rest, strlen(rest) + 1);
	memcpy(w->todo, next, strlen(next) + 1);
	if (target[0] == '/')
		w->done[0] = 0;
	else
		walk_up(w);
	return 0;
}

static int walk_into(struct walk *w, const char *name, size_t n)
{
	size_t len = strlen(w->done);

	if (len + n + 2 > sizeof(w->done))
		return -ENAMETOOLONG;
	w->done[len] = '/';
	memcpy(w->done + len + 1, name, n);
	w->done[len + 1 + n] = 0;
	return 0;
}

/* Take the next name of w->todo. Return: 1 while there is one, 0 at the end, negative errno. */
static int walk_step(struct walk *w, root_link_fn fn, void *arg, struct stat *st)
{
	char rest[PATH_MAX];
	const char *name = w->todo + strspn(w->todo, "/");
	size_t n = strcspn(name, "/");
	int r;

	if (n == 0)
		return 0;
	memcpy(rest, name + n, strlen(name + n) + 1);
	if (n == 2 && name[0] == '.' && name[1] == '.') {
		walk_up(w);
	} else if (n != 1 || name[0] != '.') {
		r = walk_into(w, name, n);
		if (r < 0)
			return r;
		r = look(w->root, w->done, st);
		if (r < 0)
			return r;
		if (S_ISLNK(st->st_mode)) {
			r = walk_link(w, rest, fn, arg);
			return r == 0 ? 1 : r;
		}
		if (rest[strspn(rest, "/")] && !S_ISDIR(st->st_mode))
			return -ENOTDIR;
	}
	memmove(w->todo, rest, strlen(rest) + 1);
	return 1;
}

int root_resolve(const struct root *r, const char *path, root_link_fn fn, void *arg,
		 char **ret_path, struct stat *ret_st)
{
	struct walk w = { .root = r };
	struct stat st;
	char *out;
	int k;

	if (strlen(path) >= sizeof(w.todo))
		return -ENAMETOOLONG;
	memcpy(w.todo, path, strlen(path) + 1);
	do
		k = walk_step(&w, fn, arg, &st);
	while (k == 1);
	if (k < 0)
		return k;
	k = look(r, w.done[0] ? w.done : "/", &st);
	if (k < 0)
		return k;
	out = strdup(w.done[0] ? w.done : "/");
	if (!out)
		return -ENOMEM;
	*ret_path = out;
	if (ret_st)
		*ret_st = st;
	return 0;
}

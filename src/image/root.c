/*
 * root.c - a tree of files that things are taken from, and paths inside it
 *
 * Paths are walked name by name rather than left to the kernel, because every symlink on the way
 * has to be known: the image gets each of them, so that all names of a file work on the node.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "image/root.h"

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

int root_read(const struct root *r, const char *canonical, int more_flags)
{
	int fd = openat(r->fd, relative(canonical),
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | more_flags);

	return fd < 0 ? -errno : fd;
}

int root_readlink(const struct root *r, const char *canonical, char **ret)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(r->fd, relative(canonical), target, sizeof(target));

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
		if (fstatat(w->root->fd, w->done + 1, st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
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
	if (fstatat(r->fd, w.done[0] ? w.done + 1 : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	out = strdup(w.done[0] ? w.done : "/");
	if (!out)
		return -ENOMEM;
	*ret_path = out;
	if (ret_st)
		*ret_st = st;
	return 0;
}

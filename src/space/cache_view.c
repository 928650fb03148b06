/*
 * cache_view.c - folders in which blobs have the paths that they have on the front end
 *
 * A library that the program finds beside itself ($ORIGIN) lies there too, also where it is the
 * node's own: then by a symbolic link.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "space/cache.h"

static void view_free(struct cache *c, struct cache_view *v)
{
	for (struct cache_view **at = &c->views; *at; at = &(*at)->next) {
		if (*at == v) {
			*at = v->next;
			break;
		}
	}
	if (v->path)
		cache_remove(c->run, v->name, 0);
	for (size_t i = 0; v->paths && i < v->n; i++)
		free(v->paths[i]);
	free(v->paths);
	free(v->blobs);
	free(v->path);
	free(v);
}

static bool same(const struct cache_view *v, const struct cache_item *items, size_t n)
{
	if (v->n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (v->blobs[i] != items[i].blob || strcmp(v->paths[i], items[i].file->path) != 0)
			return false;
	}
	return true;
}

static struct cache_view *view_new(struct cache *c, const struct cache_item *items, size_t n)
{
	struct cache_view *v = calloc(1, sizeof(*v));
	uint8_t random[16];
	bool all = true;

	if (!v)
		return NULL;
	v->n = n;
	v->blobs = calloc(n, sizeof(struct cache_blob *));
	v->paths = calloc(n, sizeof(*v->paths));
	for (size_t i = 0; v->blobs && v->paths && i < n; i++) {
		v->blobs[i] = items[i].blob;
		v->paths[i] = strdup(items[i].file->path);
		all = all && v->paths[i];
	}
	randombytes_buf(random, sizeof(random));
	format_hex(random, sizeof(random), v->name);
	if (!v->blobs || !v->paths || !all ||
	    asprintf(&v->path, "%s/run/%s", c->dir, v->name) < 0) {
		v->path = NULL;
		view_free(c, v);
		return NULL;
	}
	v->next = c->views;
	c->views = v;
	return v;
}

int cache_view_get(struct cache *c, const struct cache_item *items, size_t n,
		   struct cache_view **ret)
{
	struct cache_view *v = c->views;

	while (v && !same(v, items, n))
		v = v->next;
	if (!v)
		v = view_new(c, items, n);
	if (!v)
		return -ENOMEM;
	if (v->users++ == 0) {
		for (size_t i = 0; i < n; i++) {
			if (v->blobs[i])
				v->blobs[i]->users++;
		}
	}
	c->turn++;
	for (size_t i = 0; i < n; i++) {
		if (v->blobs[i])
			v->blobs[i]->used = c->turn;
	}
	*ret = v;
	return 0;
}

void cache_view_put(struct cache *c, struct cache_view *v)
{
	if (--v->users > 0)
		return;
	for (size_t i = 0; i < v->n; i++) {
		if (v->blobs[i])
			v->blobs[i]->users--;
	}
	if (!v->made)
		view_free(c, v);
}

bool cache_view_has(const struct cache_view *v, const struct cache_blob *b)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->blobs[i] == b)
			return true;
	}
	return false;
}

void cache_views_drop(struct cache *c, const struct cache_blob *b)
{
	struct cache_view *next;

	for (struct cache_view *v = c->views; v; v = next) {
		next = v->next;
		if (v->users == 0 && (!b || cache_view_has(v, b)))
			view_free(c, v);
	}
}

/* Give the blob, or the node's own file, its path in the folder. */
static int place(struct cache *c, int dirfd, const char *path, const struct cache_blob *b)
{
	_cleanup_free_ char *dir = strdup(path);
	_cleanup_close_ int fd = FD_NONE;
	char name[32];
	char *slash = dir ? strrchr(dir, '/') : NULL;
	int r = 0;

	if (!slash)
		return -ENOMEM;
	*slash = 0;
	if (slash != dir)
		r = path_mkdirs(dirfd, dir + 1, 0711);
	if (r < 0)
		return r;
	if (!b)
		return symlinkat(path, dirfd, path + 1) < 0 ? -errno : 0;
	fd = cache_blob_open(c, b);
	if (fd < 0)
		return fd;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, name, dirfd, path + 1, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int cache_view_make(struct cache *c, struct cache_view *v)
{
	_cleanup_close_ int fd = FD_NONE;
	int r = 0;

	if (v->made)
		return 0;
	for (size_t i = 0; i < v->n; i++) {
		if (v->blobs[i] && !v->blobs[i]->here)
			return -EAGAIN;
	}
	if (mkdirat(c->run, v->name, 0711) < 0 || fchmodat(c->run, v->name, 0711, 0) < 0)
		return -errno;
	fd = openat(c->run, v->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < v->n; i++)
		r = place(c, fd, v->paths[i], v->blobs[i]);
	if (r < 0) {
		cache_remove(c->run, v->name, 0);
		return r;
	}
	v->made = true;
	return 0;
}

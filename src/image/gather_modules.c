/*
 * gather_modules.c - the line "module": kernel modules with those that they need
 *
 * They lie in /lib/modules/VERSION as on any system, as they are (.ko, .ko.xz, ...).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "image/gather_internal.h"
#include "image/modules.h"

/* One module file, needed by @by or asked for. */
static int bring_module(struct gather *g, const struct manifest_entry *e, const char *version,
			const struct module *m, const char *by)
{
	_cleanup_free_ char *path = NULL;
	struct node *n;
	struct stat st;
	int r;

	if (asprintf(&path, "/lib/modules/%s/%s", version, m->rel) < 0) {
		path = NULL;
		return log_err(-ENOMEM, "cannot take module '%s'", m->name);
	}
	if (tree_lookup(g->tree, path, &n) == 0) {
		if (!strcmp(by, m->name))
			n->reason = REASON_ASKED;
		return 0;
	}
	if (fstatat(AT_FDCWD, m->path, &st, 0) < 0)
		return gather_error(g, -errno, e, "cannot find '%s': %s", m->path, strerror(errno));
	r = gather_new(g, e, path, INODE_FILE, 0644, &n);
	if (r < 0)
		return r;
	if (strcmp(by, m->name) != 0) {
		n->reason = REASON_NEEDED;
		n->needed_by = strdup(by);
		if (!n->needed_by)
			return log_err(-ENOMEM, "cannot take module '%s'", m->name);
	}
	return gather_source(n->inode, AT_FDCWD, m->path, &st);
}

/* A module's line of modules.dep: itself, then what has to be there before, nearest first. */
static int put_dep(const struct module_list *l, struct buffer *to)
{
	const struct module *m = l->items[l->n - 1];
	int r = buffer_printf(to, "%s:", m->rel);

	for (size_t i = l->n - 1; r == 0 && i > 0; i--)
		r = buffer_printf(to, " %s", l->items[i - 1]->rel);
	return r < 0 ? r : buffer_append(to, "\n", 1);
}

/* Did a "from" line bring all of them? */
static bool all_from(struct gather *g, struct modules *kernel, const struct module_list *all)
{
	for (size_t i = 0; i < all->n; i++) {
		_cleanup_free_ char *path = NULL;
		struct node *n;

		if (asprintf(&path, "/lib/modules/%s/%s", modules_version(kernel),
			     all->items[i]->rel) < 0) {
			path = NULL;
			return false;
		}
		if (tree_lookup(g->tree, path, &n) < 0 || !n->origin)
			return false;
	}
	return true;
}

/* modules.dep of all modules in @all. */
static int bring_dep(struct gather *g, struct modules *kernel, const struct module_list *all)
{
	_cleanup_buffer_ struct buffer text = BUFFER(MODULES_BYTES_MAX);
	_cleanup_free_ char *path = NULL;
	struct node *n;
	int r = 0;

	if (asprintf(&path, "/lib/modules/%s/modules.dep", modules_version(kernel)) < 0) {
		path = NULL;
		return log_err(-ENOMEM, "cannot make modules.dep");
	}
	if (tree_lookup(g->tree, path, &n) == 0 && gather_gives_way(n) && all_from(g, kernel, all))
		return 0; /* the list of a whole kernel, which has these too */
	for (size_t i = 0; r == 0 && i < all->n; i++) {
		_cleanup_module_list_ struct module_list one = { 0 };

		r = modules_closure(kernel, all->items[i]->name, &one);
		if (r == 0 && one.n > 0)
			r = put_dep(&one, &text);
	}
	if (r < 0)
		return r;
	r = gather_new(g, NULL, path, INODE_FILE, 0644, &n);
	if (r < 0)
		return r;
	n->inode->size = text.len;
	n->inode->data = TAKE_PTR(text.data);
	n->reason = REASON_NEEDED;
	n->needed_by = strdup("modprobe");
	return n->needed_by ? 0 : log_err(-ENOMEM, "cannot make '%s'", path);
}

static int bring_one(struct gather *g, const struct manifest_entry *e, struct modules *kernel,
		     struct module_list *all)
{
	_cleanup_module_list_ struct module_list list = { 0 };
	int r = modules_closure(kernel, e->source, &list);

	if (r < 0)
		return gather_error(g, r, e, "cannot take module '%s'", e->source);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = bring_module(g, e, modules_version(kernel), list.items[i],
				 list.items[list.n - 1]->name);
	if (r < 0)
		return r;
	return modules_closure(kernel, e->source, all);
}

int gather_modules(struct gather *g)
{
	_cleanup_modules_ struct modules *kernel = NULL;
	_cleanup_module_list_ struct module_list all = { 0 };
	const struct manifest *m = g->spec->manifest;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n; i++) {
		const struct manifest_entry *e = &m->entries[i];

		if (e->kind != MANIFEST_MODULE)
			continue;
		if (!g->spec->kernel)
			return gather_error(
				g, -EINVAL, e,
				"module '%s' is of which kernel? Name it with --kernel VERSION|DIR",
				e->source);
		if (!kernel)
			r = modules_open(g->spec->kernel, &kernel);
		if (r == 0)
			r = bring_one(g, e, kernel, &all);
	}
	return r < 0 || all.n == 0 ? r : bring_dep(g, kernel, &all);
}

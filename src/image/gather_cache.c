/*
 * gather_cache.c - an ld.so.cache for libraries that the loader finds in no folder of its own
 *
 * The machine finds them by its own cache; so does the image, whose cache names those libraries. A
 * cache that a line of the manifest brings stays as it is. One that "from" brought is that of a
 * whole system, and gets what is missing in it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "image/gather_internal.h"
#include "image/ldcache.h"
#include "image/search.h"

#define CACHE_TARGET "/etc/ld.so.cache"

/* A cache being put together. */
struct making {
	struct ldcache old, cache;
	const char *first; /* the library that needs it; borrowed */
};

/* Is it a library that the loader finds only with a cache? */
static bool wants_cache(const struct closure_item *item)
{
	return item->searched && search_machine(item->machine, item->class) != NULL;
}

/* Take over the entries that there are. */
static int take_old(struct gather *g, struct making *m)
{
	_cleanup_buffer_ struct buffer text = BUFFER(LDCACHE_BYTES_MAX);
	int r = gather_read(g, CACHE_TARGET, &text);

	if (r == 0)
		r = ldcache_parse(text.data, text.len, &m->old);
	if (r == -EBADMSG)
		return 0; /* the loader would not read it either */
	for (size_t i = 0; r == 0 && i < m->old.n; i++) {
		const struct ldcache_entry *e = &m->old.entries[i];

		if (e->hwcap == 0)
			r = ldcache_add(&m->cache, e->name, e->path, e->flags);
	}
	return r;
}

static int add_items(const struct closure *c, struct making *m)
{
	size_t n = 0;
	const struct closure_item *items = c ? closure_items(c, &n) : NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		uint32_t flags;
		const char *known;

		if (!wants_cache(&items[i]))
			continue;
		flags = search_machine(items[i].machine, items[i].class)->cache_flags;
		known = ldcache_find(&m->cache, items[i].name, flags);
		if (known && !strcmp(known, items[i].path))
			continue;
		m->first = m->first ? m->first : items[i].path;
		r = ldcache_add(&m->cache, items[i].name, items[i].path, flags);
	}
	return r;
}

static int put(struct gather *g, struct making *m)
{
	_cleanup_buffer_ struct buffer text = BUFFER(LDCACHE_BYTES_MAX);
	struct node *n;
	int r = ldcache_format(&m->cache, &text);

	if (r < 0)
		return gather_error(g, r, NULL, "cannot make %s", CACHE_TARGET);
	r = gather_new(g, NULL, CACHE_TARGET, INODE_FILE, 0644, &n);
	if (r < 0)
		return r;
	n->inode->size = text.len;
	n->inode->data = TAKE_PTR(text.data);
	n->reason = REASON_NEEDED;
	n->needed_by = strdup(m->first);
	return n->needed_by ? 0 : log_err(-ENOMEM, "cannot make %s", CACHE_TARGET);
}

int gather_cache(struct gather *g)
{
	struct making m = { 0 };
	struct node *n;
	bool is_there = tree_lookup(g->tree, CACHE_TARGET, &n) == 0;
	int r = 0;

	if (is_there && !gather_gives_way(n))
		return 0;
	if (is_there)
		r = take_old(g, &m);
	if (r == 0)
		r = add_items(g->inside, &m);
	if (r == 0)
		r = add_items(g->outside, &m);
	if (r < 0)
		(void)gather_error(g, r, NULL, "cannot make %s", CACHE_TARGET);
	else if (m.first)
		r = put(g, &m);
	ldcache_clear(&m.cache);
	ldcache_clear(&m.old);
	return r;
}

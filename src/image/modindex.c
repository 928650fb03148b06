/*
 * modindex.c - modules.index of the initramfs: which modules to load for which hardware
 *
 * Only modules that were asked for get lines; what they need stands in their line. Aliases are
 * sorted by pattern, so that the text is the same whatever the order of a directory. Those that no
 * device says (net-pf-..., char-major-...) are left out, but for fs-NAME, by which init finds the
 * driver of a file system.
 */
#include <errno.h>
#include <string.h>

#include "image/modindex.h"

struct alias {
	const char *pattern, *name; /* borrowed */
};

struct aliases {
	struct alias *items;
	size_t n, cap;
};

static void aliases_clear(struct aliases *a)
{
	free(a->items);
}

static int aliases_add(struct aliases *a, const char *pattern, const char *name)
{
	if (a->n == a->cap) {
		size_t cap = a->cap ? 2 * a->cap : 256;
		struct alias *grown = reallocarray(a->items, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		a->items = grown;
		a->cap = cap;
	}
	a->items[a->n++] = (struct alias){ pattern, name };
	return 0;
}

static int alias_compare(const void *a, const void *b)
{
	const struct alias *x = a, *y = b;
	int c = strcmp(x->pattern, y->pattern);

	return c ? c : strcmp(x->name, y->name);
}

/* May a line hold @pattern, and does anything in the initramfs ask for it? */
static int wanted(const char *pattern)
{
	return (strchr(pattern, ':') || !strncmp(pattern, "fs-", 3)) &&
	       !strpbrk(pattern, " \t\"#") && strncmp(pattern, "devname:", 8) != 0 &&
	       strncmp(pattern, "mdio:", 5) != 0;
}

static int collect(struct modules *m, const struct driverset *set, struct aliases *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < set->n; i++) {
		const struct module_info *info;

		r = modules_info(m, set->drivers[i].mod, &info);
		for (const char **p = r == 0 ? info->aliases : NULL; r == 0 && p && *p; p++) {
			if (wanted(*p))
				r = aliases_add(a, *p, set->drivers[i].mod->name);
		}
	}
	if (r == 0 && a->n > 0)
		qsort(a->items, a->n, sizeof(*a->items), alias_compare);
	return r;
}

int modindex_format(struct modules *m, const struct driverset *set, struct buffer *to)
{
	_cleanup_(aliases_clear) struct aliases a = { 0 };
	/* no hardware asks for these: the RAM disk, the file system on it, the socket of DHCP */
	static const char *const always[] = { "brd", "ext4", "af_packet" };
	int r = collect(m, set, &a);

	if (r == 0)
		r = buffer_printf(to, "bpboot-modules 1\nkernel %s\n", modules_version(m));
	for (size_t i = 0; r == 0 && i < set->n; i++) {
		const struct driver *d = &set->drivers[i];

		r = buffer_printf(to, "module %s", d->mod->name);
		for (size_t k = 0; r == 0 && k < d->needs.n; k++)
			r = buffer_printf(to, " %s", d->needs.items[k]->name);
		if (r == 0)
			r = buffer_append(to, "\n", 1);
	}
	for (size_t i = 0; r == 0 && i < a.n; i++) {
		if (i > 0 && alias_compare(&a.items[i - 1], &a.items[i]) == 0)
			continue;
		r = buffer_printf(to, "alias %s %s\n", a.items[i].pattern, a.items[i].name);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(always); i++) {
		const struct module *mod = modules_find(m, always[i]);

		if (mod && module_list_has(&set->all, mod))
			r = buffer_printf(to, "always %s\n", always[i]);
	}
	return r;
}

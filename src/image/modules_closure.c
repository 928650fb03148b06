/*
 * modules_closure.c - what has to be loaded to have a module, in the order of modprobe
 *
 * A module's hard dependencies come first, all of them, in the order that modules.dep has; each
 * with its own soft dependencies around it (`pre:` before, `post:` behind). A soft dependency is
 * asked for like a module by itself: with all that it needs, but only once. It may be an alias
 * ("crypto-crc32c"), which several modules may offer; one that is nowhere is passed over. Of
 * several softdep lines in one module modprobe 30 heeds the first; here all count, since on a node
 * no later request could load what was left out.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "image/modules_internal.h"

static int ask(struct modules *m, const struct module *mod, struct module_list *list);

/* Hard dependencies by what modules say of themselves, depth first. */
static int collect_depends(struct modules *m, const struct module *mod, struct module_list *list)
{
	const struct module_info *info;
	int r = modules_info(m, mod, &info);

	if (r < 0)
		return r;
	for (const char **d = info->depends; r == 0 && d && *d; d++) {
		const struct module *need = modules_find(m, *d);

		if (need && !module_list_has(list, need)) {
			r = collect_depends(m, need, list);
			if (r == 0)
				r = module_list_add(list, need);
		} else if (!need && !modules_builtin(m, *d)) {
			r = log_err(-ENOENT, "module '%s' needs '%s', which is not in '%s'",
				    mod->name, *d, m->dir);
		}
	}
	return r;
}

/*
 * Hard dependencies by modules.dep, which has what loads first at the end. Return: -ENOENT when one
 * is not there.
 */
static int read_dep_line(struct modules *m, const char *line, struct module_list *list)
{
	_cleanup_free_ char *copy = strdup(line);
	char *space;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (r == 0 && (space = strrchr(copy, ' '))) {
		char name[MODULES_NAME_MAX];
		const struct module *need = NULL;

		if (modules_name_of(space + 1, name) == 0)
			need = modules_find(m, name);
		r = need ? module_list_add(list, need) : -ENOENT;
		*space = 0;
	}
	return r;
}

static int collect_hard(struct modules *m, const struct module *mod, struct module_list *list)
{
	const struct module_entry *e =
		(const struct module_entry *)mod; /* pub is its first member */
	int r = e->dep ? read_dep_line(m, e->dep, list) : -ENOENT;

	if (r != -ENOENT)
		return r;
	module_list_clear(list);
	return collect_depends(m, mod, list);
}

static int ask_soft(struct modules *m, const char **names, struct module_list *list)
{
	int r = 0;

	for (; r == 0 && names && *names; names++) {
		_cleanup_module_list_ struct module_list found = { 0 };
		const struct module *mod = modules_find(m, *names);

		r = mod ? module_list_add(&found, mod) : modules_depmod_alias(m, *names, &found);
		for (size_t i = 0; r == 0 && i < found.n; i++)
			r = ask(m, found.items[i], list);
	}
	return r;
}

static int add_with_soft(struct modules *m, const struct module *mod, struct module_list *list)
{
	const struct module_info *info;
	int r = modules_info(m, mod, &info);

	if (r == 0)
		r = ask_soft(m, info->softdep_pre, list);
	if (r == 0)
		r = module_list_add(list, mod);
	return r == 0 ? ask_soft(m, info->softdep_post, list) : r;
}

static int ask(struct modules *m, const struct module *mod, struct module_list *list)
{
	_cleanup_module_list_ struct module_list hard = { 0 };
	struct module_entry *e = (struct module_entry *)mod;
	int r;

	if (e->visited)
		return 0;
	e->visited = true;
	r = collect_hard(m, mod, &hard);
	for (size_t i = 0; r == 0 && i < hard.n; i++)
		r = add_with_soft(m, hard.items[i], list);
	return r == 0 ? add_with_soft(m, mod, list) : r;
}

int modules_closure(struct modules *m, const char *name, struct module_list *list)
{
	const struct module *mod = modules_find(m, name);

	for (size_t i = 0; mod && i < m->n; i++)
		m->entries[i].visited = false;
	if (mod)
		return ask(m, mod, list);
	if (modules_builtin(m, name))
		return 0;
	return log_err(-ENOENT, "no module '%s' in '%s'", name, m->dir);
}

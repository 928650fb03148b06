/*
 * modules_info.c - what each module needs, and in which order to load it
 *
 * libkmod reads a module's .modinfo section: `depends` names what the linker of the kernel build found it to need,
 * `softdep` what it asks for besides. A soft dependency may be an alias ("crypto-crc32c"); such names are looked
 * for among modules that offer services to others, not among drivers, which would mean to read every module. One
 * that is nowhere is passed over, as modprobe does.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "image/modules_internal.h"

#define INFO_WORD_MAX 512 /* bytes of a value with NUL; longer ones are of no use here */

/* Where modules are that are asked for by alias. */
static const char *const service_dirs[] = { "kernel/crypto/", "kernel/lib/", "kernel/arch/" };

static void strings_clear(const char ***list)
{
	for (const char **p = *list; p && *p; p++)
		free((char *)*p);
	free(*list);
	*list = NULL;
}

void module_info_clear(struct module_info *i)
{
	strings_clear(&i->depends);
	strings_clear(&i->softdep_pre);
	strings_clear(&i->softdep_post);
	strings_clear(&i->aliases);
	strings_clear(&i->firmware);
}

/* Append the first @n bytes of @s; the list is as long as its end says. */
static int strings_add(const char ***list, const char *s, size_t n)
{
	size_t len = 0;
	const char **grown;

	while (*list && (*list)[len])
		len++;
	if (!*list || (len & (len + 1)) == 0) { /* full at 1, 3, 7, ...: with its end a power of two */
		grown = reallocarray(*list, 2 * (len + 1), sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		*list = grown;
	}
	(*list)[len] = strndup(s, n);
	(*list)[len + 1] = NULL;
	return (*list)[len] ? 0 : -ENOMEM;
}

/* Words of @s between any of @seps. */
static int strings_split(const char ***list, const char *s, const char *seps)
{
	int r = 0;

	for (s += strspn(s, seps); r == 0 && *s; s += strspn(s, seps)) {
		size_t n = strcspn(s, seps);

		r = strings_add(list, s, n);
		s += n;
	}
	return r;
}

/* "pre: a b post: c" */
static int take_softdep(struct module_info *i, const char *s)
{
	const char ***list = NULL;
	int r = 0;

	for (s += strspn(s, " \t"); r == 0 && *s; s += strspn(s, " \t")) {
		size_t n = strcspn(s, " \t");

		if (n == 4 && !strncmp(s, "pre:", n))
			list = &i->softdep_pre;
		else if (n == 5 && !strncmp(s, "post:", n))
			list = &i->softdep_post;
		else if (list)
			r = strings_add(list, s, n);
		s += n;
	}
	return r;
}

static int take_value(struct module_info *i, const char *key, const char *value)
{
	if (strlen(value) >= INFO_WORD_MAX)
		return 0;
	if (!strcmp(key, "depends"))
		return strings_split(&i->depends, value, ",");
	if (!strcmp(key, "softdep"))
		return take_softdep(i, value);
	if (!strcmp(key, "alias"))
		return strings_add(&i->aliases, value, strlen(value));
	if (!strcmp(key, "firmware"))
		return strings_add(&i->firmware, value, strlen(value));
	return 0;
}

static void kmod_module_unrefp(struct kmod_module **m)
{
	if (*m)
		kmod_module_unref(*m);
}

static int read_info(struct modules *m, struct module_entry *e)
{
	_cleanup_(kmod_module_unrefp) struct kmod_module *k = NULL;
	struct kmod_list *list = NULL, *at;
	int r = kmod_module_new_from_path(m->kmod, e->pub.path, &k);

	if (r == 0)
		r = kmod_module_get_info(k, &list);
	if (r < 0) {
		log_err(r, "cannot read what module '%s' needs", e->pub.path);
		return -EBADMSG;
	}
	r = 0;
	kmod_list_foreach(at, list) {
		if (r == 0)
			r = take_value(&e->info, kmod_module_info_get_key(at),
				       kmod_module_info_get_value(at));
	}
	kmod_module_info_free_list(list);
	e->known = r == 0;
	return r;
}

int modules_info(struct modules *m, const struct module *mod, const struct module_info **ret)
{
	struct module_entry *e = (struct module_entry *)mod; /* pub is its first member */
	int r = e->known ? 0 : read_info(m, e);

	if (r == 0)
		*ret = &e->info;
	return r;
}

static int resolve(struct modules *m, const struct module *mod, struct module_list *list);

static bool is_service(const struct module *mod)
{
	for (size_t i = 0; i < ARRAY_SIZE(service_dirs); i++) {
		if (!strncmp(mod->rel, service_dirs[i], strlen(service_dirs[i])))
			return true;
	}
	return false;
}

/* Modules that offer @alias. */
static int resolve_alias(struct modules *m, const char *alias, struct module_list *list)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n; i++) {
		const struct module *mod = &m->entries[i].pub;
		const struct module_info *info;

		if (!is_service(mod))
			continue;
		r = modules_info(m, mod, &info);
		for (const char **a = r == 0 ? info->aliases : NULL; r == 0 && a && *a; a++) {
			if (fnmatch(*a, alias, 0) == 0) {
				r = resolve(m, mod, list);
				break;
			}
		}
	}
	return r;
}

static int resolve_soft(struct modules *m, const char **names, struct module_list *list)
{
	int r = 0;

	for (; r == 0 && names && *names; names++) {
		const struct module *mod = modules_find(m, *names);

		if (mod)
			r = resolve(m, mod, list);
		else if (!modules_builtin(m, *names))
			r = resolve_alias(m, *names, list);
	}
	return r;
}

static int resolve_needs(struct modules *m, const struct module *mod, struct module_list *list)
{
	const struct module_info *info;
	int r = modules_info(m, mod, &info);

	if (r < 0)
		return r;
	for (const char **d = info->depends; r == 0 && d && *d; d++) {
		const struct module *need = modules_find(m, *d);

		if (need)
			r = resolve(m, need, list);
		else if (!modules_builtin(m, *d))
			r = log_err(-ENOENT, "module '%s' needs '%s', which is not in '%s'", mod->name,
				    *d, m->dir);
	}
	if (r == 0)
		r = resolve_soft(m, info->softdep_pre, list);
	if (r == 0)
		r = module_list_add(list, mod);
	return r == 0 ? resolve_soft(m, info->softdep_post, list) : r;
}

/* Append @mod behind what it needs. Soft dependencies may go in a circle. */
static int resolve(struct modules *m, const struct module *mod, struct module_list *list)
{
	struct module_entry *e = (struct module_entry *)mod;
	int r;

	if (e->visiting || module_list_has(list, mod))
		return 0;
	e->visiting = true;
	r = resolve_needs(m, mod, list);
	e->visiting = false;
	return r;
}

int modules_closure(struct modules *m, const char *name, struct module_list *list)
{
	const struct module *mod = modules_find(m, name);

	if (mod)
		return resolve(m, mod, list);
	if (modules_builtin(m, name))
		return 0;
	return log_err(-ENOENT, "no module '%s' in '%s'", name, m->dir);
}

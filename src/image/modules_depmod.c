/*
 * modules_depmod.c - what depmod found out about a kernel's modules: modules.order, modules.dep,
 * modules.alias
 *
 * An installed kernel has them; in a package that was only unpacked there is modules.order alone,
 * which the kernel's build makes. A line about a module that is not there is passed over: then the
 * module speaks for itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "image/modules_internal.h"

#define ALIAS_BYTES_MAX 1024 /* of a pattern with NUL; longer ones name no service */

/* Where modules are that serve others, and are asked for by alias. */
static const char *const service_dirs[] = { "kernel/crypto/", "kernel/lib/", "kernel/arch/",
					    "kernel/drivers/crypto/" };

static int read_text(struct modules *m, const char *name, struct buffer *to)
{
	_cleanup_free_ char *path = NULL;
	int r = path_join(m->dir, name, &path);

	if (r == 0)
		r = file_read(AT_FDCWD, path, to);
	return r == -ENOENT ? 0 : r < 0 ? log_err(r, "cannot read '%s'", path) : 0;
}

/* The entry whose file is @path below the modules' directory, with or without what packed it. */
static struct module_entry *entry_at(const struct modules *m, const char *path)
{
	char name[MODULES_NAME_MAX];
	const struct module *mod = modules_name_of(path, name) == 0 ? modules_find(m, name) : NULL;
	const char *ko = mod ? strstr(mod->rel, ".ko") : NULL;

	if (!ko || strncmp(mod->rel, path, (size_t)(ko - mod->rel) + strlen(".ko")))
		return NULL;
	return (struct module_entry *)mod; /* pub is its first member */
}

static int read_order(struct modules *m)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MODULES_DEPMOD_MAX);
	char *rest, *line;
	uint32_t n = 0;
	int r = read_text(m, "modules.order", &b);

	rest = r == 0 && b.len > 0 ? (char *)b.data : NULL;
	while ((line = strsep(&rest, "\n"))) {
		struct module_entry *e = entry_at(m, line);

		n++;
		if (e && e->order == 0)
			e->order = n;
	}
	return r;
}

static int read_dep(struct modules *m)
{
	char *rest, *line;
	int r = read_text(m, "modules.dep", &m->dep);

	rest = r == 0 && m->dep.len > 0 ? (char *)m->dep.data : NULL;
	while ((line = strsep(&rest, "\n"))) {
		char *colon = strchr(line, ':');
		struct module_entry *e = NULL;

		if (colon) {
			*colon = 0;
			e = entry_at(m, line);
		}
		if (e)
			e->dep = colon + 1; /* ends with the line */
	}
	return r;
}

int modules_depmod_read(struct modules *m)
{
	int r = read_order(m);

	return r == 0 ? read_dep(m) : r;
}

/*
 * @s with underscores but in brackets, as depmod writes patterns. Return: false when it is too
 * long.
 */
static bool plain_alias(const char *s, size_t n, char buf[static ALIAS_BYTES_MAX])
{
	bool class = false;

	if (n >= ALIAS_BYTES_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		class = s[i] == '[' || (class && s[i] != ']');
		buf[i] = s[i] == '-' && !class ? '_' : s[i];
	}
	buf[n] = 0;
	return true;
}

/* Does the pattern, which need not be plain, match @alias, which is? */
static bool offers(const char *pattern, size_t n, const char *alias)
{
	char plain[ALIAS_BYTES_MAX];

	return plain_alias(pattern, n, plain) && fnmatch(plain, alias, 0) == 0;
}

/* "alias PATTERN NAME" */
static int from_file(struct modules *m, const char *alias, struct module_list *list)
{
	const char *p = m->alias.len > 0 ? (const char *)m->alias.data : "";
	int r = 0;

	for (; r == 0 && *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const struct module *mod = NULL;
		char name[MODULES_NAME_MAX];
		const char *pattern, *word;
		size_t n, k;

		if (strncmp(p, "alias ", 6) != 0)
			continue;
		pattern = p + 6;
		n = strcspn(pattern, " \n");
		word = pattern + n + strspn(pattern + n, " ");
		k = strcspn(word, "\n");
		if (k == 0 || k >= sizeof(name) || !offers(pattern, n, alias))
			continue;
		memcpy(name, word, k);
		name[k] = 0;
		mod = modules_find(m, name);
		if (mod)
			r = module_list_add(list, mod);
	}
	return r;
}

static bool is_service(const struct module *mod)
{
	for (size_t i = 0; i < ARRAY_SIZE(service_dirs); i++) {
		if (!strncmp(mod->rel, service_dirs[i], strlen(service_dirs[i])))
			return true;
	}
	return false;
}

static int from_modules(struct modules *m, bool services, const char *alias,
			struct module_list *list)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n; i++) {
		const struct module *mod = &m->entries[i].pub;
		const struct module_info *info;

		if (is_service(mod) != services)
			continue;
		r = modules_info(m, mod, &info);
		for (const char **a = r == 0 ? info->aliases : NULL; r == 0 && a && *a; a++) {
			if (!offers(*a, strlen(*a), alias))
				continue;
			r = module_list_add(list, mod);
			break;
		}
	}
	return r;
}

static int order_compare(const void *a, const void *b)
{
	const struct module_entry *x = *(const struct module_entry *const *)a,
				  *y = *(const struct module_entry *const *)b;

	if (x->order != y->order) /* 0, which is none, comes last */
		return x->order - 1 < y->order - 1 ? -1 : 1;
	return strcmp(x->pub.name, y->pub.name);
}

int modules_depmod_alias(struct modules *m, const char *alias, struct module_list *list)
{
	char plain[ALIAS_BYTES_MAX];
	int r = 0;

	if (!plain_alias(alias, strlen(alias), plain))
		return 0;
	if (!m->alias_read)
		r = read_text(m, "modules.alias", &m->alias);
	m->alias_read = r == 0;
	if (r == 0 && m->alias.len > 0)
		r = from_file(m, plain, list);
	else if (r == 0)
		r = from_modules(m, true, plain, list);
	if (r == 0 && list->n == 0 && m->alias.len == 0)
		r = from_modules(m, false, plain, list);
	if (list->n > 1)
		qsort(list->items, list->n, sizeof(*list->items), order_compare);
	return r;
}

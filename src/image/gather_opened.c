/*
 * gather_opened.c - what programs open later: the lines "needs" and "gconv", and the modules of
 * nsswitch.conf
 *
 * No ELF header tells of them. A library is found as the loader of the image's programs would find
 * it; gconv modules lie where glibc has them, and its lists of them come along.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "base/path.h"
#include "image/gather_internal.h"
#include "image/search.h"

#define NSSWITCH	   "/etc/nsswitch.conf"
#define NSSWITCH_BYTES_MAX (64u << 10)
#define NSS_SERVICE_MAX	   32 /* bytes of a service's name */
#define GCONV_CONF	   "gconv-modules"
#define GCONV_CONF_DIR	   "gconv-modules.d"
#define GCONV_ALIASES_MAX  4u
#define GCONV_LISTS_MAX	   (1u << 20) /* bytes */

/* What the programs of the image run on; where there is none, what this machine is. */
static void machine_of(const struct gather *g, uint16_t *ret_machine, uint8_t *ret_class)
{
	struct utsname u;
	bool arm = g->has_arch ? g->arch == INDEX_AARCH64
			       : uname(&u) == 0 && !strcmp(u.machine, "aarch64");

	*ret_machine = arm ? ELF_MACHINE_AARCH64 : ELF_MACHINE_X86_64;
	*ret_class = ELF_CLASS_64;
}

static int bring_library(struct gather *g, const struct manifest_entry *e, const char *name,
			 const char *by)
{
	_cleanup_free_ char *path = NULL;
	uint16_t machine;
	uint8_t class;
	size_t from;
	int r;

	machine_of(g, &machine, &class);
	(void)closure_items(g->closure, &from);
	r = closure_add_library(g->closure, name, machine, class, by, &path);
	if (r < 0 && r != -ENOENT)
		return gather_error(g, r, e, "%s", closure_error(g->closure));
	return r < 0 ? r : gather_items(g, e, from, path, path);
}

/* The image's own library stands before this machine's. */
static int find_library(struct gather *g, const struct manifest_entry *e, const char *name,
			const char *by)
{
	int r = -ENOENT;

	if (g->has_from) {
		gather_look(g, true);
		r = bring_library(g, e, name, by);
	}
	if (r != -ENOENT)
		return r;
	gather_look(g, false);
	return bring_library(g, e, name, by);
}

int gather_needs(struct gather *g, const struct manifest_entry *e)
{
	int r;

	if (e->source[0] == '/')
		return gather_program(g, e);
	r = find_library(g, e, e->source, g->spec->file);
	if (r == -ENOENT)
		return gather_error(
			g, r, e,
			"library '%s' is not found where a loader would look; give its path",
			e->source);
	return r;
}

/*
 * One service of nsswitch.conf; that its module is not installed is common, and nothing that stops
 * a node.
 */
static int bring_service(struct gather *g, const struct manifest_entry *e, const char *service)
{
	char name[NSS_SERVICE_MAX + sizeof("libnss_.so.2")];
	int r;

	snprintf(name, sizeof(name), "libnss_%s.so.2", service);
	r = find_library(g, e, name, NSSWITCH);
	if (r != -ENOENT)
		return r;
	(void)log_warn(0, "%s: %s names '%s', but %s; ignoring it", g->spec->file, NSSWITCH,
		       service, closure_error(g->closure));
	return 0;
}

/* The next word of a line, which ends there. Return: NULL at the end. */
static char *next_word(char **at)
{
	char *w = *at + strspn(*at, " \t\r");
	size_t n = strcspn(w, " \t\r");

	*at = w + n + (w[n] ? 1 : 0);
	w[n] = 0;
	return *w ? w : NULL;
}

/* Words of "database: service [STATUS=action] service"; each service once. */
static int bring_line(struct gather *g, const struct manifest_entry *e, char *line,
		      struct buffer *seen)
{
	char *at, *w;
	bool action = false;
	int r = 0;

	line[strcspn(line, "#")] = 0;
	at = strchr(line, ':');
	if (!at)
		return 0;
	at++;
	while (r == 0 && (w = next_word(&at))) {
		char key[NSS_SERVICE_MAX + 3];

		if (action || w[0] == '[') {
			action = !strchr(w, ']');
			continue;
		}
		if (strlen(w) >= NSS_SERVICE_MAX || strchr(w, '/'))
			continue;
		snprintf(key, sizeof(key), " %s ", w);
		if (strstr(buffer_str(seen), key))
			continue;
		r = buffer_append(seen, key, strlen(key));
		if (r == 0)
			r = bring_service(g, e, w);
	}
	return r;
}

/* Is glibc in the image? */
static bool has_glibc(struct gather *g)
{
	const struct search_machine *m;
	const struct closure_item *items;
	uint16_t machine;
	uint8_t class;
	size_t n;

	gather_look(g, false);
	items = closure_items(g->closure, &n);
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(items[i].name, "libc.so.6"))
			return true;
	}
	machine_of(g, &machine, &class);
	m = search_machine(machine, class);
	for (unsigned i = 0; g->has_from; i++) { /* programs of the image that no line names */
		_cleanup_free_ char *dir = NULL, *path = NULL;
		struct node *libc;

		if (search_builtin_dir(m, i, &dir) < 0 || !dir)
			return false;
		if (path_join(dir, "libc.so.6", &path) == 0 &&
		    tree_lookup(g->tree, path, &libc) == 0)
			return true;
	}
	return false;
}

int gather_nss(struct gather *g)
{
	_cleanup_buffer_ struct buffer text = BUFFER(NSSWITCH_BYTES_MAX),
				       seen = BUFFER(NSSWITCH_BYTES_MAX);
	struct node *n;
	char *next;
	int r;

	if (!has_glibc(g) || tree_lookup(g->tree, NSSWITCH, &n) < 0)
		return 0;
	if (gather_gives_way(n))
		return 0; /* of a whole system, which has what it has */
	r = gather_read(g, NSSWITCH, &text);
	if (r < 0 || text.len == 0)
		return r;
	for (char *line = (char *)text.data; r == 0 && line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		r = bring_line(g, n->entry, line, &seen);
	}
	return r;
}

/* glibc's folder of gconv modules. Caller frees *ret. */
static int gconv_dir(const struct gather *g, char **ret)
{
	const struct search_machine *m;
	uint16_t machine;
	uint8_t class;

	machine_of(g, &machine, &class);
	m = search_machine(machine, class);
	for (unsigned i = 0;; i++) {
		_cleanup_free_ char *dir = NULL, *path = NULL, *real = NULL;
		int r = search_builtin_dir(m, i, &dir);

		if (r < 0 || !dir)
			return r < 0 ? r : -ENOENT;
		if (path_join(dir, "gconv", &path) < 0)
			return -ENOMEM;
		if (root_resolve(g->root, path, NULL, NULL, &real, NULL) == 0) {
			*ret = TAKE_PTR(path);
			return 0;
		}
	}
}

/* Is word @w, "NAME//", of character set @name? */
static bool is_set(const char *w, const char *name)
{
	size_t n = strlen(name);

	return w && !strncasecmp(w, name, n) && !strcmp(w + n, "//");
}

/*
 * The module for character set @name: "module FROM// INTERNAL MODULE COST", "alias NAME// OTHER//".
 * Takes the text apart. Caller frees *ret, which stays NULL when there is none.
 */
static int find_module(const struct buffer *lists, const char *name, unsigned depth, char **ret)
{
	_cleanup_free_ char *text = strdup(buffer_str(lists));
	char *next;

	if (!text)
		return -ENOMEM;
	for (char *line = text; line; line = next) {
		char *kind, *first, *second, *third;

		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		kind = next_word(&line);
		first = kind ? next_word(&line) : NULL;
		second = first ? next_word(&line) : NULL;
		third = second ? next_word(&line) : NULL;
		if (!second || !is_set(first, name))
			continue;
		if (!strcmp(kind, "alias") && depth < GCONV_ALIASES_MAX) {
			second[strcspn(second, "/")] = 0;
			return find_module(lists, second, depth + 1, ret);
		}
		if (!strcmp(kind, "module") && third) {
			*ret = strdup(third);
			return *ret ? 0 : -ENOMEM;
		}
	}
	return 0;
}

/* The lists: gconv-modules and those in gconv-modules.d; in the image, and their text in @to. */
static int bring_lists(struct gather *g, const struct manifest_entry *e, const char *dir,
		       struct buffer *to)
{
	_cleanup_free_ char *list = NULL, *folder = NULL;
	struct search_names names = { 0 };
	int r = path_join(dir, GCONV_CONF, &list);

	if (r == 0)
		r = path_join(dir, GCONV_CONF_DIR, &folder);
	if (r == 0)
		r = search_names(g->root, folder, "*.conf", &names);
	if (r == -ENOENT)
		r = 0;
	if (r == 0)
		r = gather_bring(g, e, list, e->source);
	if (r == 0)
		r = search_read(g->root, list, to);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_free_ char *path = NULL;

		r = path_join(folder, names.names[i], &path);
		if (r == 0)
			r = gather_bring(g, e, path, e->source);
		if (r == 0)
			r = search_read(g->root, path, to);
	}
	search_names_clear(&names);
	return r;
}

static int bring_module(struct gather *g, const struct manifest_entry *e, const char *dir,
			const char *module)
{
	_cleanup_free_ char *path = NULL;
	const char *suffix = strstr(module, ".so") ? "" : ".so";

	if (asprintf(&path, "%s/%s%s", dir, module, suffix) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return gather_closure(g, e, path);
}

static int bring_all_modules(struct gather *g, const struct manifest_entry *e, const char *dir)
{
	struct search_names names = { 0 };
	int r = search_names(g->root, dir, "*.so", &names);

	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = bring_module(g, e, dir, names.names[i]);
	search_names_clear(&names);
	return r;
}

int gather_gconv(struct gather *g, const struct manifest_entry *e)
{
	_cleanup_buffer_ struct buffer lists = BUFFER(GCONV_LISTS_MAX);
	_cleanup_free_ char *dir = NULL, *module = NULL;
	int r = -ENOENT;

	if (g->has_from) {
		gather_look(g, true);
		r = gconv_dir(g, &dir);
	}
	if (r < 0) {
		gather_look(g, false);
		r = gconv_dir(g, &dir);
	}
	if (r == 0)
		r = bring_lists(g, e, dir, &lists);
	if (r < 0)
		return gather_error(g, r, e,
				    "glibc's list of character sets, gconv/%s, cannot be read",
				    GCONV_CONF);
	if (!strcmp(e->source, "*"))
		return bring_all_modules(g, e, dir);
	r = find_module(&lists, e->source, 0, &module);
	if (r == 0 && !module)
		return gather_error(g, -ENOENT, e,
				    "character set '%s' is in none of the lists in '%s'", e->source,
				    dir);
	return r < 0 ? r : bring_module(g, e, dir, module);
}

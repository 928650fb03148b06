/*
 * modules.c - a kernel's modules: which there are and where
 *
 * The directory is walked; the files that depmod makes are used but not needed, since a package
 * that was only unpacked has none, and making them takes seconds. A name that is there more than
 * once is taken from updates/ before kernel/ before anywhere else, as depmod does.
 */
#include <archive.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "image/modules_internal.h"

#define MODULES_BUILTIN_MAX (4u << 20) /* bytes of modules.builtin */
#define MODULES_READ_BYTES  (64u << 10)

void module_list_clear(struct module_list *l)
{
	free(l->items);
	*l = (struct module_list){ 0 };
}

bool module_list_has(const struct module_list *list, const struct module *mod)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->items[i] == mod)
			return true;
	}
	return false;
}

int module_list_add(struct module_list *list, const struct module *mod)
{
	if (module_list_has(list, mod))
		return 0;
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 32;
		const struct module **grown = reallocarray(list->items, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->items = grown;
		list->cap = cap;
	}
	list->items[list->n++] = mod;
	return 0;
}

int modules_name_of(const char *file, char ret[static MODULES_NAME_MAX])
{
	static const char *const ends[] = { "", ".xz", ".zst", ".gz" };
	const char *base = path_base(file), *ko = strstr(base, ".ko");
	size_t n = ko ? (size_t)(ko - base) : 0;

	if (n == 0 || n >= MODULES_NAME_MAX)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (strcmp(ko + 3, ends[i]))
			continue;
		for (size_t k = 0; k < n; k++)
			ret[k] = base[k] == '-' ? '_' : base[k];
		ret[n] = 0;
		return 0;
	}
	return -EINVAL;
}

static int add_entry(struct modules *m, const char *path, const char *rel)
{
	char name[MODULES_NAME_MAX];
	struct module_entry *e;

	if (modules_name_of(rel, name) < 0)
		return 0;
	if (m->n == MODULES_COUNT_MAX)
		return log_err(-E2BIG, "'%s' holds more than %d modules", m->dir,
			       MODULES_COUNT_MAX);
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 1024;
		struct module_entry *grown = reallocarray(m->entries, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		m->entries = grown;
		m->cap = cap;
	}
	e = &m->entries[m->n];
	*e = (struct module_entry){ .pub = { strdup(name), strdup(path), strdup(rel) } };
	e->pub.kin = e->pub.rel;
	m->n++;
	return e->pub.name && e->pub.path && e->pub.rel ? 0 : -ENOMEM;
}

static int scan(struct modules *m)
{
	char *const roots[] = { m->dir, NULL };
	size_t skip = strlen(m->dir) + 1;
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOSTAT | FTS_NOCHDIR, NULL);
	FTSENT *e;
	int r = 0;

	if (!fts)
		return log_err(-errno, "cannot read '%s'", m->dir);
	while (r == 0 && (errno = 0, e = fts_read(fts))) {
		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR)
			r = log_err(-e->fts_errno, "cannot read '%s'", e->fts_path);
		else if (e->fts_info != FTS_D && e->fts_info != FTS_DP && e->fts_pathlen > skip)
			r = add_entry(m, e->fts_path, e->fts_path + skip);
	}
	if (r == 0 && errno)
		r = log_err(-errno, "cannot read '%s'", m->dir);
	fts_close(fts);
	return r;
}

static int rank(const char *rel)
{
	return !strncmp(rel, "updates/", 8) ? 0 : !strncmp(rel, "kernel/", 7) ? 1 : 2;
}

static int entry_compare(const void *a, const void *b)
{
	const struct module *x = a, *y = b; /* the first member of an entry */
	int c = strcmp(x->name, y->name);

	if (c == 0)
		c = rank(x->rel) - rank(y->rel);
	return c ? c : strcmp(x->rel, y->rel);
}

static void entry_clear(struct module_entry *e)
{
	free((char *)e->pub.name);
	free((char *)e->pub.path);
	if (e->pub.kin != e->pub.rel)
		free((char *)e->pub.kin);
	free((char *)e->pub.rel);
	module_info_clear(&e->info);
}

/* @e replaces @other, whose entry is cleared. */
static void entry_replace(struct module_entry *e, struct module_entry *other)
{
	if (e->pub.kin == e->pub.rel) {
		e->pub.kin = other->pub.rel;
		other->pub.rel = other->pub.kin = NULL;
	}
	entry_clear(other);
}

/* Sort, and of modules with the same name keep the first. */
static void sort_entries(struct modules *m)
{
	size_t n = 0;

	if (m->n > 0)
		qsort(m->entries, m->n, sizeof(*m->entries), entry_compare);
	for (size_t i = 0; i < m->n; i++) {
		if (n > 0 && !strcmp(m->entries[n - 1].pub.name, m->entries[i].pub.name))
			entry_replace(&m->entries[n - 1], &m->entries[i]);
		else
			m->entries[n++] = m->entries[i];
	}
	m->n = n;
}

static int string_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* modules.builtin: a path a line. A kernel without it is taken to have none. */
static int read_builtin(struct modules *m)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MODULES_BUILTIN_MAX);
	_cleanup_free_ char *path = NULL;
	char name[MODULES_NAME_MAX], *line, *rest;
	size_t lines = 0;
	int r = path_join(m->dir, "modules.builtin", &path);

	if (r == 0)
		r = file_read(AT_FDCWD, path, &b);
	if (r == -ENOENT || (r == 0 && b.len == 0))
		return 0;
	if (r < 0)
		return log_err(r, "cannot read '%s'", path);
	for (size_t i = 0; i < b.len; i++)
		lines += b.data[i] == '\n';
	m->builtin = calloc(lines + 1, sizeof(*m->builtin));
	if (!m->builtin)
		return -ENOMEM;
	rest = (char *)b.data;
	while ((line = strsep(&rest, "\n"))) {
		if (modules_name_of(line, name) < 0)
			continue;
		m->builtin[m->n_builtin] = strdup(name);
		if (!m->builtin[m->n_builtin++])
			return -ENOMEM;
	}
	qsort(m->builtin, m->n_builtin, sizeof(*m->builtin), string_compare);
	return 0;
}

/* "@a@b@c" when there is a file or directory of that name, else NULL. */
static char *existing(const char *a, const char *b, const char *c)
{
	char *path;

	if (asprintf(&path, "%s%s%s", a, b, c) < 0)
		return NULL;
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static int version_filter(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/*
 * The one kernel below @dir, which is lib/modules of an unpacked package. Return: 0, -ENOENT,
 * -EEXIST (several).
 */
static int only_version(const char *kernel, const char *dir, char **ret)
{
	struct dirent **list = NULL;
	int n = scandir(dir, &list, version_filter, alphasort), r = 0;

	if (n < 0)
		return log_err(-errno, "cannot read '%s'", dir);
	if (n == 0)
		r = log_err(-ENOENT, "'%s' holds no kernel", dir);
	if (n > 1)
		r = log_err(-EEXIST, "'%s' holds several kernels; name one, like '%s/%s'", kernel,
			    dir, list[n - 1]->d_name);
	if (r == 0) {
		*ret = strdup(list[0]->d_name);
		r = *ret ? 0 : -ENOMEM;
	}
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return r;
}

/*
 * An unpacked package: @kernel/lib/modules/V or @kernel/usr/lib/modules/V. Return: -ENXIO when it
 * is none.
 */
static int locate_package(struct modules *m, const char *kernel)
{
	_cleanup_free_ char *all = existing(kernel, "/lib/modules", "");
	int r;

	if (!all)
		all = existing(kernel, "/usr/lib/modules", "");
	if (!all)
		return -ENXIO;
	r = only_version(kernel, all, &m->version);
	if (r < 0)
		return r;
	m->dir = existing(all, "/", m->version);
	m->vmlinuz = existing(kernel, "/boot/vmlinuz-", m->version);
	return m->dir ? 0 : -ENOMEM;
}

/*
 * A lib/modules/V directory itself; the kernel is in it, or in boot/ where its package was
 * unpacked.
 */
static int locate_dir(struct modules *m, const char *kernel)
{
	_cleanup_free_ char *has = existing(kernel, "/kernel", ""), *up = NULL;

	if (!has)
		return log_err(
			-ENOENT,
			"'%s' is no kernel: expected a version below /lib/modules, an unpacked "
			"kernel package, or a lib/modules/VERSION directory",
			kernel);
	m->dir = realpath(kernel, NULL);
	if (!m->dir)
		return log_err(-errno, "cannot open '%s'", kernel);
	m->version = strdup(path_base(m->dir));
	if (!m->version || asprintf(&up, "%s/../../../boot/vmlinuz-", m->dir) < 0)
		return -ENOMEM;
	m->vmlinuz = existing(up, m->version, "");
	return 0;
}

/* An installed version. Return: -ENOENT when there is none of that name. */
static int locate_version(struct modules *m, const char *kernel)
{
	m->dir = existing("/lib/modules/", kernel, "");
	if (!m->dir)
		return -ENOENT;
	m->vmlinuz = existing("/boot/vmlinuz-", kernel, "");
	m->version = strdup(kernel);
	return m->version ? 0 : -ENOMEM;
}

static int locate(struct modules *m, const char *kernel)
{
	struct utsname u;
	int r = -ENOENT;

	if (!kernel) {
		(void)uname(&u); /* cannot fail */
		kernel = u.release;
	}
	if (!strchr(kernel, '/') && kernel[0] != '.') {
		r = locate_version(m, kernel);
		if (r == -ENOENT && access(kernel, F_OK) < 0)
			return log_err(
				r,
				"no kernel '%s': '/lib/modules/%s' is missing (--kernel takes a "
				"version, or a directory where a kernel package was unpacked)",
				kernel, kernel);
	}
	if (r == -ENOENT)
		r = locate_package(m, kernel);
	if (r == -ENXIO)
		r = locate_dir(m, kernel);
	if (r < 0)
		return r;
	if (!m->vmlinuz)
		m->vmlinuz = existing(m->dir, "/vmlinuz", "");
	return 0;
}

int modules_open(const char *kernel, struct modules **ret)
{
	static const char *no_config = NULL; /* modprobe.d of this machine is not for the nodes */
	_cleanup_modules_ struct modules *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	r = locate(m, kernel);
	if (r == 0)
		r = scan(m);
	if (r < 0)
		return r;
	sort_entries(m);
	m->dep = m->alias = (struct buffer)BUFFER(MODULES_DEPMOD_MAX);
	r = read_builtin(m);
	if (r == 0)
		r = modules_depmod_read(m);
	if (r < 0)
		return r;
	m->kmod = kmod_new(m->dir, &no_config);
	if (!m->kmod)
		return log_err(-ENOMEM, "cannot start libkmod");
	kmod_set_log_priority(m->kmod, 0); /* what it says is said here, with the file's name */
	*ret = TAKE_PTR(m);
	return 0;
}

struct modules *modules_free(struct modules *m)
{
	if (!m)
		return NULL;
	for (size_t i = 0; i < m->n; i++)
		entry_clear(&m->entries[i]);
	for (size_t i = 0; i < m->n_builtin; i++)
		free(m->builtin[i]);
	free(m->builtin);
	free(m->entries);
	buffer_clear(&m->dep);
	buffer_clear(&m->alias);
	free(m->version);
	free(m->dir);
	free(m->vmlinuz);
	if (m->kmod)
		kmod_unref(m->kmod);
	free(m);
	return NULL;
}

void modules_freep(struct modules **m)
{
	*m = modules_free(*m);
}

const char *modules_version(const struct modules *m)
{
	return m->version;
}

const char *modules_dir(const struct modules *m)
{
	return m->dir;
}

const char *modules_vmlinuz(const struct modules *m)
{
	return m->vmlinuz;
}

/* @name with underscores. Return: NULL when it is too long for any module. */
static const char *plain_name(const char *name, char buf[static MODULES_NAME_MAX])
{
	size_t n = strlen(name);

	if (n >= MODULES_NAME_MAX)
		return NULL;
	for (size_t i = 0; i <= n; i++)
		buf[i] = name[i] == '-' ? '_' : name[i];
	return buf;
}

static int name_compare(const void *key, const void *entry)
{
	return strcmp(key, ((const struct module *)entry)->name);
}

const struct module *modules_find(const struct modules *m, const char *name)
{
	char buf[MODULES_NAME_MAX];

	if (m->n == 0 || !plain_name(name, buf))
		return NULL;
	return bsearch(buf, m->entries, m->n, sizeof(*m->entries), name_compare);
}

bool modules_builtin(const struct modules *m, const char *name)
{
	char buf[MODULES_NAME_MAX];
	const char *key = plain_name(name, buf);

	return key && m->n_builtin > 0 &&
	       bsearch(&key, m->builtin, m->n_builtin, sizeof(*m->builtin), string_compare);
}

int modules_each(const struct modules *m, int (*fn)(void *user, const struct module *mod),
		 void *user)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = fn(user, &m->entries[i].pub);
	return r;
}

static void archive_freep(struct archive **a)
{
	if (*a)
		archive_read_free(*a);
}

/* Unpack a module that is compressed, by whatever its bytes say. */
static int read_packed(const struct module *mod, struct buffer *to)
{
	_cleanup_(archive_freep) struct archive *a = archive_read_new();
	struct archive_entry *entry;

	if (!a)
		return -ENOMEM;
	archive_read_support_filter_all(a);
	archive_read_support_format_raw(a);
	if (archive_read_open_filename(a, mod->path, MODULES_READ_BYTES) != ARCHIVE_OK ||
	    archive_read_next_header(a, &entry) != ARCHIVE_OK) {
		log_err(0, "cannot unpack module '%s': %s", mod->path, archive_error_string(a));
		return -EBADMSG;
	}
	for (;;) {
		la_ssize_t n;
		int r = buffer_reserve(to, MIN(to->max - to->len, (size_t)MODULES_READ_BYTES));

		if (r == 0 && to->len == to->max)
			r = -E2BIG;
		if (r < 0)
			return log_err(r, "cannot unpack module '%s'", mod->path);
		n = archive_read_data(a, to->data + to->len,
				      MIN(to->max - to->len, (size_t)MODULES_READ_BYTES));
		if (n < 0) {
			log_err(0, "cannot unpack module '%s': %s", mod->path,
				archive_error_string(a));
			return -EBADMSG;
		}
		if (n == 0)
			return 0;
		to->len += (size_t)n;
		to->data[to->len] = 0;
	}
}

bool modules_loose(const struct module *mod)
{
	size_t n = strlen(mod->path);

	return n < 3 || !strcmp(mod->path + n - 3, ".ko");
}

int modules_read(const struct module *mod, struct buffer *to)
{
	int r;

	if (!modules_loose(mod))
		return read_packed(mod, to);
	r = file_read(AT_FDCWD, mod->path, to);
	return r < 0 ? log_err(r, "cannot read module '%s'", mod->path) : 0;
}

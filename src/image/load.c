/*
 * load.c - the libraries that glibc's loader would load for one program
 *
 * Follows glibc's elf/dl-load.c: a library is one that is loaded already when its name or DT_SONAME
 * was met; else it is looked for in DT_RPATH of the object that wants it and of those that loaded
 * that one (unless it has a DT_RUNPATH), in its DT_RUNPATH, in ld.so.cache, and in the built-in
 * folders. Folders of ld.so.conf come last, for a root whose cache was never made. An object of
 * another class or machine is passed over. Programs of musl are searched for by load_musl.c.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/path.h"
#include "image/load_internal.h"

static void free_loaded(struct loaded *x)
{
	free(x->path);
	free(x->name);
	free(x);
}

/* Append an object to the list. */
static int append(struct load *l, const struct object *o, const char *path, const char *name,
		  const struct loaded *loader, struct loaded **ret)
{
	struct loaded *x;
	int r;

	if (l->n == CLOSURE_OBJECTS_MAX)
		return -E2BIG;
	r = closure_grow((void **)&l->list, l->n, sizeof(struct loaded *));
	if (r < 0)
		return r;
	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->object = o;
	x->path = strdup(path);
	x->name = name ? strdup(name) : NULL;
	x->loader = loader;
	if (!x->path || (name && !x->name)) {
		free_loaded(x);
		return -ENOMEM;
	}
	l->list[l->n++] = x;
	*ret = x;
	return 0;
}

int load_try_path(struct load *l, const char *path, const struct object **ret)
{
	_cleanup_free_ char *real = NULL;
	const struct object *o;
	struct stat st;
	int r = root_resolve(l->c->root, path, NULL, NULL, &real, &st);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = closure_object(l->c, real, &o);
	if (r < 0)
		return r;
	if (o->err < 0 || o->elf.machine != l->machine->machine ||
	    o->elf.class != l->machine->class)
		return 0;
	*ret = o;
	return 1;
}

/* The folder of an object, for $ORIGIN. Caller frees *ret. */
static int origin_of(const struct loaded *x, char **ret)
{
	size_t n = (size_t)(path_base(x->object->real) - x->object->real);

	*ret = strndup(x->object->real, n > 1 ? n - 1 : n);
	return *ret ? 0 : -ENOMEM;
}

/* Length of $NAME or ${NAME} at @p when it is @name, else 0. */
static size_t token(const char *p, const char *name)
{
	size_t n = strlen(name);

	if (p[1] == '{' && !strncmp(p + 2, name, n) && p[2 + n] == '}')
		return n + 3;
	return !strncmp(p + 1, name, n) ? n + 1 : 0;
}

/* Copy @n bytes of @from with $ORIGIN, $LIB and $PLATFORM replaced. */
static int expand(const struct load *l, const struct loaded *x, const char *from, size_t n,
		  struct buffer *to)
{
	_cleanup_free_ char *origin = NULL;
	int r = origin_of(x, &origin);

	while (r == 0 && n > 0) {
		const char *with = NULL;
		size_t k = 0;

		if (*from == '$') {
			if ((k = token(from, "ORIGIN")))
				with = origin;
			else if ((k = token(from, "LIB")))
				with = l->lib;
			else if ((k = token(from, "PLATFORM")))
				with = l->machine->platform;
		}
		if (!with || k > n) {
			k = 1;
			r = buffer_append(to, from, 1);
		} else {
			r = buffer_append(to, with, strlen(with));
		}
		from += k;
		n -= k;
	}
	return r;
}

int load_try_dirs(struct load *l, const struct loaded *x, const char *dirs, const char *name,
		  const struct object **ret, char **ret_path)
{
	while (dirs) {
		_cleanup_buffer_ struct buffer path = BUFFER(PATH_MAX);
		size_t n = strcspn(dirs, ":");
		int r = expand(l, x, dirs, n, &path);

		dirs = dirs[n] ? dirs + n + 1 : NULL;
		if (r == -ENOMEM)
			return r;
		if (r < 0 || path.len == 0 || path.data[0] != '/')
			continue; /* a folder relative to wherever it is started is none */
		r = buffer_printf(&path, "/%s", name);
		if (r < 0)
			continue;
		r = load_try_path(l, buffer_str(&path), ret);
		if (r == 1)
			*ret_path = (char *)TAKE_PTR(path.data);
		if (r != 0)
			return r;
	}
	return 0;
}

static int try_rpaths(struct load *l, const struct loaded *x, const char *name,
		      const struct object **ret, char **ret_path)
{
	int r = 0;

	if (x->object->elf.runpath)
		return load_try_dirs(l, x, x->object->elf.runpath, name, ret, ret_path);
	for (const struct loaded *y = x; r == 0 && y; y = y->loader) {
		if (!y->object->elf.runpath)
			r = load_try_dirs(l, y, y->object->elf.rpath, name, ret, ret_path);
	}
	if (r == 0 && !l->list[0]->object->elf.runpath)
		r = load_try_dirs(l, l->list[0], l->list[0]->object->elf.rpath, name, ret,
				  ret_path);
	return r;
}

int load_try_dir(struct load *l, const char *dir, const char *name, const struct object **ret,
		 char **ret_path)
{
	_cleanup_free_ char *path = NULL;
	int r = path_join(dir, name, &path);

	if (r == -ENAMETOOLONG)
		return 0;
	if (r == 0)
		r = load_try_path(l, path, ret);
	if (r == 1)
		*ret_path = TAKE_PTR(path);
	return r;
}

static int try_builtin(struct load *l, const char *name, const struct object **ret, char **ret_path)
{
	for (unsigned i = 0;; i++) {
		_cleanup_free_ char *dir = NULL;
		int r = search_builtin_dir(l->machine, i, &dir);

		if (r < 0 || !dir)
			return r;
		r = load_try_dir(l, dir, name, ret, ret_path);
		if (r != 0)
			return r;
	}
}

/* Whether a library found at @path would be found without cache and ld.so.conf. */
static bool is_builtin(const struct load *l, const char *path)
{
	_cleanup_free_ char *found = NULL;
	const struct object *o, *same;

	return load_try_path((struct load *)l, path, &o) == 1 &&
	       try_builtin((struct load *)l, path_base(path), &same, &found) == 1 && o == same;
}

static int try_system(struct load *l, const struct loaded *x, const char *name,
		      const struct object **ret, char **ret_path, bool *ret_searched)
{
	const struct search *s = &l->c->search;
	const char *cached = ldcache_find(&s->cache, name, l->machine->cache_flags);
	int r = 0;

	if (x->object->elf.no_default_dirs)
		return 0;
	if (cached) {
		r = load_try_path(l, cached, ret);
		if (r == 1) {
			*ret_path = strdup(cached);
			if (!*ret_path)
				return -ENOMEM;
			*ret_searched = !is_builtin(l, cached);
		}
	}
	if (r == 0)
		r = try_builtin(l, name, ret, ret_path);
	for (size_t i = 0; r == 0 && i < s->n_conf_dirs; i++) {
		r = load_try_dir(l, s->conf_dirs[i], name, ret, ret_path);
		*ret_searched = r == 1;
	}
	return r;
}

/* Find the library that @x calls @name. Return: 1, 0 (nowhere) or negative errno. */
static int find_library(struct load *l, const struct loaded *x, const char *name,
			const struct object **ret, char **ret_path, bool *ret_searched)
{
	int r;

	if (strchr(name, '/')) {
		_cleanup_buffer_ struct buffer path = BUFFER(PATH_MAX);

		r = expand(l, x, name, strlen(name), &path);
		if (r == 0 && path.len > 0 && path.data[0] == '/')
			r = load_try_path(l, buffer_str(&path), ret);
		if (r == 1)
			*ret_path = (char *)TAKE_PTR(path.data);
		return r;
	}
	if (l->musl)
		return load_musl_find(l, x, name, ret, ret_path);
	r = try_rpaths(l, x, name, ret, ret_path);
	return r != 0 ? r : try_system(l, x, name, ret, ret_path, ret_searched);
}

/* An object of the list that answers to @name, or is @object. */
static struct loaded *find_loaded(const struct load *l, const char *name,
				  const struct object *object)
{
	for (size_t i = 0; i < l->n; i++) {
		struct loaded *x = l->list[i];
		const char *soname = x->object->elf.soname;

		if (object ? x->object == object
			   : (x->name && !strcmp(x->name, name)) ||
				     (soname && !strcmp(soname, name)))
			return x;
	}
	return NULL;
}

/*
 * Builds of the library at @path for better processors, which the loader of one would take in its
 * place.
 */
static int add_variants(struct load *l, const char *path, const struct loaded *x)
{
	for (size_t i = 0; i < SEARCH_HWCAPS_MAX && l->machine->hwcaps[i]; i++) {
		_cleanup_free_ char *variant = NULL;
		const struct object *o;
		int r;

		if (asprintf(&variant, "%.*s/glibc-hwcaps/%s/%s", (int)(path_base(path) - path) - 1,
			     path, l->machine->hwcaps[i], path_base(path)) < 0) {
			variant = NULL;
			return -ENOMEM;
		}
		r = load_try_path(l, variant, &o);
		if (r == 1)
			r = closure_item(l->c, o, variant, path_base(path), x->path, false);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Load what @x calls @name. Return: 0; -ENOENT, which is told unless it is @optional; another
 * errno.
 */
static int load_needed(struct load *l, const struct loaded *x, const char *name, bool optional)
{
	_cleanup_free_ char *path = NULL;
	const struct object *o = NULL;
	struct loaded *y = find_loaded(l, name, NULL);
	bool searched = false;
	int r;

	if (l->musl && load_musl_own(name) && l->n > 1)
		y = l->list[1]; /* the loader itself */
	if (y && y->silent) {
		y->silent = false;
		return closure_item(l->c, y->object, y->path, name, x->path, false);
	}
	if (y)
		return 0;
	r = find_library(l, x, name, &o, &path, &searched);
	if (r < 0)
		return r;
	if (r == 0 && optional)
		return -ENOENT;
	if (r == 0)
		return closure_fail(l->c, -ENOENT, "library '%s' is not found; '%s' wants it", name,
				    x->path);
	if (find_loaded(l, NULL, o))
		return 0;
	r = append(l, o, path, name, x, &y);
	if (r == 0)
		r = closure_item(l->c, o, path, name, x->path, searched);
	return r < 0 || l->musl ? r : add_variants(l, path, x);
}

/* Load what @x says that it opens later: the best of each list that there is. */
static int load_opened(struct load *l, const struct loaded *x, const struct elf_dlopen *d)
{
	int r = -ENOENT;

	for (const char *name = d->sonames; *name && r == -ENOENT; name += strlen(name) + 1)
		r = load_needed(l, x, name, true);
	if (r == -ENOENT && d->required)
		return closure_fail(l->c, r,
				    "library '%s' is not found; '%s' says that it opens it",
				    d->sonames, x->path);
	return r == -ENOENT ? 0 : r;
}

static int load_all(struct load *l)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		const struct elf *e = &l->list[i]->object->elf;

		for (size_t k = 0; r == 0 && k < e->n_needed; k++)
			r = load_needed(l, l->list[i], e->needed[k], false);
		for (size_t k = 0; r == 0 && k < e->n_dlopens; k++)
			r = load_opened(l, l->list[i], &e->dlopens[k]);
	}
	return r;
}

static void free_load(struct load *l)
{
	for (size_t i = 0; i < l->n; i++)
		free_loaded(l->list[i]);
	free(l->list);
	free(l->lib);
}

/*
 * Put the interpreter on the list: the one that the program names, or silently the machine's usual
 * one.
 */
static int load_interpreter(struct load *l, const struct loaded *program)
{
	const struct elf *e = &program->object->elf;
	_cleanup_free_ char *musl = l->musl ? load_musl_loader(l) : NULL;
	const char *path = e->interpreter ? e->interpreter : l->musl ? musl : l->machine->loader;
	const struct object *o;
	struct loaded *x;
	int r = path ? load_try_path(l, path, &o) : -ENOMEM;

	if (r < 0)
		return r;
	if (r == 0 && e->interpreter)
		return closure_fail(l->c, -ENOENT, "interpreter '%s' is not found; '%s' wants it",
				    path, program->path);
	if (r == 0)
		return 0;
	r = append(l, o, path, path, program, &x);
	if (r < 0)
		return r;
	x->silent = !e->interpreter;
	return x->silent ? 0 : closure_item(l->c, o, path, path_base(path), program->path, false);
}

/* $LIB: Debian's loader has the machine's folder in it, others "lib64". */
static int find_lib(struct load *l)
{
	_cleanup_free_ char *debian = NULL, *real = NULL;

	if (asprintf(&debian, "/lib/%s", l->machine->triplet) < 0) {
		debian = NULL;
		return -ENOMEM;
	}
	if (root_resolve(l->c->root, debian, NULL, NULL, &real, NULL) == 0)
		l->lib = strdup(debian + 1);
	else
		l->lib = strdup(l->machine->lib);
	return l->lib ? 0 : -ENOMEM;
}

int load_program(struct closure *c, const struct object *o, const char *path)
{
	struct load l = { .c = c, .machine = search_machine(o->elf.machine, o->elf.class) };
	struct loaded *program;
	int r = 0;

	if (!o->elf.interpreter && o->elf.n_needed == 0 && o->elf.n_dlopens == 0)
		return 0;
	if (!l.machine)
		return closure_fail(c, -EOPNOTSUPP,
				    "'%s' is for a machine that is not known here (ELF machine %u)",
				    path, o->elf.machine);
	l.musl = load_is_musl(&l, &o->elf);
	r = find_lib(&l);
	if (r == 0)
		r = append(&l, o, path, NULL, NULL, &program);
	if (r == 0)
		r = load_interpreter(&l, program);
	if (r == 0)
		r = load_all(&l);
	if (r == 0)
		r = load_check_symbols(&l);
	free_load(&l);
	return r;
}

int load_library(struct closure *c, const char *name, uint16_t machine, uint8_t class,
		 const char *wanted_by, char **ret_path)
{
	struct object nobody = { .real = (char[]){ "/" },
				 .elf = { .class = class, .machine = machine } };
	struct load l = { .c = c, .machine = search_machine(machine, class) };
	struct loaded *program;
	int r = 0;

	if (!l.machine)
		return closure_fail(c, -EOPNOTSUPP,
				    "'%s' is wanted for a machine that is not known here", name);
	l.musl = load_is_musl(&l, &nobody.elf);
	r = find_lib(&l);
	if (r == 0)
		r = append(&l, &nobody, wanted_by, NULL, NULL, &program);
	if (r == 0)
		r = load_interpreter(&l, program);
	if (r == 0)
		r = load_needed(&l, program, name, false);
	if (r == 0) {
		*ret_path = strdup(l.list[l.n - 1]->path);
		r = *ret_path ? load_all(&l) : -ENOMEM;
	}
	if (r == 0)
		r = load_check_symbols(&l);
	free_load(&l);
	return r;
}

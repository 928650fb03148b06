/*
 * closure.c - the files that programs need besides themselves
 *
 * Follows glibc's elf/dl-load.c: a library is one that is loaded already when its name or DT_SONAME was met; else
 * it is looked for in DT_RPATH of the object that wants it and of those that loaded that one (unless it has a
 * DT_RUNPATH), in its DT_RUNPATH, in ld.so.cache, and in the built-in folders. Folders of ld.so.conf come last,
 * for a root whose cache was never made. An object of another class or machine is passed over.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "image/closure.h"
#include "image/search.h"

#define SCRIPT_LINE_MAX 256 /* bytes of the #! line that the kernel reads */

/* An ELF file that was read, once for all programs. */
struct object {
	char *real;
	int err; /* what reading it gave; elf is valid when 0 */
	struct elf elf;
};

/* One object in the list of a program being loaded. */
struct loaded {
	const struct object *object;
	char *path;	     /* as it was found; owned, like the name */
	char *name;	     /* as it was asked for; NULL for the program */
	const struct loaded *loader;
	bool silent;	     /* the standard interpreter, not yet asked for */
};

struct closure {
	const struct root *root;
	struct search search;
	struct object **objects;
	size_t n_objects;
	struct closure_item *items;
	size_t n_items;
	char error[1024];
};

/* The loading of one program. */
struct load {
	struct closure *c;
	const struct search_machine *machine;
	struct loaded **list;
	size_t n;
};

static int fail(struct closure *c, int err, const char *fmt, ...) _printf_(3, 4);
static int fail(struct closure *c, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	return err;
}

/* Make room for one more in an array that grows at powers of two. */
static int grow(void **array, size_t n, size_t each)
{
	void *more;

	if (n & (n - 1))
		return 0;
	more = realloc(*array, MAX(2 * n, (size_t)1) * each);
	if (!more)
		return -ENOMEM;
	*array = more;
	return 0;
}

static const struct object *find_object(const struct closure *c, const char *real)
{
	for (size_t i = 0; i < c->n_objects; i++) {
		if (!strcmp(c->objects[i]->real, real))
			return c->objects[i];
	}
	return NULL;
}

/* Read the ELF file at the canonical path @real, or find it among those read. */
static int get_object(struct closure *c, const char *real, const struct object **ret)
{
	_cleanup_close_ int fd = FD_NONE;
	struct object *o;
	int r;

	*ret = find_object(c, real);
	if (*ret)
		return 0;
	r = grow((void **)&c->objects, c->n_objects, sizeof(struct object *));
	if (r < 0)
		return r;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->real = strdup(real);
	if (!o->real) {
		free(o);
		return -ENOMEM;
	}
	fd = root_read(c->root, real, 0);
	o->err = fd < 0 ? fd : elf_read(fd, &o->elf);
	c->objects[c->n_objects++] = o;
	*ret = o;
	return 0;
}

/* Add a file that is needed, unless it is known. */
static int add_item(struct closure *c, const struct object *o, const char *path, const char *name,
		    const char *wanted_by, bool searched)
{
	struct closure_item *item;
	int r;

	for (size_t i = 0; i < c->n_items; i++) {
		if (!strcmp(c->items[i].path, path))
			return 0;
	}
	r = grow((void **)&c->items, c->n_items, sizeof(*c->items));
	if (r < 0)
		return r;
	item = &c->items[c->n_items];
	*item = (struct closure_item){
		.path = strdup(path),
		.real = strdup(o->real),
		.wanted_by = strdup(wanted_by),
		.name = strdup(name),
		.searched = searched,
		.machine = o->elf.machine,
		.class = o->elf.class,
	};
	c->n_items++; /* closure_free() copes with missing parts */
	return item->path && item->real && item->wanted_by && item->name ? 0 : -ENOMEM;
}

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
	r = grow((void **)&l->list, l->n, sizeof(struct loaded *));
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

/*
 * Look whether @path is an object for this program.
 * Return: 1 with *ret, 0 when there is none or one for another machine, negative errno.
 */
static int try_path(struct load *l, const char *path, const struct object **ret)
{
	_cleanup_free_ char *real = NULL;
	const struct object *o;
	struct stat st;
	int r = root_resolve(l->c->root, path, NULL, NULL, &real, &st);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = get_object(l->c, real, &o);
	if (r < 0)
		return r;
	if (o->err < 0 || o->elf.machine != l->machine->machine || o->elf.class != l->machine->class)
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
	_cleanup_free_ char *lib = NULL, *origin = NULL;
	int r = origin_of(x, &origin);

	if (r == 0 && asprintf(&lib, "lib/%s", l->machine->triplet) < 0) {
		lib = NULL;
		r = -ENOMEM;
	}
	while (r == 0 && n > 0) {
		const char *with = NULL;
		size_t k = 0;

		if (*from == '$') {
			if ((k = token(from, "ORIGIN")))
				with = origin;
			else if ((k = token(from, "LIB")))
				with = lib;
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

/*
 * Look for @name in the colon-separated folders @dirs of object @x.
 * Return: 1 with *ret and *ret_path (caller frees), 0, or negative errno.
 */
static int try_dirs(struct load *l, const struct loaded *x, const char *dirs, const char *name,
		    const struct object **ret, char **ret_path)
{
	while (dirs) {
		_cleanup_buffer_ struct buffer path = BUFFER(PATH_MAX);
		size_t n = strcspn(dirs, ":");
		int r = expand(l, x, dirs, n, &path);

		dirs = dirs[n] ? dirs + n + 1 : NULL;
		if (r == 0)
			r = buffer_printf(&path, "/%s", name);
		if (r == -ENOMEM)
			return r;
		if (r < 0 || path.data[0] != '/')
			continue; /* a folder relative to wherever it is started is none */
		r = try_path(l, buffer_str(&path), ret);
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
		return try_dirs(l, x, x->object->elf.runpath, name, ret, ret_path);
	for (const struct loaded *y = x; r == 0 && y; y = y->loader) {
		if (!y->object->elf.runpath)
			r = try_dirs(l, y, y->object->elf.rpath, name, ret, ret_path);
	}
	if (r == 0 && !l->list[0]->object->elf.runpath)
		r = try_dirs(l, l->list[0], l->list[0]->object->elf.rpath, name, ret, ret_path);
	return r;
}

static int try_dir(struct load *l, const char *dir, const char *name, const struct object **ret,
		   char **ret_path)
{
	_cleanup_free_ char *path = NULL;
	int r = path_join(dir, name, &path);

	if (r == -ENAMETOOLONG)
		return 0;
	if (r == 0)
		r = try_path(l, path, ret);
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
		r = try_dir(l, dir, name, ret, ret_path);
		if (r != 0)
			return r;
	}
}

/* Whether a library found at @path would be found without cache and ld.so.conf. */
static bool is_builtin(const struct load *l, const char *path)
{
	_cleanup_free_ char *found = NULL;
	const struct object *o, *same;

	return try_path((struct load *)l, path, &o) == 1 &&
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
		r = try_path(l, cached, ret);
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
		r = try_dir(l, s->conf_dirs[i], name, ret, ret_path);
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
			r = try_path(l, buffer_str(&path), ret);
		if (r == 1)
			*ret_path = (char *)TAKE_PTR(path.data);
		return r;
	}
	r = try_rpaths(l, x, name, ret, ret_path);
	return r != 0 ? r : try_system(l, x, name, ret, ret_path, ret_searched);
}

/* An object of the list that answers to @name, or is @object. */
static struct loaded *find_loaded(const struct load *l, const char *name, const struct object *object)
{
	for (size_t i = 0; i < l->n; i++) {
		struct loaded *x = l->list[i];
		const char *soname = x->object->elf.soname;

		if (object ? x->object == object
			   : (x->name && !strcmp(x->name, name)) || (soname && !strcmp(soname, name)))
			return x;
	}
	return NULL;
}

static int load_needed(struct load *l, const struct loaded *x, const char *name)
{
	_cleanup_free_ char *path = NULL;
	const struct object *o = NULL;
	struct loaded *y = find_loaded(l, name, NULL);
	bool searched = false;
	int r;

	if (y && y->silent) {
		y->silent = false;
		return add_item(l->c, y->object, y->path, name, x->path, false);
	}
	if (y)
		return 0;
	r = find_library(l, x, name, &o, &path, &searched);
	if (r < 0)
		return r;
	if (r == 0)
		return fail(l->c, -ENOENT, "library '%s' is not found; '%s' wants it", name, x->path);
	if (find_loaded(l, NULL, o))
		return 0;
	r = append(l, o, path, name, x, &y);
	return r < 0 ? r : add_item(l->c, o, path, name, x->path, searched);
}

/* Put the interpreter on the list: the one that the program names, or silently the machine's usual one. */
static int load_interpreter(struct load *l, const struct loaded *program)
{
	const struct elf *e = &program->object->elf;
	const char *path = e->interpreter ? e->interpreter : l->machine->loader;
	const struct object *o;
	struct loaded *x;
	int r = try_path(l, path, &o);

	if (r < 0)
		return r;
	if (r == 0 && e->interpreter)
		return fail(l->c, -ENOENT, "interpreter '%s' is not found; '%s' wants it", path,
			    program->path);
	if (r == 0)
		return 0;
	r = append(l, o, path, path, program, &x);
	if (r < 0)
		return r;
	x->silent = !e->interpreter;
	return x->silent ? 0 : add_item(l->c, o, path, path_base(path), program->path, false);
}

static int load_program(struct closure *c, const struct object *o, const char *path)
{
	struct load l = { .c = c, .machine = search_machine(o->elf.machine, o->elf.class) };
	struct loaded *program;
	int r = 0;

	if (!o->elf.interpreter && o->elf.n_needed == 0)
		return 0;
	if (!l.machine)
		return fail(c, -EOPNOTSUPP, "'%s' is for a machine that is not known here (ELF machine %u)",
			    path, o->elf.machine);
	r = append(&l, o, path, NULL, NULL, &program);
	if (r == 0)
		r = load_interpreter(&l, program);
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		const struct elf *e = &l.list[i]->object->elf;

		for (size_t k = 0; r == 0 && k < e->n_needed; k++)
			r = load_needed(&l, l.list[i], e->needed[k]);
	}
	for (size_t i = 0; i < l.n; i++)
		free_loaded(l.list[i]);
	free(l.list);
	return r;
}

static int add_file(struct closure *c, const char *path, unsigned depth);

/* Split the #! line in @buf into interpreter and the one argument. Return: whether it is one. */
static bool split_script(char *buf, char **ret_interpreter, char **ret_argument)
{
	char *p = buf + 2;

	if (buf[0] != '#' || buf[1] != '!')
		return false;
	buf[strcspn(buf, "\n")] = 0;
	p += strspn(p, " \t");
	*ret_interpreter = p;
	p += strcspn(p, " \t\r");
	if (*p)
		*p++ = 0;
	p += strspn(p, " \t\r");
	*ret_argument = p;
	return **ret_interpreter == '/';
}

/* Add a program that @script names, with all that it needs. */
static int add_interpreter(struct closure *c, const char *script, const char *path, unsigned depth)
{
	_cleanup_free_ char *real = NULL;
	const struct object *o;
	int r = root_resolve(c->root, path, NULL, NULL, &real, NULL);

	if (r == 0)
		r = get_object(c, real, &o);
	if (r == 0)
		r = add_item(c, o, path, path_base(path), script, false);
	if (r < 0)
		return fail(c, r, "interpreter '%s' is not found; '%s' wants it", path, script);
	return add_file(c, path, depth + 1);
}

/* "#!/usr/bin/env [-S] [NAME=VALUE...] PROGRAM": what env will look for. */
static int add_env_program(struct closure *c, const char *script, char *argument, unsigned depth)
{
	_cleanup_free_ char *path = NULL;
	char *word = argument;
	size_t n;

	for (;; word += n + 1) {
		word += strspn(word, " \t\r");
		n = strcspn(word, " \t\r");
		if (n == 0)
			return 0;
		if (word[0] != '-' && !memchr(word, '=', n))
			break;
		if (!word[n])
			return 0;
	}
	word[n] = 0;
	if (closure_find_program(c, word, &path) < 0)
		return fail(c, -ENOENT, "interpreter '%s' is not found; '%s' wants it through env", word,
			    script);
	return add_interpreter(c, script, path, depth);
}

static int add_script(struct closure *c, int fd, const char *path, unsigned depth)
{
	char buf[SCRIPT_LINE_MAX + 1] = { 0 };
	char *interpreter, *argument;
	size_t n;
	int r = fd_read_full(fd, buf, SCRIPT_LINE_MAX, &n);

	if (r < 0)
		return fail(c, r, "cannot read '%s'", path);
	if (!split_script(buf, &interpreter, &argument))
		return fail(c, -ENOEXEC, "'%s' is neither an ELF file nor a script", path);
	if (depth >= CLOSURE_SCRIPTS_MAX)
		return fail(c, -ELOOP, "'%s': scripts that interpret scripts, more than %d deep", path,
			    CLOSURE_SCRIPTS_MAX);
	r = add_interpreter(c, path, interpreter, depth);
	if (r == 0 && !strcmp(path_base(interpreter), "env"))
		r = add_env_program(c, path, argument, depth);
	return r;
}

static int add_file(struct closure *c, const char *path, unsigned depth)
{
	_cleanup_close_ int fd = FD_NONE;
	_cleanup_free_ char *real = NULL;
	const struct object *o;
	struct stat st;
	int r = root_resolve(c->root, path, NULL, NULL, &real, &st);

	if (r < 0)
		return fail(c, r, "cannot find '%s'", path);
	if (!S_ISREG(st.st_mode))
		return fail(c, -ENOEXEC, "'%s' is not a regular file", path);
	r = get_object(c, real, &o);
	if (r < 0)
		return fail(c, r, "cannot read '%s'", path);
	if (o->err == 0)
		return load_program(c, o, path);
	if (o->err != -ENOEXEC)
		return fail(c, o->err, o->err == -EBADMSG ? "'%s' is a broken ELF file" : "cannot read '%s'",
			    path);
	fd = root_read(c->root, real, 0);
	return fd < 0 ? fail(c, fd, "cannot read '%s'", path) : add_script(c, fd, path, depth);
}

int closure_add(struct closure *c, const char *path)
{
	int r;

	c->error[0] = 0;
	r = add_file(c, path, 0);
	if (r < 0 && !c->error[0])
		(void)fail(c, r, "cannot follow '%s'", path); /* out of memory or over a limit */
	return r;
}

int closure_find_program(struct closure *c, const char *name, char **ret)
{
	static const char *const dirs[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					    "/usr/bin",	       "/sbin",		 "/bin" };

	if (strchr(name, '/'))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_free_ char *path = NULL, *real = NULL;
		struct stat st;
		int r = path_join(dirs[i], name, &path);

		if (r < 0)
			return r;
		if (root_resolve(c->root, path, NULL, NULL, &real, &st) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & 0111)) {
			*ret = TAKE_PTR(path);
			return 0;
		}
	}
	return -ENOENT;
}

const struct closure_item *closure_items(const struct closure *c, size_t *ret_n)
{
	*ret_n = c->n_items;
	return c->items;
}

const struct elf *closure_elf(const struct closure *c, const char *real)
{
	const struct object *o = find_object(c, real);

	return o && o->err == 0 ? &o->elf : NULL;
}

const char *closure_error(const struct closure *c)
{
	return c->error;
}

int closure_new(const struct root *root, struct closure **ret)
{
	struct closure *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->root = root;
	r = search_init(&c->search, root);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void closure_free(struct closure *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_objects; i++) {
		free(c->objects[i]->real);
		elf_clear(&c->objects[i]->elf);
		free(c->objects[i]);
	}
	for (size_t i = 0; i < c->n_items; i++) {
		free(c->items[i].path);
		free(c->items[i].real);
		free(c->items[i].wanted_by);
		free(c->items[i].name);
	}
	free(c->objects);
	free(c->items);
	search_clear(&c->search);
	free(c);
}

void closure_freep(struct closure **c)
{
	closure_free(*c);
}

/*
 * closure.c - the files that programs need besides themselves
 *
 * Reads files and keeps what was found; interpreters of scripts are followed here, libraries in
 * load.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "image/closure_internal.h"

#define SCRIPT_LINE_MAX 256 /* bytes of the #! line that the kernel reads */

int closure_fail(struct closure *c, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	return err;
}

/* Make room for one more in an array that grows at powers of two. */
int closure_grow(void **array, size_t n, size_t each)
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
int closure_object(struct closure *c, const char *real, const struct object **ret)
{
	struct root_data data;
	struct object *o;
	int r;

	*ret = find_object(c, real);
	if (*ret)
		return 0;
	r = closure_grow((void **)&c->objects, c->n_objects, sizeof(struct object *));
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
	o->err = root_open_file(c->root, real, &data);
	if (o->err == 0) {
		o->err = elf_read_at(data.fd, data.at, data.bytes, &o->elf);
		data.fd = fd_close(data.fd);
	}
	c->objects[c->n_objects++] = o;
	*ret = o;
	return 0;
}

/* Add a file that is needed, unless it is known. */
int closure_item(struct closure *c, const struct object *o, const char *path, const char *name,
		 const char *wanted_by, bool searched)
{
	struct closure_item *item;
	int r;

	for (size_t i = 0; i < c->n_items; i++) {
		if (!strcmp(c->items[i].path, path))
			return 0;
	}
	r = closure_grow((void **)&c->items, c->n_items, sizeof(*c->items));
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

static int add_file(struct closure *c, const char *path, unsigned depth);

/*
 * Split the #! line in @buf into interpreter and the one argument, as the kernel does. Return:
 * whether it is one.
 */
static bool split_script(char *buf, char **ret_interpreter, char **ret_argument)
{
	char *p = buf + 2;

	if (buf[0] != '#' || buf[1] != '!')
		return false;
	buf[strcspn(buf, "\n")] = 0;
	p += strspn(p, " \t");
	*ret_interpreter = p;
	p += strcspn(p, " \t");
	if (*p)
		*p++ = 0;
	p += strspn(p, " \t");
	*ret_argument = p;
	return **ret_interpreter == '/';
}

/* Written under DOS: for the kernel the CR is a part of the name, and the script never runs. */
static int check_line_end(struct closure *c, const char *script, const char *name)
{
	if (!strchr(name, '\r'))
		return 0;
	return closure_fail(c, -ENOENT,
			    "'%s' has lines that end in CR LF: its interpreter is not found",
			    script);
}

/* Add a program that @script names, with all that it needs. */
static int add_interpreter(struct closure *c, const char *script, const char *path, unsigned depth)
{
	_cleanup_free_ char *real = NULL;
	const struct object *o;
	int r = root_resolve(c->root, path, NULL, NULL, &real, NULL);

	if (r == 0)
		r = closure_object(c, real, &o);
	if (r == 0)
		r = closure_item(c, o, path, path_base(path), script, false);
	if (r < 0)
		return closure_fail(c, r, "interpreter '%s' is not found; '%s' wants it", path,
				    script);
	return add_file(c, path, depth + 1);
}

/* The program that env would find: in the folders of PATH where that is known. */
static int find_by_path(struct closure *c, const char *name, char **ret)
{
	for (const char *p = c->path; p && !strchr(name, '/'); p++) {
		_cleanup_free_ char *path = NULL, *real = NULL;
		size_t n = strcspn(p, ":");
		struct stat st;

		if (*p == '/' && asprintf(&path, "%.*s/%s", (int)n, p, name) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		if (path && root_resolve(c->root, path, NULL, NULL, &real, &st) == 0 &&
		    S_ISREG(st.st_mode) && (st.st_mode & 0111)) {
			*ret = TAKE_PTR(path);
			return 0;
		}
		p += n;
		if (!*p)
			return -ENOENT;
	}
	return closure_find_program(c, name, ret);
}

/* "#!/usr/bin/env [-S] [NAME=VALUE...] PROGRAM": what env will look for. */
static int add_env_program(struct closure *c, const char *script, char *argument, unsigned depth)
{
	_cleanup_free_ char *path = NULL;
	char *word = argument;
	size_t n;

	for (;; word += n + 1) {
		word += strspn(word, " \t");
		n = strcspn(word, " \t");
		if (n == 0)
			return 0;
		if (word[0] != '-' && !memchr(word, '=', n))
			break;
		if (!word[n])
			return 0;
	}
	word[n] = 0;
	if (check_line_end(c, script, word) < 0)
		return -ENOENT;
	c->used_path = true;
	if (find_by_path(c, word, &path) < 0)
		return closure_fail(c, -ENOENT,
				    "interpreter '%s' is not found; '%s' wants it through env",
				    word, script);
	return add_interpreter(c, script, path, depth);
}

static int add_script(struct closure *c, const char *real, const char *path, unsigned depth)
{
	char buf[SCRIPT_LINE_MAX + 1] = { 0 };
	struct root_data data;
	char *interpreter, *argument;
	size_t n;
	int r = root_open_file(c->root, real, &data);

	if (r == 0) {
		r = fd_read_full(data.fd, buf,
				 (size_t)MIN(data.bytes, (uint64_t)SCRIPT_LINE_MAX), &n);
		data.fd = fd_close(data.fd);
	}

	if (r < 0)
		return closure_fail(c, r, "cannot read '%s'", path);
	if (!split_script(buf, &interpreter, &argument))
		return closure_fail(c, -ENOEXEC, "'%s' is neither an ELF file nor a script", path);
	if (depth >= CLOSURE_SCRIPTS_MAX)
		return closure_fail(c, -ELOOP,
				    "'%s': scripts that interpret scripts, more than %d deep", path,
				    CLOSURE_SCRIPTS_MAX);
	r = check_line_end(c, path, interpreter);
	if (r == 0)
		r = add_interpreter(c, path, interpreter, depth);
	if (r == 0 && !strcmp(path_base(interpreter), "env"))
		r = add_env_program(c, path, argument, depth);
	return r;
}

static int add_file(struct closure *c, const char *path, unsigned depth)
{
	_cleanup_free_ char *real = NULL;
	const struct object *o;
	struct stat st;
	int r = root_resolve(c->root, path, NULL, NULL, &real, &st);

	if (r < 0)
		return closure_fail(c, r, "cannot find '%s'", path);
	if (!S_ISREG(st.st_mode))
		return closure_fail(c, -ENOEXEC, "'%s' is not a regular file", path);
	r = closure_object(c, real, &o);
	if (r < 0)
		return closure_fail(c, r, "cannot read '%s'", path);
	if (o->err == 0)
		return load_program(c, o, path);
	if (o->err != -ENOEXEC)
		return closure_fail(c, o->err,
				    o->err == -EBADMSG ? "'%s' is a broken ELF file"
						       : "cannot read '%s'",
				    path);
	return add_script(c, real, path, depth);
}

int closure_add(struct closure *c, const char *path)
{
	int r;

	c->error[0] = 0;
	r = add_file(c, path, 0);
	if (r < 0 && !c->error[0])
		(void)closure_fail(c, r, "cannot follow '%s'",
				   path); /* out of memory or over a limit */
	return r;
}

int closure_add_library(struct closure *c, const char *name, uint16_t machine, uint8_t class,
			const char *wanted_by, char **ret_path)
{
	int r;

	c->error[0] = 0;
	r = load_library(c, name, machine, class, wanted_by, ret_path);
	if (r < 0 && !c->error[0])
		(void)closure_fail(c, r, "cannot follow '%s'",
				   name); /* out of memory or over a limit */
	return r;
}

void closure_set_path(struct closure *c, const char *path)
{
	c->path = path;
}

bool closure_used_path(const struct closure *c)
{
	return c->used_path;
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
		if (root_resolve(c->root, path, NULL, NULL, &real, &st) == 0 &&
		    S_ISREG(st.st_mode) && (st.st_mode & 0111)) {
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

/*
 * load_musl.c - where musl's loader looks for a library
 *
 * Follows musl's ldso/dynlink.c: names that belong to libc are the loader itself; DT_RPATH and
 * DT_RUNPATH count alike, of the object and of those that loaded it; then the folders of
 * /etc/ld-musl-ARCH.path, or the built-in ones when there is no such file. There is no cache.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/path.h"
#include "image/load_internal.h"

#define LOADER_PREFIX "ld-musl-"
#define BUILTIN_DIRS  "/lib:/usr/local/lib:/usr/lib"

char *load_musl_loader(const struct load *l)
{
	char *path;

	return asprintf(&path, "/lib/" LOADER_PREFIX "%s.so.1", l->machine->musl) < 0 ? NULL : path;
}

bool load_musl_own(const char *name)
{
	static const char *const own[] = { "libc.",  "libpthread.", "librt.",  "libm.",
					   "libdl.", "libutil.",    "libxnet." };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (!strncmp(name, own[i], strlen(own[i])))
			return true;
	}
	return false;
}

/* Is there the loader at @path? */
static bool has_loader(const struct load *l, const char *path)
{
	_cleanup_free_ char *real = NULL;

	return path && root_resolve(l->c->root, path, NULL, NULL, &real, NULL) == 0;
}

bool load_is_musl(const struct load *l, const struct elf *e)
{
	_cleanup_free_ char *loader = NULL;

	if (e->interpreter)
		return !strncmp(path_base(e->interpreter), LOADER_PREFIX, strlen(LOADER_PREFIX));
	for (size_t i = 0; i < e->n_needed; i++) {
		if (!strcmp(e->needed[i], "libc.so") || !strncmp(e->needed[i], "libc.musl-", 10))
			return true;
	}
	loader = load_musl_loader(l);
	return !has_loader(l, l->machine->loader) && has_loader(l, loader);
}

/*
 * /etc/ld-musl-ARCH.path: folders between colons or newlines. The image needs it, too. Caller frees
 * *ret, NULL if none.
 */
static int read_path_file(struct load *l, const struct loaded *x, char **ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(SEARCH_CONF_BYTES_MAX);
	_cleanup_free_ char *path = NULL, *real = NULL;
	const struct object *o;
	int r;

	*ret = NULL;
	if (asprintf(&path, "/etc/" LOADER_PREFIX "%s.path", l->machine->musl) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (root_resolve(l->c->root, path, NULL, NULL, &real, NULL) < 0 ||
	    search_read(l->c->root, path, &text) < 0)
		return 0;
	r = closure_object(l->c, real, &o);
	if (r == 0)
		r = closure_item(l->c, o, path, path_base(path), x->path, false);
	if (r < 0)
		return r;
	*ret = strndup(text.data ? (char *)text.data : "", text.len);
	for (char *p = *ret; p && *p; p++)
		*p = *p == '\n' ? ':' : *p;
	return *ret ? 0 : -ENOMEM;
}

int load_musl_find(struct load *l, const struct loaded *x, const char *name,
		   const struct object **ret, char **ret_path)
{
	_cleanup_free_ char *dirs = NULL;
	int r = 0;

	for (const struct loaded *y = x; r == 0 && y; y = y->loader) {
		const struct elf *e = &y->object->elf;

		r = load_try_dirs(l, y, e->runpath ? e->runpath : e->rpath, name, ret, ret_path);
	}
	if (r == 0)
		r = read_path_file(l, x, &dirs);
	return r != 0 ? r : load_try_dirs(l, x, dirs ? dirs : BUILTIN_DIRS, name, ret, ret_path);
}

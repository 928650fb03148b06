/*
 * load_internal.h - shared by load*.c alone
 */
#pragma once

#include "image/closure_internal.h"

/* One object in the list of a program being loaded. */
struct loaded {
	const struct object *object;
	char *path; /* as it was found; owned, like the name */
	char *name; /* as it was asked for; NULL for the program */
	const struct loaded *loader;
	bool silent; /* the standard interpreter, not yet asked for */
};

/* The loading of one program. */
struct load {
	struct closure *c;
	char *lib; /* what $LIB stands for; owned */
	const struct search_machine *machine;
	bool musl; /* its loader is musl's, which searches by rules of its own */
	struct loaded **list;
	size_t n;
};

/*
 * Look whether @path is an object for this program.
 * Return: 1 with *ret, 0 when there is none or one for another machine, negative errno.
 */
_must_check_ int load_try_path(struct load *l, const char *path, const struct object **ret);

/* The same for @name in folder @dir; *ret_path is set when it is there (caller frees). */
_must_check_ int load_try_dir(struct load *l, const char *dir, const char *name,
			      const struct object **ret, char **ret_path);

/* The same for the folders of a search path of @x, colon-separated, with $ORIGIN and the like. */
_must_check_ int load_try_dirs(struct load *l, const struct loaded *x, const char *dirs,
			       const char *name, const struct object **ret, char **ret_path);

/*
 * Where objects of a "from" line and others meet: has everything that is wanted somebody who
 * defines it? Return: 0; -ELIBBAD, with closure_fail(); another errno.
 */
_must_check_ int load_check_symbols(const struct load *l);

/* Is the program at hand one for musl? */
bool load_is_musl(const struct load *l, const struct elf *e);

/* Where musl's loader lies. Caller frees. Return: NULL when memory is short. */
char *load_musl_loader(const struct load *l);

/* Is @name one that musl's loader answers itself: libc, libm, libpthread...? */
bool load_musl_own(const char *name);

/* Find a library as musl does. Return: 1, 0 (nowhere) or negative errno. */
_must_check_ int load_musl_find(struct load *l, const struct loaded *x, const char *name,
				const struct object **ret, char **ret_path);

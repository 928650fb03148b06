/*
 * closure.h - the files that programs need besides themselves
 *
 * The interpreter of a program or a script, and the libraries that the loader would load at its
 * start, found as the loader finds them, breadth-first, without running anything; also what its
 * notes say that it opens later (.note.dlopen).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/lang.h"
#include "image/elf.h"
#include "image/root.h"

#define CLOSURE_OBJECTS_MAX 4096 /* loaded for one program */
#define CLOSURE_SCRIPTS_MAX 5 /* interpreters that are scripts themselves, as the kernel allows */

struct closure_item {
	char *path;	 /* absolute, as the loader finds it */
	char *real;	 /* the same without symlinks */
	char *wanted_by; /* path of the program or library that named it first */
	char *name;	 /* as it was named: "libc.so.6" */
	bool searched; /* found through ld.so.cache or ld.so.conf, outside the loader's own folders
			*/
	uint16_t machine;
	uint8_t class;
};

struct closure;

_must_check_ int closure_new(const struct root *root, struct closure **ret);
void closure_free(struct closure *c);
void closure_freep(struct closure **c);
#define _cleanup_closure_ _cleanup_(closure_freep)

/*
 * Add what the ELF file or script at @path (absolute in the root) needs. Return: 0; -ENOEXEC when
 * it is neither; another errno, with closure_error() saying what is wrong, also for -ENOEXEC.
 */
_must_check_ int closure_add(struct closure *c, const char *path);

/* Where "#!/usr/bin/env NAME" finds programs: the absolute folders of @path, as of PATH. Borrowed;
 * NULL, as ever: the usual ones. */
void closure_set_path(struct closure *c, const char *path);
/* Whether what was added depends on that. */
bool closure_used_path(const struct closure *c);

/*
 * Add the library that a loader would find as @name ("libnss_dns.so.2"), and what it needs;
 * @wanted_by is the path of who opens it. Return: 0; -ENOENT; another errno; closure_error() says
 * what is wrong. Caller frees *ret_path.
 */
_must_check_ int closure_add_library(struct closure *c, const char *name, uint16_t machine,
				     uint8_t class, const char *wanted_by, char **ret_path);

/* Look for a program by its name in the usual folders. Return: 0 or -ENOENT. Caller frees *ret. */
_must_check_ int closure_find_program(struct closure *c, const char *name, char **ret);

/*
 * The items, each path once, in the order in which they were found. Borrowed until the next
 * closure_add().
 */
const struct closure_item *closure_items(const struct closure *c, size_t *ret_n);

/* What the ELF file at @path is, from what closure_add() has read. Return: NULL if it is none. */
const struct elf *closure_elf(const struct closure *c, const char *real);

/* One line without the path of what was added. */
const char *closure_error(const struct closure *c);

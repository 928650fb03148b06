/*
 * closure_internal.h - shared by closure.c and load.c alone
 */
#pragma once

#include "image/closure.h"
#include "image/search.h"

/* An ELF file that was read, once for all programs. */
struct object {
	char *real;
	int err; /* what reading it gave; elf is valid when 0 */
	struct elf elf;
};

struct closure {
	const struct root *root;
	struct search search;
	struct object **objects;
	size_t n_objects;
	struct closure_item *items;
	size_t n_items;
	const char *path; /* folders for env, or NULL: the usual ones; borrowed */
	bool used_path;
	char error[1024];
};

/* Keep a message for closure_error(). Return: @err. */
int closure_fail(struct closure *c, int err, const char *fmt, ...) _printf_(3, 4);

/* Make room for one more in an array that grows at powers of two. */
_must_check_ int closure_grow(void **array, size_t n, size_t each);

/* Read the ELF file at the canonical path @real, or find it among those read. */
_must_check_ int closure_object(struct closure *c, const char *real, const struct object **ret);

/* Add a file that is needed, unless it is known. */
_must_check_ int closure_item(struct closure *c, const struct object *o, const char *path,
			      const char *name, const char *wanted_by, bool searched);

/* Follow the library @name, which is not named by an ELF file. Caller frees *ret_path. */
_must_check_ int load_library(struct closure *c, const char *name, uint16_t machine, uint8_t class,
			      const char *wanted_by, char **ret_path);

/* Follow what the ELF file @o, called @path, needs (load.c). */
_must_check_ int load_program(struct closure *c, const struct object *o, const char *path);

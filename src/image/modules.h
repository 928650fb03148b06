/*
 * modules.h - a kernel's modules: which there are, what each needs, in which order they load
 *
 * A kernel is an installed version ("6.1.0-56-amd64"), an unpacked kernel package (with
 * boot/vmlinuz-V and lib/modules/V or usr/lib/modules/V), or a lib/modules/V directory itself. What
 * depmod made is used where it is there, so that modules load in the order of modprobe; else what a
 * module needs is read from the module itself, through libkmod. Nothing is ever written there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/lang.h"

#define MODULES_NAME_MAX  64	      /* of a module, with NUL */
#define MODULES_COUNT_MAX 16384	      /* modules of one kernel */
#define MODULES_BYTES_MAX (64u << 20) /* of one module, uncompressed */

struct modules; /* one kernel's modules */

struct module {
	const char *name; /* as the kernel says it: underscores, "virtio_net" */
	const char *path; /* file, as to be opened on this machine */
	const char *rel;  /* below lib/modules/VERSION/: "kernel/drivers/net/virtio_net.ko" */
	const char *kin;  /* the same of the module that it replaces, which tells its kind; or rel
			     again */
};

/* Modules in load order, each once. Entries are borrowed from `struct modules`. */
struct module_list {
	const struct module **items;
	size_t n, cap;
};

#define _cleanup_modules_     _cleanup_(modules_freep)
#define _cleanup_module_list_ _cleanup_(module_list_clear)
void module_list_clear(struct module_list *l);

/*
 * Open @kernel; NULL is the kernel that runs. Logs. Return: 0, -ENOENT (no such kernel), -E2BIG,
 * ...
 */
_must_check_ int modules_open(const char *kernel, struct modules **ret);
struct modules *modules_free(struct modules *m);
void modules_freep(struct modules **m);

const char *modules_version(const struct modules *m); /* "6.1.0-56-cloud-amd64" */
const char *modules_dir(const struct modules *m);     /* its lib/modules/VERSION */
const char *
modules_vmlinuz(const struct modules *m); /* the kernel's file, or NULL when there is none */

/*
 * Borrow the module called @name (dashes and underscores are the same). Return: NULL if there is
 * none.
 */
const struct module *modules_find(const struct modules *m, const char *name);

/* Is @name built into the kernel? */
bool modules_builtin(const struct modules *m, const char *name);

/*
 * Append to @list what has to be loaded to have @name, in load order: what it needs, its soft
 * dependencies, itself. What is in the list already is not repeated. A built-in appends nothing.
 * Return: 0; -ENOENT (no such module; logged); -EBADMSG (a module cannot be read; logged).
 */
_must_check_ int modules_closure(struct modules *m, const char *name, struct module_list *list);

/* What a module says of itself. Strings are owned by `struct modules`. */
struct module_info {
	const char **depends; /* modules that it needs, NULL at the end, as are all of these */
	const char **softdep_pre, **softdep_post;
	const char **aliases;  /* patterns over a device's modalias, "fs-ext2", ... */
	const char **firmware; /* files that it may ask for */
};

/* Borrow it; read from the file when first asked. Logs. Return: 0 or -EBADMSG. */
_must_check_ int modules_info(struct modules *m, const struct module *mod,
			      const struct module_info **ret);

/*
 * Call @fn for each module of the kernel, sorted by name, until it does not return 0. Return: what
 * it returned last.
 */
int modules_each(const struct modules *m, int (*fn)(void *user, const struct module *mod),
		 void *user);

/* Is @mod in @list? Append it when it is not. */
bool module_list_has(const struct module_list *list, const struct module *mod);
_must_check_ int module_list_add(struct module_list *list, const struct module *mod);

/* Append the module's uncompressed bytes to @to. Logs. */
_must_check_ int modules_read(const struct module *mod, struct buffer *to);

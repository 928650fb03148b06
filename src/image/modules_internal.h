/*
 * modules_internal.h - what modules.c (which there are), modules_info.c (what each says of itself),
 * modules_depmod.c (what depmod made of it) and modules_closure.c (in which order they load) share
 */
#pragma once

#include <libkmod.h>

#include "image/modules.h"

struct module_entry {
	struct module pub; /* first; its strings are owned */
	bool known;	   /* info was read */
	bool visited;	/* was asked for in this closure: a circle of soft dependencies ends here */
	uint32_t order; /* its line in modules.order, which is the order of preference; 0: none */
	const char
		*dep; /* what follows "path:" in modules.dep, up to a newline; borrowed; or NULL */
	struct module_info info;
};

struct modules {
	char *version, *dir, *vmlinuz;
	struct module_entry *entries; /* sorted by name, each once */
	size_t n, cap;
	char **builtin; /* sorted names */
	size_t n_builtin;
	struct buffer dep,
		alias; /* text of modules.dep and modules.alias, empty when there is none */
	bool alias_read;
	struct kmod_ctx *kmod;
};

#define MODULES_DEPMOD_MAX (64u << 20) /* bytes of one of depmod's files */

/*
 * "virtio-net.ko.xz" is "virtio_net". Return: 0, or -EINVAL when it is no module's file or the name
 * is too long.
 */
_must_check_ int modules_name_of(const char *file, char ret[static MODULES_NAME_MAX]);

/* Is its file not packed? */
bool modules_loose(const struct module *mod);

void module_info_clear(struct module_info *i);

/* Read modules.order and modules.dep, where they are. Logs. */
_must_check_ int modules_depmod_read(struct modules *m);

/*
 * Append the modules that offer @alias, those preferred first. modules.alias says which; without
 * it, modules that are there to serve others are asked, and all of them only when that finds none.
 * Logs.
 */
_must_check_ int modules_depmod_alias(struct modules *m, const char *alias,
				      struct module_list *list);

/*
 * modules_internal.h - what modules.c (which there are) and modules_info.c (what each needs) share
 */
#pragma once

#include <libkmod.h>

#include "image/modules.h"

struct module_entry {
	struct module pub; /* first; its strings are owned */
	bool known;	   /* info was read */
	bool visiting;	   /* is being resolved: a circle of soft dependencies ends here */
	struct module_info info;
};

struct modules {
	char *version, *dir, *vmlinuz;
	struct module_entry *entries; /* sorted by name, each once */
	size_t n, cap;
	char **builtin; /* sorted names */
	size_t n_builtin;
	struct kmod_ctx *kmod;
};

/* "virtio-net.ko.xz" is "virtio_net". Return: 0, or -EINVAL when it is no module's file or the name is too long. */
_must_check_ int modules_name_of(const char *file, char ret[static MODULES_NAME_MAX]);

void module_info_clear(struct module_info *i);

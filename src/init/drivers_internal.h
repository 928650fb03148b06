/*
 * drivers_internal.h - struct drivers, shared by drivers.c (the index) and drivers_kernel.c
 * (devices and loading)
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fd.h"
#include "init/drivers.h"

enum drivers_state { DRIVERS_NEW, DRIVERS_QUEUED, DRIVERS_LOADED, DRIVERS_FAILED };

struct drivers_file {
	char *name;
	enum drivers_state state;
	bool told; /* drivers_tell() has named it */
};

struct drivers_module {
	char *name;
	char *params; /* of `always`, or NULL */
	bool always;
	uint16_t *needs; /* places in files[], in load order */
	size_t n_needs;
};

struct drivers_alias {
	char *pattern;
	uint16_t module; /* place in modules[] */
};

struct drivers {
	const struct cmdline *cmdline;
	char kernel[128];
	struct drivers_file files[DRIVERS_MODULES_MAX];
	size_t n_files;
	struct drivers_module modules[DRIVERS_MODULES_MAX];
	size_t n_modules;
	struct drivers_alias *aliases;
	size_t n_aliases, cap_aliases;
	uint16_t queue[DRIVERS_MODULES_MAX]; /* places in files[]; each at most once in a machine's
						life */
	size_t n_queue, queue_at;
	bool walked; /* the buses beside PCI were looked at */

	struct ev_loop *loop;
	int uevents;
	struct ev_io io;
	struct ev_idle idle;
	void (*on_idle)(void *ctx); /* the queue is empty: everything wanted so far was tried */
	void *ctx;

	/* Not NULL: the modules are the system's own, and this loads them (drivers_host.c). */
	int (*load)(const char *name, const char *params);
};

/* The module called @name, or NULL. */
struct drivers_module *drivers_find(const struct drivers *d, const char *name);

/*
 * driverset.h - what "net" and "virtual" mean: the drivers that an initramfs gets (docs/initrd.md)
 */
#pragma once

#include "base/lang.h"
#include "image/modules.h"

/*
 * What a driver is in the initramfs for. A driver's @needs come before it: the closure of
 * modules.h, and the drivers of PHY chips before those of cards that have one.
 */
struct driver {
	const struct module *mod;
	struct module_list needs; /* in load order, itself among them */
};

struct driverset {
	struct driver *drivers; /* in the order of their names */
	size_t n, cap;
	struct module_list all; /* every module, in an order in which each can be loaded */
};

#define _cleanup_driverset_ _cleanup_(driverset_clear)
void driverset_clear(struct driverset *s);

/*
 * Choose drivers: @what is "net", "virtual", "watchdogs", or names of modules between commas, to
 * which the sets can be added ("virtual,igb"). The RAM disk, file systems and the buses of virtual
 * machines are always in. Logs. Return: 0, -ENOENT (no such module).
 */
_must_check_ int driverset_make(struct modules *m, const char *what, struct driverset *ret);

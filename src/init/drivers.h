/*
 * drivers.h - kernel modules for the hardware that is there (docs/initrd.md)
 *
 * The archive brings an index: which modules to load, in which order, for which modalias. struct
 * drivers is that index with the state of each module; what is wanted stands in a queue that is
 * loaded one module at a time, so that the network is served in between. Devices are found in /sys
 * once, and later by the kernel's uevents.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

struct cmdline;
struct ev_loop;

#define DRIVERS_INDEX	     "lib/bpboot/modules.index"
#define DRIVERS_DIR	     "lib/bpboot/modules"
#define DRIVERS_INDEX_MAX    (8u << 20) /* bytes of the index */
#define DRIVERS_MODULES_MAX  2048
#define DRIVERS_ALIASES_MAX  65536
#define DRIVERS_MODALIAS_MAX 1024
#define DRIVERS_PARAMS_MAX   512
#define DRIVERS_WORDS_MAX    256

struct drivers;

/*
 * Read the index text. @c (borrowed) says what is blacklisted, and holds parameters.
 * Return: 0, -ENOMEM, -EBADMSG with *ret_why and *ret_line set, -E2BIG.
 */
_must_check_ int drivers_parse(const char *text, size_t n, const struct cmdline *c,
			       struct drivers **ret, unsigned *ret_line, const char **ret_why);
void drivers_free(struct drivers *d);

/* The modules of the system that we run in, without an index of ours: drivers_load() is its
 * modprobe. Return: 0 or -ENOMEM. */
_must_check_ int drivers_new_host(struct drivers **ret);

/* The kernel that the modules are for, "" when the index does not say. */
const char *drivers_kernel(const struct drivers *d);

/* Does the text match the pattern, with *, ? and [...] as in fnmatch(3)? */
bool drivers_glob(const char *pattern, const char *text);

/* Queue what the device wants. Return: how many modules want it, blacklisted ones among them. */
unsigned drivers_match(struct drivers *d, const char *modalias);

/* Queue the `always` modules but brd. */
void drivers_want_always(struct drivers *d);

/* Take the next module out of the queue, and write its parameters. Return: NULL when the queue is
 * empty. */
const char *drivers_next(struct drivers *d, char params[static DRIVERS_PARAMS_MAX]);

/* --- with the kernel --- */

/* Begin: look for devices, follow uevents, load from the loop whenever it is idle. Logs. Return: 0
 * or negative errno. */
_must_check_ int drivers_start(struct drivers *d, struct ev_loop *loop, void (*idle)(void *ctx),
			       void *ctx);
void drivers_stop(struct drivers *d);

/* Load @name with @params, and what it needs, at once. Return: 0; -ENOENT (not in the index), or
 * the kernel's errno. */
_must_check_ int drivers_load(struct drivers *d, const char *name, const char *params);

/* Unload @name when it is loaded. Return: 0 or negative errno. */
_must_check_ int drivers_unload(struct drivers *d, const char *name);

/* "virtio_pci, virtio_net": what was loaded so far. Return: their number. */
unsigned drivers_loaded(const struct drivers *d, char *buf, size_t n);

/*
 * Those that were loaded and not told before, as many as @buf has room for. Called until it returns
 * 0, it names each once in a machine's life: `bpboot initrd --minimal` reads that. Return: their
 * number.
 */
unsigned drivers_tell(struct drivers *d, char *buf, size_t n);

/* Why there may be no network interface: network cards without a driver, by their PCI identity. */
void drivers_explain(const struct drivers *d, char *buf, size_t n);

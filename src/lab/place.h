/*
 * place.h - the directory of one lab: who owns the name, and what lies where
 *
 * ${XDG_RUNTIME_DIR:-/tmp}/bpboot-lab-UID-NAME, mode 0700. The supervisor holds a flock() on `lock`
 * in it for as long as it lives, so that a name in use is told from what a killed lab left.
 * Everything that a lab writes is in there, and goes with it:
 *
 *   lock, pid          held by the supervisor; its process id, and how many nodes of which image
 * there are cluster.conf, nodes, dnsmasq.conf boot/              TFTP root: links into the boot
 * directory, and boot.ipxe state/, master.sock, master.log       of bpmaster dnsmasq.log, lab.log
 * the supervisor's own record (supervisor.h) consoles/N.log, N.sock, N.qmp, N.err  of node N:
 * console capture, console, QEMU's monitor, QEMU's own words
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/fd.h"
#include "base/lang.h"

#define PLACE_NAME_MAX	 25 /* of a lab, with NUL: unix socket paths have 107 bytes */
#define PLACE_PATH_MAX	 88 /* of the directory, with NUL */
#define PLACE_NAME_USUAL "lab"

struct place {
	char path[PLACE_PATH_MAX];
	char name[PLACE_NAME_MAX];
	int dir;  /* the directory; FD_NONE: there is none */
	int lock; /* held, or FD_NONE */
};

#define PLACE()		((struct place){ .dir = FD_NONE, .lock = FD_NONE })
#define _cleanup_place_ _cleanup_(place_close)
void place_close(struct place *p);

/*
 * Take the name: make the directory and lock it; what a killed lab left is removed first.
 * Return: 0; -EBUSY when a lab of that name runs; else another errno. All are logged.
 */
_must_check_ int place_take(const char *name, struct place *ret);

/* Open the directory of a running lab. Return: 0; -ENOENT when none runs (logged); else another
 * errno (logged). */
_must_check_ int place_open(const char *name, struct place *ret);

/* Whether a supervisor holds the lock. */
bool place_is_running(const struct place *p);

/* Remove the directory and all in it; the lock is let go last. Return: 0 or negative errno
 * (logged). */
_must_check_ int place_remove(struct place *p);

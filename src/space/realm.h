/*
 * realm.h - the PID namespace in which a node runs the processes of the space
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/fd.h"
#include "base/lang.h"

#define REALM_BASE_MAX 320 /* bytes of a path, with NUL */

struct realm {
	pid_t init;    /* its process 1, as we see it; 0: there is no realm */
	int mounts;    /* the namespace with its /proc */
	int root;      /* what is / there: not the namespace's own where we are chrooted */
	char base[REALM_BASE_MAX]; /* what is / for what is started, in there; "": all of it */
	bool may_grow; /* pid_max may be raised for a ghost's number */
};

#define REALM() ((struct realm){ .mounts = FD_NONE, .root = FD_NONE })

/*
 * Make it; where the kernel does not let us (said once), processes run beside us under numbers of
 * the node's own. @may_grow: this node is ours alone.
 */
void realm_open(struct realm *realm, bool may_grow);

/* Its process 1 has ended, and all of it: make it anew. */
void realm_renew(struct realm *realm);
void realm_close(struct realm *realm);

/*
 * fork() into the realm. The child gets number @pid there when that is neither 0 nor taken;
 * *ret_number is what it got, or ours for it where there is no realm.
 * Return: as fork(), with a negative errno.
 */
_must_check_ pid_t realm_fork(const struct realm *realm, pid_t pid, pid_t *ret_number);

/* Have it take numbers as large as the kernel has. Return: whether it does. */
bool realm_grow(const struct realm *realm);

/* What is started from now on has @path as its root. Return: 0 or negative errno. */
_must_check_ int realm_chroot(struct realm *realm, const char *path);

/* In the child: see the realm's /proc. Return: 0 or negative errno. */
_must_check_ int realm_enter(const struct realm *realm);

/*
 * root.h - a tree of files that things are taken from, and paths inside it
 *
 * Mostly "/", the machine that builds; it may be any directory that holds a system, or an image
 * that is being put together, or such an image laid over a directory: then a name of the image
 * stands before the same name below. A symlink inside is followed inside: an absolute target starts
 * at the root, ".." stops there, so that nothing outside is ever reached.
 */
#pragma once

#include <sys/stat.h>

#include "base/fd.h"
#include "base/lang.h"
#include "image/seen.h"
#include "image/tree.h"

#define ROOT_LINKS_MAX 40 /* symlinks followed for one path, as the kernel does */

struct root {
	int fd;			 /* the directory; owned; FD_NONE when there is none */
	const struct tree *tree; /* what lies over it; borrowed; or NULL */
	struct seen *seen;	 /* with a tree: notes what is looked at below; or NULL */
};

#define ROOT()	       ((struct root){ .fd = FD_NONE })
#define _cleanup_root_ _cleanup_(root_close)

_must_check_ int root_open(struct root *r, const char *dir);
void root_close(struct root *r);

/*
 * Called for each symlink on the way: @path is its own canonical path, @target what it holds.
 * Nonzero stops.
 */
typedef int (*root_link_fn)(void *arg, const char *path, const char *target);

/*
 * Follow @path, absolute in the root, to its end, symlinks included. Return: 0 with the canonical
 * path and what is there; -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, ...; or what @fn returned. @fn
 * may be NULL. Caller frees *ret_path.
 */
_must_check_ int root_resolve(const struct root *r, const char *path, root_link_fn fn, void *arg,
			      char **ret_path, struct stat *ret_st);

/* Bytes of a file, which may lie among others in the one that is open. */
struct root_data {
	int fd; /* owned */
	uint64_t at, bytes;
};

/* Open the file at a canonical path for reading. Return: 0 or negative errno. */
_must_check_ int root_open_file(const struct root *r, const char *canonical, struct root_data *ret);

/* Called for each name in a folder. Nonzero stops. */
typedef int (*root_name_fn)(void *arg, const char *name);

/* The names in the folder at a canonical path, in any order. Return: 0, an errno, or what @fn
 * returned. */
_must_check_ int root_list(const struct root *r, const char *canonical, root_name_fn fn, void *arg);

/* What the tree has at a canonical path. Return: NULL if it has nothing there. */
struct node *root_node(const struct root *r, const char *canonical);

/* The target of the symlink at @canonical. Caller frees *ret. */
_must_check_ int root_readlink(const struct root *r, const char *canonical, char **ret);

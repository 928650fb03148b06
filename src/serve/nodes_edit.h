/*
 * nodes_edit.h - changing the node table, and nothing of it but the lines that change
 *
 * The file stays the site's: comments, order and blanks of other lines are kept. Between open and
 * commit no other writer comes in: its folder is locked, so that no lock file lies about. Readers
 * see the old file or the new one.
 */
#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "base/lang.h"
#include "serve/nodes.h"

#define NODES_EDIT_WAIT_MS 10000 /* for another writer */

struct nodes_edit {
	char *file;   /* itself, behind symlinks; owned */
	int dirfd;    /* its folder, locked; owned */
	mode_t mode;  /* of the file */
	char **lines; /* as they are to be, NULL for one that is removed; owned */
	size_t n_lines;
	struct nodes nodes; /* as they were */
};

#define NODES_EDIT()	     ((struct nodes_edit){ .dirfd = FD_NONE, .mode = 0644 })
#define _cleanup_nodes_edit_ _cleanup_(nodes_edit_close)
void nodes_edit_close(struct nodes_edit *e);

/*
 * Lock and read; a file that is not there is an empty table. Return: 0; -EBUSY when another writer
 * does not end; another errno. Logs.
 */
_must_check_ int nodes_edit_open(const char *file, struct nodes_edit *ret);

/*
 * Replace the line of @old, one of e->nodes, but for a comment behind it; NULL adds a line at the
 * end. Return: 0 or -ENOMEM (logged).
 */
_must_check_ int nodes_edit_put(struct nodes_edit *e, const struct node *old, const struct node *n);

/* Remove the line of @old. */
void nodes_edit_remove(struct nodes_edit *e, const struct node *old);

/*
 * Parse what was made, and write it if it is a node table. Return: 0; -EBADMSG, and the file is as
 * it was; another errno. Logs.
 */
_must_check_ int nodes_edit_commit(struct nodes_edit *e, struct nodes *ret);

/*
 * copy.h - bpcp's two ends: files to a stream (wire/copy.h), and a stream to files
 *
 * Each runs as the user who copies, on the front end as a child of bpcp, on a node as `bpslave
 * --copy`. They wait for their descriptors, and know nothing of nodes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/lang.h"

#define COPY_AGENT "--copy" /* first argument of a bpslave that is one end */

struct copy_options {
	bool recursive;
	bool preserve;	    /* times, modes and, as root, owners */
	bool count;	    /* say at the beginning how much there is */
	bool in_folder;	    /* the destination has to be a folder that is there */
	const char *suffix; /* behind each name at the top; or NULL */
};

/*
 * Send what @paths name to @fd. What cannot be read is said and counted. Return: 0, -EIO when
 * something was not sent, or another negative errno (logged).
 */
_must_check_ int copy_send(int fd, char *const *paths, size_t n, const struct copy_options *o);

/*
 * Receive from @fd what @paths name (their last components alone matter: nothing of another name is
 * taken) into or as @to. Return: as copy_send().
 */
_must_check_ int copy_receive(int fd, char *const *paths, size_t n, const char *to,
			      const struct copy_options *o);

/* The last component of a path as it may stand in a record, in @ret of COPY_NAME_MAX bytes. Return:
 * 0, or -EINVAL: it has none. */
_must_check_ int copy_base(const char *path, char *ret);

/* Arguments behind COPY_AGENT: "from" OPTIONS PATH..., or "to" OPTIONS DESTINATION PATH... Return:
 * an exit status. */
int copy_agent(int argc, char **argv);

/* The options of an agent as one argument, of at most COPY_LETTERS_MAX bytes. */
#define COPY_LETTERS_MAX 8
void copy_letters(const struct copy_options *o, char ret[static COPY_LETTERS_MAX]);

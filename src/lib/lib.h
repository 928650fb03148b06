/*
 * lib.h - what the files of libbproc share with each other
 *
 * Inside, functions return 0 or a negative errno, BE_ codes among them; lib_result() makes of it
 * what the caller of the library sees. Nothing is kept between two calls: each opens bpmaster's
 * door anew, so a program may fork, change its user or close descriptors as it likes, and threads
 * do not meet.
 */
#pragma once

#include <stdint.h>

#include <bproc.h>

#include "base/lang.h"
#include "space/caller.h"

#define LIB_SOCKET "/run/bpboot/master.sock" /* BPBOOT_SOCKET overrides */
#define LIB_RANK   "BPROC_RANK"		     /* of a process of a vector start */
#define LIB_NODE   "BPROC_NODE"		     /* set by bpslave in each process */

const char *lib_socket(void);

/* Connect to bpmaster. Return: 0 or negative errno. */
_must_check_ int lib_open(struct caller *c);

/* An errno of ours or of bpmaster's, as users of the library know it. */
int lib_errno(int r);

/* Return: 0 for 0; for a negative errno -1, with errno set. */
int lib_result(int r);

/* The nodes as they are now. */
_must_check_ int lib_nodes(struct caller_nodes *ret);

/* One of them; *ret points into @known. Return: 0, -BE_INVALIDNODE or another errno. */
_must_check_ int lib_node(int node, struct caller_nodes *known, const struct message_node **ret);

/* Change something about a node. */
_must_check_ int lib_set(int node, enum message_set what, uint32_t value, const char *word);

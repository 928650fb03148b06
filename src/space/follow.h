/*
 * follow.h - what a process forks, followed so that each has a ghost with its number
 *
 * For a job that asks for it. A process beside it, the keeper, traces it and all that comes of it
 * (follow_keeper.c); bpslave passes on what that tells, and what it is told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/lang.h"
#include "base/reader.h"

struct follow;
struct process;
struct realm;

/*
 * Start a keeper for a process that is to be spawned: it waits at *ret_gate (borrowed) until it is
 * traced. Return: 0 or negative errno.
 */
_must_check_ int follow_new(const struct realm *realm, struct follow **ret, const int **ret_gate);

/* The process has been spawned: trace it, and tell of what it forks as of @p. */
void follow_begin(struct follow *f, struct process *p);

/* The keeper's number in the realm. */
pid_t follow_number(const struct follow *f);

/* Over a new connection: tell of all anew. */
void follow_list(const struct follow *f);

/* All that is left of it ends. */
void follow_free(struct follow *f); /* NULL is none */

/* In the spawned child, before anything else: wait at the gate. Return: 0 or negative errno. */
_must_check_ int follow_wait(const int gate[2]);

/* And, as root, before it becomes the user: each fork stops for the keeper. Return: 0 or negative
 * errno. */
_must_check_ int follow_filter(void);

struct processes;
int processes_take_forked(struct processes *ps, struct reader *r);
int processes_take_child_signal(struct processes *ps, struct reader *r);

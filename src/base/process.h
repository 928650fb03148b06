/*
 * process.h - start a program, wait for it, take its output
 *
 * No shell is ever between: arguments are passed as they are. A program that cannot be executed is
 * an error of process_spawn(), not an exit status.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/lang.h"

#define PROCESS_KEEP_MAX 8 /* further descriptors of one program */

struct process {
	const char *const
		*argv;	  /* [0] is looked up in PATH, in /usr/sbin and in /sbin; ends with NULL */
	int in, out, err; /* what becomes 0, 1 and 2; FD_NONE: /dev/null */
	int keep[PROCESS_KEEP_MAX]; /* descriptors that it inherits under their own numbers */
	size_t n_keep;
	bool die_with_parent; /* SIGKILL when the thread that started it ends */
};

#define PROCESS(args) \
	((struct process){ .argv = (args), .in = FD_NONE, .out = FD_NONE, .err = FD_NONE })

/* Start it. Signals are at their defaults in it. Return: 0 or negative errno (-ENOENT: no such
 * program). */
_must_check_ int process_spawn(const struct process *p, pid_t *ret);

/*
 * Wait until it ends, at most @timeout_ms (-1: for ever).
 * Return: 0 with *ret_status as a shell has it (128 + signal when killed), or -ETIMEDOUT, or
 * another errno.
 */
_must_check_ int process_wait(pid_t pid, int timeout_ms, int *ret_status);

/* Status of waitpid() as a shell has it. */
int process_status(int wait_status);

/*
 * Run it with @input (NULL: none) as standard input, append standard output and error to @out. At
 * most PROCESS_INPUT_MAX bytes of input. Return: 0 with *ret_status, or negative errno.
 */
#define PROCESS_INPUT_MAX 4096
_must_check_ int process_capture(const char *const *argv, const char *input, struct buffer *out,
				 int *ret_status);

/* Find a program in PATH, /usr/sbin or /sbin. Return: 0 or -ENOENT. Caller frees *ret. */
_must_check_ int process_find(const char *name, char **ret);

/*
 * output.h - what many processes write, onto one descriptor: as it comes, by lines, with prefixes,
 * or node by node
 *
 * Bytes of each source wait here, never more than it was granted, until the policy lets them out
 * and the descriptor takes them. So a slow reader of ours slows the processes and fills nobody's
 * memory.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define OUTPUT_QUEUE_MAX 131072u /* bytes on their way to the descriptor */

/* One source: a stream of one process. */
struct output_source {
	uint32_t node;	    /* for the prefix */
	struct buffer text; /* not let out yet */
	bool ended;	    /* no more will come */
	bool mid_line;	    /* part of a line is out */
	uint32_t let_out;   /* bytes let out since the last grant */
};

struct output {
	struct ev_loop *loop;
	int fd; /* owned when it is our own opening of it */
	bool own_fd;
	bool polls;   /* can be watched; else writes block */
	bool by_line; /* whole lines only, unless one is longer than line_max */
	bool prefix;  /* "N: " before each line */
	bool printable; /* nothing that a terminal would act on */
	size_t line_max;
	struct output_source **sources; /* owned array, borrowed entries */
	size_t n_sources;
	size_t turn;	/* who comes next */
	ssize_t holder; /* its line is half out: nobody else writes; -1: nobody */
	ssize_t only;	/* the one whose turn it is, node by node; -1: all */
	struct buffer queue;
	size_t sent; /* bytes of queue that are written */
	struct ev_io writable;
	int err; /* the descriptor failed */

	/* @source let out @bytes more: grant them again. And: something was written or ended. */
	void (*grant)(void *owner, size_t source, uint32_t bytes);
	void (*moved)(void *owner);
	/* What is let out goes there and not to the descriptor. Return: 0, or negative errno, which
	 * the output fails with. NULL: to the descriptor. */
	int (*take)(struct output *o, size_t source, const void *p, size_t n);
	void *owner;
};

/* Room for @n sources, which the caller sets in o->sources. Return: 0 or -ENOMEM. */
_must_check_ int output_init(struct output *o, struct ev_loop *loop, int fd, size_t n);
void output_deinit(struct output *o);

/* Let out what the policy allows and write what the descriptor takes. */
void output_pump(struct output *o);

/* Queue text of our own (a divider). */
void output_text(struct output *o, const char *text);

/* Whether all of every source (or of one) is written. */
bool output_idle(const struct output *o);

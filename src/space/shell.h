/*
 * shell.h - run a command on many nodes and stand for it here: bpsh without its options
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"
#include "base/nodeset.h"
#include "space/caller.h"
#include "wire/message.h"

#define SHELL_ABNORMAL	 255	     /* a process ended by a signal, or its node was lost */
#define SHELL_SIGNAL	 128	     /* and the number of a signal that did not end us */
#define SHELL_NOT_RUN	 126	     /* a node could not run the command */
#define SHELL_NOT_FOUND	 127	     /* a node has no such command */
#define SHELL_NO_NODE	 1	     /* a node was not there to run it */
#define SHELL_MEMORY	 (64u << 20) /* bytes of output of all processes that may be under way */
#define SHELL_WINDOW_MIN 4096u
#define SHELL_AWAY_S	 600u /* bpmaster may be away */
#define SHELL_AWAY_SAY_S 3u   /* and after so long we say so */
#define SHELL_ENDED_S	 10u  /* one that has taken its socket away was ended */
#define SHELL_AGAIN_MAX	 5    /* a start that a lost connection has undone is begun anew so often */
#define SHELL_INTERRUPTS 3 /* ^C so often ends us whatever the processes do */

#define SHELL_FOLD_MAX (256u << 20) /* bytes of output that are kept to be folded */

struct shell_options {
	bool by_line, prefix, sequential, divider, time;
	bool agent;    /* part of a program of ours: no ghost; what it says of errors is by node */
	bool terminal; /* the process of the one node gets a terminal, and has ours */
	uint32_t line_max;    /* bytes of a line that are waited for */
	uint32_t timeout_s;   /* 0: none */
	bool fold;	      /* equal outputs once, with their nodes */
	bool diff;	      /* one output, and how others differ from it */
	const char *files[2]; /* output and error of each node into a file here; or NULL */
	const struct nodeset *input_to; /* who gets our standard input; NULL: all */
	uint32_t start_s;		/* seconds within which a process has to start; 0: any */
	const char *ghosts; /* path of what makes those of several processes; NULL: none */
	bool follow;	    /* what they fork has some, too */
	bool no_input;			/* nothing of our standard input is sent */
	const char *socket;		/* bpmaster's, as @c has opened it */
};

/* The name of a node's file: %n is its number, %% a '%'. Return: 0 or -ENAMETOOLONG. */
_must_check_ int shell_file_name(const char *pattern, uint32_t node, char *ret, size_t size);

/* Takes over @c. Return: an exit status, or negative errno (logged). */
_must_check_ int shell_run(struct caller *c, const struct nodeset *nodes, struct message_spec *spec,
			   const struct shell_options *o);

/*
 * ghost.h - a local process that stands for one on a node
 *
 * It looks like the remote one in ps, takes every signal for it, stops and goes on with it, and
 * ends as it ends.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/lang.h"
#include "space/ghost_watch.h"

struct ghost {
	struct ev_loop *loop; /* NULL: not a ghost */
	struct ev_io signals;
	struct ev_timer later; /* the watcher starts when the process lasts */
	int signal_fds[2];
	struct ghost_watch watch;
	unsigned continued; /* SIGCONTs that the node has not answered yet */
	bool owed;	    /* one of them may never have reached it */
	/* Ours, when it was changed for it, or NULL: whatever ends us, our watcher restores it
	 * before anybody knows of our end. */
	struct terminal *terminal;
	/* A signal for the remote process. */
	void (*signal)(void *owner, int signal);
	void (*resumed)(void *owner); /* we go on after a stop; or NULL */
	void *owner;
};

/* Take every signal from now on, except those that are ignored. With a terminal, return when the
 * watcher follows us, so that there is no time at which nobody would give it back.
 * Return: 0 or negative errno. */
_must_check_ int ghost_open(struct ghost *g, struct ev_loop *loop, const char *door);
void ghost_close(struct ghost *g);

/* To be called by main(): a copy of the arguments, to be used in their place, so that ps may show
 * something else there. */
char **ghost_arguments(int argc, char **argv);

/* Show in ps and top as @argv on @node, as far as that fits where our own arguments were. */
void ghost_title(struct ghost *g, char *const *argv, size_t n, uint32_t node);

/* The remote process has stopped: so do we. And: its node answers a SIGCONT. */
void ghost_stopped(struct ghost *g);
void ghost_answered(struct ghost *g);

/* Its node is out of reach. And, when that is over: whether it has to be told to go on, since we
 * were meanwhile; its answer is waited for. */
void ghost_left(struct ghost *g);
bool ghost_goes_on(struct ghost *g);

/* End by @signal, with the flag of a @core; returns when that does not end us. */
void ghost_end(struct ghost *g, int signal, bool core);

/*
 * ghosts.h - local processes that stand for those of a job on several nodes, one for each
 *
 * Each looks like its remote process in ps, takes every signal for it, stops and goes on with it,
 * and ends as it ends. All are children of ours, and one loop keeps them.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fd.h"
#include "base/lang.h"

#define GHOSTS_MORE 1024u /* that are made later, at once */

struct ghosts_one;
struct ghosts_slot;

struct ghosts {
	struct ev_loop *loop; /* NULL: there are none */
	struct ev_io events;
	struct ev_signal child;
	int events_fd;
	struct ghosts_one *list; /* owned, by index */
	uint32_t *by_pid;	 /* owned: indices, sorted */
	size_t n;
	size_t more;	   /* places behind those, for what comes later */
	struct ghosts_slot *slots; /* of those: what they show; shared with them */
	int requests_fd;   /* to what makes them */
	pid_t maker;
	/* A signal for the remote process. */
	void (*signal)(void *owner, uint32_t index, int signal);
	/* One that was asked for later is there, with its pid, or could not be made (0). */
	void (*made)(void *owner, uint32_t index, uint32_t pid);
	void *owner;
};

/*
 * Make @n of them, for @nodes, by the program at @program; they show @argv. @more may be made
 * later. @ret_pids has room for @n. Return: 0 or negative errno, and there are none then.
 */
_must_check_ int ghosts_open(struct ghosts *g, const char *program, char *const *argv,
			     size_t n_argv, const uint32_t *nodes, size_t n, bool more,
			     uint32_t *ret_pids);

/* From now on, on @loop. */
void ghosts_watch(struct ghosts *g, struct ev_loop *loop);

/* Make another one, which shows @name and @args. Return: 0, and g->made() is called later; -EAGAIN
 * when there are GHOSTS_MORE; -EPIPE. */
_must_check_ int ghosts_more(struct ghosts *g, uint32_t node, const char *name, const char *args,
			     uint32_t *ret_index);
/* Whether it stands for something still. */
bool ghosts_has(const struct ghosts *g, uint32_t index);
void ghosts_retitle(struct ghosts *g, uint32_t index, const char *name, const char *args);

/* End all that still are. */
void ghosts_close(struct ghosts *g);

/* The remote process has stopped; goes on, @asked by a SIGCONT of ours or not; was sent a SIGCONT
 * by us all the same; has ended, with a status as of wait(). */
void ghosts_stopped(struct ghosts *g, uint32_t index);
/* No answer to a SIGCONT will come any more. */
void ghosts_left(struct ghosts *g, uint32_t index);
/* Its node is there again: of all SIGCONTs that it was sent meanwhile one at most is answered. */
void ghosts_back(struct ghosts *g, uint32_t index);
/* Its pid, or 0. */
uint32_t ghosts_pid(const struct ghosts *g, uint32_t index);
void ghosts_continued(struct ghosts *g, uint32_t index, bool asked);
void ghosts_sent_continue(struct ghosts *g);
void ghosts_ended(struct ghosts *g, uint32_t index, int status);

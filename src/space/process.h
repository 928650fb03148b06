/*
 * process.h - the processes that bpslave runs for the master
 *
 * Each runs in a session of its own, as the caller's user, with pipes to the slave. What they write
 * goes out as far as there is credit; what comes in is kept as far as we granted. When nobody waits
 * for a process any more its whole process group is killed. Processes outlive the connection for a
 * while (orphans.c).
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/reader.h"
#include "space/carry.h"
#include "space/realm.h"
#include "space/stream.h"

#define PROCESSES_MAX 4096 /* at once */
#define PROCESSES_ORPHAN_S 60 /* while no master has said otherwise */
#define PROCESSES_AWAY 10 /* times as long a master that is away is waited for */
#define PROCESSES_STOPPED_S 86400 /* and one who asks for a stopped process */
#define PROCESS_CHANNEL_HIGH \
	(8u << 20) /* bytes waiting for the master above which no output is read */

struct process;

struct processes {
	struct ev_loop *loop;
	struct stream *channel; /* borrowed; NULL while there is no master */
	struct realm realm;	/* where they run */
	struct carries carries; /* their files */
	struct process *list;
	size_t n;
	bool held; /* output waits until the channel has drained */
	struct ev_timer orphans;
	unsigned ticks; /* of @orphans */
	uint64_t orphans_end_ms; /* clock_ms() when those that nobody has asked for end */
	uint32_t orphan_s;	 /* how long a master that is there is waited for */
	struct listing *lists;	 /* owned: of processes, that the master asked for */
	size_t n_lists;
	struct ev_timer slice; /* while there is one */
};

void processes_init(struct processes *ps, struct ev_loop *loop);

/* Where they run from now on; before the first one. @alone: nothing else runs on this node. */
void processes_open(struct processes *ps, bool alone);

/* The connection is lost: processes go on, and wait until they are asked for on another one. */
void processes_orphan(struct processes *ps);

/* There is a connection again. Who asks for a process has @orphan_s seconds to do so. */
void processes_join(struct processes *ps, struct stream *channel, uint32_t orphan_s);

/* End every process and forget it. */
void processes_close(struct processes *ps);

/* Collect what has ended: processes of ours, and orphans that fell to us. On SIGCHLD. */
void processes_reap(struct processes *ps);

/* The channel has drained: read on. */
void processes_resume(struct processes *ps);

/* What the master may say of jobs. Return: 0, or negative errno for a message that breaks the
 * protocol. */
int processes_take_start(struct processes *ps, struct reader *r);
int processes_take_input(struct processes *ps, struct reader *r);
int processes_take_signal(struct processes *ps, struct reader *r);
int processes_take_credit(struct processes *ps, struct reader *r);
int processes_take_look(struct processes *ps, struct reader *r); /* process_list.c */
void processes_forget_lists(struct processes *ps); /* nobody waits for them any more */
int processes_take_abandon(struct processes *ps, struct reader *r);
int processes_take_resize(struct processes *ps, struct reader *r);
int processes_take_claim(struct processes *ps, struct reader *r);
int processes_take_nudge(struct processes *ps, struct reader *r);

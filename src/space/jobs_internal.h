/*
 * jobs_internal.h - a job, for the files of bpmaster that deal with jobs
 */
#pragma once

#include "space/master_internal.h"

enum job_state {
	JOB_RUNNING,   /* its node has it */
	JOB_SUSPENDED, /* its node is cut off, and its client has not asked for it again yet */
	JOB_WAITING,   /* it is asked for, and its node is not there */
	JOB_CLAIMED,   /* its node has been asked */
};

#define JOB_SIGNALS_KEPT 16u /* that may be on their way to a node */

struct job_child;

struct job {
	enum job_state state;
	struct member *member;
	struct message_progress at; /* its key; waiting: how far its client is */
	uint64_t signals;	    /* that wait for its node (pending.h) */
	uint32_t n_sent;	    /* signals that its node was sent, from its start */
	uint8_t sent[JOB_SIGNALS_KEPT]; /* the last of them; number n at n % JOB_SIGNALS_KEPT */
	uint32_t id;	       /* on the channel */
	uint32_t number;       /* of the client */
	uint32_t ghost;	       /* pid of what stands for it here, or 0 */
	uint32_t starter;      /* pid of who asked for it, if not the ghost itself; or 0 */
	uint32_t uid;	       /* of the client */
	struct client *client; /* NULL when it is gone */
	struct slave *slave;	 /* running or claimed: its node's connection */
	struct job *next, *prev; /* of the slave, else of the member */
	struct manifest *manifest; /* its files, or NULL */
	uint32_t window;
	uint32_t pid;		   /* on the node; 0: not started */
	uint32_t input_credit;	   /* bytes that the client may send */
	uint32_t output_credit[2]; /* bytes that the slave may send of standard output, error */
	bool input_ended, input_closed;
	bool started, ended[2]; /* STARTED came; the end of an output */
	bool abandoned;
	bool over; /* its last message came; it stays until its client has taken that */
	bool follows;	    /* what it forks has ghosts */
	bool forks;	    /* its node has asked for the number of one */
	bool stopped;	    /* as the node says */
	uint32_t continued; /* SIGCONTs that it has not answered */
	struct job_child *children; /* owned: the ghosts of what it forks, as the node says */
	size_t n_children, children_cap;
};

/* A process that a job forked. */
struct job_child {
	uint32_t pid;	 /* of its ghost */
	uint32_t remote; /* its own, there */
};

/* A job of the slave by its number on the channel, or NULL. */
struct job *job_by_id(const struct slave *s, uint32_t id);
struct job *job_by_number(const struct client *c, uint32_t number);
/* A new one of the client on a node; it has no connection there yet. Return: NULL when there is no
 * room. */
struct job *job_new(struct client *c, uint32_t number, struct member *n, uint32_t window);
/* The client's entry for its job @number. Return: 0, -EEXIST, -E2BIG, -ENOMEM. */
int job_entry(struct client *c, uint32_t number);
/* From now on in the list of @s, or of its member for NULL. */
void job_move(struct job *j, struct slave *s);
/* Its last message was passed on. */
void job_over(struct job *j);
/* Tell the client that nobody knows how it ended, and forget it. */
void job_lost(struct job *j, const char *why);
void job_free(struct job *j);
/* Nobody waits for it any more: its node is told to end it. */
void job_abandon(struct job *j);
/* Ask its node for it, which is there. */
void job_claim(struct job *j);
/* Pass a signal on, when its node is there. */
void job_signal(struct job *j, uint8_t signal);
/* Its node is there again, and has taken @taken signals: pass on what was lost, and what waits. */
void job_signals_again(struct job *j, uint32_t taken);
/* A signal for a process of the node that nobody has asked for again; 0: end it. */
void slave_nudge(struct slave *s, const struct message_key *key, uint8_t signal);
/* Its node tells anew what it has forked. */
void job_children_forget(struct job *j);
/* Tell @to of the ghosts of what it forks. */
void job_children_list(const struct job *j, struct client *to);
/* A message for its client, if there is one still. */
void job_to_client(struct job *j, const struct message_small *msg);

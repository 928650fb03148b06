/*
 * shell_internal.h - what the files of bpsh's engine share with each other, and with nobody else
 */
#pragma once

#include "space/ghost.h"
#include "space/ghosts.h"
#include "space/journal.h"
#include "space/output.h"
#include "space/pending.h"
#include "space/shell.h"
#include "space/stream.h"
#include "space/terminal.h"

/* A process on one node: its job number is its index. */
struct remote {
	uint32_t node;
	bool abandoned;	       /* by us: what still comes of it is passed over */
	struct buffer kept[2]; /* output to be folded */
	bool over;	       /* exited, failed or lost: no more will come */
	bool settled;	       /* it runs, or never will */
	bool input_closed;     /* it reads no more */
	uint32_t credit;       /* bytes of input that it takes now */
	bool here;	       /* its node has it, as far as we know */
	uint8_t again;	       /* how often it was asked for anew */
	uint64_t away_signals; /* for it alone, while bpmaster is away */
	uint64_t eaten;	       /* of input that it has read, by its grants */
	uint64_t received[2], granted[2]; /* of its output, let out and granted again */
	struct output_source source[2];
	uint32_t fork_token; /* the last number that its node has asked for */
	uint32_t fork_pid;   /* and the answer, when */
	bool fork_pending;   /* it is there */
};

/* A process that one of them has forked, which has a ghost. */
struct shell_child {
	uint32_t job;
	uint32_t pid; /* of the ghost; 0: not made yet */
	bool seen;    /* over this connection */
	bool runs;    /* its node has told so over this connection */
	uint64_t waiting; /* signals, until then (pending.h) */
};

/* A file that a node wants, for a job. */
struct shell_wanted {
	bool yes;
	uint32_t job;
};

struct shell {
	struct ev_loop *loop;
	const struct shell_options *options;
	struct stream door;
	uint8_t key[MESSAGE_KEY_BYTES];	 /* of the RUN */
	const struct message_spec *spec; /* borrowed */
	struct shell_wanted *wanted;	 /* of each of its files; owned; NULL: none yet */
	unsigned state;			 /* SHELL_ bits: of the door */
	struct ev_timer retry;
	uint64_t away_ms;    /* clock_ms() since which bpmaster is away; 0: it is there */
	uint64_t ended_ms; /* clock_ms() since which it has no socket; 0: it has one */
	bool away_said;
	uint64_t away_signals; /* that wait for it (pending.h) */
	struct remote *remotes;		 /* owned */
	size_t n, n_over, n_settled;
	const char *cwd;	/* borrowed */
	struct nodeset lacking; /* nodes without it */
	size_t current;		/* node by node: whose turn it is */
	uint32_t grant_bytes;	/* output let out that is worth a message */
	struct output output[2];
	int status;
	int err; /* the connection broke */
	int interrupts;
	struct ghost ghost; /* when there is one process, we stand for it; else, for all */
	struct ghosts ghosts; /* when there are several: one for each */
	struct shell_child *children; /* owned; of the ghosts behind those; NULL: none */
	bool children_said;	      /* what is wrong with them */
	uint8_t signal;		      /* that ended it, or 0 */
	bool core;		      /* and left a core there */
	struct terminal terminal; /* lent to it */
	bool timed_out;

	struct ev_io input;
	struct ev_timer input_later; /* look again at a terminal that belongs to another job */
	struct journal sent; /* input that somebody may not have read */
	bool input_ended, input_terminal, input_watched;

	size_t kept_bytes; /* of all remotes */
	bool folded;
	bool unwritable; /* what was said once */
	bool shows_progress;
	struct ev_timer timeout, starting;
};

/* shell_gather.c: output that is not written as it comes */
_must_check_ int shell_gather_open(struct shell *s);
/* All have ended: write what was kept. */
void shell_fold(struct shell *s);
/* On a terminal that waits for that: how many have ended. */
void shell_progress(struct shell *s);
void shell_progress_end(struct shell *s);

/* shell_takes.c: every message that the master may send once the command is on its way */
extern const struct message_take shell_takes[MESSAGE_TYPE_MAX_];
/* No more will come of it. */
void shell_remote_over(struct shell *s, struct remote *r);
/* Our exit status is at least @status. */
void shell_raise(struct shell *s, int status);
/* Say once, for all nodes, which ones have not the directory. */
void shell_say_lacking(struct shell *s);

/* shell_files.c */
int shell_take_wanted(void *shell, struct reader *r);
/* The door has sent all that waited. */
void shell_drained(struct shell *s);

enum { SHELL_AWAY = 0, SHELL_OPENING = 1 << 0, SHELL_UP = 1 << 1 };

/* shell.c */
/* Ask for the processes from @first on, on these nodes. Return: 0 or negative errno. */
int shell_send_run(struct shell *s, uint32_t first, const uint32_t *nodes, size_t n);
extern const struct stream_calls shell_door_calls;
/* Bytes of output were let out: grant them again when it is worth it. */
void shell_grant(struct shell *s, size_t i, int stream, uint32_t bytes);
/* To all processes, now or when bpmaster is back. */
void shell_signal(struct shell *s, int signal);
/* Return: false when bpmaster has gone just now: what it did not take is to be said again. */
bool shell_door_takes(struct shell *s, const struct message_small *m);
void shell_send_size(struct shell *s);

/* shell_takes.c: it runs, or never will */
void shell_settled(struct shell *s, struct remote *r);

/* shell_children.c: what they fork */
_must_check_ int shell_children_open(struct shell *s);
/* The ghost of one of them is there, or was sent a signal. */
void shell_child_made(void *shell, uint32_t index, uint32_t pid);
void shell_child_signal(struct shell *s, uint32_t index, int signal);
/* Over a new connection they are told of anew. */
void shell_children_again(struct shell *s, uint32_t job);
/* No more will come of the job. */
void shell_children_over(struct shell *s, uint32_t job);
int shell_take_fork(void *shell, struct reader *r);
int shell_take_child(void *shell, struct reader *r);

/* shell_resume.c */
/* The door broke. Return: false when that is the end. */
bool shell_away(struct shell *s, const char *why);
void shell_resume_stop(struct shell *s);
int shell_take_done(void *shell, struct reader *r);
int shell_take_suspended(void *shell, struct reader *r);
int shell_take_resumed(void *shell, struct reader *r);
/* The node never got the start: ask for it again. Return: false when that is not so. */
bool shell_run_again(struct shell *s, size_t i, const struct message_failed *f);

/* shell_input.c */
/* The remote has read @bytes more of its input. */
void shell_input_eaten(struct shell *s, struct remote *r, uint64_t eaten);
/* Send a remote what it has not got of the input, from @place on. Return: 0 or -ERANGE. */
int shell_input_again(struct shell *s, size_t i, uint64_t place, bool end_known);
void shell_input_start(struct shell *s);
void shell_input_stop(struct shell *s);
/* A remote takes more, or takes no more. */
void shell_input_update(struct shell *s);

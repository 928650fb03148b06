/*
 * message_children.h - the messages about what a process of a job forks, when that has ghosts
 *
 * Before a process of such a job makes another one, it is held, and its node asks for a number
 * (FORK), one at a time for each job. The program that stands for the job makes a ghost and gives
 * its pid (FORKED), with which the node lets the process go on. What becomes of the new one is told
 * by the ghost's pid (CHILD), and a signal for it comes by that, too (CHILD_SIGNAL).
 */
#pragma once

#include "wire/message.h"

#define MESSAGE_COMM_MAX       16u  /* a process's name, with NUL */
#define MESSAGE_CHILD_ARGS_MAX 200u /* of its arguments that are shown, with NUL */
#define MESSAGE_TITLE_MAX      (MESSAGE_COMM_MAX + MESSAGE_CHILD_ARGS_MAX)

/* What a process shows in ps; printable. */
struct message_title {
	const char *name, *args;
};

struct message_fork {
	uint32_t job;
	uint32_t token; /* comes back with the number */
	struct message_title title;
};
void message_fork_write(struct writer *w, const struct message_fork *m);
_must_check_ int message_fork_read(struct reader *r, struct message_fork *ret);

struct message_forked {
	uint32_t job;
	uint32_t token;
	uint32_t pid; /* of the ghost; 0: there is none */
};
void message_forked_write(struct writer *w, const struct message_forked *m);
_must_check_ int message_forked_read(struct reader *r, struct message_forked *ret);

enum message_child_what {
	MESSAGE_CHILD_RUNS,	 /* value: its number on the node */
	MESSAGE_CHILD_NONE,	 /* it could not be made */
	MESSAGE_CHILD_STOPPED,	 /* value: signal */
	MESSAGE_CHILD_CONTINUED, /* value: 1 in answer to a SIGCONT that was sent */
	MESSAGE_CHILD_NAMED,	 /* its title has changed */
	MESSAGE_CHILD_ENDED,	 /* value: status as of wait() */
	MESSAGE_CHILD_LISTED,	 /* over a new connection: all that run were told of; value: token
				    of the FORK that waits, or 0 */
	MESSAGE_CHILD_MAX_,
};

struct message_child {
	uint32_t job;
	uint32_t pid; /* of its ghost; LISTED: 0 */
	uint8_t what; /* enum message_child_what */
	uint32_t value;
	struct message_title title; /* empty unless NAMED */
};
void message_child_write(struct writer *w, const struct message_child *m);
_must_check_ int message_child_read(struct reader *r, struct message_child *ret);

struct message_child_signal {
	uint32_t job;
	uint32_t pid;
	uint8_t signal;
};
void message_child_signal_write(struct writer *w, const struct message_child_signal *m);
_must_check_ int message_child_signal_read(struct reader *r, struct message_child_signal *ret);

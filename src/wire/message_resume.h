/*
 * message_resume.h - the messages by which a job goes on over a new connection (docs/protocol.md)
 *
 * As in message.h: each _write appends type and body, each _read takes the body. Return: 0 or
 * -EBADMSG.
 */
#pragma once

#include "wire/message.h"

enum {
	MESSAGE_OUTPUT_ENDED = 1 << 0, /* the end of standard output was seen */
	MESSAGE_ERROR_ENDED = 1 << 1,
	MESSAGE_UNWANTED = 1 << 2, /* CLAIM: nobody waits for it any more, end it */
	MESSAGE_RESUME_FLAGS_ALL_ = (1 << 3) - 1,
};

/* How far the output of a job has come at the one who asked for it, from its start. */
struct message_progress {
	struct message_key key;
	uint8_t flags;
	uint64_t received[2]; /* bytes */
	uint64_t granted[2];  /* of them that were let out: at most those */
};

struct message_resume {
	uint32_t job, node;
	uint32_t pid;	 /* of the ghost, as in RUN */
	uint32_t window; /* of its output */
	struct message_progress at;
};
void message_resume_write(struct writer *w, const struct message_resume *m);
_must_check_ int message_resume_read(struct reader *r, struct message_resume *ret);

struct message_claim {
	uint32_t job;
	uint32_t uid; /* who asks; root may ask for any */
	struct message_progress at;
};
void message_claim_write(struct writer *w, const struct message_claim *m);
_must_check_ int message_claim_read(struct reader *r, struct message_claim *ret);

enum {
	MESSAGE_HAS_STARTED = 1 << 0,
	MESSAGE_LACKS_CWD = 1 << 1, /* as in STARTED */
	MESSAGE_IS_STOPPED = 1 << 2,
	MESSAGE_INPUT_SHUT = 1 << 3,  /* it reads no more */
	MESSAGE_INPUT_ENDED = 1 << 4, /* the end of its input has come */
	MESSAGE_RESUMED_FLAGS_ALL_ = (1 << 5) - 1,
};

struct message_resumed {
	uint32_t job;
	uint32_t pid;
	uint8_t flags;
	uint64_t received; /* bytes of input, from its start */
	uint64_t granted;  /* of them that the process has read: at most those */
	uint32_t signals;  /* that the node has taken for it, from its start */
};
void message_resumed_write(struct writer *w, const struct message_resumed *m);
_must_check_ int message_resumed_read(struct reader *r, struct message_resumed *ret);

/* KEPT is a byte, 1 in the first one of a round, and these: processes of a node that nobody has
 * asked for again. */
struct message_kept {
	struct message_key key;
	uint32_t pid; /* of who stands for it, as the master sees it */
	uint32_t uid;
	uint32_t signals; /* that the node has taken for it, from its start */
};
void message_kept_write(struct writer *w, const struct message_kept *m);
_must_check_ int message_kept_read(struct reader *r, struct message_kept *ret);

/* NUDGE: a signal for one of them. */
struct message_nudge {
	struct message_key key;
	uint8_t signal; /* 0: nobody stands for it any more, end it */
};
void message_nudge_write(struct writer *w, const struct message_nudge *m);
_must_check_ int message_nudge_read(struct reader *r, struct message_nudge *ret);

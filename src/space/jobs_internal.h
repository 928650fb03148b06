/*
 * jobs_internal.h - a job, for the files of bpmaster that deal with jobs
 */
#pragma once

#include "space/master_internal.h"

struct job {
	uint32_t id;	       /* on the channel */
	uint32_t number;       /* of the client */
	uint32_t ghost;	       /* pid of what stands for it here, or 0 */
	uint32_t starter;      /* pid of who asked for it, if not the ghost itself; or 0 */
	struct client *client; /* NULL when it is gone */
	struct slave *slave;
	struct job *next, *prev; /* of the slave */
	struct manifest *manifest; /* its files, or NULL */
	uint32_t window;
	uint32_t pid;		   /* on the node; 0: not started */
	uint32_t input_credit;	   /* bytes that the client may send */
	uint32_t output_credit[2]; /* bytes that the slave may send of standard output, error */
	bool input_ended, input_closed;
	bool started, ended[2]; /* STARTED came; the end of an output */
	bool abandoned;
	bool stopped;	    /* as the node says */
	uint32_t continued; /* SIGCONTs that it has not answered */
};

/* A job of the slave by its number on the channel, or NULL. */
struct job *job_by_id(const struct slave *s, uint32_t id);
void job_free(struct job *j);
/* Nobody waits for it any more: its node is told to end it. */
void job_abandon(struct job *j);
/* A message for its client, if there is one still. */
void job_to_client(struct job *j, const struct message_small *msg);

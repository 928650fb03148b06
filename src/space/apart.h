/*
 * apart.h - arguments and environment of a start on many nodes: bpmaster's part
 */
#pragma once

#include "space/master_internal.h"

#define APART_LEAST (64u << 10) /* bytes of arguments and variables that go apart, */
#define APART_ALL   (8u << 20)	/* when all nodes together were to get so many */
#define APART_BYTES (64u << 20) /* under way at once; what is more goes as ever */

/*
 * Have the arguments and variables of a run on @n_nodes go apart, if that pays: @order gets the
 * spec without them, written to @text, and the blob. To be called again when the run goes on after
 * it waited. Return: 0 or negative errno.
 */
_must_check_ int apart_order(struct client *c, size_t n_nodes, const struct message_spec *spec,
			     struct buffer *text, struct job_order *order);
/* A node was told to start the job. */
void apart_deliver(struct blob *b, struct slave *s, uint32_t job);
/* All nodes of the client's run were told, or the client is gone. */
void apart_done(struct client *c);

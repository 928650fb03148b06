/*
 * caller.h - the other side of bpmaster's door, for programs that ask and wait
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/lang.h"
#include "base/nodeset.h"
#include "wire/message.h"

struct caller {
	int fd; /* owned; blocking */
	struct buffer in;
	struct buffer ahead; /* of a list: what was read and not taken yet */
	bool opening;	     /* the answer to OPEN was not waited for yet */
};

#define CALLER_AHEAD 65536u /* bytes of a list that are read at once */
#define CALLER()          \
	((struct caller){ \
		.fd = FD_NONE, .in = BUFFER(MESSAGE_BYTES_MAX), .ahead = BUFFER(CALLER_AHEAD) })
#define _cleanup_caller_ _cleanup_(caller_close)
void caller_close(struct caller *c);

/* Connect to the door at @path and agree on the version. Return: 0 or negative errno (logged). */
_must_check_ int caller_open(struct caller *c, const char *path);

/*
 * The same in two steps, with something else to do between them, which may be caller_list().
 * Return: as caller_open().
 */
_must_check_ int caller_begin(struct caller *c, const char *path);
_must_check_ int caller_opened(struct caller *c);

/* A key for a RUN. Return: 0 or negative errno. */
_must_check_ int caller_key(uint8_t ret[static MESSAGE_KEY_BYTES]);

/* Send one message. Return: 0 or negative errno (logged). */
_must_check_ int caller_send(struct caller *c, const void *p, size_t n);

/* Wait for a message: it is in @c->in, until the next one comes. Return: 0 or negative errno
 * (logged). */
_must_check_ int caller_receive(struct caller *c);

/* Wait for DONE. Return: 0; the negative errno that it carries, or of the connection (logged with
 * its words). */
_must_check_ int caller_done(struct caller *c);

/* Have nodes changed, and wait for DONE; @word may be "". Return: as caller_done(). */
_must_check_ int caller_set(struct caller *c, enum message_set what, uint32_t value,
			    const char *word, const uint32_t *nodes, size_t n);

/* Accept a machine's key, or forget it, and wait for DONE. Return: as caller_done(). */
_must_check_ int caller_enrol(struct caller *c, const struct message_enrol *m);

/* A name for some of the nodes. */
struct caller_group {
	char name[MESSAGE_NAME_MAX];
	struct nodeset nodes; /* owned */
};

/*
 * Send @request, which has no body, and have @take called with the body of each message of type
 * @answer until DONE comes. Return: 0 or negative errno (logged), also that of @take.
 */
_must_check_ int caller_each(struct caller *c, enum message_type request, enum message_type answer,
			     int (*take)(void *owner, struct reader *body), void *owner);

/* The nodes as they are now. */
struct caller_nodes {
	struct message_node *list; /* owned, by number; strings live in @texts */
	size_t n;
	struct buffer *texts; /* owned, one a node */
	struct nodeset all, up, not_down;
	struct caller_group *groups; /* owned */
	size_t n_groups;
};
#define _cleanup_caller_nodes_ _cleanup_(caller_nodes_clear)
void caller_nodes_clear(struct caller_nodes *n);
/* @settled: after a restart of bpmaster, wait (for 11 s at most) until the nodes that were up are
 * back, or known not to come. */
_must_check_ int caller_list(struct caller *c, bool settled, struct caller_nodes *ret);

/* The node of that number, or NULL. */
const struct message_node *caller_node(const struct caller_nodes *n, uint32_t number);

/* What sets of these nodes are made of; it borrows @n. */
struct nodeset_space caller_space(const struct caller_nodes *n);
/* Parse a node set against the nodes there are. Return: 0 or -EINVAL (logged). */
_must_check_ int caller_nodeset(const struct caller_nodes *n, const char *text,
				struct nodeset *ret);

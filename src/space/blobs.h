/*
 * blobs.h - files of programs on their way from programs on the front end to nodes: bpmaster's part
 */
#pragma once

#include "space/master_internal.h"

#define BLOBS_MAX	1024u	     /* under way at once */
#define BLOBS_BYTES	(4ull << 30) /* of them together; their memory is of those who give them */
#define BLOBS_PIECES	(1u << 20)   /* bytes of files that wait for a node at once */
#define BLOBS_DIRECT	2u	     /* nodes that get a large file from us at a time */
#define BLOBS_PEER_MIN	(256u << 10) /* files of this size go from node to node at once, */
#define BLOBS_PEER_LEAST (32u << 10) /* and of this one when so much of it was sent by us: */
#define BLOBS_PEER_ALL	(8u << 20)
#define BLOBS_LINGER_MS 2000	     /* a file is kept for nodes that come late */
#define BLOBS_ASK_MS	2000	     /* another program is asked when one does not answer */
#define BLOBS_FAILURES	2  /* transfers of a receiver that fail until it gets the file of us, */
#define BLOBS_GIVE_UP	8u /* and until it is given up */
#define BLOBS_TURN	(4u << 20) /* bytes hashed before others have their turn */

/* The files of one start, for all of its jobs. */
struct manifest {
	unsigned users;
	size_t n;
	struct {
		struct message_blob id;
		uint64_t bytes;
	} files[];
};

/* Of the files in a spec, for user @uid. Return: NULL for want of memory. */
struct manifest *manifest_new(const struct message_spec *spec, uint32_t uid);
struct manifest *manifest_ref(struct manifest *m); /* NULL is none */
void manifest_put(struct manifest *m);		   /* the same */
static inline void manifest_putp(struct manifest **m)
{
	manifest_put(*m);
}
#define _cleanup_manifest_ _cleanup_(manifest_putp)

void blobs_close(struct master *m);
void blobs_slave_lost(struct slave *s);
void blobs_client_gone(struct client *c);
/* A node has read what waited for it. */
void blobs_drained(struct slave *s);

/* What nodes and programs may say of files. */
int blobs_take_want(void *slave, struct reader *r);
int blobs_take_fetched(void *slave, struct reader *r);
int blobs_take_peer(void *slave, struct reader *r);
int blobs_take_blob(void *client, struct reader *r);

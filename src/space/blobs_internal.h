/*
 * blobs_internal.h - a blob in bpmaster and its way to nodes, for the files that deal with them
 */
#pragma once

#include "net/file_hash.h"
#include "space/blobs.h"

/* Where a delivery stands; the blob has a list of each. */
enum delivery_state {
	DELIVERY_WAITING,
	DELIVERY_DIRECT, /* from us */
	DELIVERY_PEER,	 /* from another node */
	DELIVERY_HERE,	 /* done: it can send */
	DELIVERY_SENDS,	 /* and does */
	DELIVERY_PASSED, /* done, and it is asked to send no more */
	DELIVERY_MAX_
};

/* What a node wants, for a job. */
struct delivery {
	struct delivery *next, *prev; /* of the blob's list of its state */
	struct delivery *next_own;    /* of the node's connection */
	struct blob *blob;
	struct slave *slave;
	uint32_t job;
	uint16_t file;
	enum delivery_state state;
	uint64_t offset;       /* direct: bytes sent */
	struct delivery *from; /* peer: the sender; NULL when it is gone */
	struct delivery *to;   /* sends: the receiver */
	unsigned failures;     /* as a receiver */
};

struct deliveries {
	struct delivery *first, *last;
	size_t n;
};

struct blob {
	struct blob *next;
	struct master *master;
	struct message_blob id;
	uint64_t bytes;
	int fd; /* the memory file, or FD_NONE while nobody gave it; owned */
	const uint8_t *map;
	uint8_t *text; /* what it holds is our own: no file (apart.c); owned */
	bool held;     /* by who still adds deliveries */
	struct file_hash hash;
	uint64_t checked;     /* bytes hashed */
	bool good;	      /* all are, and the hash is right */
	struct client *asked; /* who was asked for it last, or NULL */
	uint64_t asked_ms, active_ms;
	uint64_t direct_bytes; /* that we sent of it, to all nodes */
	struct deliveries deliveries[DELIVERY_MAX_];
	struct ev_timer turn;
};

/* blobs.c */
struct blob *blob_find(const struct master *m, const struct message_blob *id);
/* Return: NULL when there are too many. */
struct blob *blob_new(struct master *m, const struct message_blob *id, uint64_t bytes);
void blob_free(struct blob *b);

/* deliver.c */
/* A new one, which waits. Return: NULL for want of memory. */
struct delivery *delivery_new(struct blob *b, struct slave *s, uint32_t job, uint16_t file);
void delivery_free(struct delivery *d);
/* Take one away that cannot be, and tell its node, unless that waits for another job, too. */
void delivery_fail(struct delivery *d, int error);
/* What the node of @s has of @b: one of several when all of them wait. */
struct delivery *delivery_of(const struct blob *b, const struct slave *s);
/* Whether somebody has not got it yet. */
bool blob_is_wanted(const struct blob *b);
/* Give it to those who wait, as far as there are senders. */
void blob_dispatch(struct blob *b);

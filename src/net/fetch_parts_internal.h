/*
 * fetch_parts_internal.h - what the fetching of parts (fetch_parts.c) shares with the transfer of
 * one of them (fetch_slot.c)
 */
#pragma once
#include <ev.h>

#include "base/backoff.h"
#include "net/fetch_check.h"
#include "net/fetch_servers.h"

#define FETCH_SLOTS_MAX (2 * FETCH_SESSIONS_MAX)
#define FETCH_NO_PART	SIZE_MAX

struct fetch_slot {
	struct fetch_parts *f;
	size_t part;		   /* FETCH_NO_PART: idle */
	struct transfer *transfer; /* owned; NULL while idle or waiting */
	struct ev_timer wait;	   /* before the part is asked for again */
	struct backoff backoff;
	uint8_t *buf; /* of f->check; the part's stored bytes */
	size_t len;   /* bytes received */
	ev_tstamp begun_at;
	unsigned server; /* that it is asked of; FETCH_SERVER_NONE: none now */
	bool large;	 /* in large blocks */
	bool late;	 /* no news for several round trips in mid-transfer */
};

struct part_state {
	bool done;
	uint8_t running; /* slots that have it */
	uint8_t tries;	 /* answers that were wrong */
	uint8_t avoid;	 /* a bit for each server that gave a wrong one */
};

struct fetch_parts {
	struct ev_loop *loop;
	struct ev_timer kick; /* begins everything from the loop */
	struct ev_timer tick; /* looks for servers that are slow */
	const struct index *index;
	const struct fetch_parts_ops *ops;
	void *ctx;
	struct fetch_tuning tuning;
	struct fetch_servers servers;
	struct fetch_check *check;    /* owned: the memory of parts, and their hashes */
	size_t flight;		      /* parts that may be fetched and hashed at a time */
	struct http_pool *pool;	      /* owned: connections between two parts */
	struct part_state *parts;     /* owned; as many as the index has */
	size_t next;		      /* part that nobody has taken yet */
	size_t first;		      /* all parts before it are done */
	size_t redo[FETCH_SLOTS_MAX]; /* parts that were wrong */
	size_t n_redo;
	size_t n_left; /* parts that are not done */
	uint64_t done_bytes, total_bytes;
	ev_tstamp new_at;  /* when anything new came last */
	bool silence_told; /* trouble() was called for the silence that lasts */
	bool ended;
	int err; /* with which it ended */
	char why[FETCH_WHY_MAX];
	struct fetch_slot slots[FETCH_SLOTS_MAX];
};

/* Fill the slots that should work. */
void fetch_parts_schedule(struct fetch_parts *f);

/* How long silence lasts until the whole fails. */
uint32_t fetch_parts_patience_ms(const struct fetch_parts *f);

/* The whole ends without part @i; an empty @why: what @err says. */
void fetch_parts_fail(struct fetch_parts *f, size_t i, int err, const char *why);

/* Say why part @i is asked for again. */
void fetch_parts_trouble(struct fetch_parts *f, size_t i, const char *why);

/* Count a wrong answer for part @i. Return: false when that was one too many and @f has ended. */
_must_check_ bool fetch_parts_wrong(struct fetch_parts *f, size_t i, int err, const char *why);

/* An idle slot of @f. */
void fetch_slot_init(struct fetch_slot *s, struct fetch_parts *f);

/* Empty the slot; its part is free for others. */
void fetch_slot_clear(struct fetch_slot *s);

/* Ask a server for the slot's part. */
void fetch_slot_begin(struct fetch_slot *s);

/* The server that the slot's part was asked of did not serve it; with @projected seconds it would.
 */
void fetch_slot_fault(struct fetch_slot *s, double projected);

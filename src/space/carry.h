/*
 * carry.h - the files of programs that a node is told to start: which it has, which have to come
 */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "base/reader.h"
#include "space/cache.h"
#include "space/peers.h"
#include "space/place.h"
#include "space/stream.h"

#define CARRY_OWN_MAX	1024u /* files of the node whose hashes are remembered */
/* Arguments and environment stay for nodes whose sender stands still: longer than
 * PEERS_CONNECT_MS and PEERS_SILENCE_MS together. */
#define CARRY_LINGER_MS 8000
#define CARRY_TIDY_MS	2000 /* between two looks at those */

struct carry;
struct own_file;

struct carries {
	struct ev_loop *loop;
	struct ev_timer tidy;
	struct stream *channel; /* borrowed; NULL while there is no master */
	const char *dir;	/* of the cache; NULL: the usual one */
	uint64_t limit;		/* bytes; 0: the usual share */
	struct cache *cache;	/* made at the first file that comes; owned */
	char *stage;		/* owned */
	struct carry *list;	/* starts that have files of the cache */
	struct peers peers;
	struct own_file *own;	/* owned */
	size_t n_own, next_own;
};

/* The master is gone: what was on its way does not come. */
void carries_lost(struct carries *cs);
void carries_close(struct carries *cs);

/* The files of one start: what spawn() is given, as long as its process lives. */
struct carry {
	struct carry *next;
	struct carries *all;
	uint32_t job;
	struct place place;
	bool *travelled; /* owned, as the next two */
	struct message_file *files;
	char *program;
	struct cache_view *view; /* NULL: it needs none */
	struct cache_blob *strings; /* its arguments and variables, until it runs; NULL: spec's */
	int gate[2]; /* the child waits at [0] until [1] says how it goes on; FD_NONE: it need not
		      */
};

/*
 * Find the files of a spec, which is to live as long as the carry waits to be spawned, and ask for
 * those that are not here. Return: 0 with NULL when it names none; negative errno with words.
 */
_must_check_ int carry_new(struct carries *cs, uint32_t job, const struct message_spec *spec,
			   uint32_t uid, struct carry **ret,
			   char ret_words[static MESSAGE_WORDS_MAX]);
/* The child has been made, or never will be. */
void carry_spawned(struct carry *c);
void carry_free(struct carry *c); /* NULL is none */

/* carry_strings.c: expect what comes apart, in the cache that is there. Return: 0 or negative errno
 * of cache_expect(). */
_must_check_ int carry_strings_expect(struct carry *c, const struct message_spec *spec,
				      uint32_t uid);
/* The process runs, or never will. NULL is none. */
void carry_strings_done(struct carry *c);
/* In the child, when it is there: complete the spec, for good. Return: 0, or negative errno with
 * words. */
_must_check_ int carry_strings_take(const struct carry *c, struct message_spec *spec,
				    char ret_words[static MESSAGE_WORDS_MAX]);

/* In the child: wait until the files are there. Return: 0, or negative errno with words. */
_must_check_ int carry_wait(int gate, char ret_words[static MESSAGE_WORDS_MAX]);

/* A blob is complete and here, or (@err) never will be: the starts that wait for it go on. */
void carries_settle(struct carries *cs, struct cache_blob *b, int err, const char *words);

/* What the master may say of files. */
int carries_take_piece(struct carries *cs, struct reader *r);
int carries_take_missing(struct carries *cs, struct reader *r);
/* Tell the master what became of a blob. */
void carries_say(struct carries *cs, const struct message_blob *id, int error);

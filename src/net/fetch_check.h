/*
 * fetch_check.h - the memory of parts on their way, and their hashes, by a process beside us
 *
 * To hash a part takes as long as to receive it from a fast server. So with a second processor
 * a process beside us does it, several parts at a time, while the next are received. It shares
 * nothing with us but the parts' memory, and it can do nothing but say a hash. With one processor,
 * without a process, or when it dies, parts are hashed here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "wire/index.h"

struct ev_loop;
struct fetch_check;

/* A part whose hash was asked for; @data is a buffer of fetch_check_buffer(). */
struct fetch_checked {
	uint8_t *data;
	size_t n;    /* bytes */
	size_t part; /* the caller's, and so is @server */
	unsigned server;
	uint8_t hash[INDEX_HASH_BYTES];
};

/* The buffer is the caller's again, who may not call fetch_check_free() here. */
typedef void (*fetch_checked_fn)(void *ctx, const struct fetch_checked *c);

/*
 * Memory for @buffers parts of at most @bytes each, taken up as they are used. @loop is borrowed.
 * @aside: with a process beside us, where there is a processor for it. Return: 0 or negative errno.
 */
_must_check_ int fetch_check_new(struct ev_loop *loop, size_t buffers, size_t bytes, bool aside,
				 fetch_checked_fn fn, void *ctx, struct fetch_check **ret);
void fetch_check_free(struct fetch_check *c);

/* Memory for one part. Return: NULL when all are in use. */
uint8_t *fetch_check_buffer(struct fetch_check *c);
void fetch_check_give_back(struct fetch_check *c, uint8_t *data);

/*
 * Hash a part: fn() is called from within, or from the loop; not after fetch_check_free(). Parts
 * may come in another order.
 */
void fetch_check_hash(struct fetch_check *c, uint8_t *data, size_t n, size_t part, unsigned server);

/* How many were given to be hashed and are not yet. */
size_t fetch_check_waiting(const struct fetch_check *c);

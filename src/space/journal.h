/*
 * journal.h - the latest bytes of a stream, by their place in it: what may have to be sent again
 *
 * Places count from the start of the stream. What is known to have arrived is forgotten; credit
 * bounds what is not.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/lang.h"

struct journal {
	struct buffer bytes;
	uint64_t start; /* place of the first byte that is kept */
};

#define JOURNAL(max) ((struct journal){ .bytes = BUFFER(max) })

/* Place behind the last byte. */
uint64_t journal_end(const struct journal *j);

/* Bytes behind the last one. Return: 0 or negative errno. */
_must_check_ int journal_append(struct journal *j, const void *p, size_t n);

/* Those before @place have arrived. */
void journal_forget(struct journal *j, uint64_t place);

/* At most @max bytes from @place on. Return: their number (0 at the end), or -ERANGE when they are
 * not kept any more, or were never there. */
ssize_t journal_at(const struct journal *j, uint64_t place, size_t max, const uint8_t **ret);

void journal_clear(struct journal *j);

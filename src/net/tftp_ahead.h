/*
 * tftp_ahead.h - more than one block a round trip from a server that knows no window
 *
 * A lock-step server sends block n + 1 when it has read the acknowledgement of block n, whether
 * block n arrived or not. So acknowledgements are sent ahead of the blocks, as many as a window
 * has; the server finds them in its socket one behind the other and streams. A block that was lost
 * on the way leaves a hole; holes are filled by a further pass over the file, a session of its own.
 * An acknowledgement that was lost stops the server; then all that may be missing are said again.
 *
 * This is the book-keeping: no sockets, no clock. It needs to know where the file ends, so the
 * server must have said it (tsize), and block numbers must not roll over. Lengths are held against
 * that: a file that is not as it was said breaks off.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"

#define TFTP_AHEAD_BLOCKS_MAX 65535 /* of a file; longer ones are fetched in lock-step */
#define TFTP_AHEAD_PASSES_MAX 32
#define TFTP_AHEAD_TRIES_MAX  24 /* time-outs in a row in one pass */

struct tftp_ahead {
	uint64_t bytes; /* of the file */
	uint32_t blksize;
	uint32_t n_blocks; /* at least 1: the last one is shorter than blksize */
	uint32_t missing;  /* blocks that never came */
	uint32_t high;	   /* highest block of this pass; 0: none */
	uint32_t next;	   /* acknowledgement to be sent next */
	double window;	   /* blocks that may be acknowledged but not here, and one */
	unsigned window_max, window_asked, passes, tries;
	uint32_t stopped_at; /* highest block at the last time-out */
	bool slow_start;
	uint8_t have[TFTP_AHEAD_BLOCKS_MAX / 8 + 1];
};

enum tftp_ahead_block { TFTP_AHEAD_NEW, TFTP_AHEAD_AGAIN };

/* Begin with the whole file missing. Return: 0, or -ERANGE when it has too many blocks. */
_must_check_ int tftp_ahead_begin(struct tftp_ahead *a, uint64_t bytes, uint32_t blksize,
				  unsigned window_max);

/*
 * Begin a further pass, over a file of @bytes. Return: 0; -ESTALE: the length changed; -E2BIG: too
 * many passes.
 */
_must_check_ int tftp_ahead_pass(struct tftp_ahead *a, uint64_t bytes, uint32_t blksize);

/*
 * Block @block came with @n bytes. Return: TFTP_AHEAD_NEW or TFTP_AHEAD_AGAIN; -EPROTO: it does not
 * fit the length that the server said.
 */
_must_check_ int tftp_ahead_take(struct tftp_ahead *a, uint32_t block, uint32_t n);

/* Which acknowledgements to send now. Return: how many, from *ret_first. */
uint32_t tftp_ahead_acks(struct tftp_ahead *a, uint32_t *ret_first);

/*
 * Nothing came for long. Return: how many acknowledgements to send from *ret_first; 0 when the pass
 * is over: the server has all of them, or does not react.
 */
uint32_t tftp_ahead_late(struct tftp_ahead *a, uint32_t *ret_first);

/*
 * tftp_ahead.c - more than one block a round trip from a server that knows no window
 *
 * The window opens by one for each block until the first loss, then by one for each window, and is
 * halved by a loss.
 *
 * After a time-out the server stands at an acknowledgement between the highest block that came and
 * the last that was sent. Servers ignore others than the one that they wait for, but tftpd-hpa
 * empties its socket when it reads a wrong one. Most often it stands at the first, since an
 * acknowledgement was lost: so every other time-out begins there, those between one further each,
 * and sooner or later the first one said is right.
 */
#include <errno.h>
#include <string.h>

#include "net/tftp_ahead.h"

#define WINDOW_FIRST 4
#define STOPS_NEAR   24 /* blocks between two time-outs: too few */
#define STOPS_FAR    256
#define LAST_TRIES   4 /* when the server may have closed */

static uint32_t block_bytes(const struct tftp_ahead *a, uint32_t block)
{
	return block < a->n_blocks ? a->blksize : (uint32_t)(a->bytes % a->blksize);
}

static bool pass_of(const struct tftp_ahead *a, uint64_t bytes, uint32_t blksize)
{
	return a->bytes == bytes && a->blksize == blksize;
}

int tftp_ahead_begin(struct tftp_ahead *a, uint64_t bytes, uint32_t blksize, unsigned window_max)
{
	if (bytes / blksize + 1 > TFTP_AHEAD_BLOCKS_MAX)
		return -ERANGE;
	memset(a, 0, sizeof(*a));
	a->bytes = bytes;
	a->blksize = blksize;
	a->n_blocks = a->missing = (uint32_t)(bytes / blksize) + 1;
	a->window_max = a->window_asked = MAX(window_max, 1u);
	a->window = MIN((double)WINDOW_FIRST, (double)a->window_max);
	a->slow_start = true;
	a->passes = 1;
	return 0;
}

int tftp_ahead_pass(struct tftp_ahead *a, uint64_t bytes, uint32_t blksize)
{
	if (!pass_of(a, bytes, blksize))
		return -ESTALE;
	if (++a->passes > TFTP_AHEAD_PASSES_MAX)
		return -E2BIG;
	a->high = a->next = a->stopped_at = 0;
	a->tries = 0;
	return 0;
}

static void window_halve(struct tftp_ahead *a)
{
	a->window = MAX(a->window / 2, 1.0);
	a->slow_start = false;
}

int tftp_ahead_take(struct tftp_ahead *a, uint32_t block, uint32_t n)
{
	uint8_t *byte, bit;

	if (block == 0 || block > a->n_blocks || n != block_bytes(a, block))
		return -EPROTO;
	if (block > a->high) {
		if (block > a->high + 1)
			window_halve(a);
		else
			a->window = MIN(a->window + (a->slow_start ? 1.0 : 1.0 / a->window),
					(double)a->window_max);
		a->high = block;
		a->tries = 0;
	}
	byte = &a->have[block / 8];
	bit = (uint8_t)(1u << block % 8);
	if (*byte & bit)
		return TFTP_AHEAD_AGAIN;
	*byte |= bit;
	a->missing--;
	return TFTP_AHEAD_NEW;
}

uint32_t tftp_ahead_acks(struct tftp_ahead *a, uint32_t *ret_first)
{
	uint32_t end = MIN(a->high + (uint32_t)a->window, a->n_blocks), first = a->next;

	if (a->high ==
	    a->n_blocks) /* the last one only when it is due: it ends the server's part */
		end = a->n_blocks + 1;
	if (end <= first)
		return 0;
	a->next = end;
	*ret_first = first;
	return end - first;
}

/*
 * The server stopped. When it does so again and again the link swaps packets, or the server takes
 * none ahead: then lock-step is as fast as it gets.
 */
static void on_stop(struct tftp_ahead *a)
{
	uint32_t since = a->high - a->stopped_at;

	if (since < STOPS_NEAR)
		a->window_max = MAX(a->window_max / 2, 1u);
	else if (since > STOPS_FAR)
		a->window_max = MIN(a->window_max * 2, a->window_asked);
	a->stopped_at = a->high;
	window_halve(a);
	a->window = MIN(a->window, (double)a->window_max);
}

uint32_t tftp_ahead_late(struct tftp_ahead *a, uint32_t *ret_first)
{
	/*
	 * the server stands at one of these: all that were sent, and one more when all of its
	 * blocks were lost
	 */
	uint32_t limit = MIN(a->high + a->window_max, a->n_blocks) + 1;
	uint32_t end = MIN(a->next + 1, limit), n = end - a->high;

	if (++a->tries > TFTP_AHEAD_TRIES_MAX)
		return 0;
	if (a->next > a->n_blocks && a->tries > LAST_TRIES) /* it has its last one, and closed */
		return 0;
	if (a->tries == 1)
		on_stop(a);
	*ret_first = a->high + (a->tries % 2 || n == 1 ? 0 : 1 + (a->tries / 2 - 1) % (n - 1));
	a->next = MAX(a->next, end);
	return end - *ret_first;
}

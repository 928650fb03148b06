/*
 * backoff.c - how long to wait before trying again: doubling, bounded, jittered
 */
#include <sys/random.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/lang.h"

uint32_t backoff_random(uint32_t n)
{
	uint32_t v;

	/* early in a boot the pool may be empty; jitter must not wait for it */
	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v))
		v = (uint32_t)(clock_us() * 2654435761u);
	return n ? v % n : 0;
}

uint32_t backoff_next(struct backoff *b)
{
	uint32_t ms = MIN(MAX(b->cur_ms, b->min_ms), b->max_ms);

	b->cur_ms = ms > b->max_ms / 2 ? b->max_ms : ms * 2;
	return ms - ms / 4 + backoff_random(ms / 2 + 1);
}

void backoff_reset(struct backoff *b)
{
	b->cur_ms = 0;
}

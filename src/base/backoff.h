/*
 * backoff.h - how long to wait before trying again: doubling, bounded, jittered
 *
 * Many nodes fail at the same moment (a switch, a server, a power cut) and must not come back at
 * the same moment.
 */
#pragma once

#include <stdint.h>

struct backoff {
	uint32_t min_ms; /* of the first wait, before jitter */
	uint32_t max_ms; /* of every wait, before jitter */
	uint32_t cur_ms; /* of the next wait; 0 at the start */
};

#define BACKOFF(min, max) ((struct backoff){ .min_ms = (min), .max_ms = (max) })

/* Milliseconds to wait now: within a quarter below and above of min, 2 * min, 4 * min ... max. */
uint32_t backoff_next(struct backoff *b);

/* Start over at the minimum. */
void backoff_reset(struct backoff *b);

/* Uniform in 0 .. @n - 1 (0 for @n = 0), from the kernel's random numbers. */
uint32_t backoff_random(uint32_t n);

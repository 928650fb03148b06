/*
 * complaints.h - lines of the log that others can cause: few of a kind in a while
 *
 * Strangers, local users and nodes that go up and down would else write as much of the front end's
 * log as they like.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define COMPLAINTS_MAX	     20	   /* lines of a kind ... */
#define COMPLAINTS_WINDOW_MS 10000 /* ... in this time */

struct complaints {
	uint64_t since_ms; /* clock_ms() of the first one of this time */
	unsigned n;
};

/* Return: whether one more line about @what ("strangers") may be logged. Says how many were left
 * out. */
bool complaints_allow(struct complaints *c, const char *what);

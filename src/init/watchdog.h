/*
 * watchdog.h - a hardware watchdog that is fed until the root takes over
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct boot;

struct watchdog {
	struct boot *boot;
	struct ev_timer timer;
	int fd;		  /* FD_NONE while there is none to feed */
	uint32_t seconds; /* after which it resets the machine */
	unsigned ticks;
};

/* From now on look for one that is to be fed, and feed it whenever the event loop runs. */
void watchdog_start(struct boot *b);

/* Feed it by a timer of the kernel, also while the loop stands still, because a person works in a
 * shell; or no longer so. */
void watchdog_attended(struct boot *b, bool yes);

/* Feed it a last time and leave it armed. */
void watchdog_hand_over(struct boot *b);

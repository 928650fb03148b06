/*
 * feeder.h - bpslave goes on feeding the watchdog that init armed (docs/handover.md)
 */
#pragma once

#include <ev.h>

struct feeder {
	struct ev_timer timer;
	int fd; /* FD_NONE: there is none, or another program feeds it */
};

/* Feed from now on when @boot_file names a watchdog and nobody else has it open. Logs. */
void feeder_start(struct feeder *f, struct ev_loop *loop, const char *boot_file);

/* Leave it armed, for whoever comes next. */
void feeder_stop(struct feeder *f, struct ev_loop *loop);

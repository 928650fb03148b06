/*
 * progress.h - a line that shows how far long work is, on a terminal only
 *
 * In a log or a pipe nothing is drawn; the caller's own result line says what was done.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *label; /* borrowed */
	uint64_t total;	   /* bytes; 0 when not known */
	uint64_t start_us;
	uint64_t drawn_us; /* when it was last drawn */
	bool terminal;
};

/*
 * @p must stay until progress_end(); one at a time. A line that is logged meanwhile wipes what is
 * drawn.
 */
void progress_start(struct progress *p, const char *label, uint64_t total_bytes);

/* Draw at most ten times a second: a bar, percentage, bytes, rate, time left. */
void progress_update(struct progress *p, uint64_t done_bytes);

/* The same when the total is known only now. */
void progress_update_of(struct progress *p, uint64_t done_bytes, uint64_t total_bytes);

/* Wipe the line; nothing to do for one that was not started. */
void progress_end(struct progress *p);

/*
 * progress.c - a line that shows how far long work is, on a terminal only
 */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/progress.h"

#define PROGRESS_INTERVAL_US 100000
#define PROGRESS_BAR	     20	    /* characters */
#define PROGRESS_GUESS_US    500000 /* from then on the rate tells how long it will take */

static struct progress *progress_shown; /* the one that may stand on the terminal */

/* A line that is logged meanwhile begins at the start of an empty one. */
static void progress_wipe(void)
{
	struct progress *p = progress_shown;

	if (p && p->drawn_us)
		fputs("\r\033[K", stderr);
}

void progress_start(struct progress *p, const char *label, uint64_t total_bytes)
{
	*p = (struct progress){
		.label = label,
		.total = total_bytes,
		.start_us = clock_us(),
		.terminal = isatty(STDERR_FILENO) == 1,
	};
	progress_shown = p;
	log_set_wipe(progress_wipe);
}

void progress_update(struct progress *p, uint64_t done_bytes)
{
	char done[FORMAT_SIZE_MAX], rate[FORMAT_SIZE_MAX];
	uint64_t now = clock_us(), took = now - p->start_us;
	double per_s = took ? (double)done_bytes * 1e6 / (double)took : 0, part;
	uint64_t left;

	if (!p->terminal || now - p->drawn_us < PROGRESS_INTERVAL_US)
		return;
	p->drawn_us = now;
	format_size(done_bytes, done);
	format_size((uint64_t)per_s, rate);
	if (p->total == 0) {
		fprintf(stderr, "\r%s: %s, %s/s\033[K", p->label, done, rate);
		return;
	}
	left = p->total > done_bytes ? p->total - done_bytes : 0;
	part = 1 - (double)left / (double)p->total;
	fprintf(stderr, "\r%s: [%.*s%.*s] %3.0f %%, %s, %s/s", p->label, (int)(part * PROGRESS_BAR),
		"####################", PROGRESS_BAR - (int)(part * PROGRESS_BAR),
		"....................", part * 100, done, rate);
	if (took >= PROGRESS_GUESS_US && per_s > 0)
		fprintf(stderr, ", %.0f s left", (double)left / per_s);
	fputs("\033[K", stderr);
}

void progress_update_of(struct progress *p, uint64_t done_bytes, uint64_t total_bytes)
{
	p->total = total_bytes;
	progress_update(p, done_bytes);
}

void progress_end(struct progress *p)
{
	if (progress_shown == p) {
		progress_wipe();
		log_set_wipe(NULL);
		progress_shown = NULL;
	}
	p->drawn_us = 0;
}

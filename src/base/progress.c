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
	double per_s = took ? (double)done_bytes * 1e6 / (double)took : 0;

	if (!p->terminal || now - p->drawn_us < PROGRESS_INTERVAL_US)
		return;
	p->drawn_us = now;
	format_size(done_bytes, done);
	format_size((uint64_t)per_s, rate);
	if (p->total == 0)
		fprintf(stderr, "\r%s: %s, %s/s\033[K", p->label, done, rate);
	else
		fprintf(stderr, "\r%s: %3.0f %%, %s, %s/s, %.0f s left\033[K", p->label,
			(double)done_bytes * 100 / (double)p->total, done, rate,
			per_s > 0 && p->total > done_bytes ? (double)(p->total - done_bytes) / per_s
							   : 0);
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

/*
 * timeline.h - the last boot of one node: events from bpmaster's files and from its console
 * capture, merged
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "wire/report.h"

#define TIMELINE_EVENTS_MAX 16384
#define TIMELINE_CONSOLE_MAX \
	(4u << 20) /* bytes at the end of a console capture that are looked at */

struct timeline_event {
	struct report report;
	uint64_t wall_ms; /* when bpmaster heard it, milliseconds since 1970; 0: console only */
	bool console;	  /* only the console said it */
};

enum timeline_result {
	TIMELINE_NOTHING, /* no event at all */
	TIMELINE_UNDERWAY,
	TIMELINE_FAILED, /* the last attempt failed; it may be trying again */
	TIMELINE_ROOT,	 /* the root's init was executed */
	TIMELINE_UP,
	TIMELINE_RESULT_MAX_,
};

struct timeline {
	struct timeline_event *events; /* owned; by time */
	size_t n;
	uint32_t boot;	       /* number of the boot; 0: only the console knows it */
	struct buffer console; /* end of the console capture, empty when there is none */
	enum timeline_result result;
	size_t last; /* of the events, the one that the result is about */
};

#define TIMELINE()	   ((struct timeline){ .console = BUFFER(TIMELINE_CONSOLE_MAX) })
#define _cleanup_timeline_ _cleanup_(timeline_clear)
void timeline_clear(struct timeline *t);

/*
 * Read what there is: @events and @console are paths, NULL or missing files hold nothing.
 * Return: 0 or negative errno (logged).
 */
_must_check_ int timeline_read(const char *events, const char *console, struct timeline *ret);

const char *timeline_result_name(enum timeline_result r); /* "up" */

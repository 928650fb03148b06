/*
 * view.h - the lab's nodes coming up, one line each
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/lang.h"
#include "lab/watch.h"

struct view {
	FILE *to;
	bool terminal;
	size_t drawn;				/* lines that stand on the terminal */
	enum watch_stage shown[SITE_NODES_MAX]; /* last stage written, when it is no terminal */
	unsigned shown_retries[SITE_NODES_MAX];
};

void view_init(struct view *v, FILE *to);

/* Draw over what stands there; in a log, write what changed. */
void view_draw(struct view *v, const struct watch *w);

/* One node in words: "n0  12.3 s  fetching 43 % (4.1 MB/s)". */
#define VIEW_LINE_MAX 640
const char *view_line(const struct watch *w, size_t i, char ret[static VIEW_LINE_MAX]);

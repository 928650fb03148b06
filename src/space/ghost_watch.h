/*
 * ghost_watch.h - a process that watches a ghost stop and go on, and tells bpmaster
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/lang.h"

#define GHOST_WATCH_AFTER_MS 5 /* of a ghost's life: short ones do not pay for it */

struct ghost_watch {
	const char *door; /* path of bpmaster's socket; borrowed */
	int fd;		  /* readable once the watcher sees us; FD_NONE: there is none */
	bool sees;
	char *title; /* what ps shows: our own argument vector */
	size_t title_bytes;
	/* Ours, when it was changed for the process, or NULL: whatever ends us, the watcher
	 * restores it before anybody knows of our end. */
	struct terminal *terminal;
};

/* Have the calling process watched, until it ends. */
void ghost_watch_begin(struct ghost_watch *w);

/* Whether the watcher follows us. */
bool ghost_watch_sees(struct ghost_watch *w);

/*
 * watch.h - how far each node of a lab is, from what the lab writes down
 *
 * Four sources, merged: the supervisor's record (the machine runs, or ended), dnsmasq's log
 * (firmware asks for an address, fetched the kernel), the node's own events as bpmaster keeps them,
 * and the console capture, which has the same events in the same words when the network does not
 * carry them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"
#include "lab/place.h"
#include "lab/site.h"
#include "lab/tail.h"

#define WATCH_WORDS_MAX 512

/* In order of a boot. */
enum watch_stage {
	WATCH_OFF,
	WATCH_FIRMWARE, /* the machine was switched on */
	WATCH_KERNEL,	/* the firmware fetched the kernel */
	WATCH_INIT,	/* init runs; drivers */
	WATCH_LINK,
	WATCH_DHCP,
	WATCH_INDEX, /* also: the memory check */
	WATCH_FETCH,
	WATCH_VERIFY,
	WATCH_ROOT, /* also: the mount */
	WATCH_UP,
	WATCH_STAGE_MAX_,
};

struct watch_node {
	enum watch_stage stage;
	bool failed; /* for good: its QEMU broke, a shell waits, or two attempts failed */
	bool ended;  /* its QEMU ended, with this status as a shell has it */
	uint32_t status;
	uint64_t ended_ms;
	unsigned retries;    /* of this boot */
	uint64_t started_ms; /* clock_boot_ms() when it was switched on */
	uint64_t reached_ms; /* when the stage was reached, as far as we saw */
	uint64_t event_ms;   /* of the last event, since its kernel's start */
	bool begun[2],
		stale[2];  /* by source: it told of this boot; what it tells is of the last one */
	uint64_t start_ms; /* of this boot's first event */
	uint64_t retry_ms; /* of the last retry */
	uint64_t fetch_ms; /* of the first fetch event */
	uint64_t done, total;	     /* bytes of the image, while it is fetched */
	double rate;		     /* bytes per second */
	char words[WATCH_WORDS_MAX]; /* of the last event, or why it failed */
};

struct watch {
	const struct place *place; /* borrowed */
	struct tail record, dnsmasq;
	struct tail events[SITE_NODES_MAX], consoles[SITE_NODES_MAX];
	struct watch_node nodes[SITE_NODES_MAX];
	size_t n;
	bool broken; /* dnsmasq or bpmaster ended; words says which */
	char words[WATCH_WORDS_MAX];
};

/* Return: 0 or -ENOMEM (logged). watch_free() takes NULL. */
_must_check_ int watch_new(const struct place *p, size_t n_nodes, struct watch **ret);
void watch_free(struct watch *w);
void watch_freep(struct watch **w); /* for _cleanup_() */

/* Read what is new. */
void watch_poll(struct watch *w);

const char *watch_stage_name(enum watch_stage s);

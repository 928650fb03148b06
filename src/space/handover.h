/*
 * handover.h - what init left for bpslave in /run/bpboot/boot (docs/handover.md)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ip.h"
#include "base/lang.h"

#define HANDOVER_BOOT	   "/run/bpboot/boot"
#define HANDOVER_EVENTS	   "/run/bpboot/events"
#define HANDOVER_LEASE	   "/run/bpboot/lease"
#define HANDOVER_BYTES_MAX 16384u
#define HANDOVER_PORT	   2223
#define HANDOVER_WATCHDOG_MAX_S 86400
#define HANDOVER_NODE_KEY_MAX	256 /* with NUL */

struct handover {
	struct mac mac;
	uint32_t boot;	       /* number of this boot, 0 when not said */
	struct ipaddr master;  /* not set when not said */
	uint16_t port;
	uint32_t watchdog_s; /* a watchdog is armed and wants to be fed; 0: none */
	char node_key[HANDOVER_NODE_KEY_MAX]; /* where the node's key is kept; "": not said */
};

/* Parse the text. Return: 0, or -EBADMSG with *ret_why set. */
_must_check_ int handover_parse(const char *text, size_t n, struct handover *ret,
				const char **ret_why);

/* Read the file; errors are logged. */
_must_check_ int handover_read(const char *path, struct handover *ret);

/* As ip_parse_port(), with bpmaster's port when none is said. */
_must_check_ int handover_endpoint(const char *s, struct ipaddr *ret, uint16_t *ret_port);

/*
 * node.h - bpslave: a node of the process space
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/lang.h"

#define NODE_CONNECT_MS	  5000 /* to connect, then to be registered */
#define NODE_RETRY_MIN_MS 500  /* back-off between attempts */
#define NODE_RETRY_MAX_MS 10000
#define NODE_KEY_RETRY_S  2 /* between two looks for a key that is missing, as PID 1 */
#define NODE_SILENCE	  4 /* keepalives without a byte until the master is given up */
#define NODE_OTHER	  3 /* so many of these until one that was named has to have taken us */

struct node_config {
	const char *boot_file; /* docs/handover.md */
	const char *events;    /* the node's record of its boot */
	const char *key;       /* public key of the master */
	const char *node_key;  /* file of a key of this node that outlives a boot, or NULL */
	struct ipaddr master;  /* in place of what the boot file says; not set: what it says */
	uint16_t port;
	const char *lease; /* the lease to renew (docs/handover.md); NULL: another program does */
	const char *cache; /* folder for programs of the front end; NULL: a usual one */
	uint64_t cache_bytes; /* that may be kept there; 0: a share of the memory */
	bool first;	   /* this is PID 1: never return, and obey orders to go down */
};

/* Serve until SIGTERM or SIGINT; as PID 1 for ever. Return: 0 or negative errno (logged). */
_must_check_ int node_run(const struct node_config *c);

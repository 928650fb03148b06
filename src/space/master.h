/*
 * master.h - bpmaster: what it is told, and how it is run
 *
 * One process, one event loop: registrations and messages of the slaves (members.c), jobs between
 * clients and slaves (jobs*.c), local clients (door*.c), boot events (events.c). It reads no
 * configuration file itself: cli/bpmaster.c turns the cluster file into this.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ip.h"
#include "base/lang.h"
#include "base/nodeset.h"

#define MASTER_PORT	    2223
#define MASTER_LOG_PORT	    514
#define MASTER_NAME_MAX	    64		 /* of a node, with NUL */
#define MASTER_NODES_MAX    16384	 /* nodes in all */
#define MASTER_NUMBER_MAX   99999u	 /* of a node */
#define MASTER_KEEPALIVE_MS 5000	 /* between two pings */
#define MASTER_ORPHAN_S	    60		 /* a node that is cut off for longer has lost its jobs */
#define MASTER_CLOSED_MS    5000	 /* the same of one whose kernel ended the connection */
#define MASTER_SILENCE	    3		 /* keepalives without a byte until a node is down */
#define MASTER_PENDING_MAX  256		 /* connections that are not registered yet */
#define MASTER_PENDING_HOST 64		 /* of them from one address */
#define MASTER_CLIENTS_MAX  1024	 /* at the door */
#define MASTER_CLIENTS_USER 128		 /* of them of one user who is not root */
#define MASTER_JOBS_MAX	    65536u	 /* at once */
#define MASTER_JOBS_USER    32768u	 /* of them of one user who is not root */
#define MASTER_JOBS_NODE    8192u	 /* of one node, which runs half as many at most */
#define MASTER_NODE_WORDS   50000u	 /* of 64 bytes, that a node is heard a second */
#define MASTER_START_HIGH   (4u << 20)	 /* bytes waiting for a node: no start is put behind them */
#define MASTER_NODE_HIGH    (16u << 20)	 /* nor anything else of a program */
#define MASTER_QUEUES_MAX   (256u << 20) /* bytes waiting for all nodes: the same */
#define MASTER_CLIENT_HIGH \
	(1u << 20) /* bytes waiting for a program that make us count its user's */
#define MASTER_USER_MAX	     (256u << 20) /* bytes waiting for the programs of one user */
#define MASTER_WATCHED_MAX   2		  /* files that the list of nodes comes from */
#define MASTER_UNKNOWN_BOOTS 256	  /* machines without a number whose boots are kept */

struct master_node {
	uint32_t number;
	struct mac mac;
	struct in_addr address; /* it must come from there; 0.0.0.0: from anywhere */
	char name[MASTER_NAME_MAX];
};

/* A name for some of them. */
struct master_group {
	char name[MASTER_NAME_MAX];
	struct nodeset nodes; /* owned */
};

/* Which machines become nodes; a machine whose key is another one than was pinned never does. */
enum master_enrol {
	MASTER_ENROL_KNOWN,  /* those that are listed */
	MASTER_ENROL_FIRST,  /* any, with the next free number */
	MASTER_ENROL_ACCEPT, /* any, once somebody has accepted its key */
	MASTER_ENROL_MAX_
};

/* The list of nodes and the groups: owned arrays. */
struct master_nodes {
	struct master_node *list;
	size_t n;
	struct master_group *groups;
	size_t n_groups;
};
void master_nodes_clear(struct master_nodes *n);

struct master_config {
	struct ipaddr address; /* to listen on; not set: on all */
	uint16_t port, log_port;
	const char *state;   /* directory */
	const char *socket;  /* path of the door */
	const char *key;     /* path of the secret key */
	enum master_enrol enrol;
	uint32_t keepalive_ms;
	uint32_t orphan_s; /* a node may be cut off so long without losing its jobs */
	struct master_nodes nodes; /* borrowed; copied */

	/* Files that the list comes from, absolute, or NULL; a change of one makes us read it anew.
	 */
	const char *watched[MASTER_WATCHED_MAX];

	/* Read the list of nodes anew (also at SIGHUP); NULL: there is nothing to read. Return: 0
	 * or negative errno (logged). */
	int (*reload)(void *owner, struct master_nodes *ret);
	void *owner;

	/* Called once when everything is open; negative ends the master. */
	int (*ready)(void *owner);
};

/* Run until SIGTERM or SIGINT. Return: 0 or negative errno (logged). */
_must_check_ int master_run(const struct master_config *c);

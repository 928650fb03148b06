/*
 * peers.h - files of programs from node to node
 *
 * The master tells one node that somebody comes for a file, and another one where to get it, and
 * gives both a key that is used for that alone. The receiver shows that it has the key by a ticket
 * made of it; what it gets is sealed with the key, and compared with the hash that the master named
 * before it is used. Who has no ticket gets nothing, and a few seconds.
 */
#pragma once

#include <ev.h>

#include "space/cache.h"
#include "space/cipher.h"

#define PEERS_MAX	   64u	 /* transfers and callers at once */
#define PEERS_CONNECT_MS   2500	 /* to connect, and to show a ticket */
#define PEERS_SILENCE_MS   5000	 /* without a byte, then a transfer has failed */
#define PEERS_BYTES_MS	   256u	 /* that have to come in each millisecond, on average, after that */
#define PEERS_TICKET_MS	   10000 /* a ticket is good for so long */
#define PEERS_TICKETS_MAX  64u
#define PEERS_TICKET_BYTES 16u

struct carries;
struct transfer;

/* Somebody comes for a file. */
struct ticket {
	uint8_t name[PEERS_TICKET_BYTES];
	struct message_fetch fetch;
	uint64_t until_ms;
};

struct peers {
	struct ev_loop *loop;	 /* NULL: nothing is given to others */
	struct carries *carries; /* that it is of */
	int fd;
	uint32_t scope; /* of our own link-local IPv6 address, which others share; else 0 */
	struct ev_io listening;
	struct ticket tickets[PEERS_TICKETS_MAX];
	size_t n_tickets;
	struct transfer *list;
	size_t n;
};

/*
 * Listen at the address @at, and say which port it is; what was begun before ends. Return: 0 or
 * negative errno: this node then gives no files.
 */
_must_check_ int peers_open(struct peers *p, struct ev_loop *loop, const struct ipaddr *at,
			    uint16_t *ret_port);
void peers_close(struct peers *p);

/* What the master says. Return: 0 or negative errno. */
int peers_serve(struct peers *p, const struct message_fetch *f);
int peers_fetch(struct peers *p, const struct message_fetch *f);

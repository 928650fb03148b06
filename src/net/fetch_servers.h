/*
 * fetch_servers.h - which server a part is asked of, and in what blocks, by what was seen of each
 *
 * Every server gets as many parts at once as it is fast. One that is silent, refuses, gives wrong
 * bytes or is far slower than another is left alone for a while that doubles, then tried again with
 * one part. When no other is left it is asked all the same.
 *
 * A TFTP server is asked for blocks that fit the MTU; after some parts without any loss one part is
 * tried in large blocks, which travel as fragments: on a clean link they cost the server a tenth.
 * At the first loss among them this is over.
 */
#pragma once

#include <ev.h>

#include "net/fetch.h"
#include "net/transfer.h"

#define FETCH_WINDOW	    16 /* blocks; there are many sessions */
#define FETCH_LARGE_BLOCKS  16384 /* bytes */
#define FETCH_LARGE_WINDOW  4
#define FETCH_SERVER_NONE   UINT8_MAX

enum fetch_blocks { FETCH_BLOCKS_MTU, FETCH_BLOCKS_TRY, FETCH_BLOCKS_LARGE, FETCH_BLOCKS_LOSSY };

struct fetch_server {
	struct fetch_url base;
	struct tftp_rtt rtt;
	unsigned running;     /* parts that it is asked for */
	double part_s;	      /* seconds that a part takes, smoothed; 0: not known */
	unsigned faults;      /* in a row */
	ev_tstamp away_until; /* better not asked before */
	enum fetch_blocks blocks;
	unsigned clean; /* parts without a loss, in a row */
};

struct fetch_servers {
	size_t n;
	struct fetch_server server[FETCH_SERVERS_MAX];
};

/*
 * The server to ask now; those whose bit is set in @avoid only when there is no other. Return: its
 * place; *ret_good: it is not one of those that are better left alone.
 */
unsigned fetch_servers_pick(const struct fetch_servers *s, unsigned avoid, ev_tstamp now,
			    bool *ret_good);

/* Fill in what to ask @s for, and count the part as running. Return: whether in large blocks. */
bool fetch_server_begin(struct fetch_server *s, const struct fetch_tuning *tuning,
			struct transfer_config *config);

/* A part ended otherwise than by one of the two below. */
void fetch_server_end(struct fetch_server *s);

/* It gave a part in @took seconds; @lost: packets were lost on the way. */
void fetch_server_good(struct fetch_server *s, double took, bool lost, bool large);

/* It gave no answer, a wrong one, or a slow one: @projected seconds a part, 0: none of this. */
void fetch_server_fault(struct fetch_server *s, ev_tstamp now, double projected);

/* Packets in large blocks were lost. */
void fetch_server_lossy(struct fetch_server *s);

/*
 * Whether a part that server @i was asked for @age seconds ago, of which @len of @size bytes are
 * here, would better be asked of another one. *ret_projected: what it takes there, in all.
 */
bool fetch_servers_slow(const struct fetch_servers *s, unsigned i, double age, size_t len,
			size_t size, ev_tstamp now, double *ret_projected);

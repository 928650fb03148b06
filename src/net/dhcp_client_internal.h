/*
 * dhcp_client_internal.h - the DHCP client, between dhcp_client.c and dhcp_client_words.c
 */
#pragma once

#include <ev.h>

#include "base/backoff.h"
#include "net/dhcp_client.h"

enum nic_state { NIC_CARRIER, NIC_HEAD_START, NIC_SELECTING, NIC_REQUESTING, NIC_PROBING };

struct nic {
	struct dhcp_client *c;
	struct link link; /* as last told */
	enum nic_state state;
	bool was_up;	/* before we set it up */
	bool announced; /* has carrier, and was told */
	struct ev_timer timer;
	struct backoff backoff, declined;
	uint32_t xid;
	ev_tstamp since;    /* first DISCOVER */
	unsigned tries;	    /* packets sent in this state */
	unsigned discovers; /* in all, for the summary */
	unsigned offers, naks, malformed, declines;
	bool requested; /* what was offered may be leased to us */
	ev_tstamp probed_until;
	unsigned probes;
	bool conflict; /* somebody has what was offered last: the holder */
	const int *up_err; /* of setting up, or NULL */
	int err;	   /* of sending or of setting up, for the summary; 0 or the last */
	struct in_addr silent; /* a server that offered and then did not acknowledge */
	bool have_offer;
	ev_tstamp offer_at;
	struct dhcp_reply offer; /* taken, or kept while a better one may come */
	struct dhcp_reply ack;	 /* while it is probed */
	char nak[64];		 /* the server's words */
	struct mac holder;	 /* who has what was offered, with declines */
};

struct dhcp_client {
	struct ev_loop *loop;
	struct links *links;
	const struct dhcp_client_ops *ops;
	void *ctx;
	struct dhcp_client_config config;
	struct ev_timer deadline;
	struct ev_timer no_carrier;
	ev_tstamp started;
	bool had_carrier;
	bool ended;		/* the caller was told */
	struct nic *requesting; /* or probing what it was given */
	int fd, arp;		/* packet sockets for all NICs; FD_NONE: closed */
	struct ev_io io, arp_io;
	struct nic *nics[LINKS_MAX]; /* owned */
	size_t n_nics;
	int to_up[LINKS_MAX]; /* ifindexes that are to be set up */
	size_t n_to_up;
	int *up_errs;	/* owned, or NULL */
	size_t n_slots; /* of it that are used */
};

#define PACKETS_PER_WAKE 32
#define ARP_PER_LOOK	 256
#define PROBES		 2

/* --- dhcp_client.c --- */

struct nic *dhcp_nic_find(struct dhcp_client *c, int ifindex);
void dhcp_nic_timer(struct nic *n, double after);
void dhcp_nic_send(struct nic *n, enum dhcp_type type);

/* --- dhcp_client_probe.c --- */

/* Ask who has the address that is requested. When that cannot be asked, nobody has it. */
void dhcp_probe_begin(struct nic *n);
void dhcp_probe_send(struct nic *n);
void dhcp_on_arp(struct ev_loop *loop, struct ev_io *io, int revents);

/*
 * Whether somebody has the address that @n was given and is probing, by all that was heard since
 * dhcp_probe_begin(); then it is declined, and another one asked for after a while.
 */
bool dhcp_probe_failed(struct nic *n);

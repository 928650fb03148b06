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
	bool was_up; /* before we set it up */
	int fd, arp; /* FD_NONE: closed */
	struct ev_io io, arp_io;
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
	int err; /* of sending or of setting up, for the summary; 0 or the last */
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
	bool ended; /* the caller was told */
	struct nic *requesting;
	struct nic *nics[LINKS_MAX]; /* owned */
	size_t n_nics;
};

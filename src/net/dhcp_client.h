/*
 * dhcp_client.h - ask for an address on all NICs at once; the first acceptable answer wins
 *
 * One object, a state machine a NIC. A wired link is set up as soon as it is known, asks as soon as
 * it has carrier, and may appear at any time while the client runs. Packets go through AF_PACKET
 * sockets, since there is no address yet. The winning NIC's lease is told to the caller, who
 * applies it (net/lease.h); the client does no more then. The other NICs are let go: what they may
 * have leased is released, and those that were down are set down. Renewal is not done here: the
 * lease goes to the root (docs/handover.md).
 *
 * RFC 2131, section 4.4.1: DISCOVER, OFFER, REQUEST, ACK or NAK; retransmission doubles with
 * jitter. An address that another machine answers for is declined.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/lang.h"
#include "net/link.h"
#include "wire/dhcp.h"

struct ev_loop;
struct dhcp_client;

#define DHCP_CLIENT_WHY_MAX  400	/* with NUL */
#define DHCP_CLIENT_NO_PROBE UINT32_MAX /* as probe_ms: none */

struct dhcp_client_config {
	uint32_t retry_ms;     /* before the first retransmission; 0: 1000 */
	uint32_t retry_max_ms; /* between later ones; 0: 16000 */
	uint32_t timeout_ms;   /* for all NICs together, from _new(); 0: 60000 */
	uint32_t carrier_ms;   /* give up after this when no NIC has had carrier (or there is none);
				  0: timeout_ms */
	struct mac
		prefer; /* BOOTIF; all zero: none. That NIC has a head start once it has carrier */
	uint32_t head_start_ms; /* how long the others then wait; 0: 200 */
	const char
		*interface; /* ask only here; NULL: everywhere. Borrowed while the client lives */
	bool want_server;   /* an offer without a boot server is taken only when no better one came
			       for 3 s */
	const char *vendor_class; /* NULL: "bpboot:x86_64". Borrowed */
	const char *hostname;	  /* told to the server; NULL: none. Borrowed */
	uint32_t probe_ms; /* for the ARP probe of the address, from the request on; 0: 40 */
};

struct dhcp_client_ops {
	/* A lease was acknowledged. @l and @lease are borrowed for the call. */
	void (*bound)(void *ctx, const struct link *l, const struct dhcp_lease *lease);

	/*
	 * Time is over. @why is a line for a person: "no DHCP answer on eth0 (link up, 4 tries in
	 * 15 s); eth1 has no carrier". @err: -ENODEV no NIC at all, -ENOLINK none had carrier,
	 * -ETIMEDOUT no answer, -ECONNREFUSED all NAK.
	 */
	void (*failed)(void *ctx, int err, const char *why);

	/* A NIC has got carrier and begins to ask; for the boot report. May be NULL. */
	void (*link)(void *ctx, const struct link *l);
};

/*
 * Begin at once. @loop, @links and @ops are borrowed and must outlive the client. Exactly one of
 * bound() and failed() is called, never from within _new(); the client may be freed inside either.
 * Return: 0 or negative errno.
 */
_must_check_ int dhcp_client_new(struct ev_loop *loop, struct links *links,
				 const struct dhcp_client_config *config,
				 const struct dhcp_client_ops *ops, void *ctx,
				 struct dhcp_client **ret);
void dhcp_client_free(struct dhcp_client *c);

/* What happened on every NIC so far, as in failed()'s @why. */
void dhcp_client_summary(const struct dhcp_client *c, char *buf, size_t n);

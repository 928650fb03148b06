/*
 * tftp_client.h - read one file by TFTP, asynchronously (RFC 1350, 2347, 2348, 2349, 7440)
 *
 * One object a transfer. Options are asked for and what the server grants is used; a server without
 * options or window works in lock-step. Retransmission goes by measured round trips, not by whole
 * seconds. Nothing is taken from another address than the server's or another port than the one
 * that it answered from first. docs/transfer.md has the rules.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/lang.h"

struct ev_loop;
struct tftp_client;

#define TFTP_CLIENT_WHY_MAX	 256 /* with NUL */
#define TFTP_CLIENT_SIZE_UNKNOWN UINT64_MAX

/* Round trips to a server, smoothed (RFC 6298), in seconds; zeros: not measured. */
struct tftp_rtt {
	double srtt, rttvar;
};

/* One more round trip, of @rtt seconds, was seen. */
void tftp_rtt_sample(struct tftp_rtt *t, double rtt);

struct tftp_client_config {
	struct ipaddr server;
	uint16_t port;	       /* host order; 0: 69 */
	const char *path;      /* as sent to the server; copied */
	uint16_t blksize;      /* 8 to 65464; 0: what fits the MTU of the route, so that nothing is
				  fragmented */
	uint16_t windowsize;   /* 1 to 65535; 0: TFTP_CLIENT_WINDOW, or TFTP_AHEAD_WINDOW */
	uint64_t max_bytes;    /* a longer file fails with -E2BIG; 0: no limit */
	uint32_t retry_min_ms; /* lower bound of the retransmission timer; 0: 10 */
	uint32_t stall_ms; /* fail with -ETIMEDOUT when nothing new came for so long; 0: 10000 */
	struct tftp_rtt *rtt; /* borrowed: what transfers from this server know of it together; may
				 be NULL */
};

#define TFTP_CLIENT_WINDOW 32 /* asked of a server; a turn-round costs half as much as with 16 */
#define TFTP_AHEAD_WINDOW  16 /* the most that a server without windows is run ahead of */

struct tftp_client_ops {
	/* The server said how long the file is (not to be trusted). May be NULL. */
	void (*size)(void *ctx, uint64_t bytes);

	/*
	 * The next bytes in order; borrowed. Return: 0, or negative errno to abort the transfer
	 * with it.
	 */
	int (*data)(void *ctx, const void *p, size_t n);

	/*
	 * Where data() is going to put what comes next, and how much of it: so that it need not be
	 * copied. What is read there is given to data() all the same. May be NULL; TFTP does not
	 * use it.
	 */
	uint8_t *(*room)(void *ctx, size_t *ret_n);

	/*
	 * Bytes of the file at @at, in any order, instead of data(). With it a server without
	 * windows is read faster (tftp_ahead.h). @again: they were delivered before, and should be
	 * the same. May be NULL. HTTP does not use it.
	 */
	int (*data_at)(void *ctx, uint64_t at, const void *p, size_t n, bool again);

	/*
	 * A round trip has passed several times over and nothing new came: a packet was lost, or
	 * the server is slow. The transfer goes on by itself; the caller may do something else
	 * meanwhile. May be NULL.
	 */
	void (*late)(void *ctx);

	/*
	 * The end, once. @err is 0 when the whole file was delivered, else: -ENOENT (not on the
	 * server), -EACCES, -E2BIG, -ETIMEDOUT (nothing came any more), -ECONNREFUSED (no server at
	 * that port), -EPROTO (the server breaks the protocol), -EREMOTEIO (another TFTP error),
	 * -EMSGSIZE, or what data() returned. @why is a line for a person ("file not found on the
	 * server: 'x' (TFTP error 1: File not found)"), "" when @err is 0.
	 */
	void (*done)(void *ctx, int err, const char *why);
};

/*
 * Ask for the file. @loop and @ops are borrowed. done() is never called from within _new(); the
 * client may be freed inside done() and late(), and at any other time but from size() and data():
 * freeing one that runs tells the server to stop. Return: 0 or negative errno.
 */
_must_check_ int tftp_client_new(struct ev_loop *loop, const struct tftp_client_config *config,
				 const struct tftp_client_ops *ops, void *ctx,
				 struct tftp_client **ret);
void tftp_client_free(struct tftp_client *c);

/* Whether blocks were seen to be missing. */
bool tftp_client_lost(const struct tftp_client *c);

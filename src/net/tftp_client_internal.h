/*
 * tftp_client_internal.h - a TFTP transfer, between the files of the client
 */
#pragma once

#include <ev.h>

#include "net/tftp_ahead.h"
#include "net/tftp_client.h"
#include "wire/tftp.h"

#define TFTP_ACKS_MAX 32

enum tftp_state { STATE_REQUEST, STATE_DATA, STATE_DONE };

struct tftp_client {
	struct ev_loop *loop;
	struct ev_io io;
	struct ev_timer timer;
	const struct tftp_client_ops *ops;
	void *ctx;
	int fd;
	enum tftp_state state;
	char path[TFTP_PATH_MAX];
	union ip_sock server;	/* where requests go */
	union ip_sock peer;	/* the transfer's other end, once known */
	struct ipaddr stranger; /* who else answered, for the error text */
	unsigned strangers;
	unsigned requests; /* sent by this socket */
	uint64_t max_bytes, bytes;
	struct tftp_options asked; /* empty after the server refused options */
	uint16_t blksize, windowsize;
	uint16_t ahead_window; /* the most, of a server without windows */
	uint16_t block;	    /* last one in order */
	uint16_t in_window; /* blocks since the last acknowledgement */
	bool lost;	    /* blocks, at least once */
	bool gap_told;	    /* the gap in front of us was acknowledged */
	bool sent_twice;    /* what was said last: no round trip can be measured by it */
	ev_tstamp sent_at;  /* when we said something last */
	ev_tstamp
		asked_at; /* the same, or when the block was asked for that measures a round trip */
	uint32_t measured;   /* that block, when we run ahead; 0: none */
	ev_tstamp active_at; /* when we said something or something new came, last */
	ev_tstamp new_at;    /* when something new came last */
	struct tftp_rtt rtt;
	struct tftp_rtt *shared_rtt; /* borrowed, or NULL */
	double rto, rto_min; /* seconds */
	double stall;	     /* seconds */
	struct tftp_ahead
		*ahead; /* owned; NULL: the server has windows, or lock-step is all there is */
	bool ahead_off; /* tried, and it did not work with this server */
	bool *ended; /* of the reading loop below us: set when the transfer ends, as c may be gone
			then */
	bool no_segments; /* this route takes no batch of datagrams */
	size_t n_acks;	  /* that wait in acks to be sent together */
	size_t buf_bytes;
	uint8_t *buf; /* owned; one packet */
	uint8_t acks[TFTP_ACKS_MAX][TFTP_HEADER_BYTES];
};

/* End the transfer and tell the caller, who may free @c. */
void tftp_client_finish(struct tftp_client *c, int err, const char *why);

/* --- tftp_client_say.c --- */

/* Acknowledge c->block, or @n blocks from @first on; they go out at the next flush. */
void tftp_client_send_ack(struct tftp_client *c, bool again);
void tftp_client_send_acks(struct tftp_client *c, uint32_t first, uint32_t n, bool again);
void tftp_client_flush(struct tftp_client *c);

/* Return: 0 or negative errno. */
int tftp_client_send_request(struct tftp_client *c, bool again);

/* Tell @to of an error. */
void tftp_client_send_error(struct tftp_client *c, const union ip_sock *to, uint16_t error,
			    const char *message);

/* --- tftp_client_fail.c --- */

/*
 * Give up, with words for a person and for the server: it broke the protocol; the file is too long;
 * ...
 */
void tftp_fail_proto(struct tftp_client *c, uint16_t error, const char *what);
void tftp_fail_too_long(struct tftp_client *c, uint64_t bytes);
void tftp_fail_timeout(struct tftp_client *c);
void tftp_fail_refused(struct tftp_client *c);
void tftp_fail_remote(struct tftp_client *c, const struct tftp_packet *p);

/*
 * transfer.h - one file, by whatever protocol its URL names
 *
 * The events and error codes are those of tftp_client.h.
 */
#pragma once

#include "net/fetch.h"
#include "net/http_client.h"
#include "net/tftp_client.h"

struct transfer;

struct transfer_config {
	uint16_t blksize, windowsize; /* TFTP; zeros are good defaults */
	uint64_t max_bytes;	      /* 0: no limit */
	uint32_t stall_ms;	      /* 0: 10000 */
	struct http_pool *pool;	      /* borrowed; NULL: no connection is kept */
	struct tftp_rtt *rtt;	      /* borrowed; NULL: each transfer measures for itself */
};

/* As tftp_client_new. */
_must_check_ int transfer_new(struct ev_loop *loop, const struct fetch_url *url,
			      const struct transfer_config *config,
			      const struct tftp_client_ops *ops, void *ctx, struct transfer **ret);
void transfer_free(struct transfer *t);

/* Whether packets were lost on the way, as far as is known. */
bool transfer_lost(const struct transfer *t);

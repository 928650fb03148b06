/*
 * http_client.h - read one file by HTTP/1.1, asynchronously (RFC 9110, 9112)
 *
 * One object a transfer, with the events and error codes of a TFTP transfer, so that callers need
 * not care which one it is. Connections that may be kept go to a pool and serve the next transfer
 * from the same server. A connection that breaks in the body is replaced and the rest asked for as
 * a range, and the server's word is checked that it is the same file. Nothing is written that the
 * answer's length does not cover; an answer without a length is refused.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/lang.h"
#include "net/tftp_client.h"

struct ev_loop;
struct http_client;
struct http_pool;

#define HTTP_CLIENT_WHY_MAX TFTP_CLIENT_WHY_MAX

struct http_client_config {
	struct ipaddr server;
	const char *name;   /* of the server, as its URL said it; NULL: its address. Copied */
	uint16_t port;	    /* host order; 0: 80 */
	const char *path;   /* without the first slash; copied */
	uint64_t max_bytes; /* a longer file fails with -E2BIG; 0: no limit */
	uint32_t stall_ms;  /* fail with -ETIMEDOUT when nothing new came for so long; 0: 10000 */
	struct http_pool *pool; /* borrowed; NULL: connections are not kept */
	struct tftp_rtt *rtt;	/* borrowed: how soon this server answers, as all transfers from it
				   saw; may be NULL */
};

/*
 * Ask for the file; contract and error codes are those of tftp_client_new. -EREMOTEIO is another
 * HTTP status than those that say "not there" or "not allowed", -ESTALE a file that changed while
 * it was fetched.
 */
_must_check_ int http_client_new(struct ev_loop *loop, const struct http_client_config *config,
				 const struct tftp_client_ops *ops, void *ctx,
				 struct http_client **ret);
void http_client_free(struct http_client *c);

/* Idle connections, at most HTTP_POOL_MAX. Freeing the pool closes them. */
#define HTTP_POOL_MAX 64
_must_check_ int http_pool_new(struct http_pool **ret);
void http_pool_free(struct http_pool *p);

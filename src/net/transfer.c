/*
 * transfer.c - one file, by whatever protocol its URL names
 *
 * The clients' callbacks get the caller's context, not ours: there is nothing to add to what they
 * say.
 */
#include <errno.h>

#include "net/transfer.h"

struct transfer {
	struct tftp_client *tftp; /* owned; one of the two is not NULL */
	struct http_client *http;
};

static int begin(struct ev_loop *loop, const struct fetch_url *url, const struct transfer_config *c,
		 const struct tftp_client_ops *ops, void *ctx, struct transfer *t)
{
	struct tftp_client_config tftp = { .server = url->host,
					   .port = url->port,
					   .path = url->path,
					   .blksize = c->blksize,
					   .windowsize = c->windowsize,
					   .max_bytes = c->max_bytes,
					   .stall_ms = c->stall_ms,
					   .rtt = c->rtt };
	struct http_client_config http = { .server = url->host,
					   .name = *url->name ? url->name : NULL,
					   .port = url->port,
					   .path = url->path,
					   .max_bytes = c->max_bytes,
					   .stall_ms = c->stall_ms,
					   .pool = c->pool,
					   .rtt = c->rtt };

	switch (url->scheme) {
	case FETCH_TFTP:
		return tftp_client_new(loop, &tftp, ops, ctx, &t->tftp);
	case FETCH_HTTP:
		return http_client_new(loop, &http, ops, ctx, &t->http);
	default:
		return -EPROTONOSUPPORT;
	}
}

int transfer_new(struct ev_loop *loop, const struct fetch_url *url,
		 const struct transfer_config *config, const struct tftp_client_ops *ops, void *ctx,
		 struct transfer **ret)
{
	struct transfer *t;
	int r;

	if (!ip_is_set(&url->host)) /* a name that nobody resolved */
		return -EDESTADDRREQ;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	r = begin(loop, url, config, ops, ctx, t);
	if (r < 0) {
		free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void transfer_free(struct transfer *t)
{
	if (!t)
		return;
	tftp_client_free(t->tftp);
	http_client_free(t->http);
	free(t);
}

bool transfer_lost(const struct transfer *t)
{
	return t->tftp && tftp_client_lost(t->tftp);
}

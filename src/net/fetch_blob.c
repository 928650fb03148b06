/*
 * fetch_blob.c - one file from a boot server, whole, into memory
 *
 * A transfer that broke off begins again from the first byte: TFTP knows no other way, HTTP's
 * client has tried ranges by then, and what is fetched so is small.
 */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/log.h"
#include "net/fetch.h"
#include "net/transfer.h"

#define PATIENCE_MS 60000
#define WAIT_MIN_MS 200
#define WAIT_MAX_MS 4000
#define PROTO_TRIES 4 /* answers against the protocol, or errors without a meaning of their own */

struct fetch_blob {
	struct ev_loop *loop;
	struct ev_timer wait; /* before the next try */
	const struct fetch_blob_ops *ops;
	void *ctx;
	struct fetch_url url;
	struct fetch_tuning tuning;
	struct transfer *transfer; /* owned; NULL between tries */
	struct backoff backoff;
	struct buffer data;
	uint64_t total;	  /* as the server said; 0: not known */
	ev_tstamp new_at; /* when something new came last */
	double patience;  /* seconds */
	unsigned tries;	  /* of those that count */
};

static void begin(struct fetch_blob *f);

static void finish(struct fetch_blob *f, int err, const char *why)
{
	char url[FETCH_URL_MAX], line[FETCH_WHY_MAX];

	*line = 0;
	if (err < 0)
		snprintf(line, sizeof(line), "cannot fetch %.160s: %s",
			 fetch_url_format(&f->url, url), *why ? why : strerror(-err));
	f->ops->done(f->ctx, err, line, &f->data);
}

static void on_size(void *ctx, uint64_t bytes)
{
	((struct fetch_blob *)ctx)->total = bytes;
}

static int on_data(void *ctx, const void *p, size_t n)
{
	struct fetch_blob *f = ctx;
	int r = buffer_append(&f->data, p, n);

	f->new_at = ev_now(f->loop);
	if (r == 0 && f->ops->progress)
		f->ops->progress(f->ctx, f->data.len, f->total);
	return r;
}

/*
 * Whether to ask again after @err: a server that is away may come back, one that says no means it.
 */
static bool worth_trying(struct fetch_blob *f, int err)
{
	switch (err) {
	case -EREMOTEIO:
	case -ESTALE:
	case -EPROTO:
		if (++f->tries >= (f->tuning.tries ? f->tuning.tries : PROTO_TRIES))
			return false;
		break;
	case -ETIMEDOUT:
	case -ECONNREFUSED:
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -ENETDOWN:
		break;
	default:
		return false;
	}
	return ev_now(f->loop) - f->new_at < f->patience;
}

static void on_done(void *ctx, int err, const char *why)
{
	struct fetch_blob *f = ctx;
	char url[FETCH_URL_MAX];

	/* @why is the text of the caller's stack, not of the client's memory */
	transfer_free(TAKE_PTR(f->transfer));
	if (err == 0 || !worth_trying(f, err)) {
		finish(f, err, why);
		return;
	}
	log_debug("%s: %s; asking again", fetch_url_format(&f->url, url), why);
	buffer_clear(&f->data);
	ev_timer_set(&f->wait, backoff_next(&f->backoff) / 1e3, 0.);
	ev_timer_start(f->loop, &f->wait);
}

static const struct tftp_client_ops client_ops = {
	.size = on_size,
	.data = on_data,
	.done = on_done,
};

static void on_wait(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	begin(w->data);
}

static void begin(struct fetch_blob *f)
{
	struct transfer_config config = {
		.blksize = f->tuning.blksize,
		.windowsize = f->tuning.windowsize,
		.max_bytes = f->data.max,
		.stall_ms = (uint32_t)MIN(f->patience * 1e3, 10000.0),
	};
	int r = transfer_new(f->loop, &f->url, &config, &client_ops, f, &f->transfer);

	if (r < 0)
		on_done(f, r, strerror(-r));
}

int fetch_blob_new(struct ev_loop *loop, const struct fetch_url *url, size_t max,
		   const struct fetch_tuning *tuning, const struct fetch_blob_ops *ops, void *ctx,
		   struct fetch_blob **ret)
{
	struct fetch_blob *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->loop = loop;
	f->ops = ops;
	f->ctx = ctx;
	f->url = *url;
	f->tuning = tuning ? *tuning : (struct fetch_tuning){ 0 };
	f->data = BUFFER(max);
	f->backoff = BACKOFF(WAIT_MIN_MS, WAIT_MAX_MS);
	f->patience = (f->tuning.patience_ms ? f->tuning.patience_ms : PATIENCE_MS) / 1e3;
	ev_now_update(loop);
	f->new_at = ev_now(loop);
	ev_timer_init(&f->wait, on_wait, 0., 0.); /* the first try is made from the loop, too */
	f->wait.data = f;
	ev_timer_start(loop, &f->wait);
	*ret = f;
	return 0;
}

void fetch_blob_free(struct fetch_blob *f)
{
	if (!f)
		return;
	ev_timer_stop(f->loop, &f->wait);
	transfer_free(f->transfer);
	buffer_clear(&f->data);
	free(f);
}

/*
 * fetch_slot.c - one part of an image on its way: asked of a server, received, asked for again
 *
 * Two kinds of failure: what the server says or sends wrongly is counted for each part; silence is
 * not counted but measured, for all sessions together.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "net/fetch_parts_internal.h"

#define STALL_MS       10000
#define WAIT_MIN_MS    100
#define WAIT_MAX_MS    2000
#define LARGE_SILENT_S 0.3
#define PARTS_DIR      "parts/"

static struct fetch_server *slot_server(struct fetch_slot *s)
{
	return &s->f->servers.server[s->server];
}

void fetch_slot_clear(struct fetch_slot *s)
{
	transfer_free(TAKE_PTR(s->transfer));
	if (s->server != FETCH_SERVER_NONE)
		fetch_server_end(slot_server(s));
	s->server = FETCH_SERVER_NONE;
	ev_timer_stop(s->f->loop, &s->wait);
	fetch_check_give_back(s->f->check, TAKE_PTR(s->buf));
	if (s->part != FETCH_NO_PART)
		s->f->parts[s->part].running--;
	s->part = FETCH_NO_PART;
	s->late = false;
}

static int on_data(void *ctx, const void *p, size_t n)
{
	struct fetch_slot *s = ctx;

	if (n > s->f->index->parts[s->part].stored_bytes - s->len)
		return -E2BIG;
	if (p != s->buf + s->len)
		memcpy(s->buf + s->len, p, n);
	s->len += n;
	s->f->new_at = ev_now(s->f->loop);
	s->f->silence_told = false;
	s->late = false;
	return 0;
}

static uint8_t *on_room(void *ctx, size_t *ret_n)
{
	struct fetch_slot *s = ctx;

	*ret_n = s->f->index->parts[s->part].stored_bytes - s->len;
	return s->buf + s->len;
}

static int on_data_at(void *ctx, uint64_t at, const void *p, size_t n, bool again)
{
	struct fetch_slot *s = ctx;
	size_t room = s->f->index->parts[s->part].stored_bytes;

	if (at > room || n > room - at)
		return -E2BIG;
	memcpy(s->buf + at, p, n);
	s->len = MAX(s->len, (size_t)at + n);
	s->f->new_at = ev_now(s->f->loop);
	s->f->silence_told = false;
	s->late = false;
	return 0;
}

static void on_late(void *ctx)
{
	struct fetch_slot *s = ctx;

	if (s->large && s->len == 0 && ev_now(s->f->loop) - s->begun_at > LARGE_SILENT_S) {
		/* fragments do not come through */
		transfer_free(TAKE_PTR(s->transfer));
		fetch_server_lossy(slot_server(s));
		fetch_server_end(slot_server(s));
		s->server = FETCH_SERVER_NONE;
		fetch_slot_begin(s);
		return;
	}
	/* not begun: a TFTP server may be full, more requests would not help */
	if (s->late || (s->len == 0 && slot_server(s)->base.scheme == FETCH_TFTP))
		return;
	s->late = true;
	fetch_parts_schedule(s->f);
}

void fetch_slot_fault(struct fetch_slot *s, double projected)
{
	if (s->server == FETCH_SERVER_NONE)
		return;
	if (s->large)
		fetch_server_lossy(slot_server(s));
	fetch_server_fault(slot_server(s), ev_now(s->f->loop), projected);
	s->server = FETCH_SERVER_NONE;
}

/* Ask for the slot's part again: at another server at once, at the same one after a while. */
static void slot_again(struct fetch_slot *s, int err, const char *why)
{
	struct fetch_parts *f = s->f;
	struct part_state *part = &f->parts[s->part];
	bool good;
	bool silent = err == -ETIMEDOUT || err == -ECONNREFUSED || err == -ENETUNREACH ||
		      err == -EHOSTUNREACH || err == -ENETDOWN;

	if (!silent && s->server != FETCH_SERVER_NONE)
		part->avoid |= (uint8_t)(1u << s->server);
	fetch_slot_fault(s, 0);
	if (part->running > 1) { /* another one is at it */
		fetch_slot_clear(s);
		fetch_parts_schedule(f);
		return;
	}
	if (silent && ev_now(f->loop) - f->new_at >= fetch_parts_patience_ms(f) / 1e3) {
		fetch_parts_fail(f, s->part, err, why);
		return;
	}
	if (silent) {
		if (!f->silence_told)
			fetch_parts_trouble(f, s->part, why);
		f->silence_told = true;
	} else if (!fetch_parts_wrong(f, s->part, err, why)) {
		return;
	}
	s->len = 0;
	s->late = false;
	(void)fetch_servers_pick(&f->servers, part->avoid, ev_now(f->loop), &good);
	ev_timer_set(&s->wait, good ? 0. : backoff_next(&s->backoff) / 1e3, 0.);
	ev_timer_start(f->loop, &s->wait);
}

static void on_done(void *ctx, int err, const char *why)
{
	struct fetch_slot *s = ctx;
	struct fetch_parts *f = s->f;
	size_t i = s->part;
	unsigned server = s->server;
	bool lost = transfer_lost(s->transfer);
	char text[FETCH_WHY_MAX];
	uint8_t *buf;

	transfer_free(TAKE_PTR(s->transfer));
	if (err == 0 && s->len != f->index->parts[i].stored_bytes) {
		snprintf(text, sizeof(text), "the file has %zu bytes, expected %u", s->len,
			 f->index->parts[i].stored_bytes);
		why = text;
		err = -EBADMSG;
	}
	if (err < 0) {
		slot_again(s, err, why);
		return;
	}
	fetch_server_good(slot_server(s), ev_now(f->loop) - s->begun_at, lost, s->large);
	s->server = FETCH_SERVER_NONE;
	buf = TAKE_PTR(s->buf);
	backoff_reset(&s->backoff);
	fetch_slot_clear(s);
	for (size_t k = 0; k < FETCH_SLOTS_MAX && f->parts[i].running; k++) {
		if (f->slots[k].part == i) /* a second copy is not needed any more */
			fetch_slot_clear(&f->slots[k]);
	}
	fetch_parts_schedule(f);
	if (f->ended)
		fetch_check_give_back(f->check, buf);
	else
		fetch_check_hash(f->check, buf, f->index->parts[i].stored_bytes, i, server);
}

static const struct tftp_client_ops client_ops = {
	.data = on_data,
	.room = on_room,
	.data_at = on_data_at,
	.late = on_late,
	.done = on_done,
};

void fetch_slot_begin(struct fetch_slot *s)
{
	struct fetch_parts *f = s->f;
	const struct index_part *part = &f->index->parts[s->part];
	char name[sizeof(PARTS_DIR) + 2 * INDEX_HASH_BYTES] = PARTS_DIR;
	struct transfer_config config = {
		.max_bytes = part->stored_bytes,
		.pool = f->pool,
		.stall_ms = MIN(fetch_parts_patience_ms(f), (uint32_t)STALL_MS),
	};
	struct fetch_url url;
	bool good;
	int r;

	s->begun_at = ev_now(f->loop);
	s->server = fetch_servers_pick(&f->servers, f->parts[s->part].avoid, s->begun_at, &good);
	s->large = fetch_server_begin(slot_server(s), &f->tuning, &config);
	format_hex(part->hash, INDEX_HASH_BYTES, name + strlen(PARTS_DIR));
	r = fetch_url_sibling(&slot_server(s)->base, name, &url);
	s->len = 0;
	if (r == 0 && !s->buf) {
		s->buf = fetch_check_buffer(f->check);
		r = s->buf ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = transfer_new(f->loop, &url, &config, &client_ops, s, &s->transfer);
	if (r == -ENOMEM || r == -ENAMETOOLONG)
		fetch_parts_fail(f, s->part, r, "");
	else if (r < 0)
		slot_again(s, r, strerror(-r));
}

static void on_wait(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	fetch_slot_begin(w->data);
}

void fetch_slot_init(struct fetch_slot *s, struct fetch_parts *f)
{
	s->f = f;
	s->part = FETCH_NO_PART;
	s->server = FETCH_SERVER_NONE;
	s->backoff = BACKOFF(WAIT_MIN_MS, WAIT_MAX_MS);
	ev_init(&s->wait, on_wait);
	s->wait.data = s;
}

/*
 * fetch_parts.c - the parts of an image, many at once, verified
 *
 * Sessions take parts in the index's order, each into a buffer of exactly the part's size. When one
 * is complete, its session first asks for the next part and only then is the complete one hashed
 * and handed over, so that the network works while we do.
 *
 * Which server is asked for a part is fetch_servers.c's business; here, one that turns out to be
 * far slower than another loses its part to it.
 *
 * A lock-step server that lost a packet is silent until its own timer runs out, a second or more,
 * whatever we say. Such a session is "late": it keeps its part, and another session is opened
 * beside it, up to twice the number that was asked for. At the end, when there is nothing more to
 * take, late parts are asked for a second time and the first copy counts.
 *
 * Two kinds of failure: what the server says or sends wrongly is counted for each part; silence is
 * not counted but measured, for all sessions together.
 */
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/parse.h"
#include "net/fetch_check.h"
#include "net/fetch_servers.h"

#define PATIENCE_MS    60000
#define STALL_MS       10000
#define TRIES	       4
#define WAIT_MIN_MS    100
#define WAIT_MAX_MS    2000
#define AWAY_MS	       1000 /* all late for so long: the server is away, asking does not help */
#define LARGE_SILENT_S 0.3
#define TICK_S	       0.2
#define SLOTS_MAX      (2 * FETCH_SESSIONS_MAX)
/* Parts fetched and hashed at a time: as many as sessions, or these while they are so small. */
#define FLIGHT	     12
#define FLIGHT_BYTES (3u << 20)
#define PARTS_DIR    "parts/"
#define NO_PART	     SIZE_MAX

struct slot {
	struct fetch_parts *f;
	size_t part;		   /* NO_PART: idle */
	struct transfer *transfer; /* owned; NULL while idle or waiting */
	struct ev_timer wait;	   /* before the part is asked for again */
	struct backoff backoff;
	uint8_t *buf; /* of f->check; the part's stored bytes */
	size_t len;   /* bytes received */
	ev_tstamp begun_at;
	unsigned server; /* that it is asked of; FETCH_SERVER_NONE: none now */
	bool large;	 /* in large blocks */
	bool late;	 /* no news for several round trips in mid-transfer */
};

struct part_state {
	bool done;
	uint8_t running; /* slots that have it */
	uint8_t tries;	 /* answers that were wrong */
	uint8_t avoid;	 /* a bit for each server that gave a wrong one */
};

struct fetch_parts {
	struct ev_loop *loop;
	struct ev_timer kick; /* begins everything from the loop */
	struct ev_timer tick; /* looks for servers that are slow */
	const struct index *index;
	const struct fetch_parts_ops *ops;
	void *ctx;
	struct fetch_tuning tuning;
	struct fetch_servers servers;
	struct fetch_check *check; /* owned: the memory of parts, and their hashes */
	size_t flight;		   /* parts that may be fetched and hashed at a time */
	struct http_pool *pool;	   /* owned: connections between two parts */
	struct part_state *parts;  /* owned; as many as the index has */
	size_t next;		   /* part that nobody has taken yet */
	size_t first;		   /* all parts before it are done */
	size_t redo[SLOTS_MAX];	   /* parts that were wrong */
	size_t n_redo;
	size_t n_left; /* parts that are not done */
	uint64_t done_bytes, total_bytes;
	ev_tstamp new_at;  /* when anything new came last */
	bool silence_told; /* trouble() was called for the silence that lasts */
	bool ended;
	int err; /* with which it ended */
	char why[FETCH_WHY_MAX];
	struct slot slots[SLOTS_MAX];
};

static void schedule(struct fetch_parts *f);
static void slot_begin(struct slot *s);

static void part_name(const struct fetch_parts *f, size_t i, char *buf, size_t n)
{
	char hex[2 * INDEX_HASH_BYTES + 1];

	format_hex(f->index->parts[i].hash, INDEX_HASH_BYTES, hex);
	snprintf(buf, n, "part %zu of %zu (%.16s...)", i + 1, f->index->n_parts, hex);
}

static struct fetch_server *slot_server(struct slot *s)
{
	return &s->f->servers.server[s->server];
}

/* Empty the slot; its part is free for others. */
static void slot_clear(struct slot *s)
{
	transfer_free(TAKE_PTR(s->transfer));
	if (s->server != FETCH_SERVER_NONE)
		fetch_server_end(slot_server(s));
	s->server = FETCH_SERVER_NONE;
	ev_timer_stop(s->f->loop, &s->wait);
	fetch_check_give_back(s->f->check, TAKE_PTR(s->buf));
	if (s->part != NO_PART)
		s->f->parts[s->part].running--;
	s->part = NO_PART;
	s->late = false;
}

/* Stop everything. The caller is told from the loop, as it may free @f then. */
static void finish(struct fetch_parts *f, int err, const char *why)
{
	if (f->ended)
		return;
	for (size_t i = 0; i < SLOTS_MAX; i++)
		slot_clear(&f->slots[i]);
	ev_timer_stop(f->loop, &f->tick);
	f->ended = true;
	f->err = err;
	snprintf(f->why, sizeof(f->why), "%s", why);
	ev_timer_set(&f->kick, 0., 0.);
	ev_timer_start(f->loop, &f->kick);
}

static void fail_part(struct fetch_parts *f, size_t i, int err, const char *why)
{
	char name[64], line[FETCH_WHY_MAX];

	part_name(f, i, name, sizeof(name));
	snprintf(line, sizeof(line), "%s: %s", name, *why ? why : strerror(-err));
	finish(f, err, line);
}

static void say_trouble(struct fetch_parts *f, size_t i, const char *why)
{
	char name[64], line[FETCH_WHY_MAX];

	if (!f->ops->trouble)
		return;
	part_name(f, i, name, sizeof(name));
	snprintf(line, sizeof(line), "%s: %s; asking again", name, why);
	f->ops->trouble(f->ctx, line);
}

/* Count a wrong answer for part @i. Return: false when that was one too many and @f has ended. */
static bool count_wrong(struct fetch_parts *f, size_t i, int err, const char *why)
{
	unsigned most = f->tuning.tries ? f->tuning.tries
					: MAX((unsigned)TRIES, 2 * (unsigned)f->servers.n);

	if (++f->parts[i].tries >= most) {
		fail_part(f, i, err, why);
		return false;
	}
	say_trouble(f, i, why);
	return true;
}

/* --- a transfer's events --- */

static int on_data(void *ctx, const void *p, size_t n)
{
	struct slot *s = ctx;

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
	struct slot *s = ctx;

	*ret_n = s->f->index->parts[s->part].stored_bytes - s->len;
	return s->buf + s->len;
}

static int on_data_at(void *ctx, uint64_t at, const void *p, size_t n, bool again)
{
	struct slot *s = ctx;
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
	struct slot *s = ctx;

	if (s->large && s->len == 0 && ev_now(s->f->loop) - s->begun_at > LARGE_SILENT_S) {
		/* fragments do not come through */
		transfer_free(TAKE_PTR(s->transfer));
		fetch_server_lossy(slot_server(s));
		fetch_server_end(slot_server(s));
		s->server = FETCH_SERVER_NONE;
		slot_begin(s);
		return;
	}
	/* not begun: a TFTP server may be full, more requests would not help */
	if (s->late || (s->len == 0 && slot_server(s)->base.scheme == FETCH_TFTP))
		return;
	s->late = true;
	schedule(s->f);
}

/* The server that the slot's part was asked of did not serve it. */
static void slot_fault(struct slot *s, double projected)
{
	if (s->server == FETCH_SERVER_NONE)
		return;
	if (s->large)
		fetch_server_lossy(slot_server(s));
	fetch_server_fault(slot_server(s), ev_now(s->f->loop), projected);
	s->server = FETCH_SERVER_NONE;
}

/* Ask for the slot's part again: at another server at once, at the same one after a while. */
static void slot_again(struct slot *s, int err, const char *why)
{
	struct fetch_parts *f = s->f;
	struct part_state *part = &f->parts[s->part];
	bool good;
	bool silent = err == -ETIMEDOUT || err == -ECONNREFUSED || err == -ENETUNREACH ||
		      err == -EHOSTUNREACH || err == -ENETDOWN;

	if (!silent && s->server != FETCH_SERVER_NONE)
		part->avoid |= (uint8_t)(1u << s->server);
	slot_fault(s, 0);
	if (part->running > 1) { /* another one is at it */
		slot_clear(s);
		schedule(f);
		return;
	}
	if (silent && ev_now(f->loop) - f->new_at >=
			      (f->tuning.patience_ms ? f->tuning.patience_ms : PATIENCE_MS) / 1e3) {
		fail_part(f, s->part, err, why);
		return;
	}
	if (silent) {
		if (!f->silence_told)
			say_trouble(f, s->part, why);
		f->silence_told = true;
	} else if (!count_wrong(f, s->part, err, why)) {
		return;
	}
	s->len = 0;
	s->late = false;
	(void)fetch_servers_pick(&f->servers, part->avoid, ev_now(f->loop), &good);
	ev_timer_set(&s->wait, good ? 0. : backoff_next(&s->backoff) / 1e3, 0.);
	ev_timer_start(f->loop, &s->wait);
}

/* A part whose hash is @got came from @server. Return: whether it is right. */
static bool is_right(struct fetch_parts *f, size_t i, unsigned server, const uint8_t *got)
{
	if (memcmp(got, f->index->parts[i].hash, INDEX_HASH_BYTES) == 0)
		return true;
	if (!count_wrong(f, i, -EBADMSG, "its content does not match its hash"))
		return false;
	f->parts[i].avoid |= (uint8_t)(1u << server);
	assert(f->n_redo < SLOTS_MAX);
	f->redo[f->n_redo++] = i;
	return false;
}

/* Hand over a part that is right. */
static void deliver(struct fetch_parts *f, size_t i, const uint8_t *data)
{
	const struct index_part *part = &f->index->parts[i];
	int r;

	f->parts[i].done = true;
	f->n_left--;
	f->done_bytes += part->stored_bytes;
	r = f->ops->part(f->ctx, i, data, part->stored_bytes);
	ev_now_update(f->loop); /* that may have taken its time, which is nobody's silence */
	f->new_at = ev_now(f->loop);
	if (r < 0) {
		fail_part(f, i, r, "");
		return;
	}
	if (f->ops->progress)
		f->ops->progress(f->ctx, f->done_bytes, f->total_bytes);
	if (f->n_left == 0)
		finish(f, 0, "");
}

static void on_checked(void *ctx, const struct fetch_checked *c)
{
	struct fetch_parts *f = ctx;

	if (!f->ended && is_right(f, c->part, c->server, c->hash))
		deliver(f, c->part, c->data);
	fetch_check_give_back(f->check, c->data);
	if (!f->ended)
		schedule(f); /* what had to wait for this part */
}

static void on_done(void *ctx, int err, const char *why)
{
	struct slot *s = ctx;
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
	slot_clear(s);
	for (size_t k = 0; k < SLOTS_MAX && f->parts[i].running; k++) {
		if (f->slots[k].part == i) /* a second copy is not needed any more */
			slot_clear(&f->slots[k]);
	}
	schedule(f);
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

/* --- who fetches what --- */

static void slot_begin(struct slot *s)
{
	struct fetch_parts *f = s->f;
	const struct index_part *part = &f->index->parts[s->part];
	char name[sizeof(PARTS_DIR) + 2 * INDEX_HASH_BYTES] = PARTS_DIR;
	struct transfer_config config = {
		.max_bytes = part->stored_bytes,
		.pool = f->pool,
		.stall_ms = MIN(f->tuning.patience_ms ? f->tuning.patience_ms : PATIENCE_MS,
				(uint32_t)STALL_MS),
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
		fail_part(f, s->part, r, "");
	else if (r < 0)
		slot_again(s, r, strerror(-r));
}

static void on_wait(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	slot_begin(w->data);
}

/*
 * A part to fetch: one that was wrong, the next, or at the end a late one once more. Return: or
 * NO_PART.
 */
static size_t take_part(struct fetch_parts *f)
{
	if (f->n_redo > 0)
		return f->redo[--f->n_redo];
	while (f->first < f->next &&
	       (f->parts[f->first].done || f->index->parts[f->first].stored_bytes == 0))
		f->first++;
	while (f->next < f->index->n_parts &&
	       (!f->tuning.ahead || f->next - f->first < f->tuning.ahead)) {
		size_t i = f->next++;

		if (f->index->parts[i].stored_bytes > 0)
			return i;
	}
	for (size_t k = 0; k < SLOTS_MAX; k++) {
		if (f->slots[k].part != NO_PART && f->slots[k].late &&
		    f->parts[f->slots[k].part].running == 1)
			return f->slots[k].part;
	}
	return NO_PART;
}

/* Fill the slots that should work. */
static void schedule(struct fetch_parts *f)
{
	size_t want = f->tuning.sessions, busy = 0, late = 0;
	size_t waiting = fetch_check_waiting(f->check);

	for (size_t k = 0; k < SLOTS_MAX; k++) {
		busy += f->slots[k].part != NO_PART;
		late += f->slots[k].late;
	}
	if (busy > 0 && busy == late && ev_now(f->loop) - f->new_at > AWAY_MS / 1e3)
		return;
	for (size_t k = 0; k < 2 * want && !f->ended; k++) {
		struct slot *s = &f->slots[k];
		size_t part;

		if (busy - late >= want || busy - late + waiting >= f->flight)
			return;
		if (s->part != NO_PART)
			continue;
		part = take_part(f);
		if (part == NO_PART)
			return;
		s->part = part;
		f->parts[part].running++;
		busy++;
		slot_begin(s);
	}
}

static void on_kick(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct fetch_parts *f = w->data;

	f->new_at = ev_now(loop);
	if (f->ended)
		f->ops->done(f->ctx, f->err, f->why);
	else if (f->n_left == 0)
		finish(f, 0, "");
	else
		schedule(f);
}

/* Parts that one server gives far more slowly than another does: ask the other. */
static void on_tick(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct fetch_parts *f = w->data;

	for (size_t k = 0; k < SLOTS_MAX && !f->ended; k++) {
		struct slot *s = &f->slots[k];
		double projected;

		if (s->part == NO_PART || !s->transfer ||
		    !fetch_servers_slow(&f->servers, s->server, ev_now(loop) - s->begun_at, s->len,
					f->index->parts[s->part].stored_bytes, ev_now(loop),
					&projected))
			continue;
		transfer_free(TAKE_PTR(s->transfer));
		slot_fault(s, projected);
		s->late = false;
		slot_begin(s);
	}
}

/* One TCP connection is as fast as the link; a second one works while the first is asked anew. */
uint32_t fetch_parts_sessions(const struct fetch_url *bases, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += bases[i].scheme == FETCH_HTTP ? FETCH_SESSIONS_HTTP : FETCH_SESSIONS;
	return MIN(sum, (uint32_t)FETCH_SESSIONS);
}

static void slots_init(struct fetch_parts *f)
{
	for (size_t k = 0; k < SLOTS_MAX; k++) {
		struct slot *s = &f->slots[k];

		s->f = f;
		s->part = NO_PART;
		s->server = FETCH_SERVER_NONE;
		s->backoff = BACKOFF(WAIT_MIN_MS, WAIT_MAX_MS);
		ev_init(&s->wait, on_wait);
		s->wait.data = s;
	}
}

/* Memory for parts that are fetched, late ones too, and that wait for their hash. */
static int memory_init(struct fetch_parts *f)
{
	size_t largest = 1;

	for (size_t i = 0; i < f->index->n_parts; i++)
		largest = MAX(largest, (size_t)f->index->parts[i].stored_bytes);
	f->flight = MAX((size_t)f->tuning.sessions, MIN((size_t)FLIGHT, FLIGHT_BYTES / largest));
	return fetch_check_new(f->loop, 2 * f->tuning.sessions + f->flight, largest,
			       f->index->n_parts > 1, on_checked, f, &f->check);
}

static void timers_init(struct fetch_parts *f)
{
	ev_timer_init(&f->kick, on_kick, 0., 0.);
	f->kick.data = f;
	ev_timer_start(f->loop, &f->kick);
	ev_timer_init(&f->tick, on_tick, TICK_S, TICK_S);
	f->tick.data = f;
	if (f->servers.n > 1)
		ev_timer_start(f->loop, &f->tick);
}

int fetch_parts_new(struct ev_loop *loop, const struct index *index, const struct fetch_url *bases,
		    size_t n_bases, const struct fetch_tuning *tuning,
		    const struct fetch_parts_ops *ops, void *ctx, struct fetch_parts **ret)
{
	struct fetch_parts *f;
	int r;

	if (n_bases == 0 || n_bases > FETCH_SERVERS_MAX)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->loop = loop;
	f->index = index;
	f->ops = ops;
	f->ctx = ctx;
	f->tuning = tuning ? *tuning : (struct fetch_tuning){ 0 };
	if (f->tuning.sessions == 0)
		f->tuning.sessions = fetch_parts_sessions(bases, n_bases);
	f->tuning.sessions = MIN(f->tuning.sessions, (uint32_t)FETCH_SESSIONS_MAX);
	for (size_t i = 0; i < n_bases; i++)
		f->servers.server[i].base = bases[i];
	f->servers.n = n_bases;
	slots_init(f);
	for (size_t i = 0; i < index->n_parts; i++)
		f->n_left += index->parts[i].stored_bytes > 0;
	f->total_bytes = index_stored_bytes(index);
	f->parts = calloc(index->n_parts ? index->n_parts : 1, sizeof(*f->parts));
	r = f->parts ? http_pool_new(&f->pool) : -ENOMEM;
	if (r == 0)
		r = memory_init(f);
	if (r < 0) {
		fetch_parts_free(f);
		return r;
	}
	timers_init(f);
	*ret = f;
	return 0;
}

void fetch_parts_free(struct fetch_parts *f)
{
	if (!f)
		return;
	ev_timer_stop(f->loop, &f->kick);
	ev_timer_stop(f->loop, &f->tick);
	for (size_t k = 0; k < SLOTS_MAX; k++)
		slot_clear(&f->slots[k]);
	fetch_check_free(f->check);
	http_pool_free(f->pool);
	free(f->parts);
	free(f);
}

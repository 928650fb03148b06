/*
 * fetch_parts.c - the parts of an image, many at once, verified
 *
 * Sessions take parts in the index's order, each into a buffer of exactly the part's size. When one
 * is complete, its session first asks for the next part and only then is the complete one hashed
 * and handed over, so that the network works while we do.
 *
 * Here stands which part is fetched when; one part's transfer is in fetch_slot.c, and which server
 * is asked for it is fetch_servers.c's business. A server that turns out to be far slower than
 * another loses its part to it.
 *
 * A lock-step server that lost a packet is silent until its own timer runs out, a second or more,
 * whatever we say. Such a session is "late": it keeps its part, and another session is opened
 * beside it, up to twice the number that was asked for. At the end, when there is nothing more to
 * take, late parts are asked for a second time and the first copy counts.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "net/fetch_parts_internal.h"

#define PATIENCE_MS 60000
#define TRIES	    4
#define AWAY_MS	    1000 /* all late for so long: the server is away, asking does not help */
#define TICK_S	    0.2
/* Parts fetched and hashed at a time: as many as sessions, or these while they are so small. */
#define FLIGHT	     12
#define FLIGHT_BYTES (3u << 20)

uint32_t fetch_parts_patience_ms(const struct fetch_parts *f)
{
	return f->tuning.patience_ms ? f->tuning.patience_ms : PATIENCE_MS;
}

static void part_name(const struct fetch_parts *f, size_t i, char *buf, size_t n)
{
	char hex[2 * INDEX_HASH_BYTES + 1];

	format_hex(f->index->parts[i].hash, INDEX_HASH_BYTES, hex);
	snprintf(buf, n, "part %zu of %zu (%.16s...)", i + 1, f->index->n_parts, hex);
}

/* Stop everything. The caller is told from the loop, as it may free @f then. */
static void finish(struct fetch_parts *f, int err, const char *why)
{
	if (f->ended)
		return;
	for (size_t i = 0; i < FETCH_SLOTS_MAX; i++)
		fetch_slot_clear(&f->slots[i]);
	ev_timer_stop(f->loop, &f->tick);
	f->ended = true;
	f->err = err;
	snprintf(f->why, sizeof(f->why), "%s", why);
	ev_timer_set(&f->kick, 0., 0.);
	ev_timer_start(f->loop, &f->kick);
}

void fetch_parts_fail(struct fetch_parts *f, size_t i, int err, const char *why)
{
	char name[64], line[FETCH_WHY_MAX];

	part_name(f, i, name, sizeof(name));
	snprintf(line, sizeof(line), "%s: %s", name, *why ? why : strerror(-err));
	finish(f, err, line);
}

void fetch_parts_trouble(struct fetch_parts *f, size_t i, const char *why)
{
	char name[64], line[FETCH_WHY_MAX];

	if (!f->ops->trouble)
		return;
	part_name(f, i, name, sizeof(name));
	snprintf(line, sizeof(line), "%s: %s; asking again", name, why);
	f->ops->trouble(f->ctx, line);
}

bool fetch_parts_wrong(struct fetch_parts *f, size_t i, int err, const char *why)
{
	unsigned most = f->tuning.tries ? f->tuning.tries
					: MAX((unsigned)TRIES, 2 * (unsigned)f->servers.n);

	if (++f->parts[i].tries >= most) {
		fetch_parts_fail(f, i, err, why);
		return false;
	}
	fetch_parts_trouble(f, i, why);
	return true;
}

/* A part whose hash is @got came from @server. Return: whether it is right. */
static bool is_right(struct fetch_parts *f, size_t i, unsigned server, const uint8_t *got)
{
	if (memcmp(got, f->index->parts[i].hash, INDEX_HASH_BYTES) == 0)
		return true;
	if (!fetch_parts_wrong(f, i, -EBADMSG, "its content does not match its hash"))
		return false;
	f->parts[i].avoid |= (uint8_t)(1u << server);
	assert(f->n_redo < FETCH_SLOTS_MAX);
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
		fetch_parts_fail(f, i, r, "");
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
		fetch_parts_schedule(f); /* what had to wait for this part */
}

/*
 * A part to fetch: one that was wrong, the next, or at the end a late one once more. Return: or
 * FETCH_NO_PART.
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
	for (size_t k = 0; k < FETCH_SLOTS_MAX; k++) {
		if (f->slots[k].part != FETCH_NO_PART && f->slots[k].late &&
		    f->parts[f->slots[k].part].running == 1)
			return f->slots[k].part;
	}
	return FETCH_NO_PART;
}

void fetch_parts_schedule(struct fetch_parts *f)
{
	size_t want = f->tuning.sessions, busy = 0, late = 0;
	size_t waiting = fetch_check_waiting(f->check);

	for (size_t k = 0; k < FETCH_SLOTS_MAX; k++) {
		busy += f->slots[k].part != FETCH_NO_PART;
		late += f->slots[k].late;
	}
	if (busy > 0 && busy == late && ev_now(f->loop) - f->new_at > AWAY_MS / 1e3)
		return;
	for (size_t k = 0; k < 2 * want && !f->ended; k++) {
		struct fetch_slot *s = &f->slots[k];
		size_t part;

		if (busy - late >= want || busy - late + waiting >= f->flight)
			return;
		if (s->part != FETCH_NO_PART)
			continue;
		part = take_part(f);
		if (part == FETCH_NO_PART)
			return;
		s->part = part;
		f->parts[part].running++;
		busy++;
		fetch_slot_begin(s);
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
		fetch_parts_schedule(f);
}

/* Parts that one server gives far more slowly than another does: ask the other. */
static void on_tick(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct fetch_parts *f = w->data;

	for (size_t k = 0; k < FETCH_SLOTS_MAX && !f->ended; k++) {
		struct fetch_slot *s = &f->slots[k];
		double projected;

		if (s->part == FETCH_NO_PART || !s->transfer ||
		    !fetch_servers_slow(&f->servers, s->server, ev_now(loop) - s->begun_at, s->len,
					f->index->parts[s->part].stored_bytes, ev_now(loop),
					&projected))
			continue;
		transfer_free(TAKE_PTR(s->transfer));
		fetch_slot_fault(s, projected);
		s->late = false;
		fetch_slot_begin(s);
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
	for (size_t k = 0; k < FETCH_SLOTS_MAX; k++)
		fetch_slot_init(&f->slots[k], f);
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
	for (size_t k = 0; k < FETCH_SLOTS_MAX; k++)
		fetch_slot_clear(&f->slots[k]);
	fetch_check_free(f->check);
	http_pool_free(f->pool);
	free(f->parts);
	free(f);
}

/*
 * deliver.c - who gets a blob, and from whom: bpmaster's part
 *
 * A small blob goes from here to every node that wants it; a large one to few, and from those to
 * the others: each node that has it is a sender, and whoever is free gives it to the next that
 * waits, so that the senders double. The tree is not planned: a node that is slow or gone has no
 * part of it below it. A transfer between two nodes has a key of its own. A sender that fails is
 * passed over, and its receiver goes to the next one, or gets the blob from here.
 *
 * Each step costs as much for the last of many nodes as for the first: a blob has a list of its
 * deliveries in each state, a node's connection one of its own.
 */
#include <errno.h>
#include <sodium.h>

#include "base/clock.h"
#include "space/blobs_internal.h"

static void link_to(struct delivery *d, enum delivery_state state)
{
	struct deliveries *l = &d->blob->deliveries[state];

	d->state = state;
	d->next = NULL;
	d->prev = l->last;
	*(l->last ? &l->last->next : &l->first) = d;
	l->last = d;
	l->n++;
}

static void unlink_from(struct delivery *d)
{
	struct deliveries *l = &d->blob->deliveries[d->state];

	*(d->prev ? &d->prev->next : &l->first) = d->next;
	*(d->next ? &d->next->prev : &l->last) = d->prev;
	l->n--;
}

static void move(struct delivery *d, enum delivery_state state)
{
	unlink_from(d);
	link_to(d, state);
}

/* A receiver and its sender have to do with each other no more. */
static void part(struct delivery *receiver)
{
	struct delivery *from = receiver->from;

	if (!from)
		return;
	receiver->from = NULL;
	from->to = NULL;
	move(from, DELIVERY_HERE);
}

struct delivery *delivery_new(struct blob *b, struct slave *s, uint32_t job, uint16_t file)
{
	struct delivery *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->blob = b;
	d->slave = s;
	d->job = job;
	d->file = file;
	link_to(d, DELIVERY_WAITING);
	d->next_own = s->deliveries;
	s->deliveries = d;
	return d;
}

void delivery_free(struct delivery *d)
{
	for (struct delivery **at = &d->slave->deliveries; *at; at = &(*at)->next_own) {
		if (*at == d) {
			*at = d->next_own;
			break;
		}
	}
	part(d);
	if (d->to)
		d->to->from = NULL;
	unlink_from(d);
	free(d);
}

struct delivery *delivery_of(const struct blob *b, const struct slave *s)
{
	struct delivery *d = s->deliveries;

	while (d && d->blob != b)
		d = d->next_own;
	return d;
}

void delivery_fail(struct delivery *d, int error)
{
	const struct blob *b = d->blob;
	struct slave *s = d->slave;
	struct message_small msg;

	delivery_free(d);
	if (delivery_of(b, s))
		return;
	message_fetched_write(message_begin(&msg, MESSAGE_MISSING), &b->id, (uint32_t)error);
	(void)stream_send_writer(&s->stream, &msg.w);
}

bool blob_is_wanted(const struct blob *b)
{
	return b->deliveries[DELIVERY_WAITING].n + b->deliveries[DELIVERY_DIRECT].n +
		       b->deliveries[DELIVERY_PEER].n >
	       0;
}

/* Send as much as may wait for the node. */
static void feed(struct delivery *d)
{
	struct blob *b = d->blob;

	while (d->state == DELIVERY_DIRECT && (d->offset < b->bytes || b->bytes == 0) &&
	       stream_queued(&d->slave->stream) < BLOBS_PIECES) {
		size_t n = (size_t)MIN(b->bytes - d->offset, (uint64_t)MESSAGE_PIECE_MAX);
		struct message_small head;

		message_piece_write(message_begin(&head, MESSAGE_PIECE), &b->id, d->offset);
		if (stream_send2(&d->slave->stream, head.bytes, head.w.len,
				 n > 0 ? b->map + d->offset : NULL, n) < 0)
			return; /* it is lost soon */
		d->offset += n;
		b->direct_bytes += n;
		if (b->bytes == 0)
			return;
	}
}

/* Have @d get the blob of @from. */
static void pair(struct delivery *d, struct delivery *from)
{
	struct message_fetch f = { .blob = d->blob->id,
				   .address = from->slave->from,
				   .port = from->slave->peer_port };
	struct message_small msg;

	randombytes_buf(f.key, sizeof(f.key));
	message_serve_write(message_begin(&msg, MESSAGE_SERVE), &f);
	(void)stream_send_writer(&from->slave->stream, &msg.w);
	message_fetch_write(message_begin(&msg, MESSAGE_FETCH), &f);
	(void)stream_send_writer(&d->slave->stream, &msg.w);
	sodium_memzero(&f, sizeof(f));
	sodium_memzero(&msg, sizeof(msg));
	move(d, DELIVERY_PEER);
	move(from, DELIVERY_SENDS);
	d->from = from;
	from->to = d;
}

/* Of the other jobs for which the same node waits nothing more is needed. */
static void drop_others(const struct delivery *keep)
{
	struct delivery *next;

	for (struct delivery *d = keep->slave->deliveries; d; d = next) {
		next = d->next_own;
		if (d != keep && d->blob == keep->blob)
			delivery_free(d);
	}
}

static struct delivery *free_sender(const struct blob *b)
{
	struct delivery *d = b->deliveries[DELIVERY_HERE].first;

	while (d && d->slave->stream.over)
		d = d->next;
	return d;
}

/* Whether nodes give it to each other: what would be much to send from here. */
static bool goes_round(const struct blob *b)
{
	return b->text || b->bytes >= BLOBS_PEER_MIN ||
	       (b->bytes >= BLOBS_PEER_LEAST && b->direct_bytes >= BLOBS_PEER_ALL);
}

/* Whether one more may get it from here now. */
static bool may_be_direct(const struct blob *b)
{
	size_t n = b->deliveries[DELIVERY_DIRECT].n;

	return n < BLOBS_DIRECT || (n + 1) * b->bytes <= BLOBS_PIECES;
}

void blob_dispatch(struct blob *b)
{
	struct delivery *d = b->good ? b->deliveries[DELIVERY_WAITING].first : NULL;

	while (d) {
		bool round = goes_round(b);
		struct delivery *from = round && d->failures < BLOBS_FAILURES ? free_sender(b)
									      : NULL;
		struct delivery *next;

		if (!from && round && !may_be_direct(b)) {
			if (!free_sender(b))
				break;
			d = d->next;
			continue;
		}
		drop_others(d);
		next = d->next;
		if (from) {
			pair(d, from);
		} else {
			move(d, DELIVERY_DIRECT);
			d->offset = 0;
			feed(d);
		}
		d = next;
	}
	b->active_ms = clock_ms();
}

/* One who was to get it of another node did not. */
static void say_passed(const struct delivery *d, uint32_t error)
{
	struct member *n = d->from->slave->member;

	if (complaints_allow(&n->changes, "nodes that give nothing"))
		log_warn(-(int)error,
			 "node %u did not give node %u %s: it is passed over, others go on",
			 n->node.number, d->slave->member->node.number,
			 d->blob->text ? "arguments and environment of a start"
				       : "a file of a program");
}

int blobs_take_fetched(void *slave, struct reader *r)
{
	struct slave *s = slave;
	struct message_blob id;
	struct delivery *d;
	struct blob *b;
	uint32_t error;
	int e = message_fetched_read(r, &id, &error);

	if (e < 0)
		return e;
	b = blob_find(s->master, &id);
	d = b ? delivery_of(b, s) : NULL;
	if (!d || (d->state != DELIVERY_DIRECT && d->state != DELIVERY_PEER))
		return 0;
	error = MIN(error, 4095u);
	if (d->from) {
		struct delivery *from = d->from;
		bool failed = error != 0 && error != ECANCELED;

		if (failed)
			say_passed(d, error);
		part(d);
		if (failed)
			move(from, DELIVERY_PASSED);
	}
	d->failures += error != 0;
	move(d, error != 0		? DELIVERY_WAITING
		: s->peer_port != 0	? DELIVERY_HERE
					: DELIVERY_PASSED);
	if (error == ECANCELED)
		delivery_free(d);
	else if (d->failures > BLOBS_GIVE_UP)
		delivery_fail(d, EIO);
	blob_dispatch(b);
	if (b->text && !b->held && !blob_is_wanted(b))
		blob_free(b);
	return 0;
}

int blobs_take_peer(void *slave, struct reader *r)
{
	uint16_t port = reader_be16(r);
	int e = reader_end(r);

	if (e == 0)
		((struct slave *)slave)->peer_port = port;
	return e;
}

void blobs_drained(struct slave *s)
{
	for (struct delivery *d = s->deliveries; d; d = d->next_own)
		feed(d);
}

void blobs_slave_lost(struct slave *s)
{
	struct blob *next;

	if (!s->deliveries)
		return;
	while (s->deliveries)
		delivery_free(s->deliveries);
	for (struct blob *b = s->master->blobs; b; b = next) {
		next = b->next;
		blob_dispatch(b);
	}
}

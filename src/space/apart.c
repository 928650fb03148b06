/*
 * apart.c - arguments and environment of a start on many nodes: bpmaster's part
 *
 * An ordinary environment leaves for many nodes faster than it makes one hop between two of them. A
 * large one for many is what this front end's processor and link would be busy with: it becomes a
 * blob, which goes from node to node as files do (deliver.c), and each node is told over its own
 * channel all the rest of the start, and the blob's hash. So a node on the way can neither change a
 * start nor begin one. The blob begins with bytes that nobody can guess: no file of any user has
 * its hash.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "space/apart.h"
#include "space/blobs_internal.h"

/* Bytes of all that are on their way. */
static uint64_t apart_bytes(const struct master *m)
{
	uint64_t n = 0;

	for (const struct blob *b = m->blobs; b; b = b->next)
		n += b->text ? b->bytes : 0;
	return n;
}

static struct blob *apart_new(struct master *m, uint32_t uid, const struct message_spec *spec)
{
	const size_t n = MESSAGE_SALT_BYTES + spec->strings_n;
	struct message_blob id = { .owner = uid };
	struct file_hash hash;
	struct blob *b;
	uint8_t *text;

	if (apart_bytes(m) + n > APART_BYTES)
		return NULL;
	text = malloc(n);
	if (!text)
		return NULL;
	randombytes_buf(text, MESSAGE_SALT_BYTES);
	memcpy(text + MESSAGE_SALT_BYTES, spec->strings, spec->strings_n);
	file_hash_init(&hash);
	file_hash_add(&hash, text, n);
	file_hash_final(&hash, id.hash);
	b = blob_new(m, &id, n);
	if (!b) {
		sodium_memzero(text, n);
		free(text);
		return NULL;
	}
	b->map = b->text = text;
	b->good = b->held = true;
	return b;
}

int apart_order(struct client *c, size_t n_nodes, const struct message_spec *spec,
		struct buffer *text, struct job_order *order)
{
	struct message_spec without = *spec;
	int r;

	if (c->at == 0) { /* not one that waited, and goes on */
		apart_done(c);
		if (spec->strings_n >= APART_LEAST && n_nodes >= APART_ALL / spec->strings_n)
			c->apart = apart_new(c->master, c->who.uid, spec);
	}
	order->apart = c->apart;
	if (!c->apart)
		return 0;
	without.flags |= MESSAGE_APART;
	without.apart.bytes = (uint32_t)c->apart->bytes;
	memcpy(without.apart.hash, c->apart->id.hash, sizeof(without.apart.hash));
	r = message_spec_write(text, &without);
	order->spec = text->data;
	order->spec_n = text->len;
	return r;
}

void apart_deliver(struct blob *b, struct slave *s, uint32_t job)
{
	struct message_small msg;

	if (delivery_new(b, s, job, 0)) {
		blob_dispatch(b);
		return;
	}
	message_fetched_write(message_begin(&msg, MESSAGE_MISSING), &b->id, ENOMEM);
	(void)stream_send_writer(&s->stream, &msg.w);
}

void apart_done(struct client *c)
{
	struct blob *b = c->apart;

	c->apart = NULL;
	if (!b)
		return;
	b->held = false;
	if (!blob_is_wanted(b))
		blob_free(b);
}

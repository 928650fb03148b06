/*
 * asks.c - what runs on the nodes: a client's question goes to each of them, and their answers back
 *
 * A client asks one thing at a time, and hears DONE when each node has said its last word or is
 * gone. A node that is silent is found out by its keepalive, so nothing is timed here.
 */
#include <errno.h>
#include <stdlib.h>

#include "space/master_internal.h"

#define ASK_PROCESSES_MAX 16384u /* that a node tells of */

struct ask {
	struct ask *next;
	struct client *client; /* NULL when it is gone */
	uint32_t token;
	uint32_t n; /* processes told so far */
};

static void say_lost(struct client *c, uint32_t node)
{
	const struct message_proclist m = { .number = node, .how = MESSAGE_NODE_LOST };
	struct message_small msg;

	message_proclist_write(message_begin(&msg, MESSAGE_PROCLIST), &m);
	(void)stream_send_writer(&c->stream, &msg.w); /* a client that fails is closed */
}

/* One answer less is waited for. */
static void settle(struct client *c)
{
	if (--c->n_asks == 0)
		(void)client_answer(c, 0, "");
}

static int ask(struct client *c, struct slave *s)
{
	static uint32_t token;
	struct ask *a = calloc(1, sizeof(*a));
	struct message_small msg;

	if (!a)
		return -ENOMEM;
	a->client = c;
	a->token = ++token;
	a->next = s->asks;
	s->asks = a;
	c->n_asks++;
	writer_be32(message_begin(&msg, MESSAGE_LOOK), a->token);
	(void)stream_send_writer(&s->stream, &msg.w); /* lost with the slave if it fails */
	return 0;
}

int ask_take_processes(void *client, struct reader *r)
{
	struct client *c = client;
	_cleanup_free_ uint32_t *nodes = NULL;
	size_t n;
	int e = message_nodes_read(r, &nodes, &n);

	if (e == 0)
		e = reader_end(r);
	if (e == 0 && c->n_asks > 0)
		e = -EPROTO;
	if (e < 0)
		return e;
	if (stream_queued(&c->stream) > MASTER_CLIENT_HIGH)
		return client_stall(c, 0); /* it has not read the last ones */
	c->n_asks = 1;			   /* until all are asked */
	for (size_t i = 0; e == 0 && i < n; i++) {
		const struct member *m = member_by_number(c->master, nodes[i]);

		if (m && m->slave && slave_room(m->slave, MESSAGE_SMALL_MAX, MASTER_NODE_HIGH))
			e = ask(c, m->slave);
		else
			say_lost(c, nodes[i]);
	}
	settle(c);
	return e;
}

int ask_take_proclist(void *slave, struct reader *r)
{
	struct slave *s = slave;
	struct message_small head;
	struct ask **at, *a;
	struct message_proclist m;
	const uint8_t *bytes = r->p + MESSAGE_PROCLIST_BYTES;
	size_t n;
	int e = message_proclist_read(r, &m);

	if (e < 0)
		return e;
	for (at = &s->asks; *at && (*at)->token != m.number; at = &(*at)->next)
		;
	a = *at;
	if (!a || m.how == MESSAGE_NODE_LOST)
		return -EPROTO;
	n = r->left;
	while (r->left > 0) {
		struct message_process p;

		e = message_process_read(r, &p);
		if (e < 0)
			return e;
		if (++a->n > ASK_PROCESSES_MAX)
			return -EPROTO;
	}
	if (a->client && client_room(a->client, n)) {
		m.number = s->member->node.number;
		message_proclist_write(message_begin(&head, MESSAGE_PROCLIST), &m);
		(void)stream_send2(&a->client->stream, head.bytes, head.w.len, bytes, n);
	}
	if (m.how == MESSAGE_MORE)
		return 0;
	*at = a->next;
	if (a->client)
		settle(a->client);
	free(a);
	return 0;
}

void asks_slave_lost(struct slave *s)
{
	struct ask *a;

	while ((a = s->asks)) {
		s->asks = a->next;
		if (a->client && s->member)
			say_lost(a->client, s->member->node.number);
		if (a->client)
			settle(a->client);
		free(a);
	}
}

void asks_client_gone(struct client *c)
{
	for (size_t i = 0; c->n_asks > 0 && i < c->master->n_members; i++) {
		const struct slave *s = c->master->members[i]->slave;

		for (struct ask *a = s ? s->asks : NULL; a; a = a->next) {
			if (a->client == c)
				a->client = NULL;
		}
	}
}

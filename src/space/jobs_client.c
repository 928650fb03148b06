/*
 * jobs_client.c - what a client says of its jobs, and of other people's ghosts
 *
 * A message for several jobs stops where a node does not read, and goes on at c->at when it does.
 */
#include <errno.h>

#include "space/jobs_internal.h"

int jobs_kill(struct client *c, uint32_t pid, uint8_t signal)
{
	struct master *m = c->master;
	int r = -ESRCH;

	for (size_t i = c->at; i < m->jobs_cap; i++) {
		struct job *j = m->jobs[i];

		if (!j || !j->client || j->over || (j->ghost != pid && j->starter != pid))
			continue;
		if (!client_is_owner(c) && j->client->who.uid != c->who.uid) {
			r = r == -ESRCH ? -EPERM : r;
			continue;
		}
		if (j->slave && !slave_room(j->slave, MESSAGE_SMALL_MAX, MASTER_NODE_HIGH))
			return client_stall(c, i);
		job_signal(j, signal);
		r = 0;
	}
	if (c->at > 0 && r == -ESRCH)
		return 0; /* it went on where it had waited */
	return r == -ESRCH ? jobs_kept_kill(c, pid, signal) : r;
}

/* Bytes of input for a job. */
struct bytes {
	const uint8_t *p;
	size_t n;
};

static int give_input(struct job *j, const void *what)
{
	const struct bytes *b = what;
	struct message_small head;

	if (j->input_ended || j->state != JOB_RUNNING)
		return 0; /* it comes again where it is missing */
	if (b->n > j->input_credit)
		return -EPROTO;
	j->input_credit -= (uint32_t)b->n;
	j->input_ended = b->n == 0;
	message_input_write(message_begin(&head, MESSAGE_INPUT), j->id, 1);
	(void)stream_send2(&j->slave->stream, head.bytes, head.w.len, b->p, b->n);
	return 0;
}

static int give_signal(struct job *j, const void *what)
{
	job_signal(j, *(const uint8_t *)what);
	return 0;
}

static int give_up(struct job *j, const void *what)
{
	job_abandon(j);
	return 0;
}

/* Give jobs @first, ... of the client something of @n bytes; those that have ended are passed
 * over. */
static int each_job(struct client *c, uint32_t first, uint32_t count, size_t n,
		    int (*give)(struct job *j, const void *what), const void *what)
{
	for (uint32_t i = (uint32_t)c->at; i < count; i++) {
		struct job *j = job_by_number(c, first + i);
		int e;

		if (!j)
			continue;
		if (j->over && give != give_up)
			continue;
		if (j->slave && !slave_room(j->slave, n, MASTER_NODE_HIGH))
			return client_stall(c, i);
		e = give(j, what);
		if (e < 0)
			return e;
	}
	return 0;
}

int job_take_input(void *client, struct reader *r)
{
	uint32_t first, count;
	struct bytes b;
	int e = message_input_read(r, &first, &count);

	if (e < 0)
		return e;
	b.n = r->left;
	b.p = reader_bytes(r, b.n);
	return each_job(client, first, count, b.n, give_input, &b);
}

int job_take_signal(void *client, struct reader *r)
{
	uint32_t first, count;
	uint8_t signal;
	int e = message_signal_read(r, &first, &count, &signal);

	return e < 0 ? e
		     : each_job(client, first, count, MESSAGE_SMALL_MAX, give_signal, &signal);
}

int job_take_output_credit(void *client, struct reader *r)
{
	struct client *c = client;
	struct message_small msg;
	uint32_t number, bytes;
	uint8_t stream;
	struct job *j;
	int e = message_output_credit_read(r, &number, &stream, &bytes);

	if (e < 0)
		return e;
	j = job_by_number(c, number);
	if (!j || j->over || j->state != JOB_RUNNING)
		return 0;
	if (!slave_room(j->slave, sizeof(msg), MASTER_NODE_HIGH))
		return client_stall(c, 0);
	if (bytes > j->window - j->output_credit[stream - 1])
		return -EPROTO;
	j->output_credit[stream - 1] += bytes;
	message_credit_write(message_begin(&msg, MESSAGE_OUTPUT_CREDIT), j->id, stream, bytes);
	(void)stream_send_writer(&j->slave->stream, &msg.w);
	return 0;
}

int job_take_abandon(void *client, struct reader *r)
{
	uint32_t first, count;
	int e = message_input_read(r, &first, &count);

	if (e == 0)
		e = reader_end(r);
	return e < 0 ? e : each_job(client, first, count, MESSAGE_SMALL_MAX, give_up, NULL);
}

int job_take_resize(void *client, struct reader *r)
{
	struct message_resize m;
	struct message_small msg;
	struct job *j;
	int e = message_resize_read(r, &m);

	j = e < 0 ? NULL : job_by_number(client, m.job);
	if (!j || j->over || j->state != JOB_RUNNING)
		return e;
	if (!slave_room(j->slave, sizeof(msg), MASTER_NODE_HIGH))
		return client_stall(client, 0);
	m.job = j->id;
	message_resize_write(message_begin(&msg, MESSAGE_RESIZE), &m);
	(void)stream_send_writer(&j->slave->stream, &msg.w);
	return 0;
}

/*
 * jobs.c - one process on one node, between the client that asked for it and the slave that runs it
 *
 * The master keeps no bytes of a job: it renumbers a message and passes it on. What it does keep is
 * each side's credit, so that neither can make it queue more than the other has granted. A client
 * that overdraws is cut off, and so is a slave; nobody else notices.
 *
 * A job ends when the slave says so (EXIT, FAILED) or is lost. When its client goes first, the
 * slave is told to end the process, and the job stays without a client until it has.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "space/master_internal.h"

#define SLOT_BITS      16 /* a job's number on the channel: generation above, slot below */
#define SLOT_MASK      ((1u << SLOT_BITS) - 1)
#define GENERATION_MAX 0x7fffu

struct job {
	uint32_t id;	       /* on the channel */
	uint32_t number;       /* of the client */
	uint32_t ghost;	       /* pid of what stands for it here, or 0 */
	struct client *client; /* NULL when it is gone */
	struct slave *slave;
	struct job *next, *prev; /* of the slave */
	uint32_t window;
	uint32_t pid;		   /* on the node; 0: not started */
	uint32_t input_credit;	   /* bytes that the client may send */
	uint32_t output_credit[2]; /* bytes that the slave may send of standard output, error */
	bool input_ended, input_closed;
	bool started, ended[2]; /* STARTED came; the end of an output */
	bool abandoned;
	bool stopped;	    /* as the node says */
	uint32_t continued; /* SIGCONTs that it has not answered */
};

static struct job *job_by_id(const struct slave *s, uint32_t id)
{
	struct master *m = s->master;
	uint32_t slot = id & SLOT_MASK;
	struct job *j = slot < m->jobs_cap ? m->jobs[slot] : NULL;

	return j && j->id == id && j->slave == s ? j : NULL;
}

static struct job *job_by_number(const struct client *c, uint32_t number)
{
	return number < c->jobs_cap ? c->jobs[number] : NULL;
}

/* A free slot of the table. Return: slot, or -EAGAIN when there are too many jobs, -ENOMEM. */
static int slot_find(struct master *m)
{
	if (m->n_jobs >= MASTER_JOBS_MAX)
		return -EAGAIN;
	if (m->n_jobs == m->jobs_cap) {
		size_t cap = m->jobs_cap ? 2 * m->jobs_cap : 64;
		struct job **p = reallocarray(m->jobs, cap, sizeof(struct job *));

		if (!p)
			return -ENOMEM;
		memset(p + m->jobs_cap, 0, (cap - m->jobs_cap) * sizeof(struct job *));
		m->jobs = p;
		m->jobs_cap = cap;
	}
	for (;;) {
		uint32_t slot = m->jobs_hint++ % (uint32_t)m->jobs_cap;

		if (!m->jobs[slot])
			return (int)slot;
	}
}

/* The client's entry for its job @number. Return: 0, -EEXIST, -E2BIG, -ENOMEM. */
static int client_entry(struct client *c, uint32_t number)
{
	if (number >= MASTER_JOBS_MAX)
		return -E2BIG;
	if (number >= c->jobs_cap) {
		size_t cap = c->jobs_cap ? c->jobs_cap : 16;
		struct job **p;

		while (cap <= number)
			cap *= 2;
		p = reallocarray(c->jobs, cap, sizeof(struct job *));
		if (!p)
			return -ENOMEM;
		memset(p + c->jobs_cap, 0, (cap - c->jobs_cap) * sizeof(struct job *));
		c->jobs = p;
		c->jobs_cap = cap;
	}
	return c->jobs[number] ? -EEXIST : 0;
}

static void job_free(struct job *j)
{
	struct slave *s = j->slave;

	s->master->jobs[j->id & SLOT_MASK] = NULL;
	s->master->n_jobs--;
	if (j->client) {
		j->client->jobs[j->number] = NULL;
		j->client->n_jobs--;
	}
	if (j->next)
		j->next->prev = j->prev;
	if (j->prev)
		j->prev->next = j->next;
	else
		s->jobs = j->next;
	s->n_jobs--;
	free(j);
}

static bool may_run(const struct client *c, const struct member *n)
{
	if (client_is_owner(c))
		return true;
	if (c->who.uid == n->uid)
		return n->mode & 0100;
	if (c->who.gid == n->gid)
		return n->mode & 0010;
	for (uint32_t i = 0; i < c->who.n_groups; i++) {
		if (c->who.groups[i] == n->gid)
			return n->mode & 0010;
	}
	return n->mode & 0001;
}

static struct job *job_new(struct client *c, uint32_t number, struct slave *s, uint32_t window)
{
	int slot = slot_find(s->master);
	struct job *j = slot < 0 ? NULL : calloc(1, sizeof(*j));
	static uint32_t generation;

	if (!j)
		return NULL;
	generation = generation % GENERATION_MAX + 1; /* never 0: no job has that number */
	j->id = generation << SLOT_BITS | (uint32_t)slot;
	j->number = number;
	j->client = c;
	j->slave = s;
	j->window = j->output_credit[0] = j->output_credit[1] = window;
	j->input_credit = MESSAGE_WINDOW;
	j->next = s->jobs;
	if (s->jobs)
		s->jobs->prev = j;
	s->jobs = j;
	s->n_jobs++;
	s->master->jobs[slot] = j;
	s->master->n_jobs++;
	c->jobs[number] = j;
	c->n_jobs++;
	return j;
}

/* Why @c cannot have a job on @n. Return: 0, or a positive errno with words. */
static int refusal(const struct client *c, const struct member *n, uint32_t number, uint32_t node,
		   char *words)
{
	int r = client_entry((struct client *)c, number);

	if (r < 0) {
		snprintf(words, MESSAGE_WORDS_MAX, "job number %u cannot be used", number);
		return -r;
	}
	if (!n) {
		snprintf(words, MESSAGE_WORDS_MAX, "there is no node %u", node);
		return ENODEV;
	}
	if (!n->slave || !strcmp(n->state, "down")) {
		if (!strcmp(n->state, "down"))
			snprintf(words, MESSAGE_WORDS_MAX, "node %u is down", node);
		else
			snprintf(words, MESSAGE_WORDS_MAX, "node %u is not up (%s)", node,
				 n->state);
		return EHOSTDOWN;
	}
	if (!may_run(c, n)) {
		snprintf(words, MESSAGE_WORDS_MAX,
			 "user %u may not run on node %u; who may: root%s%s%s (mode %03o, user %u, "
			 "group %u)",
			 c->who.uid, node, n->mode & 0100 ? ", its user" : "",
			 n->mode & 0010 ? ", its group" : "", n->mode & 0001 ? ", others" : "",
			 n->mode, n->uid, n->gid);
		return EACCES;
	}
	return 0;
}

int job_start(struct client *c, uint32_t number, uint32_t node, const struct job_order *order,
	      char *ret_words)
{
	struct member *n = member_by_number(c->master, node);
	uint8_t head[24 + 4 * MESSAGE_GROUPS_MAX];
	struct writer w = WRITER(head, sizeof(head));
	int r = refusal(c, n, number, node, ret_words);
	struct job *j;

	if (r > 0)
		return r;
	if (!slave_room(n->slave, sizeof(head) + order->spec_n, MASTER_START_HIGH))
		return -EAGAIN;
	j = job_new(c, number, n->slave, order->window);
	if (!j) {
		snprintf(ret_words, MESSAGE_WORDS_MAX,
			 "bpmaster has no room for another job (at most %u)", MASTER_JOBS_MAX);
		return EAGAIN;
	}
	writer_u8(&w, MESSAGE_START);
	j->ghost = order->pid;
	for (size_t i = 0; i < 3; i++)
		writer_be32(&w, (const uint32_t[]){ j->id, j->ghost, order->rank }[i]);
	message_credentials_write(&w, &c->who);
	(void)stream_send2(&n->slave->stream, head, w.len, order->spec,
			   order->spec_n); /* lost with the slave if it fails */
	return 0;
}

static void to_client(struct job *j, const struct message_small *msg)
{
	if (j->client && client_room(j->client, msg->w.len))
		(void)stream_send_writer(&j->client->stream,
					 &msg->w); /* a client that fails is closed */
}

static void job_abandon(struct job *j)
{
	struct message_small msg;

	j->abandoned = true;
	message_input_write(message_begin(&msg, MESSAGE_ABANDON), j->id, 1);
	(void)stream_send_writer(&j->slave->stream, &msg.w);
}

static void job_lost(struct job *j, const char *why)
{
	struct message_small msg;
	char words[MESSAGE_WORDS_MAX];
	struct message_failed f = {
		.job = j->number, .error = EHOSTDOWN, .how = MESSAGE_LOST, .words = words
	};

	snprintf(words, sizeof(words), "node lost: %s", why);
	message_failed_write(message_begin(&msg, MESSAGE_FAILED), &f);
	to_client(j, &msg);
	job_free(j);
}

void jobs_slave_lost(struct slave *s, const char *why)
{
	while (s->jobs)
		job_lost(s->jobs, why);
}

void jobs_client_gone(struct client *c)
{
	for (size_t i = 0; i < c->jobs_cap; i++) {
		struct job *j = c->jobs[i];

		if (!j)
			continue;
		j->client = NULL;
		c->jobs[i] = NULL;
		c->n_jobs--;
		job_abandon(j);
	}
	free(c->jobs);
	c->jobs = NULL;
	c->jobs_cap = 0;
}

void jobs_close(struct master *m)
{
	for (size_t i = 0; i < m->jobs_cap; i++) {
		if (m->jobs[i])
			job_free(m->jobs[i]);
	}
	free(m->jobs);
	m->jobs = NULL;
	m->jobs_cap = 0;
}

void jobs_list(struct client *to)
{
	struct master *m = to->master;

	for (size_t i = 0; i < m->jobs_cap; i++) {
		const struct job *j = m->jobs[i];
		struct message_small msg;
		struct message_ghost g;

		if (!j || !j->client || !j->slave->member)
			continue;
		g = (struct message_ghost){ .pid = (uint32_t)j->client->pid,
					    .node = j->slave->member->node.number,
					    .uid = j->client->who.uid,
					    .remote = j->pid };
		message_ghost_write(message_begin(&msg, MESSAGE_GHOST), &g);
		(void)stream_send_writer(&to->stream, &msg.w); /* a client that fails is closed */
	}
}

int job_take_started(void *slave, struct reader *r)
{
	struct message_started st;
	struct message_small msg;
	struct job *j;
	int e = message_started_read(r, &st);

	if (e < 0)
		return e;
	j = job_by_id(slave, st.job);
	if (!j)
		return 0; /* was ended on both sides at once */
	if (j->started)
		return -EPROTO;
	j->started = true;
	j->pid = st.pid;
	st.job = j->number;
	message_started_write(message_begin(&msg, MESSAGE_STARTED), &st);
	to_client(j, &msg);
	return 0;
}

int job_take_failed(void *slave, struct reader *r)
{
	struct message_failed f;
	struct message_small msg;
	struct job *j;
	int e = message_failed_read(r, &f);

	if (e < 0 || (f.how != MESSAGE_NOT_RUN && f.how != MESSAGE_NO_COMMAND))
		return -EBADMSG;
	j = job_by_id(slave, f.job);
	if (!j)
		return 0;
	if (j->started)
		return -EPROTO;
	f.job = j->number;
	message_failed_write(message_begin(&msg, MESSAGE_FAILED), &f);
	to_client(j, &msg);
	job_free(j);
	return 0;
}

int job_take_output(void *slave, struct reader *r)
{
	struct message_small head;
	struct job *j;
	uint32_t id;
	uint8_t stream;
	size_t n;
	int e = message_output_read(r, &id, &stream);

	if (e < 0)
		return e;
	j = job_by_id(slave, id);
	if (!j)
		return 0;
	n = r->left;
	if (n > j->output_credit[stream - 1] || !j->started || j->ended[stream - 1])
		return -EPROTO;
	j->output_credit[stream - 1] -= (uint32_t)n;
	j->ended[stream - 1] = n == 0;
	if (!j->client || !client_room(j->client, n))
		return 0;
	message_output_write(message_begin(&head, MESSAGE_OUTPUT), j->number, stream);
	(void)stream_send2(&j->client->stream, head.bytes, head.w.len, reader_bytes(r, n), n);
	return 0;
}

int job_take_input_credit(void *slave, struct reader *r)
{
	struct message_small msg;
	uint32_t id, bytes;
	struct job *j;
	int e = message_input_credit_read(r, &id, &bytes);

	if (e < 0)
		return e;
	j = job_by_id(slave, id);
	if (!j)
		return 0;
	if (bytes > MESSAGE_WINDOW - j->input_credit)
		return -EPROTO;
	j->input_credit += bytes;
	message_credit_write(message_begin(&msg, MESSAGE_INPUT_CREDIT), j->number, 0, bytes);
	to_client(j, &msg);
	return 0;
}

int job_take_input_closed(void *slave, struct reader *r)
{
	uint32_t id = reader_be32(r);
	struct message_small msg;
	struct job *j;
	int e = reader_end(r);

	if (e < 0)
		return e;
	j = job_by_id(slave, id);
	if (!j)
		return 0;
	if (j->input_closed)
		return -EPROTO;
	j->input_closed = true;
	writer_be32(message_begin(&msg, MESSAGE_INPUT_CLOSED), j->number);
	to_client(j, &msg);
	return 0;
}

int job_take_exit(void *slave, struct reader *r)
{
	struct message_exit x;
	struct message_small msg;
	struct job *j;
	int e = message_exit_read(r, &x);

	if (e < 0)
		return e;
	j = job_by_id(slave, x.job);
	if (!j)
		return 0;
	if (!j->started && !j->abandoned)
		return -EPROTO;
	x.job = j->number;
	message_exit_write(message_begin(&msg, MESSAGE_EXIT), &x);
	to_client(j, &msg);
	job_free(j);
	return 0;
}

int job_take_stopped(void *slave, struct reader *r)
{
	struct message_small msg;
	struct job *j;
	uint32_t id;
	uint8_t signal;
	int e = message_stopped_read(r, &id, &signal);

	j = e < 0 ? NULL : job_by_id(slave, id);
	if (!j)
		return e;
	if (!j->started || j->stopped)
		return j->started ? 0 : -EPROTO;
	j->stopped = true;
	message_stopped_write(message_begin(&msg, MESSAGE_STOPPED), j->number, signal);
	to_client(j, &msg);
	return 0;
}

int job_take_continued(void *slave, struct reader *r)
{
	struct message_small msg;
	struct job *j;
	uint32_t id;
	bool asked;
	int e = message_continued_read(r, &id, &asked);

	j = e < 0 ? NULL : job_by_id(slave, id);
	if (!j)
		return e;
	if (!j->started || (asked && j->continued == 0))
		return -EPROTO;
	j->continued -= asked;
	if (!asked && !j->stopped)
		return 0;
	j->stopped = false;
	message_continued_write(message_begin(&msg, MESSAGE_CONTINUED), j->number, asked);
	to_client(j, &msg);
	return 0;
}

static void pass_signal(struct job *j, uint8_t signal)
{
	struct message_small msg;

	j->continued += signal == SIGCONT;
	message_signal_write(message_begin(&msg, MESSAGE_SIGNAL), j->id, 1, signal);
	(void)stream_send_writer(&j->slave->stream, &msg.w);
}

int jobs_kill(struct client *c, uint32_t pid, uint8_t signal)
{
	struct master *m = c->master;
	int r = -ESRCH;

	for (size_t i = c->at; i < m->jobs_cap; i++) {
		struct job *j = m->jobs[i];

		if (!j || !j->client || j->ghost != pid)
			continue;
		if (!client_is_owner(c) && j->client->who.uid != c->who.uid) {
			r = r == -ESRCH ? -EPERM : r;
			continue;
		}
		if (!slave_room(j->slave, MESSAGE_SMALL_MAX, MASTER_NODE_HIGH))
			return client_stall(c, i);
		pass_signal(j, signal);
		r = 0;
	}
	return c->at > 0 && r == -ESRCH ? 0 : r; /* it went on where it had waited */
}

int job_take_input(void *client, struct reader *r)
{
	struct client *c = client;
	uint32_t first, count;
	size_t n;
	const uint8_t *p;
	int e = message_input_read(r, &first, &count);

	if (e < 0)
		return e;
	n = r->left;
	p = reader_bytes(r, n);
	for (uint32_t i = (uint32_t)c->at; i < count; i++) {
		struct job *j = job_by_number(c, first + i);
		struct message_small head;

		if (!j || j->input_ended)
			continue; /* ended meanwhile */
		if (n > j->input_credit)
			return -EPROTO;
		if (!slave_room(j->slave, n, MASTER_NODE_HIGH))
			return client_stall(c, i);
		j->input_credit -= (uint32_t)n;
		j->input_ended = n == 0;
		message_input_write(message_begin(&head, MESSAGE_INPUT), j->id, 1);
		(void)stream_send2(&j->slave->stream, head.bytes, head.w.len, p, n);
	}
	return 0;
}

int job_take_signal(void *client, struct reader *r)
{
	struct client *c = client;
	uint32_t first, count;
	uint8_t signal;
	int e = message_signal_read(r, &first, &count, &signal);

	for (uint32_t i = (uint32_t)c->at; e == 0 && i < count; i++) {
		struct job *j = job_by_number(c, first + i);

		if (!j)
			continue;
		if (!slave_room(j->slave, MESSAGE_SMALL_MAX, MASTER_NODE_HIGH))
			return client_stall(c, i);
		pass_signal(j, signal);
	}
	return e;
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
	if (!j)
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
	struct client *c = client;
	uint32_t first, count;
	int e = message_input_read(r, &first, &count);

	if (e == 0)
		e = reader_end(r);
	for (uint32_t i = (uint32_t)c->at; e == 0 && i < count; i++) {
		struct job *j = job_by_number(c, first + i);

		if (!j)
			continue;
		if (!slave_room(j->slave, MESSAGE_SMALL_MAX, MASTER_NODE_HIGH))
			return client_stall(c, i);
		job_abandon(j);
	}
	return e;
}

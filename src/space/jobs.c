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

#include "space/apart.h"
#include "space/blobs.h"
#include "space/jobs_internal.h"

#define SLOT_BITS      16 /* a job's number on the channel: generation above, slot below */
#define SLOT_MASK      ((1u << SLOT_BITS) - 1)
#define GENERATION_MAX 0x7fffu

struct job *job_by_id(const struct slave *s, uint32_t id)
{
	struct master *m = s->master;
	uint32_t slot = id & SLOT_MASK;
	struct job *j = slot < m->jobs_cap ? m->jobs[slot] : NULL;

	return j && j->id == id && j->slave == s ? j : NULL;
}

struct job *job_by_number(const struct client *c, uint32_t number)
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

int job_entry(struct client *c, uint32_t number)
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

/* In and out of the list of its connection, or of its node. */
static void job_link(struct job *j)
{
	struct job **list = j->slave ? &j->slave->jobs : &j->member->waiting;

	*(j->slave ? &j->slave->n_jobs : &j->member->n_waiting) += 1;
	j->prev = NULL;
	j->next = *list;
	if (j->next)
		j->next->prev = j;
	*list = j;
}

static void job_unlink(struct job *j)
{
	*(j->slave ? &j->slave->n_jobs : &j->member->n_waiting) -= 1;
	if (j->next)
		j->next->prev = j->prev;
	if (j->prev)
		j->prev->next = j->next;
	else
		*(j->slave ? &j->slave->jobs : &j->member->waiting) = j->next;
}

void job_move(struct job *j, struct slave *s)
{
	job_unlink(j);
	j->slave = s;
	job_link(j);
	job_children_forget(j);
}

void job_free(struct job *j)
{
	struct master *m = j->member->master;

	m->jobs[j->id & SLOT_MASK] = NULL;
	m->n_jobs--;
	job_children_forget(j);
	if (j->client) {
		j->client->jobs[j->number] = NULL;
		j->client->n_jobs--;
	}
	job_unlink(j);
	manifest_put(j->manifest);
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

struct job *job_new(struct client *c, uint32_t number, struct member *n, uint32_t window)
{
	int slot = slot_find(n->master);
	struct job *j = slot < 0 ? NULL : calloc(1, sizeof(*j));
	static uint32_t generation;

	if (!j)
		return NULL;
	generation = generation % GENERATION_MAX + 1; /* never 0: no job has that number */
	j->id = generation << SLOT_BITS | (uint32_t)slot;
	j->number = number;
	j->uid = c->who.uid;
	j->client = c;
	j->member = n;
	j->window = j->output_credit[0] = j->output_credit[1] = window;
	j->input_credit = MESSAGE_WINDOW;
	job_link(j);
	n->master->jobs[slot] = j;
	n->master->n_jobs++;
	c->jobs[number] = j;
	c->n_jobs++;
	return j;
}

/* Why @c cannot have a job on @n. Return: 0, a positive errno with words, or -EAGAIN while it is
 * not known whether the node is up. */
static int refusal(const struct client *c, const struct member *n, uint32_t number, uint32_t node,
		   char *words)
{
	int r = job_entry((struct client *)c, number);

	if (r < 0) {
		snprintf(words, MESSAGE_WORDS_MAX, "job number %u cannot be used", number);
		return -r;
	}
	if (!n) {
		snprintf(words, MESSAGE_WORDS_MAX, "there is no node %u", node);
		return ENODEV;
	}
	if (n->expected)
		return -EAGAIN;
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
	uint8_t head[44 + 4 * MESSAGE_GROUPS_MAX];
	struct writer w = WRITER(head, sizeof(head));
	int r = refusal(c, n, number, node, ret_words);
	struct job *j;

	if (r != 0)
		return r;
	if (n->slave->n_jobs >= MASTER_JOBS_NODE) {
		snprintf(ret_words, MESSAGE_WORDS_MAX, "node %u has %u jobs already", node,
			 MASTER_JOBS_NODE);
		return EAGAIN;
	}
	if (!slave_room(n->slave, sizeof(head) + order->spec_n, MASTER_START_HIGH))
		return -EAGAIN;
	j = job_new(c, number, n, order->window);
	if (!j) {
		snprintf(ret_words, MESSAGE_WORDS_MAX,
			 "bpmaster has no room for another job (at most %u)", MASTER_JOBS_MAX);
		return EAGAIN;
	}
	job_move(j, n->slave);
	j->at.key = order->key;
	writer_u8(&w, MESSAGE_START);
	j->ghost = order->pid;
	j->starter = order->starter;
	j->follows = order->follows;
	j->manifest = manifest_ref(order->manifest);
	for (size_t i = 0; i < 3; i++)
		writer_be32(&w, (const uint32_t[]){ j->id,
						    j->ghost | (order->seen ? MESSAGE_SEEN : 0),
						    order->rank }[i]);
	message_key_write(&w, &order->key);
	message_credentials_write(&w, &c->who);
	(void)stream_send2(&n->slave->stream, head, w.len, order->spec,
			   order->spec_n); /* lost with the slave if it fails */
	if (order->apart)
		apart_deliver(order->apart, n->slave, j->id);
	return 0;
}

void job_to_client(struct job *j, const struct message_small *msg)
{
	if (j->client && client_room(j->client, msg->w.len))
		(void)stream_send_writer(&j->client->stream,
					 &msg->w); /* a client that fails is closed */
}

void job_abandon(struct job *j)
{
	struct message_small msg;

	j->abandoned = true;
	j->at.flags |= MESSAGE_UNWANTED;
	if (j->state == JOB_SUSPENDED)
		j->state = JOB_WAITING;
	if (!j->slave) { /* its node is told when it is there */
		if (j->member->slave)
			job_claim(j);
		return;
	}
	message_input_write(message_begin(&msg, MESSAGE_ABANDON), j->id, 1);
	(void)stream_send_writer(&j->slave->stream, &msg.w);
	if (j->over)
		job_free(j);
}

void job_over(struct job *j)
{
	j->over = true;
	if (j->abandoned)
		job_free(j);
}

void job_lost(struct job *j, const char *why)
{
	struct message_small msg;
	char words[MESSAGE_WORDS_MAX];
	struct message_failed f = {
		.job = j->number, .error = EHOSTDOWN, .how = MESSAGE_LOST, .words = words
	};

	snprintf(words, sizeof(words), "node lost: %s", why);
	message_failed_write(message_begin(&msg, MESSAGE_FAILED), &f);
	if (!j->over)
		job_to_client(j, &msg);
	job_free(j);
}

void jobs_client_gone(struct client *c)
{
	for (size_t i = 0; i < c->jobs_cap; i++) {
		struct job *j = c->jobs[i];

		if (!j)
			continue;
		job_children_forget(j);
		j->client = NULL;
		c->jobs[i] = NULL;
		c->n_jobs--;
		job_abandon(j);
	}
	blobs_client_gone(c);
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

		if (!j || !j->client || j->over)
			continue;
		g = (struct message_ghost){ .pid = j->ghost ? j->ghost : (uint32_t)j->client->pid,
					    .node = j->member->node.number,
					    .uid = j->client->who.uid,
					    .remote = j->pid };
		message_ghost_write(message_begin(&msg, MESSAGE_GHOST), &g);
		(void)stream_send_writer(&to->stream, &msg.w); /* a client that fails is closed */
		job_children_list(j, to);
	}
}

/*
 * jobs_children.c - what is said of processes that a job forks, between its client and its node
 *
 * A node has one question under way a job, so that nothing waits here beside it. What it tells of
 * the others follows from numbers that it was given, and goes where output goes: a client that does
 * not read is cut off (client_room()). Which ghosts there are is kept for who asks (bpstat -p), so
 * long as the connection to the node is the same; whose they are is looked up when somebody asks.
 */
#include <errno.h>

#include "space/ghosts.h"
#include "space/jobs_internal.h"
#include "wire/message_children.h"

/* The job of which a slave has told, when that is to have ghosts of what it forks. */
static struct job *job_followed(const struct slave *s, int e, uint32_t id)
{
	struct job *j = e < 0 ? NULL : job_by_id(s, id);

	return j && j->state == JOB_RUNNING && !j->over ? j : NULL;
}

int job_take_fork(void *slave, struct reader *r)
{
	struct message_fork m;
	struct message_small msg;
	struct job *j;
	int e = message_fork_read(r, &m);

	j = job_followed(slave, e, m.job);
	if (!j)
		return e;
	if (!j->follows || j->forks)
		return -EPROTO;
	j->forks = true;
	m.job = j->number;
	message_fork_write(message_begin(&msg, MESSAGE_FORK), &m);
	job_to_client(j, &msg);
	return 0;
}

static struct job_child *child_of(const struct job *j, uint32_t pid)
{
	for (size_t i = 0; i < j->n_children; i++) {
		if (j->children[i].pid == pid)
			return &j->children[i];
	}
	return NULL;
}

/* For lists only: without memory a list lacks it. */
static void child_runs(struct job *j, uint32_t pid, uint32_t remote)
{
	struct job_child *c = child_of(j, pid);

	if (c) {
		c->remote = remote;
		return;
	}
	if (!j->client || j->client->n_children == GHOSTS_MORE)
		return; /* no program has more of them, whatever its nodes say */
	if (j->n_children == j->children_cap) {
		size_t cap = j->children_cap ? 2 * j->children_cap : 8;

		c = reallocarray(j->children, cap, sizeof(*c));
		if (!c)
			return;
		j->children = c;
		j->children_cap = cap;
	}
	j->children[j->n_children++] = (struct job_child){ pid, remote };
	j->client->n_children++;
}

static void child_ended(struct job *j, uint32_t pid)
{
	struct job_child *c = child_of(j, pid);

	if (!c)
		return;
	*c = j->children[--j->n_children];
	if (j->client)
		j->client->n_children--;
}

void job_children_forget(struct job *j)
{
	if (j->client)
		j->client->n_children -= (uint32_t)j->n_children;
	free(j->children);
	j->children = NULL;
	j->n_children = j->children_cap = 0;
}

void job_children_list(const struct job *j, struct client *to)
{
	for (size_t i = 0; i < j->n_children; i++) {
		const struct message_ghost g = { .pid = client_ghost(j->client, j->children[i].pid),
						 .node = j->member->node.number,
						 .uid = j->client->who.uid,
						 .remote = j->children[i].remote };
		struct message_small msg;

		if (g.pid == 0) /* it has ended here, or never was */
			continue;
		message_ghost_write(message_begin(&msg, MESSAGE_GHOST), &g);
		(void)stream_send_writer(&to->stream,
					 &msg.w); /* a client that fails is closed */
	}
}

int job_take_child(void *slave, struct reader *r)
{
	struct message_child m;
	struct message_small msg;
	struct job *j;
	int e = message_child_read(r, &m);

	j = job_followed(slave, e, m.job);
	if (!j)
		return e;
	if (!j->follows)
		return -EPROTO;
	if (m.what == MESSAGE_CHILD_RUNS)
		child_runs(j, m.pid, m.value);
	else if (m.what == MESSAGE_CHILD_ENDED || m.what == MESSAGE_CHILD_NONE)
		child_ended(j, m.pid);
	m.job = j->number;
	message_child_write(message_begin(&msg, MESSAGE_CHILD), &m);
	job_to_client(j, &msg);
	return 0;
}

/* The job of which a client speaks, when its node is there; stalls when that does not read. */
static int job_to_tell(struct client *c, int e, uint32_t number, struct job **ret)
{
	struct job *j = e < 0 ? NULL : job_by_number(c, number);

	*ret = NULL;
	if (!j || j->over || j->state != JOB_RUNNING || !j->follows)
		return e;
	if (!slave_room(j->slave, MESSAGE_SMALL_MAX, MASTER_NODE_HIGH))
		return client_stall(c, 0);
	*ret = j;
	return 0;
}

int job_take_forked(void *client, struct reader *r)
{
	struct message_forked m;
	struct message_small msg;
	struct job *j;
	int e = message_forked_read(r, &m);

	e = job_to_tell(client, e, m.job, &j);
	if (!j || !j->forks)
		return e; /* its node was cut off, and asks again */
	j->forks = false;
	m.job = j->id;
	m.pid = client_ghost(client, m.pid);
	message_forked_write(message_begin(&msg, MESSAGE_FORKED), &m);
	(void)stream_send_writer(&j->slave->stream, &msg.w); /* lost with the slave if it fails */
	return 0;
}

int job_take_child_signal(void *client, struct reader *r)
{
	struct message_child_signal m;
	struct message_small msg;
	struct job *j;
	int e = message_child_signal_read(r, &m);

	e = job_to_tell(client, e, m.job, &j);
	if (!j)
		return e;
	m.job = j->id;
	message_child_signal_write(message_begin(&msg, MESSAGE_CHILD_SIGNAL), &m);
	(void)stream_send_writer(&j->slave->stream, &msg.w); /* lost with the slave if it fails */
	return 0;
}

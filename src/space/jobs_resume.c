/*
 * jobs_resume.c - jobs that outlive a connection: of their node, or of the master itself
 *
 * When a node's connection breaks, its jobs are suspended: each client is told, and asks for its
 * jobs anew, saying how far their output has come (RESUME). When the master was restarted, clients
 * do the same by themselves. Such a job waits until the node is there, is claimed from it by its
 * key, and goes on when the node says how far its input has come. The node decides: it knows the
 * key and the user, and whether it is in the same boot; we keep nothing over a restart.
 *
 * A job waits for its node until the node's patience ends. A connection that was closed, and did
 * not fall silent, is that of a bpslave that has ended or comes back at once. What breaks the
 * protocol loses its jobs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "space/blobs.h"
#include "space/jobs_internal.h"

#define TICK_S 0.5

/* Ask its node for it. */
void job_claim(struct job *j)
{
	struct message_claim c = { .job = j->id, .uid = j->uid, .at = j->at };
	struct message_small msg;

	job_move(j, j->member->slave);
	j->state = JOB_CLAIMED;
	message_claim_write(message_begin(&msg, MESSAGE_CLAIM), &c);
	(void)stream_send_writer(&j->slave->stream, &msg.w); /* lost with the slave if it fails */
}

void jobs_slave_back(struct slave *s)
{
	struct job *next;

	s->member->patience_ms = 0;
	for (struct job *j = s->member->waiting; j; j = next) {
		next = j->next;
		if (j->state == JOB_WAITING)
			job_claim(j);
	}
}

/* Whether the node may have its processes still. */
static bool may_survive(const struct slave *s, int err)
{
	static const int breaks[] = { 0,	    ECONNRESET,	  EPIPE,    ETIMEDOUT,
				      EHOSTUNREACH, ENETUNREACH,  ENETDOWN, ENONET,
				      ECONNABORTED, EHOSTDOWN };

	for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
		if (err == -breaks[i])
			return !s->going;
	}
	return false;
}

/* Its client asks again, or nobody does. */
static void suspend(struct job *j)
{
	struct message_small msg;

	job_move(j, NULL);
	j->state = j->abandoned ? JOB_WAITING : JOB_SUSPENDED;
	if (j->over) {
		job_free(j); /* the node forgets it by itself */
	} else if (!j->abandoned) {
		writer_be32(message_begin(&msg, MESSAGE_SUSPENDED), j->number);
		job_to_client(j, &msg);
	}
}

void jobs_slave_lost(struct slave *s, int err, const char *why)
{
	struct member *n = s->jobs ? s->jobs->member : NULL;
	uint64_t ms = (uint64_t)s->master->config->orphan_s * 1000;

	blobs_slave_lost(s);
	if (!n)
		return;
	if (!may_survive(s, err)) {
		while (s->jobs)
			job_lost(s->jobs, why);
		return;
	}
	while (s->jobs)
		suspend(s->jobs);
	if (err != -ETIMEDOUT)
		ms = MIN(ms, (uint64_t)MASTER_CLOSED_MS);
	n->patience_ms = clock_ms() + ms;
}

void jobs_member_gone(struct member *n, const char *why)
{
	while (n->slave && n->slave->jobs)
		job_lost(n->slave->jobs, why);
	while (n->waiting)
		job_lost(n->waiting, why);
}

static void on_patience(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct master *m = w->data;
	uint64_t now = clock_ms();

	for (size_t i = 0; i < m->n_members; i++) {
		struct member *n = m->members[i];

		if (n->slave || !n->waiting || now < n->patience_ms)
			continue;
		member_given_up(n);
		while (n->waiting)
			job_lost(n->waiting, *n->words ? n->words : "it has not come back");
	}
}

void jobs_open(struct master *m)
{
	ev_timer_init(&m->patience, on_patience, TICK_S, TICK_S);
	m->patience.data = m;
	ev_timer_start(m->loop, &m->patience);
}

/* The job of a RESUME: one of the client that is suspended, or one that an earlier master had.
 * Return: NULL when the client breaks the rules, or there is no room (*ret_why). */
static struct job *job_resumed(struct client *c, const struct message_resume *x, struct member *n,
			       const char **ret_why)
{
	struct job *j = job_by_number(c, x->job);

	*ret_why = NULL;
	if (j)
		return j->state == JOB_SUSPENDED && j->member == n && !j->over &&
				       message_key_equal(&j->at.key, &x->at.key) &&
				       j->window == x->window
			       ? j
			       : NULL;
	if (client_full(c) || job_entry(c, x->job) < 0) {
		*ret_why = "bpmaster has no room for another job of this user";
		return NULL;
	}
	j = job_new(c, x->job, n, x->window);
	if (!j) {
		*ret_why = "bpmaster has no room for another job";
		return NULL;
	}
	j->follows = true; /* its client knows whether it does */
	j->ghost = client_ghost(c, x->pid);
	j->starter = c->pid > 0 ? (uint32_t)c->pid : j->ghost;
	if (n->patience_ms == 0)
		n->patience_ms = clock_ms() + (uint64_t)c->master->config->orphan_s * 1000;
	return j;
}

static int refuse(struct client *c, uint32_t number, const char *words)
{
	struct message_failed f = {
		.job = number, .error = ENODEV, .how = MESSAGE_LOST, .words = words
	};
	struct message_small msg;

	message_failed_write(message_begin(&msg, MESSAGE_FAILED), &f);
	return stream_send_writer(&c->stream, &msg.w);
}

int job_take_resume(void *client, struct reader *r)
{
	struct client *c = client;
	struct message_resume x;
	const char *why;
	struct member *n;
	struct job *j;
	int e = message_resume_read(r, &x);

	if (e < 0)
		return e;
	n = member_by_number(c->master, x.node);
	if (n && n->slave && !slave_room(n->slave, MESSAGE_SMALL_MAX, MASTER_NODE_HIGH))
		return client_stall(c, 0);
	if (!n)
		return refuse(c, x.job, "node lost: it is not listed any more");
	j = job_resumed(c, &x, n, &why);
	if (!j)
		return why ? refuse(c, x.job, why) : -EPROTO;
	j->at = x.at;
	j->state = JOB_WAITING;
	if (n->slave)
		job_claim(j);
	else if (!strcmp(n->state, "down"))
		member_lost(n, "it has not come since bpmaster was started");
	return 0;
}

int job_take_resumed(void *slave, struct reader *r)
{
	struct message_resumed x;
	struct message_small msg;
	struct job *j;
	int e = message_resumed_read(r, &x);

	j = e < 0 ? NULL : job_by_id(slave, x.job);
	if (!j)
		return e;
	if (j->state != JOB_CLAIMED)
		return -EPROTO;
	j->state = JOB_RUNNING;
	j->started = x.flags & MESSAGE_HAS_STARTED;
	j->pid = x.pid;
	j->stopped = x.flags & MESSAGE_IS_STOPPED;
	j->continued = 0;
	j->forks = false;
	j->input_closed = x.flags & MESSAGE_INPUT_SHUT;
	j->input_ended = x.flags & MESSAGE_INPUT_ENDED;
	j->input_credit = MESSAGE_WINDOW - (uint32_t)(x.received - x.granted);
	for (int i = 0; i < 2; i++) {
		j->output_credit[i] =
			j->window - (uint32_t)(j->at.received[i] - j->at.granted[i]);
		j->ended[i] =
			j->at.flags & (i == 0 ? MESSAGE_OUTPUT_ENDED : MESSAGE_ERROR_ENDED);
	}
	x.job = j->number;
	message_resumed_write(message_begin(&msg, MESSAGE_RESUMED), &x);
	job_to_client(j, &msg);
	job_signals_again(j, x.signals);
	return 0;
}

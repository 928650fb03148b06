/*
 * jobs_signals.c - signals to the processes of jobs: those on their way to a node when its
 * connection breaks come again, in their order, and those sent meanwhile wait
 *
 * We count what a node was sent for a process, and the node what it has taken; it says so when the
 * process is asked for again, and while nobody asks for it, as of a ghost that was stopped.
 */
#include "space/jobs_internal.h"
#include "space/pending.h"

void slave_nudge(struct slave *s, const struct message_key *key, uint8_t signal)
{
	const struct message_nudge n = { .key = *key, .signal = signal };
	struct message_small msg;

	message_nudge_write(message_begin(&msg, MESSAGE_NUDGE), &n);
	(void)stream_send_writer(&s->stream, &msg.w); /* lost with the slave if it fails */
}

/* The node is there. */
static void pass(struct job *j, uint8_t signal)
{
	struct message_small msg;

	j->sent[j->n_sent++ % JOB_SIGNALS_KEPT] = signal;
	if (j->state == JOB_SUSPENDED) {
		slave_nudge(j->member->slave, &j->at.key, signal);
		return;
	}
	j->continued += signal == SIGCONT;
	message_signal_write(message_begin(&msg, MESSAGE_SIGNAL), j->id, 1, signal);
	(void)stream_send_writer(&j->slave->stream, &msg.w);
}

void job_signal(struct job *j, uint8_t signal)
{
	if (j->state == JOB_RUNNING)
		pass(j, signal);
	else
		pending_add(&j->signals, signal);
}

void job_signals_again(struct job *j, uint32_t taken)
{
	uint32_t lost = j->n_sent > taken ? MIN(j->n_sent - taken, JOB_SIGNALS_KEPT) : 0;
	uint8_t again[JOB_SIGNALS_KEPT];

	for (uint32_t i = 0; i < lost; i++)
		again[i] = j->sent[(j->n_sent - lost + i) % JOB_SIGNALS_KEPT];
	j->n_sent = taken; /* an earlier bpmaster may have sent some */
	for (uint32_t i = 0; i < lost; i++)
		pass(j, again[i]);
	for (uint8_t signal = 1; signal <= PENDING_SIGNALS; signal++) {
		if (pending_has(j->signals, signal))
			pass(j, signal);
	}
	j->signals = 0;
}

/*
 * orphans.c - processes of a node whose connection to the master was lost, until they are asked for
 * again
 *
 * They go on: they read what input they have, and write until their credit is used up; the bytes
 * that the master may not have passed on are kept, and so is the last message of one that ends.
 * Over the next connection the program that waits for a process asks for it by its key and says how
 * far its output has come, and we go on from there.
 *
 * A node cannot tell a cable that is cut from a master that is away, so it waits long for a
 * connection; once there is one, programs have little time to come. Whoever waits for a stopped
 * process may be stopped itself, and cannot come before it goes on: such a process stays.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "space/process_internal.h"
#include "wire/message_resume.h"

#define TICK_S	   1.0
#define KEPT_TICKS 5 /* between two words about those that nobody has asked for */

/* Tell the master of those that nobody has asked for: it sees whether somebody still may. */
static void say_kept(struct processes *ps)
{
	_cleanup_buffer_ struct buffer b = BUFFER(2 + MESSAGE_KEPT_MAX * MESSAGE_KEPT_BYTES);
	bool first = true;

	for (struct process *p = ps->list; ps->channel && p;) {
		uint8_t head[2] = { MESSAGE_KEPT, first };
		int e = buffer_append(&b, head, sizeof(head));

		for (size_t n = 0; e == 0 && p && n < MESSAGE_KEPT_MAX; p = p->next) {
			const struct message_kept k = { p->key, p->seen, p->uid, p->signals };
			uint8_t text[MESSAGE_KEPT_BYTES];
			struct writer w = WRITER(text, sizeof(text));

			if (p->job != 0 || p->abandoned || p->seen == 0)
				continue;
			message_kept_write(&w, &k);
			e = buffer_append(&b, text, w.len);
			n++;
		}
		if (e < 0)
			return;	   /* for want of memory: later */
		if (b.len > sizeof(head) || first)
			(void)stream_send(ps->channel, b.data, b.len);
		first = false;
		b.len = 0;
	}
}

static void on_tick(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct processes *ps = w->data;
	uint64_t now = clock_ms();
	struct process *next;
	size_t n = 0, left = 0;

	for (struct process *p = ps->list; p; p = next) {
		bool waits = p->stopped && !p->ended &&
			     now < ps->orphans_end_ms + PROCESSES_STOPPED_S * 1000ull;

		next = p->next;
		if (p->job != 0 || p->abandoned)
			continue;
		left++;
		if (now < ps->orphans_end_ms || waits)
			continue;
		n += !p->last;
		left--;
		process_abandon(p);
		process_settle(p);
	}
	if (n > 0)
		log_warn(0, "ended %zu processes that nobody has asked for", n);
	if (++ps->ticks % KEPT_TICKS == 0 || left == 0)
		say_kept(ps);
	if (left == 0)
		ev_timer_stop(loop, w);
}

/* Those that nobody has asked for end in @seconds. */
static void wait_for(struct processes *ps, uint64_t seconds)
{
	ps->orphans_end_ms = clock_ms() + 1000 * seconds;
	ev_timer_init(&ps->orphans, on_tick, TICK_S, TICK_S);
	ps->orphans.data = ps;
	ev_timer_start(ps->loop, &ps->orphans);
}

void processes_orphan(struct processes *ps)
{
	uint32_t s = ps->orphan_s ? ps->orphan_s : PROCESSES_ORPHAN_S;

	if (!ps->channel)
		return; /* an attempt that failed */
	processes_forget_lists(ps);
	ps->channel = NULL;
	ev_timer_stop(ps->loop, &ps->orphans);
	for (struct process *p = ps->list; p; p = p->next) {
		p->job = 0;
		if (p->starting && p->carry && p->carry->gate[1] >= 0)
			process_abandon(p); /* it lacks files, and is started anew */
	}
	carries_lost(&ps->carries);
	processes_resume(ps); /* what waited for the channel waits no more */
	wait_for(ps, (uint64_t)s * PROCESSES_AWAY);
}

void processes_join(struct processes *ps, struct stream *channel, uint32_t orphan_s)
{
	ps->channel = channel;
	ps->orphan_s = orphan_s;
	ev_timer_stop(ps->loop, &ps->orphans);
	wait_for(ps, orphan_s);
	if (ps->list)
		say_kept(ps);
}

/* The process of a claim: root may ask for any, others for their own. */
static struct process *find_key(const struct processes *ps, const struct message_claim *c)
{
	for (struct process *p = ps->list; p; p = p->next) {
		if (p->job == 0 && !p->abandoned && message_key_equal(&p->key, &c->at.key) &&
		    (c->uid == 0 || c->uid == p->uid))
			return p;
	}
	return NULL;
}

/* Whether both sides mean the same stream: what is missing there is here. */
static bool fits(const struct process *p, const struct message_progress *at)
{
	const uint8_t *bytes;

	for (int i = 0; i < 2; i++) {
		uint64_t reach = journal_end(&p->sent[i]) + p->credit[i];

		if (journal_at(&p->sent[i], at->received[i], 0, &bytes) < 0 ||
		    at->granted[i] + p->window < reach)
			return false;
	}
	return true;
}

static void say_resumed(const struct process *p)
{
	struct message_small m;
	struct message_resumed x = {
		.job = p->job,
		.pid = p->started ? (uint32_t)p->number : 0,
		.received = p->got,
		.granted = p->got - p->waiting.len,
		.signals = p->signals,
	};

	x.flags = (uint8_t)((p->started ? MESSAGE_HAS_STARTED : 0) |
			    (p->cwd_missing ? MESSAGE_LACKS_CWD : 0) |
			    (p->stopped && !p->ended ? MESSAGE_IS_STOPPED : 0) |
			    (p->input_fd < 0 ? MESSAGE_INPUT_SHUT : 0) |
			    (p->input_ended ? MESSAGE_INPUT_ENDED : 0));
	message_resumed_write(message_begin(&m, MESSAGE_RESUMED), &x);
	process_tell(p, &m);
}

/* Go on where the other side is. */
static void resume(struct process *p, const struct message_progress *at)
{
	say_resumed(p);
	p->eaten = 0;
	p->continued = 0;
	for (int i = 0; i < 2; i++) {
		p->credit[i] = (uint32_t)(at->granted[i] + p->window - journal_end(&p->sent[i]));
		process_send_again(p, i, at->received[i],
				   at->flags &
					   (i == 0 ? MESSAGE_OUTPUT_ENDED : MESSAGE_ERROR_ENDED));
		journal_forget(&p->sent[i], at->granted[i]);
		process_watch_output(p, i);
	}
	if (p->follow)
		follow_list(p->follow);
	if (p->last) {
		struct writer w = WRITER(p->last + 1, 4); /* its job has another number now */

		writer_be32(&w, p->job);
		(void)stream_send(p->all->channel, p->last, p->last_n);
	}
}

int processes_take_claim(struct processes *ps, struct reader *r)
{
	struct message_claim c;
	struct message_small m;
	struct process *p;
	int e = message_claim_read(r, &c);

	if (e < 0)
		return e;
	p = find_key(ps, &c);
	if (p && !(c.at.flags & MESSAGE_UNWANTED) && fits(p, &c.at)) {
		p->job = c.job;
		resume(p, &c.at);
		return 0;
	}
	process_failed(&m, c.job, MESSAGE_LOST, ESTALE,
		       !p ? "the node does not know this process any more"
			  : "what is missing of its output is not there any more");
	process_say(ps, &m);
	if (p) {
		process_abandon(p);
		process_settle(p);
	}
	return 0;
}

int processes_take_nudge(struct processes *ps, struct reader *r)
{
	struct message_nudge m;
	struct process *p;
	int e = message_nudge_read(r, &m);

	if (e < 0)
		return e;
	for (p = ps->list; p; p = p->next) {
		if (p->job == 0 && !p->abandoned && message_key_equal(&p->key, &m.key))
			break;
	}
	if (!p)
		return 0; /* somebody has asked for it meanwhile */
	if (m.signal > 0) {
		p->signals++;
		process_signal_as_here(p, m.signal);
		return 0;
	}
	process_abandon(p);
	process_settle(p);
	return 0;
}

/*
 * expected.c - nodes that had a connection before bpmaster was restarted, and are not back yet
 *
 * A moment after a restart the nodes are back; until then it is not known of any whether it is up.
 * So those that had a connection are away in place of down, a start on one of them waits, and so
 * does a list of nodes for a program that is about to start something. They are expected as long as
 * a bpslave may wait before it tries again.
 *
 * Which nodes those are is written a moment after it has changed, many changes at a time. What is
 * lost with a kill in that moment costs a start its wait, and nothing else.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "space/expected.h"
#include "space/node.h"
#include "space/state_file.h"

#define SAVE_S	     0.2 /* from the first change to the writing of all */
#define LINE_BYTES   MAC_STR_MAX
#define EXPECTED_S   (NODE_RETRY_MAX_MS / 1e3 + 1)
#define NOT_BACK_YET "was up when bpmaster ended, and is not back yet"

static int take_line(void *ctx, char *const *words, size_t n)
{
	struct master *m = ctx;
	struct mac mac;
	struct member *node;

	if (n != 1 || mac_parse(words[0], &mac) < 0)
		return -EBADMSG;
	node = member_by_mac(m, &mac);
	if (!node || node->expected || strcmp(node->state, "down") != 0)
		return 0; /* not listed any more; or bpctl has said what it is */
	node->expected = true;
	m->expected.n++;
	snprintf(node->state, sizeof(node->state), MEMBER_AWAY);
	snprintf(node->words, sizeof(node->words), NOT_BACK_YET);
	return 0;
}

static const struct state_file up_file = {
	.name = "up",
	.max = MASTER_NODES_MAX * LINE_BYTES,
	.what = "which nodes are up",
	.without = "to wait for none of them after a restart",
	.take = take_line,
};

static int save(struct master *m)
{
	_cleanup_buffer_ struct buffer text = BUFFER(MASTER_NODES_MAX * LINE_BYTES);
	int r = 0;

	ev_timer_stop(m->loop, &m->expected.saving);
	for (size_t i = 0; r == 0 && i < m->n_members; i++) {
		const struct member *n = m->members[i];
		char mac[MAC_STR_MAX];

		if (n->expected || (n->slave && !n->slave->going))
			r = buffer_printf(&text, "%s\n", mac_format(&n->node.mac, mac));
	}
	return state_file_write(m->config->state, &up_file, r, &text);
}

static void on_saving(struct ev_loop *loop, struct ev_timer *w, int events)
{
	(void)save(w->data); /* said; tried again with the next change, and at the end */
}

void expected_changed(struct master *m)
{
	if (!ev_is_active(&m->expected.saving))
		ev_timer_start(m->loop, &m->expected.saving);
}

static void on_resume(struct ev_loop *loop, struct ev_timer *w, int events)
{
	clients_resume(w->data);
}

void expected_over(struct member *n)
{
	struct master *m = n->master;

	if (!n->expected)
		return;
	n->expected = false;
	m->expected.n--;
	if (!ev_is_active(&m->expected.resume))
		ev_timer_start(m->loop, &m->expected.resume);
}

static void on_patience(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct master *m = w->data;

	for (size_t i = 0; i < m->n_members && m->expected.n > 0; i++) {
		struct member *n = m->members[i];

		if (!n->expected)
			continue;
		expected_over(n);
		member_lost(n, "it has not come back since bpmaster was restarted");
	}
	expected_changed(m);
}

int expected_load(struct master *m)
{
	struct expected *e = &m->expected;
	int r;

	ev_timer_init(&e->saving, on_saving, SAVE_S, 0);
	ev_timer_init(&e->resume, on_resume, 0, 0);
	ev_timer_init(&e->patience, on_patience, EXPECTED_S, 0);
	e->saving.data = e->resume.data = e->patience.data = m;
	ev_timer_start(m->loop, &e->patience);
	r = state_file_read(m->config->state, &up_file, m);
	if (e->n > 0)
		log_info("%zu nodes were up before: expecting them back", e->n);
	return r;
}

void expected_close(struct master *m)
{
	if (m->expected.saving.data) /* it was opened */
		(void)save(m);	     /* said */
	ev_timer_stop(m->loop, &m->expected.resume);
	ev_timer_stop(m->loop, &m->expected.patience);
}

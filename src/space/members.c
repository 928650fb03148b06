/*
 * members.c - the nodes that bpmaster knows, and the state of each
 *
 * down -> boot (a boot event came) -> up (registered) -> down (connection lost), or away as long as
 * processes of it are waited for; error when the boot failed or the node says that it is not well.
 * bpctl may set any other word; it stays until the next of these changes.
 *
 * A node that is not listed any more after a reload is refused from then on and shown no longer;
 * its connection, if it has one, ends.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "space/expected.h"
#include "space/master_internal.h"

uint64_t master_wall_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail */
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Index of the first member whose number is not below @number. */
static size_t lower_bound(const struct master *m, uint32_t number)
{
	size_t low = 0, high = m->n_members;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->members[middle]->node.number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct member *member_by_number(const struct master *m, uint32_t number)
{
	size_t i = lower_bound(m, number);

	return i < m->n_members && m->members[i]->node.number == number ? m->members[i] : NULL;
}

struct member *member_by_mac(const struct master *m, const struct mac *mac)
{
	for (size_t i = 0; i < m->n_members; i++) {
		if (mac_equal(&m->members[i]->node.mac, mac))
			return m->members[i];
	}
	return NULL;
}

void member_set_state(struct member *n, const char *state, const char *words)
{
	if (strcmp(n->state, state) != 0) {
		if (complaints_allow(&n->changes, "nodes that change"))
			log_info("node %u is %s%s%s", n->node.number, state, *words ? ": " : "",
				 words);
		n->since_ms = master_wall_ms();
	}
	if (strcmp(state, MEMBER_AWAY) != 0)
		expected_over(n);
	if (state != n->state)
		snprintf(n->state, sizeof(n->state), "%s", state);
	snprintf(n->words, sizeof(n->words), "%s", words);
	clients_changed(n->master);
}

void member_lost(struct member *n, const char *why)
{
	uint64_t now = clock_ms();
	char words[MESSAGE_WORDS_MAX];

	if (n->n_waiting == 0 || n->patience_ms <= now) {
		member_set_state(n, "down", why);
		return;
	}
	snprintf(words, sizeof(words), "%.300s: %u process%s of it %s waited for, for %u s", why,
		 n->n_waiting, n->n_waiting == 1 ? "" : "es", n->n_waiting == 1 ? "is" : "are",
		 (unsigned)((n->patience_ms - now + 999) / 1000));
	member_set_state(n, MEMBER_AWAY, words);
}

void member_given_up(struct member *n)
{
	if (!strcmp(n->state, MEMBER_AWAY))
		member_set_state(n, "down", "it has not come back");
}

static struct member *member_insert(struct master *m, const struct master_node *node)
{
	size_t at = lower_bound(m, node->number);
	struct member **list, *n;

	if (m->n_members >= MASTER_NODES_MAX)
		return NULL;
	list = reallocarray(m->members, m->n_members + 1, sizeof(struct member *));
	if (!list)
		return NULL;
	m->members = list;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->node = *node;
	n->master = m;
	n->mode = SETTINGS_MODE;
	n->since_ms = master_wall_ms();
	snprintf(n->state, sizeof(n->state), "down");
	settings_give(n);
	memmove(list + at + 1, list + at, (m->n_members - at) * sizeof(struct member *));
	list[at] = n;
	m->n_members++;
	return n;
}

struct member *member_accept(struct master *m, const struct mac *mac)
{
	struct master_node node = { .mac = *mac };

	for (size_t i = 0; i < m->n_members && m->members[i]->node.number == node.number; i++)
		node.number++;
	if (node.number > MASTER_NUMBER_MAX)
		return NULL;
	return member_insert(m, &node);
}

/* Take the member out of the list; its connection ends. */
static void member_remove(struct master *m, size_t at)
{
	struct member *n = m->members[at];

	jobs_member_gone(n, "its node is not listed any more");
	expected_over(n);
	if (n->slave) {
		n->slave->member = NULL;
		stream_fail(&n->slave->stream, 0, "its node is not listed any more");
	}
	memmove(m->members + at, m->members + at + 1,
		(m->n_members - at - 1) * sizeof(struct member *));
	m->n_members--;
	settings_take(n);
	free(n);
}

static const struct master_node *node_by_mac(const struct master_nodes *nodes,
					     const struct mac *mac)
{
	for (size_t i = 0; i < nodes->n; i++) {
		if (mac_equal(&nodes->list[i].mac, mac))
			return &nodes->list[i];
	}
	return NULL;
}

static int check_nodes(const struct master_nodes *nodes)
{
	if (nodes->n > MASTER_NODES_MAX)
		return log_err(-E2BIG, "%zu nodes are listed, at most %d can be", nodes->n,
			       MASTER_NODES_MAX);
	for (size_t i = 0; i < nodes->n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (nodes->list[i].number == nodes->list[j].number ||
			    mac_equal(&nodes->list[i].mac, &nodes->list[j].mac))
				return log_err(-EEXIST,
					       "nodes %u and %u have the same number or MAC",
					       nodes->list[j].number, nodes->list[i].number);
		}
	}
	return 0;
}

int members_load(struct master *m, const struct master_nodes *nodes)
{
	int r = check_nodes(nodes);

	if (r < 0)
		return r;
	for (size_t i = m->n_members; i-- > 0;) {
		struct member *n = m->members[i];
		const struct master_node *node = node_by_mac(nodes, &n->node.mac);

		if (node && node->number == n->node.number)
			n->node = *node;
		else if (n->listed || node || m->config->enrol == MASTER_ENROL_KNOWN)
			member_remove(m, i);
	}
	for (size_t i = 0; i < nodes->n; i++) {
		struct member *n = member_by_number(m, nodes->list[i].number);

		if (n && !mac_equal(&n->node.mac, &nodes->list[i].mac)) {
			member_remove(
				m, lower_bound(m, nodes->list[i].number)); /* it had been accepted
									      as unknown */
			n = NULL;
		}
		if (!n)
			n = member_insert(m, &nodes->list[i]);
		if (!n)
			return log_err(-ENOMEM, "cannot keep %zu nodes", nodes->n);
		n->listed = true;
	}
	for (size_t i = 0; i < m->n_members; i++)
		events_name(m, m->members[i]);
	return 0;
}

void members_close(struct master *m)
{
	for (size_t i = 0; i < m->n_members; i++) {
		free(m->members[i]->attributes);
		free(m->members[i]);
	}
	free(m->members);
	m->members = NULL;
	m->n_members = 0;
}

/*
 * Events come over plain UDP from anyone. They move the state of a node that has no connection; of
 * one that has, they only make us ask whether it is still there, so that a node that was switched
 * off and on shows as booting at once.
 */
void member_reported(struct master *m, struct member *n, const struct report *e,
		     const struct ipaddr *from)
{
	bool bad = e->state == REPORT_FAIL || e->stage == REPORT_RETRY || e->stage == REPORT_SHELL;

	if (n->slave) {
		if (e->boot != n->boot)
			slave_ask(n->slave);
		n->reported_boot = e->boot;
		return;
	}
	n->reported_boot = e->boot;
	n->seen = *from;
	if (bad && e->stage == REPORT_RETRY && !strcmp(n->state, "error"))
		return; /* the words of the failure say more */
	if (bad) {
		char words[MESSAGE_WORDS_MAX];

		snprintf(words, sizeof(words), "%s: %.380s", report_stage_name(e->stage), e->words);
		member_set_state(n, "error", words);
	} else {
		member_set_state(n, "boot", "");
	}
}

/*
 * groups.c - the groups of the cluster file, for programs that name them (bpsh @gpu ...)
 *
 * They come with the list of nodes, worked out, and are passed on behind it: what a group means is
 * said in one place, and programs need not be able to read the cluster file.
 */
#include <errno.h>
#include <stdio.h>

#include "space/master_internal.h"

static void clear(struct master_group *groups, size_t n)
{
	for (size_t i = 0; i < n; i++)
		nodeset_clear(&groups[i].nodes);
	free(groups);
}

int groups_load(struct master *m, const struct master_nodes *nodes)
{
	struct master_group *groups = calloc(nodes->n_groups + 1, sizeof(*groups));
	int r = groups ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < nodes->n_groups; i++) {
		const struct master_group *from = &nodes->groups[i];

		snprintf(groups[i].name, sizeof(groups[i].name), "%s", from->name);
		for (size_t k = 0; r == 0 && k < from->nodes.n; k++)
			r = nodeset_add(&groups[i].nodes, from->nodes.numbers[k]);
	}
	if (r < 0) {
		if (groups)
			clear(groups, nodes->n_groups);
		return log_err(r, "cannot keep %zu groups of nodes", nodes->n_groups);
	}
	groups_close(m);
	m->groups = groups;
	m->n_groups = nodes->n_groups;
	return 0;
}

int groups_send(const struct master *m, struct stream *to)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_groups; i++) {
		const struct master_group *g = &m->groups[i];

		b.len = 0;
		r = message_group_write(&b, g->name, g->nodes.numbers, g->nodes.n);
		if (r == 0)
			r = stream_send(to, b.data, b.len);
	}
	return r;
}

void groups_close(struct master *m)
{
	clear(m->groups, m->n_groups);
	m->groups = NULL;
	m->n_groups = 0;
}

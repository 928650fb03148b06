/*
 * bpps_ghosts.c - which process here stands for one on a node, and its process group and session
 *
 * A process on a node is in a group and a session of its own there (ARCHITECTURE.md); those that a
 * shell knows it by are its ghost's. What it has forked has the ghost of the one that leads its
 * session there.
 */
#include <stdlib.h>
#include <unistd.h>

#include "cli/bpps_ghosts.h"
#include "cli/ghost_list.h"

static int compare(const void *a, const void *b)
{
	const struct message_ghost *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->remote < y->remote ? -1 : x->remote > y->remote;
}

static const struct message_ghost *find(const struct ghost_list *l, uint32_t node, uint32_t remote)
{
	const struct message_ghost key = { .node = node, .remote = remote };

	return l->n > 0 && remote > 0
		       ? bsearch(&key, l->ghosts, l->n, sizeof(*l->ghosts), compare)
		       : NULL;
}

int bpps_ghosts(struct caller *c, struct bpps_row *rows, size_t n)
{
	_cleanup_ghost_list_ struct ghost_list l = { 0 };
	int r = ghost_list_ask(c, &l);

	if (r < 0)
		return r;
	if (l.n > 0)
		qsort(l.ghosts, l.n, sizeof(*l.ghosts), compare);
	for (size_t i = 0; i < n; i++) {
		const struct message_ghost *g = find(&l, rows[i].node, rows[i].p.pid);
		pid_t group, session;

		if (!g)
			g = find(&l, rows[i].node, rows[i].p.session);
		if (!g || g->pid == 0)
			continue;
		group = getpgid((pid_t)g->pid);
		session = getsid((pid_t)g->pid);
		rows[i].ghost = g->pid;
		rows[i].ghost_group = group > 0 ? (uint32_t)group : 0;
		rows[i].ghost_session = session > 0 ? (uint32_t)session : 0;
	}
	return 0;
}

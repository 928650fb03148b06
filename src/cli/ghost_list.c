/*
 * ghost_list.c - what stands here for which process on the nodes, as bpmaster has it
 */
#include <errno.h>
#include <stdlib.h>

#include "cli/ghost_list.h"

void ghost_list_clear(struct ghost_list *l)
{
	free(l->ghosts);
}

static int take(void *owner, struct reader *body)
{
	struct ghost_list *l = owner;
	struct message_ghost g;
	int r = message_ghost_read(body, &g);

	if (r < 0)
		return r;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct message_ghost *p = reallocarray(l->ghosts, cap, sizeof(*p));

		if (!p)
			return -ENOMEM;
		l->ghosts = p;
		l->cap = cap;
	}
	l->ghosts[l->n++] = g;
	return 0;
}

int ghost_list_ask(struct caller *c, struct ghost_list *ret)
{
	return caller_each(c, MESSAGE_GHOSTS, MESSAGE_GHOST, take, ret);
}

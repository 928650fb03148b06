/*
 * ghost_list.h - what stands here for which process on the nodes, as bpmaster has it
 */
#pragma once

#include "space/caller.h"

struct ghost_list {
	struct message_ghost *ghosts; /* owned */
	size_t n, cap;
};

#define _cleanup_ghost_list_ _cleanup_(ghost_list_clear)
void ghost_list_clear(struct ghost_list *l);

/* Return: 0 or negative errno (logged). */
_must_check_ int ghost_list_ask(struct caller *c, struct ghost_list *ret);

/*
 * bpstat_ghosts.h - which processes here stand for which on the nodes
 */
#pragma once

#include "base/nodeset.h"
#include "space/caller.h"

/* Print a row for each ghost of the @chosen nodes. Return: 0 or negative errno (logged). */
_must_check_ int ghosts_print(struct caller *c, const struct nodeset *chosen);

/* Copy what ps has printed from standard input, with the node of each ghost in front of it. Return:
 * 0 or negative errno (logged). */
_must_check_ int ghosts_annotate(struct caller *c);

/*
 * bpps_ghosts.h - which process here stands for one on a node
 */
#pragma once

#include "cli/bpps_columns.h"
#include "space/caller.h"

/* Find the ghosts of @rows. Return: 0 or negative errno (logged). */
_must_check_ int bpps_ghosts(struct caller *c, struct bpps_row *rows, size_t n);

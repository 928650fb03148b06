/*
 * expected.h - nodes that had a connection before bpmaster was restarted, within bpmaster
 *
 * They are kept in STATE/up, a MAC a line.
 */
#pragma once

#include "space/master_internal.h"

/* Read which nodes are expected back; they are members. Return: 0 or negative errno (logged). */
_must_check_ int expected_load(struct master *m);
/* Keep which nodes have a connection, before these are closed. */
void expected_close(struct master *m);

/* A node has a connection now, or has none any more. */
void expected_changed(struct master *m);
/* What the node is has been found out; it may have been expected or not. */
void expected_over(struct member *n);

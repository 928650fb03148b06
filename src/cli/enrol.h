/*
 * enrol.h - bpctl's part about the keys of nodes
 */
#pragma once

#include "base/lang.h"
#include "space/caller.h"

/*
 * Accept or forget the keys of @which: a node set, or a MAC, with =FINGERPRINT behind it when one
 * of several is to be accepted. Return: 0 or negative errno (logged).
 */
_must_check_ int enrol_set(struct caller *c, bool forget, const char *which);

/* Print a line a key. Return: 0 or negative errno (logged). */
_must_check_ int enrol_list(struct caller *c);

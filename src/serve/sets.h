/*
 * sets.h - sets of a cluster's nodes, by the names and groups that its files give them
 */
#pragma once

#include "base/lang.h"
#include "base/nodeset.h"
#include "serve/cluster.h"
#include "serve/nodes.h"

/*
 * Parse a set (base/nodeset.h). Who is up is not known here: "allup" is an error.
 * Return: 0; -EINVAL with ret_why written; -ENOMEM. Does not log.
 */
_must_check_ int sets_parse(const struct cluster *c, const struct nodes *t, const char *text,
			    struct nodeset *ret, char ret_why[static NODESET_WHY_MAX]);

/* As sets_parse(), but logs. */
_must_check_ int sets_take(const struct cluster *c, const struct nodes *t, const char *text,
			   struct nodeset *ret);

/*
 * Work out every group of the cluster file, in its order. @each gets its nodes, borrowed; or, for a
 * group that is no set, NULL and why: who names that one is none either. Return: 0, what @each
 * returned below 0, -ENOMEM.
 */
typedef int sets_group_fn(void *ctx, const struct cluster_group *g, const struct nodeset *nodes,
			  const char *why);
_must_check_ int sets_groups(const struct cluster *c, const struct nodes *t, sets_group_fn *each,
			     void *ctx);

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

/* Whether every group of the cluster file is a set. Return: 0; -EINVAL with ret_why written;
 * -ENOMEM. */
_must_check_ int sets_check_groups(const struct cluster *c, const struct nodes *t,
				   char ret_why[static NODESET_WHY_MAX]);

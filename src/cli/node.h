/*
 * node.h - what the actions of `bpboot node` share
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"
#include "serve/cluster.h"
#include "serve/nodes_edit.h"

struct node_options {
	const char *cluster, *mac, *address, *image, *name;
	bool json, accept;
	uint64_t count, timeout_s, first; /* of discover; 0: no end, UINT64_MAX: next free */
};

/* The options' address, image and name into @n, the @i-th of a row. Logs. Return: 0 or -EINVAL. */
_must_check_ int node_take_options(const struct node_options *o, const struct cluster *c,
				   uint32_t i, struct node *n);

/* Say what became of a node, on standard output. */
void node_say(const struct node *n, const char *what);

/* bpboot node discover. Logs. Return: 0 or negative errno. */
_must_check_ int node_discover(const struct node_options *o, const struct cluster *c);

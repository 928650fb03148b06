/*
 * images.h - the images that a cluster's nodes boot, each once
 */
#pragma once

#include <stddef.h>

#include "base/lang.h"
#include "serve/cluster.h"
#include "serve/nodes.h"

/* One image in use. */
struct image_use {
	const char *name;	 /* borrowed from the cluster or the table */
	const struct node *node; /* the first that boots it; borrowed */
};

struct images {
	struct image_use *list; /* owned; in the order of their nodes */
	size_t n;
};

#define _cleanup_images_ _cleanup_(images_clear)
void images_clear(struct images *x);

/* What the nodes of @t boot. Return: 0, -ENOMEM. */
_must_check_ int images_list(const struct cluster *c, const struct nodes *t, struct images *ret);

/* What this node boots: its own image, or the cluster's. Borrowed. */
const char *images_of(const struct cluster *c, const struct node *n);

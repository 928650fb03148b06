/*
 * images.c - the images that a cluster's nodes boot, each once
 *
 * By sorting, so that a table in which each node has its own is worked out as fast as it is read.
 */
#include <errno.h>
#include <string.h>

#include "serve/images.h"

void images_clear(struct images *x)
{
	free(x->list);
	*x = (struct images){ 0 };
}

const char *images_of(const struct cluster *c, const struct node *n)
{
	return n->image[0] ? n->image : c->image;
}

static int by_node(const void *a, const void *b)
{
	const struct image_use *x = a, *y = b;

	return x->node < y->node ? -1 : x->node > y->node;
}

static int by_name(const void *a, const void *b)
{
	const struct image_use *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : by_node(a, b);
}

int images_list(const struct cluster *c, const struct nodes *t, struct images *ret)
{
	struct images x = { .list = calloc(t->n + 1, sizeof(*x.list)) };

	if (!x.list)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++)
		x.list[i] = (struct image_use){ images_of(c, &t->list[i]), &t->list[i] };
	qsort(x.list, t->n, sizeof(*x.list), by_name);
	for (size_t i = 0; i < t->n; i++) {
		if (x.n == 0 || strcmp(x.list[i].name, x.list[x.n - 1].name))
			x.list[x.n++] = x.list[i];
	}
	qsort(x.list, x.n, sizeof(*x.list), by_node);
	*ret = x;
	return 0;
}

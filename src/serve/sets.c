/*
 * sets.c - sets of a cluster's nodes, by the names and groups that its files give them
 *
 * A group may be made of groups that stand above it and of no others, so that none is made of
 * itself. They are worked out in the order of the file, each once, however often others name it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "serve/sets.h"

struct site {
	const struct cluster *cluster;
	const struct nodes *nodes;
	struct nodeset all;
	struct nodeset groups[CLUSTER_GROUPS_MAX];
	bool bad[CLUSTER_GROUPS_MAX]; /* is no set; there is no such group then */
	size_t n_groups;	      /* that are worked out */
};

static void site_freep(struct site **s)
{
	if (!*s)
		return;
	for (size_t i = 0; i < (*s)->n_groups; i++)
		nodeset_clear(&(*s)->groups[i]);
	nodeset_clear(&(*s)->all);
	free(*s);
}

static int number_of(const void *ctx, const char *name, uint32_t *ret)
{
	const struct site *s = ctx;
	const struct node *n = nodes_find(s->nodes, name);

	if (!n)
		return -ENOENT;
	*ret = n->number;
	return 0;
}

static int group_of(const void *ctx, const char *name, struct nodeset *to,
		    char why[static NODESET_WHY_MAX])
{
	const struct site *s = ctx;

	for (size_t i = 0; i < s->n_groups; i++) {
		bool is = !s->bad[i] && !strcmp(s->cluster->groups[i].name, name);
		int r = is ? 0 : -ENOENT;

		for (size_t k = 0; r == 0 && k < s->groups[i].n; k++)
			r = nodeset_add(to, s->groups[i].numbers[k]);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

static int parse(const struct site *s, const char *text, struct nodeset *ret,
		 char ret_why[static NODESET_WHY_MAX])
{
	const struct nodeset_space space = {
		.all = &s->all, .node = number_of, .group = group_of, .ctx = s
	};

	return nodeset_parse(text, &space, ret, ret_why);
}

/* All nodes, and no group yet. */
static int site_open(const struct cluster *c, const struct nodes *t, struct site **ret)
{
	_cleanup_(site_freep) struct site *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->cluster = c;
	s->nodes = t;
	for (size_t i = 0; r == 0 && i < t->n; i++)
		r = nodeset_add(&s->all, t->list[i].number);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

/* The next group of the file. Return: 0; -EINVAL with @why written, and it counts as none. */
static int next_group(struct site *s, char why[static NODESET_WHY_MAX])
{
	int r = parse(s, s->cluster->groups[s->n_groups].text, &s->groups[s->n_groups], why);

	if (r == 0 || r == -EINVAL)
		s->bad[s->n_groups++] = r < 0;
	return r;
}

static int site_new(const struct cluster *c, const struct nodes *t, struct site **ret,
		    char why[static NODESET_WHY_MAX])
{
	_cleanup_(site_freep) struct site *s = NULL;
	int r = site_open(c, t, &s);

	while (r == 0 && s->n_groups < c->n_groups) {
		const struct cluster_group *g = &c->groups[s->n_groups];
		char inner[NODESET_WHY_MAX];

		r = next_group(s, inner);
		if (r == -EINVAL)
			snprintf(why, NODESET_WHY_MAX, "group %.40s in line %u: %.120s", g->name,
				 g->line, inner);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

int sets_groups(const struct cluster *c, const struct nodes *t, sets_group_fn *each, void *ctx)
{
	_cleanup_(site_freep) struct site *s = NULL;
	char why[NODESET_WHY_MAX];
	int r = site_open(c, t, &s);

	for (size_t i = 0; r == 0 && i < c->n_groups; i++) {
		r = next_group(s, why);
		if (r == 0 || r == -EINVAL)
			r = each(ctx, &c->groups[i], s->bad[i] ? NULL : &s->groups[i], why);
	}
	return r;
}

int sets_parse(const struct cluster *c, const struct nodes *t, const char *text,
	       struct nodeset *ret, char ret_why[static NODESET_WHY_MAX])
{
	_cleanup_(site_freep) struct site *s = NULL;
	int r = site_new(c, t, &s, ret_why);

	return r < 0 ? r : parse(s, text, ret, ret_why);
}

int sets_take(const struct cluster *c, const struct nodes *t, const char *text, struct nodeset *ret)
{
	char why[NODESET_WHY_MAX] = "out of memory";
	int r = sets_parse(c, t, text, ret, why);

	return r < 0 ? log_err(0, "'%s' is not a set of nodes: %s", text, why), r : 0;
}

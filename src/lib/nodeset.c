/*
 * nodeset.c - libbproc: sets of nodes, as arrays that the program owns
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/nodeset.h"
#include "lib/lib.h"

#define SET_MAX ((int)NODE_NUMBER_MAX + 1) /* nodes in a set */

int bproc_nodeset_init(struct bproc_node_set_t *set, int size)
{
	if (size < 0 || size > SET_MAX)
		return lib_result(-EINVAL);
	*set = (struct bproc_node_set_t){ 0 };
	if (size == 0)
		return 0;
	set->node = calloc((size_t)size, sizeof(*set->node));
	if (!set->node)
		return lib_result(-ENOMEM);
	set->size = set->alloc = size;
	return 0;
}

/* Make room for @n nodes, by doubling: sets are filled one by one. */
static int reserve(struct bproc_node_set_t *set, int n)
{
	int alloc = MAX(set->alloc, 16);
	struct bproc_node_info_t *p;

	if (n <= set->alloc)
		return 0;
	if (n < 0 || n > SET_MAX)
		return -EINVAL;
	while (alloc < n)
		alloc *= 2;
	p = reallocarray(set->node, (size_t)alloc, sizeof(*p));
	if (!p)
		return -ENOMEM;
	set->node = p;
	set->alloc = alloc;
	return 0;
}

int bproc_nodeset_grow(struct bproc_node_set_t *set, int size)
{
	int r = size < set->size ? -EINVAL : reserve(set, size);

	if (r < 0)
		return lib_result(r);
	if (size > set->size)
		memset(set->node + set->size, 0, (size_t)(size - set->size) * sizeof(*set->node));
	set->size = size;
	return 0;
}

void bproc_nodeset_free(struct bproc_node_set_t *set)
{
	free(set->node);
	*set = (struct bproc_node_set_t){ 0 };
}

int bproc_nodeset_add(struct bproc_node_set_t *set, struct bproc_node_info_t *node)
{
	struct bproc_node_info_t copy = *node; /* it may be one of the set */
	int r = reserve(set, set->size + 1);

	if (r == 0)
		set->node[set->size++] = copy;
	return lib_result(r);
}

int bproc_nodeset_append(struct bproc_node_set_t *to, struct bproc_node_set_t *from)
{
	int n = from->size, r = reserve(to, to->size + n);

	if (r < 0)
		return lib_result(r);
	if (n > 0)
		memcpy(to->node + to->size, from->node, (size_t)n * sizeof(*to->node));
	to->size += n;
	return 0;
}

static const struct bproc_node_info_t *find(const struct bproc_node_set_t *set, uint32_t number)
{
	for (int i = 0; i < set->size; i++) {
		if (set->node[i].node >= 0 && (uint32_t)set->node[i].node == number)
			return &set->node[i];
	}
	return NULL;
}

/* Names and groups are bpmaster's: it is asked when there is one in the text. */
struct names {
	struct caller_nodes nodes;
	const struct nodeset *all; /* of the set that is chosen from */
	bool asked;
	int r; /* of that */
};

static int ask(struct names *n, struct nodeset_space *ret)
{
	if (!n->asked)
		n->r = lib_nodes(&n->nodes);
	n->asked = true;
	*ret = caller_space(&n->nodes);
	return n->r < 0 ? -ENOENT : 0;
}

static int number_of(const void *ctx, const char *name, uint32_t *ret)
{
	struct names *const *n = ctx;
	struct nodeset_space known;
	int r = ask(*n, &known);

	return r < 0 ? r : known.node(known.ctx, name, ret);
}

/* Those of the group that are in the set. */
static int group_of(const void *ctx, const char *name, struct nodeset *to,
		    char why[static NODESET_WHY_MAX])
{
	_cleanup_nodeset_ struct nodeset group = NODESET();
	struct names *const *n = ctx;
	struct nodeset_space known;
	int r = ask(*n, &known);

	if (r == 0)
		r = known.group(known.ctx, name, &group, why);
	for (size_t i = 0; r == 0 && i < group.n; i++) {
		if (nodeset_has((*n)->all, group.numbers[i]))
			r = nodeset_add(to, group.numbers[i]);
	}
	return r;
}

int bproc_nodefilter(struct bproc_node_set_t *out, struct bproc_node_set_t *in, const char *text)
{
	_cleanup_nodeset_ struct nodeset all = NODESET(), up = NODESET(), chosen = NODESET();
	struct names names = { .all = &all }, *ctx = &names;
	const struct nodeset_space space = {
		.all = &all, .up = &up, .node = number_of, .group = group_of, .ctx = &ctx
	};
	struct bproc_node_set_t result = BPROC_EMPTY_NODESET;
	char why[NODESET_WHY_MAX];
	int r = 0;

	for (int i = 0; r == 0 && i < in->size; i++) {
		if (in->node[i].node < 0)
			continue;
		r = nodeset_add(&all, (uint32_t)in->node[i].node);
		if (r == 0 && !strcmp(in->node[i].status, "up"))
			r = nodeset_add(&up, (uint32_t)in->node[i].node);
	}
	if (r == 0)
		r = nodeset_parse(text, &space, &chosen, why);
	if (r < 0 && names.r < 0)
		r = names.r; /* and not that there is no such name */
	caller_nodes_clear(&names.nodes);
	for (size_t i = 0; r == 0 && i < chosen.n; i++) {
		const struct bproc_node_info_t *n = find(in, chosen.numbers[i]);

		r = n ? reserve(&result, result.size + 1) : -BE_INVALIDNODE;
		if (r == 0)
			result.node[result.size++] = *n;
	}
	if (r < 0) {
		bproc_nodeset_free(&result);
		return lib_result(r);
	}
	*out = result;
	return 0;
}

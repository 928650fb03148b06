/*
 * nodeset.c - sets of nodes as sorted arrays
 *
 * Parsing works on a bitmap of all possible numbers (8 KiB), where terms in any order and any
 * overlap cost the same; the result is written out as a sorted array once.
 */
#include <errno.h>
#include <string.h>

#include "base/nodeset.h"
#include "base/parse.h"

#define BITMAP_WORDS ((NODE_NUMBER_MAX + 1 + 63) / 64)

struct bitmap {
	uint64_t w[BITMAP_WORDS];
};

struct context {
	const struct nodeset *all, *up; /* borrowed; or NULL */
	const char *why;
};

void nodeset_clear(struct nodeset *s)
{
	free(s->numbers);
	*s = NODESET();
}

/* Index of the first number that is not below @number. */
static size_t lower_bound(const struct nodeset *s, uint32_t number)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->numbers[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool nodeset_has(const struct nodeset *s, uint32_t number)
{
	size_t i = lower_bound(s, number);

	return i < s->n && s->numbers[i] == number;
}

int nodeset_add(struct nodeset *s, uint32_t number)
{
	size_t i = lower_bound(s, number);

	if (number > NODE_NUMBER_MAX)
		return -ERANGE;
	if (i < s->n && s->numbers[i] == number)
		return 0;
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 16;
		uint32_t *p = reallocarray(s->numbers, cap, sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->numbers = p;
		s->cap = cap;
	}
	memmove(s->numbers + i + 1, s->numbers + i, (s->n - i) * sizeof(*s->numbers));
	s->numbers[i] = number;
	s->n++;
	return 0;
}

static bool bitmap_has(const struct bitmap *b, uint32_t i)
{
	return b->w[i / 64] >> (i % 64) & 1;
}

static void bitmap_put(struct bitmap *b, uint32_t i, bool in)
{
	uint64_t bit = UINT64_C(1) << (i % 64);

	b->w[i / 64] = in ? b->w[i / 64] | bit : b->w[i / 64] & ~bit;
}

static void bitmap_put_set(struct bitmap *b, const struct nodeset *s, bool in)
{
	for (size_t i = 0; i < s->n; i++)
		bitmap_put(b, s->numbers[i], in);
}

static int bitmap_to_set(const struct bitmap *b, struct nodeset *ret)
{
	_cleanup_nodeset_ struct nodeset s = NODESET();

	for (uint32_t i = 0; i <= NODE_NUMBER_MAX; i++) {
		int r = bitmap_has(b, i) ? nodeset_add(&s, i) : 0;

		if (r < 0)
			return r;
	}
	*ret = s;
	s = NODESET();
	return 0;
}

static int complain(struct context *c, const char *why)
{
	c->why = why;
	return -EINVAL;
}

static int put_range(struct context *c, struct bitmap *b, char *text, char *dash, bool in)
{
	uint32_t first, last = NODE_NUMBER_MAX;

	*dash = 0;
	if (parse_u32(text, 0, NODE_NUMBER_MAX, &first) < 0)
		return complain(c, "expected a node number of 0 to 99999 before '-'");
	if (dash[1] && parse_u32(dash + 1, 0, NODE_NUMBER_MAX, &last) < 0)
		return complain(c, "expected a node number of 0 to 99999 behind '-'");
	if (last < first)
		return complain(c, "a range runs from the lower number to the higher one");
	if (!dash[1] && !c->all)
		return complain(c, "an open range needs a list of nodes");
	if (!c->all) {
		for (uint32_t i = first; i <= last; i++)
			bitmap_put(b, i, in);
		return 0;
	}
	for (size_t i = lower_bound(c->all, first); i < c->all->n && c->all->numbers[i] <= last;
	     i++)
		bitmap_put(b, c->all->numbers[i], in);
	return 0;
}

static int put_term(struct context *c, struct bitmap *b, char *term, bool in)
{
	char *dash = strchr(term, '-');
	uint32_t number;

	if (!strcmp(term, "all") || !strcmp(term, "allup")) {
		const struct nodeset *s = term[3] ? c->up : c->all;

		if (!s)
			return complain(c, "'all' and 'allup' need a list of nodes");
		bitmap_put_set(b, s, in);
		return 0;
	}
	if (dash)
		return put_range(c, b, term, dash, in);
	if (parse_u32(term, 0, NODE_NUMBER_MAX, &number) < 0)
		return complain(
			c,
			"expected a node number of 0 to 99999, a range like 5-8, 'all' or 'allup'");
	bitmap_put(b, number, in);
	return 0;
}

int nodeset_parse(const char *text, const struct nodeset *all, const struct nodeset *up,
		  struct nodeset *ret, const char **ret_why)
{
	struct context c = { .all = all, .up = up };
	_cleanup_free_ char *copy = NULL;
	struct bitmap b = { 0 };
	char *term, *rest;
	int r;

	if (strnlen(text, NODESET_TEXT_MAX) == NODESET_TEXT_MAX) {
		*ret_why = "longer than 65535 characters";
		return -EINVAL;
	}
	rest = copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	for (term = strsep(&rest, ","); term; term = strsep(&rest, ",")) {
		bool in = *term != '!';

		if (!in && term == copy) {
			if (!all) {
				*ret_why = "a leading '!' needs a list of nodes";
				return -EINVAL;
			}
			bitmap_put_set(&b, all, true);
		}
		r = put_term(&c, &b, in ? term : term + 1, in);
		if (r < 0) {
			*ret_why = c.why;
			return r;
		}
	}
	return bitmap_to_set(&b, ret);
}

int nodeset_format(const struct nodeset *s, struct buffer *to)
{
	for (size_t i = 0, last; i < s->n; i = last + 1) {
		const char *comma = i ? "," : "";
		int r;

		for (last = i; last + 1 < s->n && s->numbers[last + 1] == s->numbers[last] + 1;)
			last++;
		if (last == i)
			r = buffer_printf(to, "%s%u", comma, s->numbers[i]);
		else
			r = buffer_printf(to, "%s%u%c%u", comma, s->numbers[i],
					  last == i + 1 ? ',' : '-', s->numbers[last]);
		if (r < 0)
			return r;
	}
	return 0;
}

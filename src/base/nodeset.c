/*
 * nodeset.c - sets of nodes as sorted arrays
 *
 * Parsing works on bitmaps of all possible numbers (12 KiB), where terms in any order and any
 * overlap cost the same; the result is written out as a sorted array once.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nodeset.h"
#include "base/parse.h"

#define BITMAP_WORDS ((NODE_NUMBER_MAX + 1 + 63) / 64)

struct bitmap {
	uint64_t w[BITMAP_WORDS];
};

/* A set while it is parsed. */
struct parse {
	const struct nodeset_space *space;
	const char *p;	    /* rest of the text */
	char *why;	    /* NODESET_WHY_MAX bytes */
	struct bitmap have; /* what the terms so far make */
	struct bitmap term; /* what this one stands for */
};

enum { BRACKET_NAMES_MAX = 16384 }; /* names that one term in brackets may stand for */

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

static void bitmap_put_set(struct bitmap *b, const struct nodeset *s)
{
	for (size_t i = 0; i < s->n; i++)
		bitmap_put(b, s->numbers[i], true);
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

_printf_(2, 3) static int complain(struct parse *ps, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ps->why, NODESET_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '_';
}

static void skip_blanks(struct parse *ps)
{
	while (*ps->p == ' ' || *ps->p == '\t')
		ps->p++;
}

/* Copy @n bytes as a word. Return: 0 or -EINVAL. */
static int copy_word(struct parse *ps, const char *from, size_t n,
		     char ret[static NODESET_NAME_MAX])
{
	if (n >= NODESET_NAME_MAX)
		return complain(ps, "'%.20s...' is longer than %d characters", from,
				NODESET_NAME_MAX - 1);
	memcpy(ret, from, n);
	ret[n] = 0;
	return 0;
}

/* A number of digits alone; leaves @ps behind it. */
static int take_number(struct parse *ps, uint32_t *ret)
{
	size_t n = strspn(ps->p, "0123456789");
	char word[NODESET_NAME_MAX];
	int r = copy_word(ps, ps->p, n, word);

	if (r < 0)
		return r;
	if (parse_u32(word, 0, NODE_NUMBER_MAX, ret) < 0)
		return complain(ps, "'%s': expected a node number of 0 to %u", n ? word : ps->p,
				NODE_NUMBER_MAX);
	ps->p += n;
	return 0;
}

/* Behind "FIRST-": a number, or nothing for all that follow. */
static int take_range(struct parse *ps, uint32_t first)
{
	const struct nodeset *all = ps->space->all;
	uint32_t last = NODE_NUMBER_MAX;
	bool open = !isdigit((unsigned char)*ps->p);
	int r = open ? 0 : take_number(ps, &last);

	if (r < 0)
		return r;
	if (last < first)
		return complain(ps, "%u-%u: a range runs from the lower number to the higher one",
				first, last);
	if (open && !all)
		return complain(ps, "%u-: an open range needs a list of nodes", first);
	if (!all) {
		for (uint32_t i = first; i <= last; i++)
			bitmap_put(&ps->term, i, true);
		return 0;
	}
	for (size_t i = lower_bound(all, first); i < all->n && all->numbers[i] <= last; i++)
		bitmap_put(&ps->term, all->numbers[i], true);
	return 0;
}

static int put_node(struct parse *ps, const char *name)
{
	uint32_t number;

	if (!ps->space->node)
		return complain(ps,
				"'%s': expected a node number of 0 to %u, a range like 5-8, 'all' "
				"or 'allup'",
				name, NODE_NUMBER_MAX);
	if (ps->space->node(ps->space->ctx, name, &number) < 0 || number > NODE_NUMBER_MAX)
		return complain(ps, "no node is called '%s'", name);
	bitmap_put(&ps->term, number, true);
	return 0;
}

/* "[1-3,07]" behind @prefix: each number, with as many digits as its range's first one has. */
static int take_brackets(struct parse *ps, const char *prefix)
{
	unsigned names = 0;

	do {
		uint32_t first, last;
		const char *start = ++ps->p; /* behind '[' or ',' */
		int width, r = take_number(ps, &first);

		width = (int)(ps->p - start);
		last = first;
		if (r == 0 && *ps->p == '-') {
			ps->p++;
			r = take_number(ps, &last);
		}
		if (r < 0)
			return r;
		if (last < first)
			return complain(
				ps, "%u-%u: a range runs from the lower number to the higher one",
				first, last);
		for (uint32_t i = first; i <= last; i++) {
			char name[NODESET_NAME_MAX + 32];

			if (++names > BRACKET_NAMES_MAX)
				return complain(ps, "'%s[...]' stands for more than %d names",
						prefix, BRACKET_NAMES_MAX);
			snprintf(name, sizeof(name), "%s%0*u", prefix, width, i);
			r = put_node(ps, name);
			if (r < 0)
				return r;
		}
	} while (*ps->p == ',');
	if (*ps->p != ']')
		return complain(ps, "'%s[': expected numbers and ranges up to a ']'", prefix);
	ps->p++;
	return 0;
}

static int put_known(struct parse *ps, const struct nodeset *s)
{
	if (!s)
		return complain(ps, "'all' and 'allup' need a list of nodes");
	bitmap_put_set(&ps->term, s);
	return 0;
}

/* A word that is no number: a node's name, which may have dashes inside, or "all", or "allup". */
static int take_name(struct parse *ps)
{
	char name[NODESET_NAME_MAX];
	size_t n = 0;
	int r;

	if (!strncmp(ps->p, "all", 3)) { /* whatever nodes are called: "all-3" takes away */
		n = !strncmp(ps->p, "allup", 5) ? 5 : 3;
		if (!is_name_char(ps->p[n]) && ps->p[n] != '[') {
			ps->p += n;
			return put_known(ps, n == 5 ? ps->space->up : ps->space->all);
		}
		n = 0;
	}
	while (is_name_char(ps->p[n]) ||
	       (n > 0 && ps->p[n] == '-' && (is_name_char(ps->p[n + 1]) || ps->p[n + 1] == '[')))
		n++;
	r = copy_word(ps, ps->p, n, name);
	if (r < 0)
		return r;
	if (n == 0)
		return complain(ps,
				*ps->p ? "'%.20s': expected a node, a range, a group or 'all'"
				       : "%sexpected a node, a range, a group or 'all' at the end",
				ps->p);
	ps->p += n;
	return *ps->p == '[' ? take_brackets(ps, name) : put_node(ps, name);
}

static int take_group(struct parse *ps)
{
	_cleanup_nodeset_ struct nodeset s = NODESET();
	char name[NODESET_NAME_MAX];
	size_t n = 0;
	int r;

	ps->p++;
	while (is_name_char(ps->p[n]))
		n++;
	r = copy_word(ps, ps->p, n, name);
	if (r < 0)
		return r;
	ps->p += n;
	r = ps->space->group ? ps->space->group(ps->space->ctx, name, &s, ps->why) : -ENOENT;
	if (r == -ENOENT)
		return complain(ps, "there is no group '@%s'", name);
	if (r == 0)
		bitmap_put_set(&ps->term, &s);
	return r;
}

static int take_term(struct parse *ps)
{
	size_t digits;
	uint32_t first;
	int r;

	ps->term = (struct bitmap){ 0 };
	skip_blanks(ps);
	if (*ps->p == '@')
		return take_group(ps);
	digits = strspn(ps->p, "0123456789");
	if (digits == 0 || is_name_char(ps->p[digits]))
		return take_name(ps);
	r = take_number(ps, &first);
	if (r < 0)
		return r;
	if (*ps->p == '-' &&
	    (isdigit((unsigned char)ps->p[1]) || !ps->p[1] || strchr(",&", ps->p[1]))) {
		ps->p++;
		return take_range(ps, first);
	}
	bitmap_put(&ps->term, first, true);
	return 0;
}

/* What joins two terms: ',', '&', '-', or '!' for ",!"; 0 at the end. */
static int take_operator(struct parse *ps, char *ret)
{
	skip_blanks(ps);
	*ret = *ps->p;
	if (!*ps->p)
		return 0;
	if (!strchr(",&-", *ps->p) || (isdigit((unsigned char)ps->p[-1]) && *ps->p == '-' &&
				       isdigit((unsigned char)ps->p[1])))
		return complain(ps, "'%.20s': expected ',', '&' or '-' between terms", ps->p);
	ps->p++;
	skip_blanks(ps);
	if (*ps->p == '!' && *ret == ',') {
		ps->p++;
		*ret = '!';
	}
	return 0;
}

static void join(struct parse *ps, char how)
{
	for (size_t i = 0; i < BITMAP_WORDS; i++) {
		uint64_t t = ps->term.w[i], *h = &ps->have.w[i];

		*h = how == ',' ? *h | t : how == '&' ? *h & t : *h & ~t;
	}
}

int nodeset_parse(const char *text, const struct nodeset_space *space, struct nodeset *ret,
		  char ret_why[static NODESET_WHY_MAX])
{
	static const struct nodeset_space nothing;
	_cleanup_free_ struct parse *ps = calloc(1, sizeof(*ps));
	char how = ',';
	int r = 0;

	if (!ps)
		return -ENOMEM;
	*ps = (struct parse){ .space = space ? space : &nothing, .p = text, .why = ret_why };
	if (strnlen(text, NODESET_TEXT_MAX) == NODESET_TEXT_MAX)
		return complain(ps, "longer than %u characters", NODESET_TEXT_MAX - 1);
	skip_blanks(ps);
	if (*ps->p == '!') {
		if (!ps->space->all)
			return complain(ps, "a leading '!' needs a list of nodes");
		bitmap_put_set(&ps->have, ps->space->all);
		ps->p++;
		how = '!';
	}
	do {
		r = take_term(ps);
		if (r < 0)
			return r;
		join(ps, how);
		r = take_operator(ps, &how);
	} while (r == 0 && how);
	return r < 0 ? r : bitmap_to_set(&ps->have, ret);
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

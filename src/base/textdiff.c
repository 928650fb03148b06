/*
 * textdiff.c - what differs between two texts, line by line
 *
 * Myers' greedy algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986) on what is
 * left between the equal beginning and the equal end. Its state after each number of edits is kept
 * for the way back, so the number is limited; texts that differ more are shown as entirely
 * different there, which is no worse to read.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/textdiff.h"

struct line {
	const uint8_t *p;
	size_t n; /* with its newline */
};

struct text {
	struct line *lines; /* owned */
	bool *changed;	    /* owned: is not in the other one */
	size_t n;
};

static void text_clear(struct text *t)
{
	free(t->lines);
	free(t->changed);
}
#define _cleanup_text_ _cleanup_(text_clear)

static int split(const uint8_t *p, size_t n, struct text *ret)
{
	const uint8_t *end = p + n;
	size_t count = 0;

	for (const uint8_t *at = p; at && at < end; count++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : end;
	}
	if (count > TEXTDIFF_LINES_MAX)
		return -E2BIG;
	ret->lines = calloc(count + 1, sizeof(*ret->lines));
	ret->changed = calloc(count + 1, sizeof(*ret->changed));
	if (!ret->lines || !ret->changed)
		return -ENOMEM;
	for (const uint8_t *at = p; ret->n < count; ret->n++) {
		const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
		size_t bytes = newline ? (size_t)(newline + 1 - at) : (size_t)(end - at);

		ret->lines[ret->n] = (struct line){ at, bytes };
		at += bytes;
	}
	return 0;
}

static bool same(const struct text *a, size_t i, const struct text *b, size_t k)
{
	const struct line *x = &a->lines[i], *y = &b->lines[k];

	return x->n == y->n && memcmp(x->p, y->p, x->n) == 0;
}

/* The middle of both: from @from on, @n and @m lines. */
struct middle {
	struct text *a, *b;
	size_t from;
	ptrdiff_t n, m;
	ptrdiff_t *ends; /* how far each diagonal got: a row of 2 d + 1 for each d, one behind the
			    other */
};

static ptrdiff_t *row(const struct middle *s, ptrdiff_t d)
{
	return s->ends + d * d + d; /* its diagonal 0 */
}

/* How far diagonal @k gets with @d edits. */
static ptrdiff_t reach(const struct middle *s, ptrdiff_t d, ptrdiff_t k)
{
	ptrdiff_t x = 0, y;

	if (d > 0) {
		const ptrdiff_t *last = row(s, d - 1);

		if (k == -d || (k != d && last[k - 1] < last[k + 1]))
			x = last[k + 1];
		else
			x = last[k - 1] + 1;
	}
	for (y = x - k; x < s->n && y < s->m && y >= 0; x++, y++) {
		if (!same(s->a, s->from + (size_t)x, s->b, s->from + (size_t)y))
			break;
	}
	return x;
}

/* Mark what the edits change, from the end back. */
static void mark(const struct middle *s, ptrdiff_t d)
{
	ptrdiff_t x = s->n, y = s->m;

	for (; d > 0; d--) {
		const ptrdiff_t *last = row(s, d - 1);
		ptrdiff_t k = x - y;
		bool down = k == -d || (k != d && last[k - 1] < last[k + 1]);

		k += down ? 1 : -1;
		x = last[k];
		y = x - k;
		if (down)
			s->b->changed[s->from + (size_t)y] = true;
		else
			s->a->changed[s->from + (size_t)x] = true;
	}
}

static int compare(struct middle *s)
{
	/* Rows of 1, 3, 5, ... numbers; each row's neighbours are read one beside its ends. */
	size_t most = MIN((size_t)(s->n + s->m), (size_t)TEXTDIFF_EDITS_MAX);
	_cleanup_free_ ptrdiff_t *ends = calloc((most + 1) * (most + 1) + 1, sizeof(*ends));

	if (!ends)
		return -ENOMEM;
	s->ends = ends;
	for (ptrdiff_t d = 0; d <= (ptrdiff_t)most; d++) {
		for (ptrdiff_t k = -d; k <= d; k += 2) {
			ptrdiff_t x = reach(s, d, k);

			row(s, d)[k] = x;
			if (x >= s->n && x - k >= s->m) {
				mark(s, d);
				return 0;
			}
		}
	}
	for (ptrdiff_t i = 0; i < s->n; i++)
		s->a->changed[s->from + (size_t)i] = true;
	for (ptrdiff_t i = 0; i < s->m; i++)
		s->b->changed[s->from + (size_t)i] = true;
	return 0;
}

static int put(struct buffer *to, char sign, const struct line *l)
{
	int r = buffer_append(to, &sign, 1);

	if (r == 0)
		r = buffer_append(to, l->p, l->n);
	if (r == 0 && l->p[l->n - 1] != '\n')
		r = buffer_printf(to, "\n\\ No newline at end of file\n");
	return r;
}

/* "-first,count": a text of no lines is said to begin before the first. */
static int put_range(struct buffer *to, char sign, size_t from, size_t n)
{
	size_t first = n > 0 ? from + 1 : from;

	return n == 1 ? buffer_printf(to, "%c%zu", sign, first)
		      : buffer_printf(to, "%c%zu,%zu", sign, first, n);
}

/* A hunk: both texts from @i and @k up to @i_end and @k_end. */
static int put_hunk(struct buffer *to, const struct text *a, size_t i, size_t i_end,
		    const struct text *b, size_t k, size_t k_end)
{
	int r = buffer_printf(to, "@@ ");

	if (r == 0)
		r = put_range(to, '-', i, i_end - i);
	if (r == 0)
		r = buffer_printf(to, " ");
	if (r == 0)
		r = put_range(to, '+', k, k_end - k);
	if (r == 0)
		r = buffer_printf(to, " @@\n");
	while (r == 0 && (i < i_end || k < k_end)) {
		if (i < i_end && a->changed[i])
			r = put(to, '-', &a->lines[i++]);
		else if (k < k_end && b->changed[k])
			r = put(to, '+', &b->lines[k++]);
		else
			r = put(to, ' ', &a->lines[i]), i++, k++;
	}
	return r;
}

static int put_hunks(struct buffer *to, const struct text *a, const struct text *b)
{
	size_t i = 0, k = 0;
	int r = 0;

	while (r == 0 && (i < a->n || k < b->n)) {
		size_t before, i_end, k_end, equal = 0;

		if (!(i < a->n && a->changed[i]) && !(k < b->n && b->changed[k])) {
			i++, k++;
			continue;
		}
		before = MIN(i, (size_t)TEXTDIFF_CONTEXT);
		/* Up to so many equal lines that what follows is another hunk's. */
		for (i_end = i, k_end = k; i_end < a->n || k_end < b->n;) {
			if (i_end < a->n && a->changed[i_end])
				i_end++, equal = 0;
			else if (k_end < b->n && b->changed[k_end])
				k_end++, equal = 0;
			else if (++equal > 2 * TEXTDIFF_CONTEXT)
				break;
			else
				i_end++, k_end++;
		}
		equal = MIN(equal, (size_t)2 * TEXTDIFF_CONTEXT);
		if (equal > TEXTDIFF_CONTEXT) {
			i_end -= equal - TEXTDIFF_CONTEXT;
			k_end -= equal - TEXTDIFF_CONTEXT;
		}
		r = put_hunk(to, a, i - before, i_end, b, k - before, k_end);
		i = i_end;
		k = k_end;
	}
	return r;
}

int textdiff(const void *a, size_t a_bytes, const void *b, size_t b_bytes, struct buffer *to)
{
	_cleanup_text_ struct text x = { 0 }, y = { 0 };
	struct middle s = { .a = &x, .b = &y };
	size_t end = 0;
	int r = split(a, a_bytes, &x);

	if (r == 0)
		r = split(b, b_bytes, &y);
	if (r < 0)
		return r;
	while (s.from < MIN(x.n, y.n) && same(&x, s.from, &y, s.from))
		s.from++;
	while (end < MIN(x.n, y.n) - s.from && same(&x, x.n - 1 - end, &y, y.n - 1 - end))
		end++;
	s.n = (ptrdiff_t)(x.n - s.from - end);
	s.m = (ptrdiff_t)(y.n - s.from - end);
	r = compare(&s);
	return r < 0 ? r : put_hunks(to, &x, &y);
}

/*
 * attributes.c - names and values of a node, as lines of text
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "wire/attributes.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

/* One line without its end; the pieces are borrowed. */
struct attribute {
	const char *name, *value;
	size_t name_n, value_n;
};

static bool valid(const struct attribute *a)
{
	if (a->name_n < 1 || a->name_n >= ATTRIBUTES_NAME_MAX ||
	    a->value_n >= ATTRIBUTES_VALUE_MAX || strspn(a->name, NAME_CHARS) < a->name_n)
		return false;
	for (size_t i = 0; i < a->value_n; i++) {
		if (a->value[i] < ' ' || a->value[i] > '~')
			return false;
	}
	return true;
}

/* The attribute at *@p, which moves behind it. Return: false at the end of the text. */
static bool next(const char **p, struct attribute *ret)
{
	const char *end = strchr(*p, '\n'), *equals;

	if (!end)
		return false;
	equals = memchr(*p, '=', (size_t)(end - *p));
	*ret = (struct attribute){ .name = *p, .value = equals ? equals + 1 : end };
	ret->name_n = (size_t)((equals ? equals : end) - *p);
	ret->value_n = (size_t)(end - ret->value);
	*p = end + 1;
	return true;
}

/* As strcmp() of the two names. */
static int compare(const struct attribute *a, const struct attribute *b)
{
	int r = memcmp(a->name, b->name, MIN(a->name_n, b->name_n));

	return r != 0 ? r : a->name_n < b->name_n ? -1 : a->name_n > b->name_n;
}

int attributes_check(const char *text)
{
	struct attribute a, before = { 0 };
	const char *p = text;
	size_t n = 0;

	if (!text || strnlen(text, ATTRIBUTES_TEXT_MAX) == ATTRIBUTES_TEXT_MAX)
		return -EBADMSG;
	while (next(&p, &a)) {
		if (n++ == ATTRIBUTES_MAX || !valid(&a) || a.value == a.name + a.name_n ||
		    (before.name && compare(&before, &a) >= 0))
			return -EBADMSG;
		before = a;
	}
	return *p ? -EBADMSG : 0;
}

static int put(struct buffer *to, const struct attribute *a)
{
	int r = buffer_append(to, a->name, a->name_n);

	r = r < 0 ? r : buffer_append(to, "=", 1);
	r = r < 0 ? r : buffer_append(to, a->value, a->value_n);
	return r < 0 ? r : buffer_append(to, "\n", 1);
}

int attributes_set(const char *text, const char *word, struct buffer *ret)
{
	const char *equals = strchr(word, '='), *p = text;
	struct attribute want = { .name = word, .value = "" }, a;
	bool found = false, done = !equals;
	size_t n = 0;
	int r = 0;

	want.name_n = equals ? (size_t)(equals - word) : strlen(word);
	if (equals) {
		want.value = equals + 1;
		want.value_n = strlen(want.value);
	}
	if (!valid(&want))
		return -EINVAL;
	while (r == 0 && next(&p, &a)) {
		int order = compare(&a, &want);

		if (order >= 0 && !done) {
			r = put(ret, &want);
			done = true;
		}
		found = found || order == 0;
		n += order != 0;
		if (r == 0 && order != 0)
			r = put(ret, &a);
	}
	if (r == 0 && !done)
		r = put(ret, &want);
	n += equals != NULL;
	if (r == 0 && (ret->len >= ATTRIBUTES_TEXT_MAX || n > ATTRIBUTES_MAX))
		r = -E2BIG;
	return r == 0 && !equals && !found ? -ENOENT : r;
}

int attributes_get(const char *text, const char *name, const char **ret, size_t *ret_n)
{
	struct attribute want = { .name = name, .name_n = strlen(name) }, a;
	const char *p = text;

	while (next(&p, &a)) {
		if (compare(&a, &want) != 0)
			continue;
		*ret = a.value;
		*ret_n = a.value_n;
		return 0;
	}
	return -ENOENT;
}

/*
 * lines.c - words of a line-oriented text file, with their place for the error message
 */
#include <errno.h>
#include <string.h>

#include "base/lines.h"

void lines_init(struct lines *l, const char *file, const void *text, size_t n)
{
	*l = (struct lines){ .file = file, .p = text, .left = n };
}

static int lines_fail(struct lines *l, const char *what)
{
	l->error = what;
	return -EBADMSG;
}

/* Copy the next physical line to buf. Return: 1, 0 at the end, -EBADMSG. */
static int take_line(struct lines *l)
{
	const char *nl;
	size_t n;

	if (l->left == 0)
		return 0;
	nl = memchr(l->p, '\n', l->left);
	n = nl ? (size_t)(nl - l->p) : l->left;
	l->line++;
	if (n >= sizeof(l->buf))
		return lines_fail(l, "line is longer than 8191 bytes");
	if (memchr(l->p, 0, n))
		return lines_fail(l, "line holds a NUL byte");
	memcpy(l->buf, l->p, n);
	if (n > 0 && l->buf[n - 1] == '\r')
		l->buf[n - 1] = 0;
	l->buf[n] = 0;
	n += nl ? 1 : 0;
	l->p += n;
	l->left -= n;
	return 1;
}

/* Take a quoted word that starts behind its quote at *p; unquoted in place. */
static int take_quoted(struct lines *l, char **p)
{
	char *from = *p, *to = *p;

	while (*from && *from != '"') {
		if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
			from++;
		*to++ = *from++;
	}
	if (!*from)
		return lines_fail(l, "quote is not closed");
	from++;
	if (*from && *from != ' ' && *from != '\t')
		return lines_fail(l, "text follows a closing quote");
	*p = *from ? from + 1 : from;
	*to = 0;
	return 0;
}

static int split(struct lines *l)
{
	char *p = l->buf;

	l->n_words = 0;
	for (;;) {
		p += strspn(p, " \t");
		if (!*p || *p == '#')
			return 0;
		if (l->n_words == LINES_WORDS_MAX)
			return lines_fail(l, "line has more than 64 words");
		if (*p == '"') {
			l->words[l->n_words++] = ++p;
			if (take_quoted(l, &p) < 0)
				return -EBADMSG;
			continue;
		}
		l->words[l->n_words++] = p;
		p += strcspn(p, " \t");
		if (*p)
			*p++ = 0;
	}
}

int lines_next(struct lines *l)
{
	for (;;) {
		int r = take_line(l);

		if (r <= 0)
			return r;
		r = split(l);
		if (r < 0)
			return r;
		if (l->n_words > 0)
			return 1;
	}
}

/*
 * names.c - files as a terminal or a program may be told of them
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/names.h"

void names_mode(uint32_t mode, char ret[static NAMES_MODE_TEXT])
{
	static const struct {
		uint32_t type;
		char letter;
	} types[] = { { S_IFDIR, 'd' }, { S_IFLNK, 'l' }, { S_IFCHR, 'c' },
		      { S_IFBLK, 'b' }, { S_IFIFO, 'p' }, { S_IFSOCK, 's' } };
	static const char bits[] = "rwxrwxrwx";

	ret[0] = S_ISREG(mode) ? '-' : '?';
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if ((mode & S_IFMT) == types[i].type)
			ret[0] = types[i].letter;
	}
	for (unsigned i = 0; i < 9; i++)
		ret[1 + i] = mode & (0400u >> i) ? bits[i] : '-';
	if (mode & S_ISUID)
		ret[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		ret[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		ret[9] = mode & S_IXOTH ? 't' : 'T';
	ret[NAMES_MODE_TEXT - 1] = 0;
}

/*
 * Bytes of the character of UTF-8 at @p that may be shown: none of the controls behind 0x7f, which
 * some terminals obey. Return: 0 when there is none.
 */
static size_t shown(const unsigned char *p)
{
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;

	if (p[0] >= 0xf5 || (p[0] == 0xc2 && p[1] < 0xa0))
		return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0; /* longer than need be, half a pair, or beyond the last */
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

void names_print(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		size_t n = shown(p);

		if (n > 0) {
			fwrite(p, 1, n, stdout);
			p += n;
		} else if (*p >= ' ' && *p < 0x7f && *p != '\\') {
			putchar(*p++);
		} else {
			printf("\\%03o", *p++);
		}
	}
}

json_t *names_json(const char *s)
{
	json_t *j = json_string(s);
	_cleanup_free_ char *text = j ? NULL : malloc(4 * strlen(s) + 1);
	char *to = text;

	if (j || !text)
		return j;
	for (; *s; s++) {
		if ((unsigned char)*s < 0x80)
			*to++ = *s;
		else
			to += snprintf(to, 5, "\\x%02x", (unsigned char)*s);
	}
	*to = 0;
	return json_string(text);
}

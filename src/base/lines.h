/*
 * lines.h - words of a line-oriented text file, with their place for the error message
 *
 * Words stand between blanks. '#' at the start of a word begins a comment. A word may be quoted: "a
 * b" with \" and \\ inside, so that a name may hold anything but a newline or NUL. Lines end in \n
 * or \r\n.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

#define LINES_WORDS_MAX 64   /* words of one line */
#define LINES_BYTES_MAX 8192 /* bytes of one line */

struct lines {
	const char *file;	      /* name for messages; borrowed */
	const char *p;		      /* rest of the text; borrowed */
	size_t left;		      /* bytes of it */
	unsigned line;		      /* number of the current line, from 1 */
	const char *error;	      /* after an error: what is wrong, for the message */
	char *words[LINES_WORDS_MAX]; /* of the current line; valid until the next call */
	size_t n_words;		      /* never 0 after lines_next() returned 1 */
	char buf[LINES_BYTES_MAX];
};

void lines_init(struct lines *l, const char *file, const void *text, size_t n);

/*
 * Go to the next line that has a word. Return: 1 when there is one, 0 at the end, -EBADMSG with
 * @l->error set when the line is malformed.
 */
_must_check_ int lines_next(struct lines *l);

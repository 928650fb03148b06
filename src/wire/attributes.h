/*
 * attributes.h - what an administrator notes about a node: names and values, as lines of text
 *
 * "rack=r12\nowner=physics dept\n". A name is letters, digits, '-', '_' and '.', a value printable
 * ASCII. Names are unique and stand in order, so that equal attributes are equal texts. Few and
 * short: they travel in one message and live in bpmaster's memory.
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"

#define ATTRIBUTES_MAX	     32	   /* of a node */
#define ATTRIBUTES_TEXT_MAX  1024u /* all of a node, with NUL */
#define ATTRIBUTES_NAME_MAX  33u   /* a name, with NUL */
#define ATTRIBUTES_VALUE_MAX 257u  /* a value, with NUL */

/* Return: 0 when the text is one that attributes_set() could have made, or -EBADMSG. */
_must_check_ int attributes_check(const char *text);

/*
 * Write @text with the change @word to the empty buffer @ret: "name=value" adds or replaces, "name"
 * takes away. Return: 0; -EINVAL (not a name or value); -ENOENT (not there to take away); -E2BIG;
 * -ENOMEM.
 */
_must_check_ int attributes_set(const char *text, const char *word, struct buffer *ret);

/* The value of @name, of *ret_n bytes without a NUL; borrowed. Return: 0 or -ENOENT. */
_must_check_ int attributes_get(const char *text, const char *name, const char **ret,
				size_t *ret_n);

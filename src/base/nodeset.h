/*
 * nodeset.h - sets of nodes: "4", "1-3,7", "5-", "n[1-8]", "@gpu", "all", "allup,!3", "@a&@b",
 * "all-@spare"
 *
 * Terms are taken from left to right, each with what is there so far:
 *
 *   A,B    both together          A,!B  A-B    A without B
 *   A&B    what both have         !B           all without B, at the beginning
 *
 * A term is a number, a range of numbers, a node's name, a name with numbers in brackets, a group,
 * "all" or "allup". A range takes those of its numbers that exist, for numbering may be sparse; a
 * single number is taken whether it exists or not, so that the caller can say that it does not.
 * Brackets may hold several ranges, and leading zeros
 * ("n[01-16,20]"); a name that does not exist is an error. Since names have dashes inside, "-"
 * takes away only behind a bracket, a group, "all" or "allup", or between blanks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define NODE_NUMBER_MAX	 99999u /* highest number of a node */
#define NODESET_TEXT_MAX 65536u /* bytes of a node set as text */
#define NODESET_NAME_MAX 64	/* bytes of a node's or group's name, with NUL */
#define NODESET_WHY_MAX	 192	/* bytes of what is wrong, with NUL */

struct nodeset {
	uint32_t *numbers; /* owned; ascending, each once */
	size_t n;
	size_t cap;
};

#define NODESET()	  ((struct nodeset){ 0 })
#define _cleanup_nodeset_ _cleanup_(nodeset_clear)
void nodeset_clear(struct nodeset *s);

/* Add one number. Return: 0, -ERANGE (above NODE_NUMBER_MAX), -ENOMEM. */
_must_check_ int nodeset_add(struct nodeset *s, uint32_t number);

bool nodeset_has(const struct nodeset *s, uint32_t number);

/* What sets are made of. With nothing here, numbers and ranges are taken literally and all else is
 * an error. */
struct nodeset_space {
	const struct nodeset *all,
		*up; /* the nodes that exist, and those that are up; borrowed; or NULL */

	/* The number of the node called @name. Return: 0 or -ENOENT. NULL: nodes have no names. */
	int (*node)(const void *ctx, const char *name, uint32_t *ret);

	/*
	 * Add the nodes of group @name. Return: 0; -ENOENT; -EINVAL with @why written; -ENOMEM.
	 * NULL: there are no groups.
	 */
	int (*group)(const void *ctx, const char *name, struct nodeset *to,
		     char why[static NODESET_WHY_MAX]);
	const void *ctx;
};

/*
 * Parse @text; @space may be NULL. Return: 0; -EINVAL with @ret_why set to what is wrong; -ENOMEM.
 * nodeset_clear() frees what *ret holds.
 */
_must_check_ int nodeset_parse(const char *text, const struct nodeset_space *space,
			       struct nodeset *ret, char ret_why[static NODESET_WHY_MAX]);

/* Append the shortest text: "0-3,7"; nothing for an empty set. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int nodeset_format(const struct nodeset *s, struct buffer *to);

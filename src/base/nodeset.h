/*
 * nodeset.h - sets of nodes: "4", "5-8", "5-", "1-3,7", "all", "allup", "!X"
 *
 * The terms stand between commas and are taken from left to right. A plain term adds nodes; "!" and
 * a term takes them away (from all nodes, when it comes first). A range adds those of its numbers
 * that exist, for numbering may be sparse; a single number is added whether it exists or not, so
 * that the caller can say that it does not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define NODE_NUMBER_MAX	 99999u /* highest number of a node */
#define NODESET_TEXT_MAX 65536u /* bytes of a node set as text */

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

/*
 * Parse @text. @all holds the nodes that exist, @up those that are up; with NULL, ranges are taken
 * literally and "all", "allup", "5-" and a leading "!" are errors. Return: 0; -EINVAL with *ret_why
 * set to what was expected; -ENOMEM. nodeset_clear() frees what *ret holds.
 */
_must_check_ int nodeset_parse(const char *text, const struct nodeset *all,
			       const struct nodeset *up, struct nodeset *ret, const char **ret_why);

/* Append the shortest text: "0-3,7"; nothing for an empty set. Return: 0, -E2BIG, -ENOMEM. */
_must_check_ int nodeset_format(const struct nodeset *s, struct buffer *to);

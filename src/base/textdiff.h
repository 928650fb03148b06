/*
 * textdiff.h - what differs between two texts, line by line
 */
#pragma once

#include <stddef.h>

#include "base/buffer.h"
#include "base/lang.h"

#define TEXTDIFF_LINES_MAX 1000000u /* of each text */
#define TEXTDIFF_EDITS_MAX 1000	    /* lines that differ; beyond, all between the ends does */
#define TEXTDIFF_CONTEXT   3	    /* equal lines around what differs */

/*
 * Append the hunks that make @b of @a, as diff -u writes them, without its two first lines; nothing
 * when both are the same. A last line without its end is said as diff says it. Return: 0, -E2BIG
 * (too many lines, or more than @to takes), -ENOMEM.
 */
_must_check_ int textdiff(const void *a, size_t a_bytes, const void *b, size_t b_bytes,
			  struct buffer *to);

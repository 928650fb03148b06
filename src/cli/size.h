/*
 * size.h - the size table of an image, as `bpboot size` and `bpboot image` print it
 */
#pragma once

#include "base/lang.h"
#include "image/build.h"

/*
 * A name as a terminal may show it: what is not printable ASCII becomes \xNN. Caller frees. Return:
 * NULL when memory is short.
 */
char *size_printable(const char *s);

/* Print the table to standard output, of the files the @most largest. Logs. */
_must_check_ int size_print(const struct build *b, size_t most);

/* The same in two: the files of any format, and what the image came to. Log. */
_must_check_ int size_print_files(const struct build *b, size_t most);
_must_check_ int size_print_made(const struct build *b, const struct format_result *made);

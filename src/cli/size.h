/*
 * size.h - the size table of an image, as `bpboot size` and `bpboot image` print it
 */
#pragma once

#include "base/lang.h"
#include "image/build.h"

/* Print the table to standard output. Logs. */
_must_check_ int size_print(const struct build *b);

/*
 * format.h - printf's directives without stdio
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/lang.h"

/*
 * As vsnprintf(3), for the directives that init uses: % c d i u x X o s p f, with the flags - and
 * 0, a width, a precision (of f: at most FORMAT_FRACTION_MAX), and, for whole numbers, the lengths
 * hh h l ll z j t.
 * Return: the length that the whole text has, or -1 for a directive that is not known; it and what
 * stands behind it are then copied as they are.
 */
#define FORMAT_FRACTION_MAX 9
int format_print(char *to, size_t size, const char *fmt, va_list ap);

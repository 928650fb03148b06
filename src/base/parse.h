/*
 * parse.h - text to numbers and addresses, strictly
 *
 * Each takes a whole string: no blanks, signs or trailing text. Return: 0, -EINVAL (not of that
 * form) or -ERANGE (of that form, outside the range). Outputs are written on success only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

_must_check_ int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/* As parse_u64, for the common smaller types. */
_must_check_ int parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *ret);

/* Octal file mode, 0 to 07777. */
_must_check_ int parse_mode(const char *s, uint32_t *ret);

/* Bytes, with an optional suffix K, M, G, T (powers of 1024; "KiB", "MiB", ... likewise). */
_must_check_ int parse_size(const char *s, uint64_t max, uint64_t *ret);

/* Exactly @n bytes from 2 * @n hexadecimal digits. */
_must_check_ int parse_hex(const char *s, void *ret, size_t n);

/* Write 2 * @n lower-case digits and a NUL to @ret. */
void format_hex(const void *p, size_t n, char *ret);

/* "5.0 MB", "980 B": decimal units, three significant digits. */
#define FORMAT_SIZE_MAX 24
const char *format_size(uint64_t bytes, char ret[static FORMAT_SIZE_MAX]);

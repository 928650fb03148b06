/*
 * parse.c - text to numbers and addresses, strictly
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

/* Digits in @base up to the first other character. */
static int parse_digits(const char *s, unsigned base, uint64_t *ret, const char **ret_rest)
{
	uint64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && (unsigned)(*p - '0') < base; p++) {
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (unsigned)(*p - '0'), &v))
			return -ERANGE;
	}
	if (p == s)
		return -EINVAL;
	*ret = v;
	*ret_rest = p;
	return 0;
}

int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *rest;
	uint64_t v;
	int r = parse_digits(s, 10, &v, &rest);

	if (r < 0)
		return r;
	if (*rest)
		return -EINVAL;
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t v;
	int r = parse_u64(s, min, max, &v);

	if (r < 0)
		return r;
	*ret = (uint32_t)v;
	return 0;
}

int parse_mode(const char *s, uint32_t *ret)
{
	const char *rest;
	uint64_t v;
	int r = parse_digits(s, 8, &v, &rest);

	if (r < 0)
		return r;
	if (*rest)
		return -EINVAL;
	if (v > 07777)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int parse_size(const char *s, uint64_t max, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *rest, *unit;
	uint64_t v;
	int r = parse_digits(s, 10, &v, &rest);

	if (r < 0)
		return r;
	if (*rest) {
		unit = strchr(units, *rest);
		if (!unit || (rest[1] && strcmp(rest + 1, "iB")))
			return -EINVAL;
		if (__builtin_mul_overflow(v, UINT64_C(1) << 10 * (unit - units + 1), &v))
			return -ERANGE;
	}
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -EINVAL;
}

int parse_hex(const char *s, void *ret, size_t n)
{
	uint8_t *to = ret;

	if (strlen(s) != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < 2 * n; i++) {
		if (hex_digit(s[i]) < 0)
			return -EINVAL;
	}
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(hex_digit(s[2 * i]) << 4 | hex_digit(s[2 * i + 1]));
	return 0;
}

void format_hex(const void *p, size_t n, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		ret[2 * i] = digits[b[i] >> 4];
		ret[2 * i + 1] = digits[b[i] & 15];
	}
	ret[2 * n] = 0;
}

const char *format_size(uint64_t bytes, char ret[static FORMAT_SIZE_MAX])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	size_t u = 0;

	for (; v >= 999.5 && u + 1 < ARRAY_SIZE(units); u++)
		v /= 1000;
	snprintf(ret, FORMAT_SIZE_MAX, "%.*f %s",
		 u == 0 || v >= 99.95 ? 0
		 : v >= 9.995	      ? 1
				      : 2,
		 v, units[u]);
	return ret;
}

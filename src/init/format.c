/*
 * format.c - printf's directives without stdio
 *
 * glibc's vsnprintf() brings wide characters, locales, character sets and, for these, loading of
 * shared objects: 400 KB of a static program whose longest text is a line for a person. The
 * compiler still checks every call against its format, and the unit test compares each directive
 * with libc's. What is not known here is refused; tests/structure/formats.sh finds it in the
 * sources.
 *
 * Numbers with a fraction are exact, as libc's are: the double is a whole number times a power of
 * two, which 128 bits hold at the sizes that are taken (below 2^63).
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "init/format.h"

#define DIGITS_MAX     24 /* of 64 bits in octal, and a sign */
#define MANTISSA_BITS  52
#define EXPONENT_MASK  0x7ff
#define EXPONENT_BIAS  1075
#define EXPONENT_LIMIT (1023 + 63) /* of a double of 2^63 */

struct text {
	char *to;
	size_t size, len; /* len may run ahead of size */
};

struct directive {
	bool left, zero;
	int width, precision; /* -1: no precision */
	size_t bytes;	      /* of an integer */
	char conversion;
};

static void put(struct text *t, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++, t->len++) {
		if (t->len + 1 < t->size)
			t->to[t->len] = s[i];
	}
}

static void pad(struct text *t, char c, long n)
{
	for (; n > 0; n--)
		put(t, &c, 1);
}

/* @sign, zeros and digits in the field of @d. */
static void put_number(struct text *t, const struct directive *d, char sign, const char *digits,
		       size_t n, bool zero)
{
	long room = d->width - (sign != 0), zeros = zero && !d->left ? room - (long)n : 0;

	if (d->precision > (int)n && d->conversion != 'f')
		zeros = d->precision - (long)n;
	zeros = MAX(zeros, 0L);
	if (!d->left)
		pad(t, ' ', room - zeros - (long)n);
	put(t, &sign, sign != 0);
	pad(t, '0', zeros);
	put(t, digits, n);
	if (d->left)
		pad(t, ' ', room - zeros - (long)n);
}

/* The digits of @v, the last at @end. Return: the first. */
static char *digits_of(uint64_t v, unsigned base, bool capitals, char *end)
{
	const char *set = capitals ? "0123456789ABCDEF" : "0123456789abcdef";

	do {
		*--end = set[v % base];
		v /= base;
	} while (v);
	return end;
}

static void put_integer(struct text *t, const struct directive *d, uint64_t v)
{
	char buf[DIGITS_MAX], *end = buf + sizeof(buf), *p, sign = 0;
	unsigned shift = 64 - 8 * (unsigned)d->bytes, base = 10;
	bool is_signed = d->conversion == 'd' || d->conversion == 'i';

	v = v << shift >> shift; /* as wide as its type */
	if (is_signed && (int64_t)(v << shift) < 0) {
		sign = '-';
		v = (0 - v) << shift >> shift;
	}
	if (d->conversion == 'x' || d->conversion == 'X')
		base = 16;
	else if (d->conversion == 'o')
		base = 8;
	p = v == 0 && d->precision == 0 ? end : digits_of(v, base, d->conversion == 'X', end);
	put_number(t, d, sign, p, (size_t)(end - p), d->zero && d->precision < 0);
}

static void put_string(struct text *t, const struct directive *d, const char *s)
{
	size_t n;

	if (!s)
		s = d->precision >= 0 && d->precision < 6 ? "" : "(null)";
	n = d->precision >= 0 ? strnlen(s, (size_t)d->precision) : strlen(s);
	if (!d->left)
		pad(t, ' ', d->width - (long)n);
	put(t, s, n);
	if (d->left)
		pad(t, ' ', d->width - (long)n);
}

static void put_pointer(struct text *t, struct directive *d, const void *p)
{
	char buf[DIGITS_MAX], *end = buf + sizeof(buf), *s;

	d->precision = -1;
	if (!p) {
		put_string(t, d, "(nil)");
		return;
	}
	s = digits_of((uintptr_t)p, 16, false, end);
	*--s = 'x';
	*--s = '0';
	put_number(t, d, 0, s, (size_t)(end - s), false);
}

/* Round @mantissa * 2^-@shift to a whole number, halves to the even one. */
static unsigned __int128 round_shift(unsigned __int128 mantissa, unsigned shift)
{
	unsigned __int128 whole, rest, half;

	if (shift == 0)
		return mantissa;
	if (shift > 127)
		return 0; /* far below a half: the mantissa has fewer than 90 bits */
	whole = mantissa >> shift;
	rest = mantissa - (whole << shift);
	half = (unsigned __int128)1 << (shift - 1);
	return whole + (rest > half || (rest == half && (whole & 1)));
}

/* Return: false for a number that is too large, or none. */
static bool put_fraction(struct text *t, const struct directive *d, double v)
{
	char buf[2 * DIGITS_MAX], *end = buf + sizeof(buf), *p = end;
	unsigned precision = d->precision < 0 ? 6 : (unsigned)d->precision;
	uint64_t bits, scale = 1;
	unsigned __int128 scaled;
	int exponent;

	memcpy(&bits, &v, sizeof(bits));
	exponent = (int)(bits >> MANTISSA_BITS & EXPONENT_MASK);
	if (precision > FORMAT_FRACTION_MAX || exponent >= EXPONENT_LIMIT)
		return false;
	for (unsigned i = 0; i < precision; i++)
		scale *= 10;
	scaled = (bits & ((UINT64_C(1) << MANTISSA_BITS) - 1)) | (uint64_t)(exponent != 0)
									 << MANTISSA_BITS;
	scaled *= scale;
	exponent = MAX(exponent, 1) - EXPONENT_BIAS;
	scaled = exponent >= 0 ? scaled << exponent : round_shift(scaled, (unsigned)-exponent);
	if (precision) {
		p = digits_of((uint64_t)(scaled % scale), 10, false, end);
		while (p > end - precision)
			*--p = '0';
		*--p = '.';
	}
	p = digits_of((uint64_t)(scaled / scale), 10, false, p);
	put_number(t, d, bits >> 63 ? '-' : 0, p, (size_t)(end - p), d->zero);
	return true;
}

static int number_at(const char **p, va_list *ap)
{
	int v = 0;

	if (**p == '*') {
		(*p)++;
		return va_arg(*ap, int);
	}
	for (; **p >= '0' && **p <= '9' && v < 100000; (*p)++)
		v = 10 * v + (**p - '0');
	return v;
}

/* Bytes of the integer that the length at *p says. */
static size_t length_at(const char **p)
{
	switch (**p) {
	case 'h':
		if (*++*p != 'h')
			return sizeof(short);
		++*p;
		return sizeof(char);
	case 'l':
		*p += 1 + ((*p)[1] == 'l');
		return sizeof(long);
	case 'z':
	case 'j':
	case 't':
		++*p;
		return sizeof(intmax_t);
	default:
		return sizeof(int);
	}
}

/* Parse what stands behind "%". Return: behind the directive. */
static const char *parse(const char *p, va_list *ap, struct directive *ret)
{
	struct directive d = { .precision = -1 };

	for (; *p == '-' || *p == '0'; p++) {
		d.left = d.left || *p == '-';
		d.zero = d.zero || *p == '0';
	}
	d.width = number_at(&p, ap);
	if (d.width < 0) {
		d.left = true;
		d.width = -d.width;
	}
	if (*p == '.') {
		p++;
		d.precision = MAX(number_at(&p, ap), -1);
	}
	d.bytes = length_at(&p);
	d.conversion = *p;
	*ret = d;
	return p + (*p != 0);
}

/* Return: false when the directive is not known. */
static bool put_directive(struct text *t, struct directive *d, va_list *ap)
{
	char c;

	if (d->bytes != sizeof(int) && !strchr("diuxXo", d->conversion))
		return false; /* wide characters, long doubles */
	switch (d->conversion) {
	case '%':
		put(t, "%", 1);
		return true;
	case 'c':
		c = (char)va_arg(*ap, int);
		pad(t, ' ', d->left ? 0 : d->width - 1);
		put(t, &c, 1);
		pad(t, ' ', d->left ? d->width - 1 : 0);
		return true;
	case 's':
		put_string(t, d, va_arg(*ap, const char *));
		return true;
	case 'p':
		put_pointer(t, d, va_arg(*ap, const void *));
		return true;
	case 'f':
		return put_fraction(t, d, va_arg(*ap, double));
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		put_integer(t, d,
			    d->bytes > sizeof(int) ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned));
		return true;
	default:
		return false;
	}
}

int format_print(char *to, size_t size, const char *fmt, va_list ap)
{
	struct text t = { .to = to, .size = size };
	struct directive d;
	bool known = true;
	va_list args;

	va_copy(args, ap); /* an array on some machines, which a function cannot take by address */
	while (*fmt && known) {
		size_t n = strcspn(fmt, "%");
		const char *next;

		put(&t, fmt, n);
		fmt += n;
		if (!*fmt)
			break;
		next = parse(fmt + 1, &args, &d);
		known = put_directive(&t, &d, &args);
		if (known)
			fmt = next;
	}
	va_end(args);
	if (!known)
		put(&t, fmt, strlen(fmt));
	if (size > 0)
		to[MIN(t.len, size - 1)] = 0;
	return known ? (int)t.len : -1;
}

/*
 * stdio.c - the part of stdio that init and its libraries call, without buffers and files
 *
 * These definitions stand in for glibc's, so that the linker leaves its stdio out (see lean.c).
 * Standard output and standard error are the descriptors 1 and 2, which for PID 1 are the console;
 * a line longer than LINE_BYTES is cut. libev calls the functions with a leading "__", its
 * Debian package being built with fortified sources.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/lang.h"
#include "init/format.h"

#define LINE_BYTES 1024

FILE *stdout = (FILE *)STDOUT_FILENO;
FILE *stderr = (FILE *)STDERR_FILENO;

int __fprintf_chk(FILE *f, int flag, const char *fmt, ...);
int unbounded(char *to, const char *fmt, ...) __asm__("sprintf");

static bool failed[STDERR_FILENO + 1];

static int write_to(FILE *f, const char *s, size_t n)
{
	if (fd_write_all((int)(intptr_t)f, s, n) >= 0)
		return (int)n;
	failed[(intptr_t)f] = true;
	return EOF;
}

static int print_to(FILE *f, const char *fmt, va_list ap)
{
	char line[LINE_BYTES];
	int n = format_print(line, sizeof(line), fmt, ap);

	(void)n; /* a directive that is not known is printed as it is */
	return write_to(f, line, strlen(line));
}

int vsnprintf(char *to, size_t size, const char *fmt, va_list ap)
{
	return format_print(to, size, fmt, ap);
}

int snprintf(char *to, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = format_print(to, size, fmt, ap);
	va_end(ap);
	return n;
}

/* Called by inet_ntop() only, which has room for what it prints. */
int unbounded(char *to, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = format_print(to, LINE_BYTES, fmt, ap);
	va_end(ap);
	return n;
}

int asprintf(char **ret, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = format_print(NULL, 0, fmt, ap);
	va_end(ap);
	*ret = n < 0 ? NULL : malloc((size_t)n + 1);
	if (!*ret)
		return -1;
	va_start(ap, fmt);
	n = format_print(*ret, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return n;
}

int printf(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = print_to(stdout, fmt, ap);
	va_end(ap);
	return n;
}

int fprintf(FILE *f, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = print_to(f, fmt, ap);
	va_end(ap);
	return n;
}

int __fprintf_chk(FILE *f, int flag, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = print_to(f, fmt, ap);
	va_end(ap);
	return n;
}

size_t fwrite(const void *p, size_t size, size_t n, FILE *f)
{
	return write_to(f, p, size * n) < 0 ? 0 : n;
}

int fputs(const char *s, FILE *f)
{
	return write_to(f, s, strlen(s));
}

/* Not by printf(): the compiler would make puts() of it. */
int puts(const char *s)
{
	return fputs(s, stdout) < 0 || write_to(stdout, "\n", 1) < 0 ? EOF : 0;
}

int putchar(int c)
{
	char byte = (char)c;

	return write_to(stdout, &byte, 1) < 0 ? EOF : c;
}

int fflush(FILE *f)
{
	return 0;
}

int ferror(FILE *f)
{
	return failed[(intptr_t)f];
}

void perror(const char *s)
{
	const char *why = strerror(errno);

	fprintf(stderr, "%s: %s\n", s, why);
}

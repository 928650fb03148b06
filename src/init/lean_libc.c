/*
 * lean_libc.c - what glibc would bring along and init never uses
 *
 * The smallest static program of glibc 2.36 has 680 KB: starting it refers to the dynamic loader,
 * reporting its own errors to stdio, that to wide characters, these to locales and character
 * sets, and those to the loader again. init loads nothing and speaks plain words. The functions
 * here and in stdio.c stand in for the few at which those chains begin, and the linker leaves the
 * rest out: 450 KB of init, 170 KB of each initramfs. tests/system/initrd.sh fails when they come
 * back.
 *
 * Names that begin with an underscore are glibc's own. Each is defined alone in its object file, or
 * with others that nobody calls; a glibc where that is different fails to link (multiple
 * definition) or grows, and loses nothing else.
 */
#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lang.h"

/* --- errors: in English, on standard error --- */

char *strerror(int err)
{
	const char *text = strerrordesc_np(err);

	return (char *)(text ? text : "Unknown error");
}

char *__strerror_r(int err, char *buf, size_t n);
char *__strerror_r(int err, char *buf, size_t n)
{
	return strerror(err);
}

void __assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
	fprintf(stderr, "init: %s:%u: %s: assertion failed: %s\n", file, line, function, what);
	abort();
}

/* The end of what must never be called: loudly, not with a wrong result. */
static _noreturn_ void never(const char *name)
{
	fprintf(stderr, "init: %s() was called, and is not in this program (lean_libc.c)\n", name);
	abort();
}

int _IO_fputs(const char *s, FILE *f); /* of malloc_info() */
int _IO_fputs(const char *s, FILE *f)
{
	return fputs(s, f);
}

/* --- text: ASCII, whatever the locale --- */

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (unsigned char)c;
}

int strncasecmp(const char *a, const char *b, size_t n)
{
	for (; n > 0; a++, b++, n--) {
		int diff = lower(*a) - lower(*b);

		if (diff || !*a)
			return diff;
	}
	return 0;
}

int strcasecmp(const char *a, const char *b)
{
	return strncasecmp(a, b, SIZE_MAX);
}

/* Looks up the tables of isalpha() and the like, at start; who calls these gets a linker error. */
void __ctype_init(void);
void __ctype_init(void)
{
}

/* libev asks for a number in the environment, unless EVFLAG_NOENV is given, as init does. */
long strtol(const char *s, char **end, int base)
{
	never("strtol");
}

/* --- one process, one thread, no shared objects --- */

/* glibc's fork() locks every stdio stream first. */
pid_t fork(void)
{
	return _Fork();
}

/* How many arenas malloc() may make for threads. glibc reads files to know. */
int __get_nprocs(void);
int __get_nprocs(void)
{
	return 1;
}

/* libsodium and malloc() ask for the page size. */
long sysconf(int name)
{
	if (name == _SC_PAGESIZE)
		return getpagesize();
	errno = EINVAL;
	return -1;
}

/* Where dlopen() would look for shared objects. */
void _dl_init_paths(const char *path, const char *source, const char *prepend, const char *mask);
void _dl_init_paths(const char *path, const char *source, const char *prepend, const char *mask)
{
}

/* Make what was relocated at start read-only; glibc's own lies beside the loading of objects. */
void _dl_protect_relro(void *map);
void _dl_protect_relro(void *map)
{
	extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));
	const ElfW(Ehdr) *e = &__ehdr_start;
	const ElfW(Phdr) *p = (const void *)((const char *)e + e->e_phoff);
	uintptr_t mask = ~((uintptr_t)getpagesize() - 1);

	for (size_t i = 0; i < e->e_phnum; i++) {
		uintptr_t from = p[i].p_vaddr & mask, to = (p[i].p_vaddr + p[i].p_memsz) & mask;

		if (p[i].p_type == PT_GNU_RELRO && to > from &&
		    mprotect((void *)from, to - from, PROT_READ) < 0)
			never("mprotect");
	}
}

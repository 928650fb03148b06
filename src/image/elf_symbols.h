/*
 * elf_symbols.h - what an ELF file wants of others, and gives them: symbols and their versions
 *
 * As the loader sees them, in the dynamic symbol table. Everything is bounds-checked; the file is
 * hostile.
 */
#pragma once

#include "image/elf.h"

#define ELF_SYMBOLS_MAX	 (1u << 20)  /* of one file */
#define ELF_STRINGS_MAX	 (32u << 20) /* bytes of their names */
#define ELF_VERSIONS_MAX 32768u	     /* an index has 15 bits */

struct elf_symbol {
	const char *name;    /* borrowed from the strings, like the version */
	const char *version; /* "GLIBC_2.34"; NULL: none */
	bool defined;	     /* here; else wanted of others */
	bool weak;	     /* nothing is lost when nobody has it */
};

struct elf_symbols {
	char *strings;		 /* owned */
	struct elf_symbol *list; /* owned; without local ones */
	size_t n;
	bool versioned; /* says versions of what it defines */
};

#define _cleanup_elf_symbols_ _cleanup_(elf_symbols_clear)
void elf_symbols_clear(struct elf_symbols *s);

/* Read them from @bytes at @at of an open file. Return: 0, -ENOEXEC, -EBADMSG, -E2BIG, an errno. */
_must_check_ int elf_symbols_read(int fd, uint64_t at, uint64_t bytes, struct elf_symbols *ret);

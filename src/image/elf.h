/*
 * elf.h - what the loader would read in an ELF file, read and never run
 *
 * Only what decides which other files a program needs: its interpreter and the dynamic section.
 * Everything is bounds-checked; the file is hostile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

#define ELF_SEGMENTS_MAX 1024  /* program headers */
#define ELF_DYNAMIC_MAX	 65536 /* entries of the dynamic section */
#define ELF_NEEDED_MAX	 1024  /* libraries that one file names */
#define ELF_NOTES_MAX	 65536 /* bytes of the notes that are looked at */
#define ELF_DLOPEN_MAX	 256   /* libraries that notes name */
#define ELF_STRING_MAX	 4096  /* bytes of a name or search path, with NUL */

enum { ELF_CLASS_32 = 1, ELF_CLASS_64 = 2 };
enum { ELF_LITTLE = 1, ELF_BIG = 2 };
enum {
	ELF_MACHINE_386 = 3,
	ELF_MACHINE_ARM = 40,
	ELF_MACHINE_X86_64 = 62,
	ELF_MACHINE_AARCH64 = 183
};

/*
 * A library that a program may open later, as its .note.dlopen says (systemd's "ELF dlopen
 * metadata").
 */
struct elf_dlopen {
	char *sonames; /* names in order of preference, each with its NUL, then an empty one; owned
			*/
	bool required; /* else recommended; what is merely suggested is left out */
};

/* Where the bytes come from. @read fills @buf with exactly @n bytes or returns a negative errno. */
struct elf_source {
	int (*read)(void *arg, uint64_t offset, void *buf, size_t n);
	void *arg;
	uint64_t size; /* bytes of the file */
};

struct elf {
	uint8_t class, data; /* ELF_CLASS_*, ELF_LITTLE or ELF_BIG */
	uint16_t machine;
	bool dynamic;	      /* has a dynamic section */
	bool no_default_dirs; /* DF_1_NODEFLIB: only its own search path */
	char *interpreter;    /* PT_INTERP, or NULL; these five are owned */
	char *soname;
	char *rpath;
	char *runpath;
	char **needed;
	size_t n_needed;
	struct elf_dlopen *dlopens; /* owned */
	size_t n_dlopens;
};

#define _cleanup_elf_ _cleanup_(elf_clear)
void elf_clear(struct elf *e);

/*
 * Return: 0; -ENOEXEC when it is not an ELF file at all; -EBADMSG when it is a broken one; another
 * errno.
 */
_must_check_ int elf_parse(const struct elf_source *s, struct elf *ret);

/* The same from an open file. */
_must_check_ int elf_read(int fd, struct elf *ret);

/* The same from @bytes at @at of an open file. */
_must_check_ int elf_read_at(int fd, uint64_t at, uint64_t bytes, struct elf *ret);

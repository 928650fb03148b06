/*
 * elf_make.h - small ELF files for tests: one loadable segment, an interpreter, a dynamic section
 */
#pragma once

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define ELF_MAKE_BYTES 2048

/* Offsets in the file, which are the addresses too. */
enum { MAKE_SEGMENTS = 64, MAKE_INTERPRETER = 512, MAKE_STRINGS = 640, MAKE_DYNAMIC = 1024 };

struct elf_make {
	uint8_t bytes[ELF_MAKE_BYTES];
	size_t n_dynamic, n_strings;
};

static inline void elf_make_dynamic(struct elf_make *m, int64_t tag, uint64_t value)
{
	Elf64_Dyn d = { .d_tag = tag, .d_un = { .d_val = value } };

	memcpy(m->bytes + MAKE_DYNAMIC + m->n_dynamic++ * sizeof(d), &d, sizeof(d));
}

static inline void elf_make_string(struct elf_make *m, int64_t tag, const char *s)
{
	memcpy(m->bytes + MAKE_STRINGS + m->n_strings, s, strlen(s) + 1);
	elf_make_dynamic(m, tag, m->n_strings);
	m->n_strings += strlen(s) + 1;
}

static inline void elf_make_begin(struct elf_make *m)
{
	Elf64_Ehdr h = { .e_type = ET_DYN,
			 .e_machine = EM_X86_64,
			 .e_version = 1,
			 .e_phoff = MAKE_SEGMENTS,
			 .e_ehsize = sizeof(h),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 3 };
	Elf64_Phdr p[3] = {
		{ .p_type = PT_INTERP, .p_offset = MAKE_INTERPRETER, .p_filesz = 16 },
		{ .p_type = PT_LOAD, .p_filesz = ELF_MAKE_BYTES },
		{ .p_type = PT_DYNAMIC,
		  .p_offset = MAKE_DYNAMIC,
		  .p_filesz = ELF_MAKE_BYTES - MAKE_DYNAMIC },
	};

	memset(m, 0, sizeof(*m));
	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(m->bytes, &h, sizeof(h));
	memcpy(m->bytes + MAKE_SEGMENTS, p, sizeof(p));
	memcpy(m->bytes + MAKE_INTERPRETER, "/lib/ld.so", 11);
	m->n_strings = 1;
	elf_make_dynamic(m, DT_STRTAB, MAKE_STRINGS);
	elf_make_dynamic(m, DT_STRSZ, MAKE_DYNAMIC - MAKE_STRINGS);
}

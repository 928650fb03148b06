/*
 * elf_internal.h - shared by elf.c and elf_symbols.c alone
 */
#pragma once

#include "base/reader.h"
#include "image/elf.h"

struct elf_segment {
	uint32_t type;
	uint64_t offset, address, file_bytes;
};

/* A file while it is read. */
struct elf_file {
	const struct elf_source *source;
	bool wide, big; /* 64 bit, big-endian */
	uint64_t segments_at;
	uint16_t segment_bytes, n_segments;
	struct elf_segment *segments; /* owned */
};

/* An ELF file that lies in an open one: the argument of elf_place_read(). */
struct elf_place {
	int fd;
	uint64_t at;
};

int elf_place_read(void *arg, uint64_t offset, void *buf, size_t n);

/* Read header and segments of @f->source. */
_must_check_ int elf_file_open(struct elf_file *f, struct elf *e);

/* Read @n bytes at @offset, which must lie in the file. */
_must_check_ int elf_file_read(const struct elf_file *f, uint64_t offset, void *buf, size_t n);

uint16_t elf_take16(const struct elf_file *f, struct reader *r);
uint32_t elf_take32(const struct elf_file *f, struct reader *r);

/* An address, offset or size: as wide as the class. */
uint64_t elf_take_word(const struct elf_file *f, struct reader *r);

/* The first of a type. Return: NULL if there is none. */
const struct elf_segment *elf_find_segment(const struct elf_file *f, uint32_t type);

/* The file offset that holds @address. */
_must_check_ int elf_find_offset(const struct elf_file *f, uint64_t address, uint64_t *ret);

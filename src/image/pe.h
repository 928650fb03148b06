/*
 * pe.h - PE32+ images, as UEFI loads them: what sections one has, and one with more of them
 *
 * Microsoft's PE format, of which firmware and signing tools need little: the section table, and
 * where the signature lies. Pure: bytes to struct and back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"

#define PE_BYTES_MAX	(1u << 30) /* of an image */
#define PE_SECTIONS_MAX 96	   /* what the format allows */
#define PE_NAME_MAX	9	   /* of a section, with NUL */

#define PE_MACHINE_X64	 0x8664
#define PE_MACHINE_ARM64 0xaa64

struct pe_section {
	char name[PE_NAME_MAX];
	uint32_t memory, memory_bytes; /* where it is loaded to */
	uint32_t offset, bytes;	       /* in the file */
};

struct pe {
	uint16_t machine;
	uint32_t header;		     /* offset of the COFF header */
	uint32_t table, table_end;	     /* the section table; the end of its room */
	uint32_t file_align, section_align;  /* powers of two */
	uint32_t file_end, memory_end;	     /* behind the last section */
	uint32_t data_bytes;		     /* of initialized data, as it says itself */
	uint32_t signature, signature_bytes; /* in the file; 0, 0 for none */
	size_t n_sections;
	struct pe_section sections[PE_SECTIONS_MAX];
};

/* Return: 0; -EBADMSG with *ret_why, static text. */
_must_check_ int pe_parse(const void *p, size_t n, struct pe *ret, const char **ret_why);

/* The machine that an image is for, whatever else is in it. Return: 0 or -EBADMSG. */
_must_check_ int pe_machine(const void *p, size_t n, uint16_t *ret);

/* A section to be added. */
struct pe_more {
	const char *name; /* up to 8 bytes */
	const void *data; /* borrowed */
	size_t bytes;	  /* at least 1 */
};

/*
 * Append to @to, which is empty, the image @p that @pe was parsed of, with @more behind its last
 * section, in memory and in the file; symbols go. Return: 0; -ENOSPC when the section table has no
 * room; -EEXIST when there is a section of that name; -EPROTO when it is signed; -E2BIG; -ENOMEM.
 */
_must_check_ int pe_append(const void *p, const struct pe *pe, const struct pe_more *more, size_t n,
			   struct buffer *to);

/* Whether @b is @a with a signature: the same bytes but for checksum, signature and its place. */
bool pe_is_signed_copy(const void *a, size_t a_n, const void *b, size_t b_n);

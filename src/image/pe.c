/*
 * pe.c - PE32+ images, as UEFI loads them
 *
 * An image is DOS header, COFF header, optional header, section table, and the sections' data. Only
 * what is needed to put sections behind the others is looked at, and all of that is checked:
 * sections lie in the file, in ascending order in memory, and what is added overlaps nothing.
 *
 * Not here: relocation, imports, and hashing of an image, which is what signing tools are for.
 */
#include <errno.h>
#include <string.h>

#include "base/reader.h"
#include "base/writer.h"
#include "image/pe.h"

enum {
	DOS_BYTES = 64,
	DOS_PE = 60,	 /* offset of the PE header's offset */
	COFF_BYTES = 24, /* with "PE\0\0" */
	COFF_SECTIONS = 6,
	COFF_SYMBOLS = 12,
	OPT_BYTES = 112, /* before the directories */
	OPT_MAGIC = 0x20b,
	OPT_DATA = 8, /* offsets from the optional header */
	OPT_IMAGE = 56,
	OPT_CHECKSUM = 64,
	OPT_SECURITY = 144,
	DIRECTORIES_MAX = 16,
	SECTION_BYTES = 40,
	ALIGN_MIN = 512,
	ALIGN_MAX = 1 << 16,
	PAGE = 4096, /* kernels want to be there */
	SECTION_READ = 0x40000040, /* initialized data, readable */
};

static struct reader at(const void *p, size_t n, size_t offset)
{
	struct reader r = READER(p, n);

	reader_skip(&r, offset);
	return r;
}

static bool is_alignment(uint32_t v)
{
	return v >= ALIGN_MIN && v <= ALIGN_MAX && (v & (v - 1)) == 0;
}

static uint64_t align(uint64_t v, uint32_t to)
{
	return (v + to - 1) / to * to;
}

/* Offset of the COFF header. */
static int find_header(const void *p, size_t n, uint32_t *ret)
{
	struct reader r = at(p, n, 0);
	const uint8_t *magic = reader_bytes(&r, 2);
	uint32_t offset;

	if (!magic || memcmp(magic, "MZ", 2) != 0)
		return -EBADMSG;
	reader_skip(&r, DOS_PE - 2);
	offset = reader_le32(&r);
	if (r.err || offset < DOS_BYTES || offset % 4 || offset > n)
		return -EBADMSG;
	r = at(p, n, offset);
	magic = reader_bytes(&r, 4);
	if (!magic || memcmp(magic, "PE\0", 4) != 0)
		return -EBADMSG;
	*ret = offset;
	return 0;
}

int pe_machine(const void *p, size_t n, uint16_t *ret)
{
	uint32_t header;
	int r = find_header(p, n, &header);
	struct reader rd;
	uint16_t machine;

	if (r < 0)
		return r;
	rd = at(p, n, header + 4);
	machine = reader_le16(&rd);
	if (rd.err)
		return -EBADMSG;
	*ret = machine;
	return 0;
}

/* The optional header, which @r is at. Return: NULL or what is wrong. */
static const char *read_optional(struct reader *r, struct pe *pe, uint32_t *ret_headers)
{
	uint32_t directories;

	if (reader_le16(r) != OPT_MAGIC)
		return "not of 64 bits (PE32+)";
	reader_skip(r, OPT_DATA - 2);
	pe->data_bytes = reader_le32(r);
	reader_skip(r, 20);
	pe->section_align = reader_le32(r);
	pe->file_align = reader_le32(r);
	reader_skip(r, OPT_IMAGE - 40 + 4);
	*ret_headers = reader_le32(r);
	reader_skip(r, 108 - OPT_CHECKSUM);
	directories = reader_le32(r);
	if (r->err)
		return "it is cut short";
	if (!is_alignment(pe->section_align) || !is_alignment(pe->file_align))
		return "its alignments are not powers of two from 512 to 65536";
	if (directories <= 4 || directories > DIRECTORIES_MAX)
		return "it has no place for a signature";
	reader_skip(r, 4 * 8);
	pe->signature = reader_le32(r);
	pe->signature_bytes = reader_le32(r);
	reader_skip(r, 8 * (directories - 5));
	return r->err ? "it is cut short" : NULL;
}

static const char *read_section(struct reader *r, size_t n, uint32_t headers, struct pe *pe)
{
	struct pe_section *s = &pe->sections[pe->n_sections++];

	*s = (struct pe_section){ 0 };
	reader_copy(r, s->name, PE_NAME_MAX - 1);
	s->memory_bytes = reader_le32(r);
	s->memory = reader_le32(r);
	s->bytes = reader_le32(r);
	s->offset = reader_le32(r);
	reader_skip(r, 16);
	if (r->err)
		return "its section table is cut short";
	if (s->bytes > 0 && (s->offset < headers || s->offset > n || s->bytes > n - s->offset))
		return "a section's data lie outside the file";
	if (s->memory < pe->memory_end)
		return "its sections overlap in memory, or are not in order";
	if (s->memory > PE_BYTES_MAX || MAX(s->memory_bytes, s->bytes) > PE_BYTES_MAX - s->memory)
		return "a section is too large";
	pe->memory_end = s->memory + MAX(s->memory_bytes, 1u);
	if (s->bytes > 0)
		pe->file_end = MAX(pe->file_end, s->offset + s->bytes);
	return NULL;
}

static const char *read_all(const void *p, size_t n, struct pe *pe)
{
	struct reader r = at(p, n, pe->header + 4), optional;
	const char *why;
	uint32_t headers = 0, sections;
	uint16_t optional_bytes;

	pe->machine = reader_le16(&r);
	sections = reader_le16(&r);
	reader_skip(&r, 12);
	optional_bytes = reader_le16(&r);
	reader_skip(&r, 2);
	optional = reader_sub(&r, optional_bytes);
	if (r.err)
		return "it is cut short";
	why = read_optional(&optional, pe, &headers);
	if (why)
		return why;
	if (sections > PE_SECTIONS_MAX)
		return "it has more than 96 sections";
	pe->table = pe->header + COFF_BYTES + optional_bytes;
	if (headers > n || headers < pe->table + sections * SECTION_BYTES)
		return "its headers do not hold its section table";
	pe->table_end = pe->file_end = pe->memory_end = headers;
	while (!why && pe->n_sections < sections)
		why = read_section(&r, n, headers, pe);
	if (why)
		return why;
	if (pe->signature_bytes > 0 &&
	    (pe->signature < pe->file_end || pe->signature > n ||
	     pe->signature_bytes > n - pe->signature))
		return "its signature lies outside the file";
	return NULL;
}

int pe_parse(const void *p, size_t n, struct pe *ret, const char **ret_why)
{
	struct pe pe = { 0 };
	const char *why = "not a PE image";

	if (n <= PE_BYTES_MAX && find_header(p, n, &pe.header) == 0)
		why = read_all(p, n, &pe);
	if (why) {
		*ret_why = why;
		return -EBADMSG;
	}
	*ret = pe;
	return 0;
}

static void put_le32(struct buffer *b, size_t offset, uint32_t v)
{
	struct writer w = WRITER(b->data + offset, 4);

	writer_le32(&w, v);
}

static void put_section(struct buffer *to, size_t offset, const struct pe_section *s)
{
	struct writer w = WRITER(to->data + offset, SECTION_BYTES);

	writer_bytes(&w, s->name, PE_NAME_MAX - 1);
	writer_le32(&w, s->memory_bytes);
	writer_le32(&w, s->memory);
	writer_le32(&w, s->bytes);
	writer_le32(&w, s->offset);
	writer_zero(&w, 12);
	writer_le32(&w, SECTION_READ);
}

static int pad(struct buffer *to, uint32_t alignment)
{
	size_t n = align(to->len, alignment) - to->len;
	int r = buffer_reserve(to, n);

	if (r < 0 || n == 0)
		return r;
	memset(to->data + to->len, 0, n);
	to->len += n;
	return 0;
}

/* The sum of 16-bit words with carries folded in, and the length; the field itself counts as 0. */
static uint32_t checksum(const struct buffer *b, size_t field)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < b->len; i += 2) {
		if (i - field < 4)
			continue;
		sum += b->data[i] | (uint32_t)b->data[i + 1] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum + (uint32_t)b->len;
}

/* Whether @more may be added. */
static int check(const uint8_t *p, const struct pe *pe, const struct pe_more *more, size_t n)
{
	size_t end = pe->table + (pe->n_sections + n) * SECTION_BYTES;

	if (pe->signature_bytes > 0)
		return -EPROTO;
	if (pe->n_sections + n > PE_SECTIONS_MAX || end > pe->table_end)
		return -ENOSPC;
	for (size_t i = pe->table + pe->n_sections * SECTION_BYTES; i < end; i++) {
		if (p[i])
			return -ENOSPC;
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < pe->n_sections; k++) {
			if (!strcmp(pe->sections[k].name, more[i].name))
				return -EEXIST;
		}
	}
	return 0;
}

int pe_append(const void *p, const struct pe *pe, const struct pe_more *more, size_t n,
	      struct buffer *to)
{
	size_t optional = pe->header + COFF_BYTES;
	uint64_t memory = pe->memory_end, data = pe->data_bytes;
	uint32_t page = MAX(pe->section_align, (uint32_t)PAGE);
	int r = check(p, pe, more, n);

	if (r == 0)
		r = buffer_append(to, p, pe->file_end);
	if (r == 0)
		r = pad(to, pe->file_align);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct pe_section s = { .memory_bytes = (uint32_t)more[i].bytes,
					.memory = (uint32_t)align(memory, page),
					.offset = (uint32_t)to->len };

		memory = align(memory, page) + more[i].bytes;
		if (more[i].bytes > PE_BYTES_MAX || memory > PE_BYTES_MAX)
			return -E2BIG;
		r = buffer_append(to, more[i].data, more[i].bytes);
		if (r == 0)
			r = pad(to, pe->file_align);
		s.bytes = (uint32_t)to->len - s.offset;
		if (s.bytes > PE_BYTES_MAX - s.memory) /* with its padding */
			return -E2BIG;
		data += s.bytes;
		memcpy(s.name, more[i].name, MIN(strlen(more[i].name), (size_t)PE_NAME_MAX - 1));
		if (r == 0)
			put_section(to, pe->table + (pe->n_sections + i) * SECTION_BYTES, &s);
	}
	if (r < 0)
		return r;
	to->data[pe->header + COFF_SECTIONS] = (uint8_t)(pe->n_sections + n);
	put_le32(to, pe->header + COFF_SYMBOLS, 0);
	put_le32(to, pe->header + COFF_SYMBOLS + 4, 0);
	put_le32(to, optional + OPT_DATA, (uint32_t)data);
	put_le32(to, optional + OPT_IMAGE, (uint32_t)align(memory, pe->section_align));
	put_le32(to, optional + OPT_CHECKSUM, checksum(to, optional + OPT_CHECKSUM));
	return 0;
}

bool pe_is_signed_copy(const void *a, size_t a_n, const void *b, size_t b_n)
{
	const uint8_t *x = a, *y = b;
	struct pe before, after;
	const char *why;
	size_t sum, place;

	if (pe_parse(a, a_n, &before, &why) < 0 || pe_parse(b, b_n, &after, &why) < 0 ||
	    before.header != after.header || before.signature_bytes > 0 ||
	    after.signature_bytes == 0 || after.signature < a_n)
		return false;
	sum = before.header + COFF_BYTES + OPT_CHECKSUM;
	place = before.header + COFF_BYTES + OPT_SECURITY;
	return !memcmp(x, y, sum) && !memcmp(x + sum + 4, y + sum + 4, place - sum - 4) &&
	       !memcmp(x + place + 8, y + place + 8, a_n - place - 8);
}

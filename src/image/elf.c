/*
 * elf.c - what the loader would read in an ELF file, read and never run
 *
 * The section headers are not looked at: the loader does not either, and a stripped file may have
 * none. Addresses become file offsets through the loadable segments, as when the file is mapped.
 * Reads are positioned and bounded instead of a mapping of the file, which a writer could shorten
 * under us.
 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/reader.h"
#include "image/elf_internal.h"
#include "image/elf_note.h"

/* Offsets of strings in the string table that the dynamic section names. */
struct dynamic {
	uint64_t strings_address, strings_bytes;
	bool has_soname, has_rpath, has_runpath, no_default_dirs;
	uint64_t soname, rpath, runpath;
	uint64_t needed[ELF_NEEDED_MAX];
	size_t n_needed;
};

uint16_t elf_take16(const struct elf_file *f, struct reader *r)
{
	return f->big ? reader_be16(r) : reader_le16(r);
}

uint32_t elf_take32(const struct elf_file *f, struct reader *r)
{
	return f->big ? reader_be32(r) : reader_le32(r);
}

/* An address, offset or size: as wide as the class. */
uint64_t elf_take_word(const struct elf_file *f, struct reader *r)
{
	if (!f->wide)
		return elf_take32(f, r);
	return f->big ? reader_be64(r) : reader_le64(r);
}

/* Read @n bytes at @offset, which must lie in the file. */
int elf_file_read(const struct elf_file *f, uint64_t offset, void *buf, size_t n)
{
	if (offset > f->source->size || n > f->source->size - offset)
		return -EBADMSG;
	return f->source->read(f->source->arg, offset, buf, n);
}

static int read_header(struct elf_file *f, struct elf *e)
{
	uint8_t head[sizeof(Elf64_Ehdr)] = { 0 };
	struct reader r = READER(head, sizeof(head));
	size_t n = MIN(f->source->size, (uint64_t)sizeof(head));
	int err = n < EI_NIDENT ? -ENOEXEC : elf_file_read(f, 0, head, n);

	if (err < 0)
		return err;
	if (memcmp(head, ELFMAG, SELFMAG))
		return -ENOEXEC;
	e->class = head[EI_CLASS];
	e->data = head[EI_DATA];
	if ((e->class != ELFCLASS32 && e->class != ELFCLASS64) ||
	    (e->data != ELFDATA2LSB && e->data != ELFDATA2MSB))
		return -EBADMSG;
	f->wide = e->class == ELFCLASS64;
	f->big = e->data == ELFDATA2MSB;
	if (n < (f->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return -EBADMSG;
	reader_skip(&r, EI_NIDENT);
	(void)elf_take16(f, &r); /* type: a library and a program may both be ET_DYN */
	e->machine = elf_take16(f, &r);
	(void)elf_take32(f, &r);    /* version */
	(void)elf_take_word(f, &r); /* entry */
	f->segments_at = elf_take_word(f, &r);
	(void)elf_take_word(f, &r); /* section headers */
	(void)elf_take32(f, &r);    /* flags */
	(void)elf_take16(f, &r);    /* bytes of this header */
	f->segment_bytes = elf_take16(f, &r);
	f->n_segments = elf_take16(f, &r);
	return r.err;
}

static int read_segments(struct elf_file *f)
{
	size_t want = f->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

	if (f->n_segments == 0)
		return 0;
	if (f->n_segments > ELF_SEGMENTS_MAX || f->segment_bytes < want)
		return -EBADMSG;
	f->segments = calloc(f->n_segments, sizeof(*f->segments));
	if (!f->segments)
		return -ENOMEM;
	for (size_t i = 0; i < f->n_segments; i++) {
		uint8_t raw[sizeof(Elf64_Phdr)];
		struct reader r = READER(raw, want);
		struct elf_segment *s = &f->segments[i];
		uint64_t at;
		int err;

		if (__builtin_add_overflow(f->segments_at, i * f->segment_bytes, &at))
			return -EBADMSG;
		err = elf_file_read(f, at, raw, want);
		if (err < 0)
			return err;
		s->type = elf_take32(f, &r);
		if (f->wide)
			(void)elf_take32(f, &r); /* flags, which stand elsewhere in 32 bit */
		s->offset = elf_take_word(f, &r);
		s->address = elf_take_word(f, &r);
		(void)elf_take_word(f, &r); /* physical address */
		s->file_bytes = elf_take_word(f, &r);
	}
	return 0;
}

const struct elf_segment *elf_find_segment(const struct elf_file *f, uint32_t type)
{
	for (size_t i = 0; i < f->n_segments; i++) {
		if (f->segments[i].type == type)
			return &f->segments[i];
	}
	return NULL;
}

/* The file offset that holds @address. */
int elf_find_offset(const struct elf_file *f, uint64_t address, uint64_t *ret)
{
	for (size_t i = 0; i < f->n_segments; i++) {
		const struct elf_segment *s = &f->segments[i];
		uint64_t into = address - s->address;

		if (s->type != PT_LOAD || address < s->address || into >= s->file_bytes)
			continue;
		return __builtin_add_overflow(s->offset, into, ret) ? -EBADMSG : 0;
	}
	return -EBADMSG;
}

/* A NUL-terminated string at @offset of at most @n bytes with its NUL. Caller frees *ret. */
static int read_string(const struct elf_file *f, uint64_t offset, uint64_t n, char **ret)
{
	char buf[ELF_STRING_MAX];
	char *s;
	int r;

	if (offset > f->source->size)
		return -EBADMSG;
	n = MIN(n, f->source->size - offset);
	n = MIN(n, (uint64_t)sizeof(buf));
	r = elf_file_read(f, offset, buf, n);
	if (r < 0)
		return r;
	if (!memchr(buf, 0, n))
		return -EBADMSG;
	s = strdup(buf);
	if (!s)
		return -ENOMEM;
	free(*ret); /* of two the last counts, as for the loader */
	*ret = s;
	return 0;
}

static int take_entry(struct dynamic *d, uint64_t tag, uint64_t value)
{
	switch (tag) {
	case DT_NEEDED:
		if (d->n_needed == ELF_NEEDED_MAX)
			return -E2BIG;
		d->needed[d->n_needed++] = value;
		break;
	case DT_STRTAB:
		d->strings_address = value;
		break;
	case DT_STRSZ:
		d->strings_bytes = value;
		break;
	case DT_SONAME:
		d->has_soname = true;
		d->soname = value;
		break;
	case DT_RPATH:
		d->has_rpath = true;
		d->rpath = value;
		break;
	case DT_RUNPATH:
		d->has_runpath = true;
		d->runpath = value;
		break;
	case DT_FLAGS_1:
		d->no_default_dirs = value & DF_1_NODEFLIB;
		break;
	default:
		break;
	}
	return 0;
}

static int read_dynamic(const struct elf_file *f, const struct elf_segment *s, struct dynamic *d)
{
	size_t entry = f->wide ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
	uint64_t n = s->file_bytes / entry;

	for (uint64_t i = 0; i < n; i++) {
		uint8_t raw[sizeof(Elf64_Dyn)];
		struct reader r = READER(raw, entry);
		uint64_t at, tag;
		int err;

		if (i == ELF_DYNAMIC_MAX)
			return -E2BIG;
		if (__builtin_add_overflow(s->offset, i * entry, &at))
			return -EBADMSG;
		err = elf_file_read(f, at, raw, entry);
		if (err < 0)
			return err;
		tag = elf_take_word(f, &r);
		if (tag == DT_NULL)
			break;
		err = take_entry(d, tag, elf_take_word(f, &r));
		if (err < 0)
			return err;
	}
	return 0;
}

/* String number @at of the table. */
static int dynamic_string(const struct elf_file *f, const struct dynamic *d, uint64_t at,
			  char **ret)
{
	uint64_t base, offset;
	int r = elf_find_offset(f, d->strings_address, &base);

	if (r < 0)
		return r;
	if (at >= d->strings_bytes || __builtin_add_overflow(base, at, &offset))
		return -EBADMSG;
	return read_string(f, offset, d->strings_bytes - at, ret);
}

static int take_strings(const struct elf_file *f, const struct dynamic *d, struct elf *e)
{
	int r = 0;

	if (d->has_soname)
		r = dynamic_string(f, d, d->soname, &e->soname);
	if (r == 0 && d->has_rpath)
		r = dynamic_string(f, d, d->rpath, &e->rpath);
	if (r == 0 && d->has_runpath)
		r = dynamic_string(f, d, d->runpath, &e->runpath);
	if (r < 0 || d->n_needed == 0)
		return r;
	e->needed = calloc(d->n_needed, sizeof(*e->needed));
	if (!e->needed)
		return -ENOMEM;
	for (; e->n_needed < d->n_needed; e->n_needed++) {
		r = dynamic_string(f, d, d->needed[e->n_needed], &e->needed[e->n_needed]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The notes of one segment; those that nobody can read are nobody's. */
static int read_notes(const struct elf_file *f, const struct elf_segment *s, struct elf *e)
{
	_cleanup_free_ uint8_t *notes = NULL;
	int r;

	if (s->file_bytes == 0 || s->file_bytes > ELF_NOTES_MAX)
		return 0;
	notes = malloc((size_t)s->file_bytes);
	if (!notes)
		return -ENOMEM;
	r = elf_file_read(f, s->offset, notes, (size_t)s->file_bytes);
	return r < 0 ? r : elf_note_dlopen(notes, (size_t)s->file_bytes, f->big, e);
}

int elf_file_open(struct elf_file *f, struct elf *e)
{
	int r = read_header(f, e);

	return r < 0 ? r : read_segments(f);
}

static int parse_into(struct elf_file *f, struct elf *e)
{
	_cleanup_free_ struct dynamic *d = calloc(1, sizeof(*d));
	const struct elf_segment *s;
	int r = d ? elf_file_open(f, e) : -ENOMEM;

	if (r < 0)
		return r;
	s = elf_find_segment(f, PT_INTERP);
	if (s) {
		r = read_string(f, s->offset, s->file_bytes, &e->interpreter);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < f->n_segments; i++) {
		r = f->segments[i].type == PT_NOTE ? read_notes(f, &f->segments[i], e) : 0;
		if (r < 0)
			return r;
	}
	s = elf_find_segment(f, PT_DYNAMIC);
	if (!s)
		return 0;
	e->dynamic = true;
	r = read_dynamic(f, s, d);
	e->no_default_dirs = d->no_default_dirs;
	return r < 0 ? r : take_strings(f, d, e);
}

void elf_clear(struct elf *e)
{
	for (size_t i = 0; i < e->n_needed; i++)
		free(e->needed[i]);
	for (size_t i = 0; i < e->n_dlopens; i++)
		free(e->dlopens[i].sonames);
	free(e->dlopens);
	free(e->needed);
	free(e->interpreter);
	free(e->soname);
	free(e->rpath);
	free(e->runpath);
	*e = (struct elf){ 0 };
}

int elf_parse(const struct elf_source *s, struct elf *ret)
{
	struct elf_file f = { .source = s };
	struct elf e = { 0 };
	int r = parse_into(&f, &e);

	free(f.segments);
	if (r < 0) {
		elf_clear(&e);
		return r;
	}
	*ret = e;
	return 0;
}

int elf_place_read(void *arg, uint64_t offset, void *buf, size_t n)
{
	const struct elf_place *at = arg;
	uint8_t *p = buf;

	while (n > 0) {
		ssize_t k = pread(at->fd, p, n, (off_t)(at->at + offset));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0) /* became shorter */
			return -EBADMSG;
		p += k;
		offset += (uint64_t)k;
		n -= (size_t)k;
	}
	return 0;
}

int elf_read_at(int fd, uint64_t at, uint64_t bytes, struct elf *ret)
{
	struct elf_place place = { .fd = fd, .at = at };
	struct elf_source s = { .read = elf_place_read, .arg = &place, .size = bytes };

	return elf_parse(&s, ret);
}

int elf_read(int fd, struct elf *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	return elf_read_at(fd, 0, (uint64_t)st.st_size, ret);
}

/*
 * elf_symbols.c - what an ELF file wants of others, and gives them: symbols and their versions
 *
 * How many symbols there are stands nowhere but in the hash table that the loader searches: in the
 * old one as a number, in GNU's as the end of the last chain.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "image/elf_internal.h"
#include "image/elf_symbols.h"

#define VERSION_HIDDEN 0x8000u
#define RECORDS_MAX    65536u /* of versions, whatever their links say */

/* What the dynamic section says of symbols: addresses and counts. */
struct tables {
	uint64_t strings, strings_bytes, symbols, hash, gnu_hash;
	uint64_t versions, needs, n_needs, defs, n_defs;
};

struct parse {
	struct elf_file f;
	struct tables t;
	struct elf_symbols out;
	uint64_t strings_bytes;
	const char **versions; /* ELF_VERSIONS_MAX names by their index; owned */
};

void elf_symbols_clear(struct elf_symbols *s)
{
	free(s->strings);
	free(s->list);
	*s = (struct elf_symbols){ 0 };
}

static int take_tables(struct parse *p)
{
	const struct elf_segment *s = elf_find_segment(&p->f, PT_DYNAMIC);
	size_t entry = p->f.wide ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
	struct tables *t = &p->t;

	for (uint64_t i = 0; s && i < s->file_bytes / entry && i < ELF_DYNAMIC_MAX; i++) {
		uint8_t raw[sizeof(Elf64_Dyn)];
		struct reader r = READER(raw, entry);
		uint64_t at, tag;
		int err = __builtin_add_overflow(s->offset, i * entry, &at)
				  ? -EBADMSG
				  : elf_file_read(&p->f, at, raw, entry);
		const struct {
			uint64_t tag, *to;
		} known[] = {
			{ DT_STRTAB, &t->strings },    { DT_STRSZ, &t->strings_bytes },
			{ DT_SYMTAB, &t->symbols },    { DT_HASH, &t->hash },
			{ DT_GNU_HASH, &t->gnu_hash }, { DT_VERSYM, &t->versions },
			{ DT_VERNEED, &t->needs },     { DT_VERNEEDNUM, &t->n_needs },
			{ DT_VERDEF, &t->defs },       { DT_VERDEFNUM, &t->n_defs },
		};

		if (err < 0)
			return err;
		tag = elf_take_word(&p->f, &r);
		if (tag == DT_NULL)
			break;
		for (size_t k = 0; k < ARRAY_SIZE(known); k++) {
			if (known[k].tag == tag)
				*known[k].to = elf_take_word(&p->f, &r);
		}
	}
	return 0;
}

/* Read @n bytes at an address, @into bytes behind it. */
static int read_address(const struct parse *p, uint64_t address, uint64_t into, void *buf, size_t n)
{
	uint64_t at;
	int r = elf_find_offset(&p->f, address, &at);

	if (r < 0)
		return r;
	if (__builtin_add_overflow(at, into, &at))
		return -EBADMSG;
	return elf_file_read(&p->f, at, buf, n);
}

static int read_strings(struct parse *p)
{
	uint64_t n = p->t.strings_bytes;
	int r;

	if (n == 0 || n > ELF_STRINGS_MAX || n > p->f.source->size)
		return n > ELF_STRINGS_MAX ? -E2BIG : -EBADMSG;
	p->out.strings = malloc((size_t)n + 1);
	if (!p->out.strings)
		return -ENOMEM;
	r = read_address(p, p->t.strings, 0, p->out.strings, (size_t)n);
	p->out.strings[n] = 0;
	p->strings_bytes = n;
	return r;
}

static int string_at(const struct parse *p, uint32_t at, const char **ret)
{
	if (at >= p->strings_bytes)
		return -EBADMSG;
	*ret = p->out.strings + at;
	return 0;
}

/* A word of 32 bits of a table. */
static int word_at(const struct parse *p, uint64_t address, uint64_t into, uint32_t *ret)
{
	uint8_t raw[4];
	struct reader r = READER(raw, sizeof(raw));
	int err = read_address(p, address, into, raw, sizeof(raw));

	if (err == 0)
		*ret = elf_take32(&p->f, &r);
	return err;
}

/* GNU's table: the symbol with the largest number begins the last chain, whose end has bit 0. */
static int count_gnu(const struct parse *p, uint64_t *ret)
{
	uint32_t buckets, first, bloom, last = 0, word = 0;
	uint64_t at;
	int r = word_at(p, p->t.gnu_hash, 0, &buckets);

	if (r == 0)
		r = word_at(p, p->t.gnu_hash, 4, &first);
	if (r == 0)
		r = word_at(p, p->t.gnu_hash, 8, &bloom);
	if (r < 0 || buckets > ELF_SYMBOLS_MAX || bloom > ELF_SYMBOLS_MAX)
		return r < 0 ? r : -E2BIG;
	at = 16 + (uint64_t)bloom * (p->f.wide ? 8 : 4);
	for (uint32_t i = 0; r == 0 && i < buckets; i++) {
		r = word_at(p, p->t.gnu_hash, at + 4 * (uint64_t)i, &word);
		last = MAX(last, word);
	}
	at += 4 * (uint64_t)buckets;
	*ret = first;
	if (r < 0 || last < first)
		return r;
	for (uint64_t i = last; i < ELF_SYMBOLS_MAX; i++) {
		r = word_at(p, p->t.gnu_hash, at + 4 * (i - first), &word);
		if (r < 0)
			return r;
		if (word & 1) {
			*ret = i + 1;
			return 0;
		}
	}
	return -E2BIG;
}

static int count(const struct parse *p, uint64_t *ret)
{
	uint32_t chains;
	int r;

	if (!p->t.hash)
		return p->t.gnu_hash ? count_gnu(p, ret) : -EBADMSG;
	r = word_at(p, p->t.hash, 4, &chains);
	if (r == 0)
		*ret = chains;
	return r;
}

static int name_version(struct parse *p, uint32_t index, uint32_t name)
{
	return string_at(p, name, &p->versions[index % ELF_VERSIONS_MAX]);
}

/* Versions that are wanted: a list of files, each with a list of versions. */
static int take_needs(struct parse *p)
{
	unsigned records = 0;
	uint64_t at = 0;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < p->t.n_needs && records++ < RECORDS_MAX; i++) {
		uint8_t raw[sizeof(Elf64_Verneed)];
		struct reader rd = READER(raw, sizeof(raw));
		uint32_t aux, next;
		uint64_t in;
		uint16_t n;

		r = read_address(p, p->t.needs, at, raw, sizeof(raw));
		if (r < 0)
			return r;
		(void)elf_take16(&p->f, &rd);
		n = elf_take16(&p->f, &rd);
		(void)elf_take32(&p->f, &rd); /* the file: who has the symbol counts */
		aux = elf_take32(&p->f, &rd);
		next = elf_take32(&p->f, &rd);
		in = at + aux;
		for (uint16_t k = 0; r == 0 && k < n && records++ < RECORDS_MAX; k++) {
			uint16_t index;
			uint32_t name;

			r = read_address(p, p->t.needs, in, raw, sizeof(Elf64_Vernaux));
			if (r < 0)
				return r;
			rd = READER(raw, sizeof(Elf64_Vernaux));
			(void)elf_take32(&p->f, &rd);
			(void)elf_take16(&p->f, &rd);
			index = elf_take16(&p->f, &rd);
			name = elf_take32(&p->f, &rd);
			r = name_version(p, index, name);
			in += elf_take32(&p->f, &rd);
		}
		at += next;
		if (next == 0)
			break;
	}
	return r;
}

/* Versions that are defined: each names itself first, then those it stands upon. */
static int take_defs(struct parse *p)
{
	uint64_t at = 0;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < p->t.n_defs && i < RECORDS_MAX; i++) {
		uint8_t raw[sizeof(Elf64_Verdef)];
		struct reader rd = READER(raw, sizeof(raw));
		uint32_t aux, next, name;
		uint16_t index;

		r = read_address(p, p->t.defs, at, raw, sizeof(raw));
		if (r < 0)
			return r;
		(void)elf_take32(&p->f, &rd); /* version, flags */
		index = elf_take16(&p->f, &rd);
		(void)elf_take16(&p->f, &rd);
		(void)elf_take32(&p->f, &rd);
		aux = elf_take32(&p->f, &rd);
		next = elf_take32(&p->f, &rd);
		r = word_at(p, p->t.defs, at + aux, &name);
		if (r == 0)
			r = name_version(p, index, name);
		at += next;
		if (next == 0)
			break;
	}
	p->out.versioned = p->t.n_defs > 0;
	return r;
}

/* Symbol number @i; a local one is left out. */
static int take_symbol(struct parse *p, uint64_t i)
{
	size_t bytes = p->f.wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	uint8_t raw[sizeof(Elf64_Sym)], ver[2], info;
	struct reader r = READER(raw, bytes), v = READER(ver, sizeof(ver));
	struct elf_symbol s = { 0 };
	uint16_t section, index;
	uint32_t name;
	int err = read_address(p, p->t.symbols, i * bytes, raw, bytes);

	if (err < 0)
		return err;
	name = elf_take32(&p->f, &r);
	if (!p->f.wide)
		reader_skip(&r, 8); /* value, size */
	info = reader_u8(&r);
	(void)reader_u8(&r);
	section = elf_take16(&p->f, &r);
	if (ELF64_ST_BIND(info) == STB_LOCAL)
		return 0;
	err = string_at(p, name, &s.name);
	if (err < 0)
		return err;
	s.defined = section != SHN_UNDEF;
	s.weak = ELF64_ST_BIND(info) == STB_WEAK;
	if (p->t.versions) {
		err = read_address(p, p->t.versions, 2 * i, ver, sizeof(ver));
		if (err < 0)
			return err;
		index = elf_take16(&p->f, &v) & (uint16_t)~VERSION_HIDDEN;
		s.version = index > VER_NDX_GLOBAL ? p->versions[index] : NULL;
	}
	p->out.list[p->out.n++] = s;
	return 0;
}

static int parse_into(struct parse *p)
{
	struct elf e = { 0 };
	uint64_t n = 0;
	int r = elf_file_open(&p->f, &e);

	if (r == 0)
		r = take_tables(p);
	if (r < 0 || !p->t.symbols)
		return r; /* a static program has none */
	r = read_strings(p);
	if (r == 0)
		r = take_needs(p);
	if (r == 0)
		r = take_defs(p);
	if (r == 0)
		r = count(p, &n);
	if (r < 0)
		return r;
	if (n > ELF_SYMBOLS_MAX)
		return -E2BIG;
	p->out.list = calloc(MAX((size_t)n, (size_t)1), sizeof(*p->out.list));
	if (!p->out.list)
		return -ENOMEM;
	for (uint64_t i = 1; r == 0 && i < n; i++)
		r = take_symbol(p, i);
	return r;
}

int elf_symbols_read(int fd, uint64_t at, uint64_t bytes, struct elf_symbols *ret)
{
	_cleanup_free_ const char **versions = calloc(ELF_VERSIONS_MAX, sizeof(*versions));
	struct elf_place place = { .fd = fd, .at = at };
	struct elf_source s = { .read = elf_place_read, .arg = &place, .size = bytes };
	struct parse p = { .f.source = &s, .versions = versions };
	int r = versions ? parse_into(&p) : -ENOMEM;

	free(p.f.segments);
	if (r < 0) {
		elf_symbols_clear(&p.out);
		return r;
	}
	*ret = p.out;
	return 0;
}

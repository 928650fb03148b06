/*
 * index.c - the index of a published image: text to struct and back (docs/index.md)
 *
 * The format has one spelling only: items in a fixed order, single blanks, numbers without leading
 * zeros, digits of a hash in lower case. So what is accepted is written back byte for byte, and no
 * two texts mean the same index. Each item is one row of a table, which names what was expected
 * when it is not that.
 *
 * It does not check the signature, and it does not look at parts: that is for whoever fetched them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/reader.h"
#include "wire/index.h"

/* The RAM disk of Linux 6.1 keeps its pages in a tree whose nodes lead to 64 each. */
#define PAGE_BYTES 4096u
#define TREE_PAGES 64u
#define TREE_NODE  640u /* 576 bytes, with those above it */

#define INDEX_VERSION	  1u
#define INDEX_NUMBER_MAX  21 /* digits of a 64-bit number and NUL */
#define INDEX_COUNTER_MAX ((uint64_t)INT64_MAX)
#define INDEX_HOLE_MAX	  (UINT32_MAX - INDEX_PART_ALIGN + 1)
#define INDEX_PARTS_FIRST 64u /* room for parts that is allocated first */

static const char *const format_names[INDEX_FORMAT_MAX_] = {
	[INDEX_EXT2] = "ext2",
	[INDEX_SQUASHFS] = "squashfs",
	[INDEX_EROFS] = "erofs",
	[INDEX_CPIO] = "cpio",
};

static const char *const arch_names[INDEX_ARCH_MAX_] = {
	[INDEX_X86_64] = "x86_64",
	[INDEX_AARCH64] = "aarch64",
};

/* Where the parser is, and what it has so far. */
struct cursor {
	struct reader text;
	unsigned line;	 /* number of the line taken last */
	const char *why; /* of the first error */
	struct index x;
	uint64_t covered; /* bytes of the image that parts and holes fill so far */
	size_t parts_cap;
	int ended;
};

static int fail(struct cursor *c, const char *why)
{
	c->why = why;
	return -EBADMSG;
}

/* Take the next line without its newline. */
static int take_line(struct cursor *c, struct reader *ret)
{
	const uint8_t *nl = c->text.left ? memchr(c->text.p, '\n', c->text.left) : NULL;

	c->line++;
	if (!nl)
		return fail(c, c->text.left ? "a line without its end: the text is cut off"
					    : "the text ends before 'end'");
	*ret = reader_sub(&c->text, (size_t)(nl - c->text.p));
	reader_skip(&c->text, 1);
	return 0;
}

/*
 * Copy the next word, which ends at a blank or the line's end. Return: 0, or -EBADMSG when empty or
 * too long.
 */
static int take_word(struct reader *line, char *to, size_t size)
{
	const uint8_t *blank = line->left ? memchr(line->p, ' ', line->left) : NULL;
	size_t n = blank ? (size_t)(blank - line->p) : line->left;

	if (n == 0 || n >= size || memchr(line->p, 0, n))
		return -EBADMSG;
	reader_copy(line, to, n);
	to[n] = 0;
	if (blank) {
		reader_skip(line, 1);
		if (line->left == 0) /* a blank at the end */
			return -EBADMSG;
	}
	return 0;
}

static int take_number(struct reader *line, uint64_t min, uint64_t max, uint64_t *ret)
{
	char word[INDEX_NUMBER_MAX];

	if (take_word(line, word, sizeof(word)) < 0 || (word[0] == '0' && word[1]) ||
	    parse_u64(word, min, max, ret) < 0)
		return -EBADMSG;
	return 0;
}

static int take_hash(struct reader *line, uint8_t ret[static INDEX_HASH_BYTES])
{
	char word[2 * INDEX_HASH_BYTES + 1];

	if (take_word(line, word, sizeof(word)) < 0 || strpbrk(word, "ABCDEF") ||
	    parse_hex(word, ret, INDEX_HASH_BYTES) < 0)
		return -EBADMSG;
	return 0;
}

static int take_choice(struct reader *line, const char *const *names, int n, int *ret)
{
	char word[16];

	if (take_word(line, word, sizeof(word)) < 0)
		return -EBADMSG;
	for (int i = 0; i < n; i++) {
		if (!strcmp(word, names[i])) {
			*ret = i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int take_version(struct cursor *c, struct reader *line)
{
	uint64_t v;

	(void)c;
	return take_number(line, INDEX_VERSION, INDEX_VERSION, &v);
}

static int take_name(struct cursor *c, struct reader *line)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	char *name = c->x.name;

	if (take_word(line, name, sizeof(c->x.name)) < 0 || name[0] == '.' ||
	    name[strspn(name, letters)])
		return -EBADMSG;
	return 0;
}

static int take_counter(struct cursor *c, struct reader *line)
{
	return take_number(line, 1, INDEX_COUNTER_MAX, &c->x.counter);
}

static int take_arch(struct cursor *c, struct reader *line)
{
	int v, r = take_choice(line, arch_names, INDEX_ARCH_MAX_, &v);

	if (r == 0)
		c->x.arch = (enum index_arch)v;
	return r;
}

static int take_format(struct cursor *c, struct reader *line)
{
	int v, r = take_choice(line, format_names, INDEX_FORMAT_MAX_, &v);

	if (r == 0)
		c->x.format = (enum index_format)v;
	return r;
}

static int take_size(struct cursor *c, struct reader *line)
{
	int r = take_number(line, INDEX_IMAGE_ALIGN, INDEX_IMAGE_MAX, &c->x.image_bytes);

	return r < 0 || c->x.image_bytes % INDEX_IMAGE_ALIGN ? -EBADMSG : 0;
}

static int take_digest(struct cursor *c, struct reader *line)
{
	return take_hash(line, c->x.digest);
}

static int take_init(struct cursor *c, struct reader *line)
{
	if (take_word(line, c->x.init, sizeof(c->x.init)) < 0 || c->x.init[0] != '/')
		return -EBADMSG;
	for (const char *p = c->x.init; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return -EBADMSG;
	}
	return 0;
}

static int take_memory(struct cursor *c, struct reader *line)
{
	return take_number(line, 1, INDEX_IMAGE_MAX, &c->x.memory_bytes);
}

/* The items before the parts, in their order. */
static const struct {
	const char *key;
	int (*take)(struct cursor *c, struct reader *line);
	const char *expected;
	bool of_cpio; /* only there */
} head_items[] = {
	{ "bpboot-index", take_version, "expected 'bpboot-index 1'" },
	{ "name", take_name, "expected 'name NAME': 1 to 63 letters, digits, '.', '_', '-'" },
	{ "counter", take_counter, "expected 'counter NUMBER' of 1 to 2^63-1" },
	{ "arch", take_arch, "expected 'arch x86_64' or 'arch aarch64'" },
	{ "format", take_format, "expected 'format ext2', 'squashfs', 'erofs' or 'cpio'" },
	{ "size", take_size, "expected 'size BYTES': a multiple of 1024, up to 2^40" },
	{ "digest", take_digest, "expected 'digest' and 64 lower-case hexadecimal digits" },
	{ "init", take_init, "expected 'init PATH': absolute, up to 255 bytes, no blanks" },
	{ "memory", take_memory, "expected 'memory BYTES', up to 2^40", .of_cpio = true },
};

static int take_head(struct cursor *c, size_t item)
{
	struct reader line;
	char key[16];
	int r;

	if (head_items[item].of_cpio && c->x.format != INDEX_CPIO)
		return 0;
	r = take_line(c, &line);
	if (r < 0)
		return r;
	if (take_word(&line, key, sizeof(key)) < 0 || strcmp(key, head_items[item].key) ||
	    head_items[item].take(c, &line) < 0 || reader_end(&line) < 0)
		return fail(c, head_items[item].expected);
	return 0;
}

/* Bytes that zstd needs at most to store @raw bytes: its ZSTD_COMPRESSBOUND. */
static uint64_t stored_max(uint64_t raw)
{
	const uint64_t block = 128u << 10;

	return raw + (raw >> 8) + (raw < block ? (block - raw) >> 11 : 0);
}

/* Append @p behind what is covered. */
static int add_part(struct cursor *c, struct index_part *p)
{
	struct index *x = &c->x;

	if (c->covered % INDEX_PART_ALIGN)
		return fail(c, "only the last part may be no multiple of 4096 bytes");
	if (p->raw_bytes > x->image_bytes - c->covered)
		return fail(c, "parts are longer than the image's size");
	if (x->n_parts == INDEX_PARTS_MAX)
		return fail(c, "more than 65536 parts and holes");
	if (x->n_parts == c->parts_cap) {
		size_t cap = c->parts_cap ? 2 * c->parts_cap : INDEX_PARTS_FIRST;
		struct index_part *grown = reallocarray(x->parts, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		x->parts = grown;
		c->parts_cap = cap;
	}
	p->offset = c->covered;
	c->covered += p->raw_bytes;
	x->parts[x->n_parts++] = *p;
	return 0;
}

/* One line of the tail: a part, a hole or the end. */
static int take_tail(struct cursor *c)
{
	struct index_part p = { 0 };
	uint64_t raw = 0, stored = 0;
	struct reader line;
	char key[16];
	int r = take_line(c, &line);

	if (r < 0)
		return r;
	if (take_word(&line, key, sizeof(key)) < 0)
		return fail(c, "expected 'part', 'hole' or 'end'");
	if (!strcmp(key, "end")) {
		c->ended = 1;
		if (reader_end(&line) < 0 || c->text.left > 0)
			return fail(c, "text behind 'end'");
		return c->covered == c->x.image_bytes ? 0 : fail(c, "parts do not fill the image");
	}
	if (!strcmp(key, "hole")) {
		if (take_number(&line, 1, INDEX_HOLE_MAX, &raw) < 0 || reader_end(&line) < 0)
			return fail(c, "expected 'hole BYTES' of 1 to 2^32-4096");
	} else if (!strcmp(key, "part")) {
		if (take_hash(&line, p.hash) < 0 ||
		    take_number(&line, 1, UINT32_MAX, &stored) < 0 ||
		    take_number(&line, 1, INDEX_PART_RAW_MAX, &raw) < 0 || reader_end(&line) < 0)
			return fail(c,
				    "expected 'part HASH STORED-BYTES RAW-BYTES', raw up to 4 MiB");
		if (stored > stored_max(raw))
			return fail(c, "a part is stored in more bytes than its raw size can need");
	} else {
		return fail(c, "expected 'part', 'hole' or 'end'");
	}
	p.raw_bytes = (uint32_t)raw;
	p.stored_bytes = (uint32_t)stored;
	return add_part(c, &p);
}

void index_clear(struct index *x)
{
	free(x->parts);
	*x = (struct index){ 0 };
}

int index_parse(const void *text, size_t n, struct index *ret, unsigned *ret_line,
		const char **ret_why)
{
	struct cursor c = { .text = READER(text, n) };
	int r = 0;

	if (n > INDEX_BYTES_MAX)
		r = fail(&c, "the text is longer than 4 MiB");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(head_items); i++)
		r = take_head(&c, i);
	while (r == 0 && !c.ended)
		r = take_tail(&c);
	if (r < 0) {
		index_clear(&c.x);
		if (r == -EBADMSG) {
			*ret_line = c.line;
			*ret_why = c.why;
		}
		return r;
	}
	*ret = c.x;
	return 0;
}

int index_format(const struct index *x, struct buffer *to)
{
	char hex[2 * INDEX_HASH_BYTES + 1];
	int r;

	format_hex(x->digest, INDEX_HASH_BYTES, hex);
	r = buffer_printf(to,
			  "bpboot-index %u\nname %s\ncounter %" PRIu64 "\narch %s\nformat %s\n"
			  "size %" PRIu64 "\ndigest %s\ninit %s\n",
			  INDEX_VERSION, x->name, x->counter, arch_names[x->arch],
			  format_names[x->format], x->image_bytes, hex, x->init);
	if (r == 0 && x->format == INDEX_CPIO)
		r = buffer_printf(to, "memory %" PRIu64 "\n", x->memory_bytes);
	for (size_t i = 0; r == 0 && i < x->n_parts; i++) {
		const struct index_part *p = &x->parts[i];

		if (p->stored_bytes == 0) {
			r = buffer_printf(to, "hole %" PRIu32 "\n", p->raw_bytes);
			continue;
		}
		format_hex(p->hash, INDEX_HASH_BYTES, hex);
		r = buffer_printf(to, "part %s %" PRIu32 " %" PRIu32 "\n", hex, p->stored_bytes,
				  p->raw_bytes);
	}
	return r < 0 ? r : buffer_append(to, "end\n", 4);
}

uint64_t index_memory_bytes(enum index_format format, uint64_t image_bytes, uint64_t memory_bytes)
{
	uint64_t pages = (image_bytes + PAGE_BYTES - 1) / PAGE_BYTES;

	if (format == INDEX_CPIO)
		return memory_bytes;
	return pages * PAGE_BYTES + (pages + TREE_PAGES - 1) / TREE_PAGES * TREE_NODE;
}

uint64_t index_stored_bytes(const struct index *x)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < x->n_parts; i++)
		sum += x->parts[i].stored_bytes;
	return sum;
}

const char *index_format_name(enum index_format f)
{
	return format_names[f];
}

const char *index_arch_name(enum index_arch a)
{
	return arch_names[a];
}

/*
 * tar.c - headers of tar archives: v7, ustar (POSIX), GNU tar and pax
 *
 * The three families differ in eight bytes of magic and in what stands behind them. Numbers are
 * octal digits, or in base 256 where GNU tar and star need more room; all may have blanks around.
 */
#include <errno.h>
#include <string.h>

#include "base/writer.h"
#include "wire/tar.h"

/* Where the fields of a header are, and how long. */
enum {
	NAME_BYTES = 100,
	NUMBER_BYTES = 8,
	SIZE_BYTES = 12,
	SUM_AT = 148,
	SUM_BYTES = 8,
	LINK_BYTES = 100,
	MAGIC_BYTES = 8,
	ACCOUNT_BYTES = 32,
	PREFIX_BYTES = 155,
	GNU_SPARSE_SKIP = 386 - 345, /* times, offset, long names: from the prefix to the pieces */
	DECIMAL_MAX = 20,
};

static const struct {
	char flag;
	enum tar_type type;
} types[] = {
	{ '0', TAR_FILE },	 { 0, TAR_FILE },      { '7', TAR_FILE }, /* contiguous */
	{ '1', TAR_HARD_LINK },	 { '2', TAR_SYMLINK }, { '3', TAR_CHAR },
	{ '4', TAR_BLOCK },	 { '5', TAR_DIR },     { 'D', TAR_DIR }, /* GNU: incremental */
	{ '6', TAR_FIFO },	 { 'S', TAR_SPARSE },  { 'L', TAR_LONG_NAME },
	{ 'K', TAR_LONG_LINK },	 { 'x', TAR_PAX },     { 'X', TAR_PAX }, /* Solaris */
	{ 'g', TAR_PAX_GLOBAL }, { 'V', TAR_LABEL },
};

static int number_256(const uint8_t *p, size_t n, uint64_t *ret)
{
	uint64_t v = p[0] & 0x7f;

	if (p[0] & 0x40)
		return -EBADMSG; /* negative */
	for (size_t i = 1; i < n; i++) {
		if (v >> 56)
			return -EBADMSG;
		v = v << 8 | p[i];
	}
	*ret = v;
	return 0;
}

static int number(struct reader *r, size_t n, uint64_t max, uint64_t *ret)
{
	const uint8_t *p = reader_bytes(r, n);
	uint64_t v = 0;
	size_t i = 0;

	if (!p)
		return -EBADMSG;
	if (p[0] & 0x80) {
		if (number_256(p, n, &v) < 0 || v > max)
			return -EBADMSG;
		*ret = v;
		return 0;
	}
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(p[i] - '0'); /* at most 12 digits */
	for (; i < n; i++) {
		if (p[i] != ' ' && p[i] != 0)
			return -EBADMSG;
	}
	if (v > max)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static int number_32(struct reader *r, uint32_t max, uint32_t *ret)
{
	uint64_t v;

	if (number(r, NUMBER_BYTES, max, &v) < 0)
		return -EBADMSG;
	*ret = (uint32_t)v;
	return 0;
}

/* Text that a NUL ends unless it fills the field. Return: its length. */
static size_t text(struct reader *r, size_t n, char *to)
{
	const uint8_t *p = reader_bytes(r, n);
	size_t k = p ? strnlen((const char *)p, n) : 0;

	if (k > 0)
		memcpy(to, p, k);
	to[k] = 0;
	return k;
}

static int pieces(struct reader *r, size_t max, struct tar_piece *to, size_t *ret)
{
	size_t n = 0;
	bool ended = false;

	for (size_t i = 0; i < max; i++) {
		bool empty = r->left > 0 && !r->p[0];
		uint64_t at, bytes;

		if (number(r, SIZE_BYTES, INT64_MAX, &at) < 0 ||
		    number(r, SIZE_BYTES, INT64_MAX, &bytes) < 0)
			return -EBADMSG;
		ended = ended || empty;
		if (!ended)
			to[n++] = (struct tar_piece){ at, bytes };
	}
	*ret = n;
	return 0;
}

static bool is_zero(const uint8_t *block)
{
	return !block[0] && !memcmp(block, block + 1, TAR_BLOCK_BYTES - 1);
}

/* The sum of all bytes, with blanks for the sum itself; ancient tars took bytes for signed. */
static bool has_sum(const uint8_t *block)
{
	struct reader r = READER(block + SUM_AT, SUM_BYTES);
	uint64_t said;
	int64_t plain = 0, with_sign = 0;

	if (number(&r, SUM_BYTES, INT32_MAX, &said) < 0)
		return false;
	for (size_t i = 0; i < TAR_BLOCK_BYTES; i++) {
		uint8_t b = i >= SUM_AT && i < SUM_AT + SUM_BYTES ? ' ' : block[i];

		plain += b;
		with_sign += (int8_t)b;
	}
	return (int64_t)said == plain || (int64_t)said == with_sign;
}

static int type_of(char flag, enum tar_type *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].flag == flag) {
			*ret = types[i].type;
			return 0;
		}
	}
	return -EOPNOTSUPP;
}

/* What stands behind the magic of POSIX: names of the owner, device numbers, more of the name. */
static int take_ustar(struct reader *r, struct tar_header *h)
{
	char name[NAME_BYTES + 1];
	size_t n;

	reader_skip(r, 2 * ACCOUNT_BYTES);
	if (h->type == TAR_CHAR || h->type == TAR_BLOCK) {
		if (number_32(r, UINT32_MAX, &h->major) < 0 ||
		    number_32(r, UINT32_MAX, &h->minor) < 0)
			return -EBADMSG;
	} else {
		reader_skip(r, 2 * NUMBER_BYTES); /* some leave them as they were */
	}
	memcpy(name, h->name, sizeof(name));
	n = text(r, PREFIX_BYTES, h->name);
	if (n > 0)
		h->name[n++] = '/';
	memcpy(h->name + n, name, strlen(name) + 1);
	return 0;
}

static int take_gnu(struct reader *r, struct tar_header *h)
{
	size_t n = 0;

	reader_skip(r, 2 * ACCOUNT_BYTES);
	if (h->type == TAR_CHAR || h->type == TAR_BLOCK) {
		if (number_32(r, UINT32_MAX, &h->major) < 0 ||
		    number_32(r, UINT32_MAX, &h->minor) < 0)
			return -EBADMSG;
	} else {
		reader_skip(r, 2 * NUMBER_BYTES);
	}
	if (h->type != TAR_SPARSE)
		return 0;
	reader_skip(r, GNU_SPARSE_SKIP);
	if (pieces(r, TAR_OLD_SPARSE, h->pieces, &n) < 0)
		return -EBADMSG;
	h->n_pieces = (uint8_t)n;
	h->more = reader_u8(r) != 0;
	return number(r, SIZE_BYTES, INT64_MAX, &h->real_size);
}

/* Folders of v7 are files whose names end with a slash. */
static void mark_folder(struct tar_header *h)
{
	size_t n = strlen(h->name);

	if (h->type == TAR_FILE && n > 0 && h->name[n - 1] == '/')
		h->type = TAR_DIR;
}

int tar_header_parse(const uint8_t block[static TAR_BLOCK_BYTES], struct tar_header *ret)
{
	struct tar_header h = { 0 };
	struct reader r = READER(block, TAR_BLOCK_BYTES);
	char magic[MAGIC_BYTES];
	int e;

	if (is_zero(block))
		return 1;
	if (!has_sum(block))
		return -EBADMSG;
	(void)text(&r, NAME_BYTES, h.name); /* an empty one may be told by a pax record */
	if (number_32(&r, UINT32_MAX, &h.mode) < 0 || number_32(&r, UINT32_MAX, &h.uid) < 0 ||
	    number_32(&r, UINT32_MAX, &h.gid) < 0 ||
	    number(&r, SIZE_BYTES, INT64_MAX, &h.bytes) < 0)
		return -EBADMSG;
	h.mode &= 07777;
	reader_skip(&r, SIZE_BYTES + SUM_BYTES); /* time, sum */
	e = type_of((char)reader_u8(&r), &h.type);
	if (e < 0)
		return e;
	(void)text(&r, LINK_BYTES, h.link); /* empty but for links */
	reader_copy(&r, magic, sizeof(magic));
	if (!memcmp(magic, "ustar  ", MAGIC_BYTES))
		e = take_gnu(&r, &h);
	else if (h.type == TAR_SPARSE)
		return -EOPNOTSUPP; /* another's, with a map elsewhere */
	else if (!memcmp(magic, "ustar", 6))
		e = take_ustar(&r, &h);
	if (e < 0 || r.err)
		return -EBADMSG;
	mark_folder(&h);
	*ret = h;
	return 0;
}

/* Octal digits and a NUL where they are enough, else base 256. */
static void put_number(struct writer *w, size_t n, uint64_t v)
{
	if (v >> (3 * (n - 1)) == 0) {
		for (size_t i = n - 1; i > 0; i--)
			writer_u8(w, (uint8_t)('0' + (v >> (3 * (i - 1)) & 7)));
		writer_u8(w, 0);
		return;
	}
	writer_u8(w, 0x80);
	for (size_t i = n - 1; i > 0; i--)
		writer_u8(w, i > 8 ? 0 : (uint8_t)(v >> (8 * (i - 1))));
}

static void put_text(struct writer *w, const char *s, size_t k, size_t n)
{
	writer_bytes(w, s, k);
	writer_zero(w, n - k);
}

static char flag_of(enum tar_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].type == type)
			return types[i].flag;
	}
	return 0;
}

/* How much of a name goes into the prefix: up to a slash, so that the rest fits. */
static int split_name(const char *name, size_t *ret_prefix)
{
	size_t n = strlen(name);

	*ret_prefix = 0;
	if (n <= NAME_BYTES)
		return 0;
	for (size_t k = n - NAME_BYTES - 1; k <= PREFIX_BYTES && k < n; k++) {
		if (k > 0 && name[k] == '/') {
			*ret_prefix = k;
			return 0;
		}
	}
	return -ENAMETOOLONG;
}

static void put_pieces(struct writer *w, const struct tar_header *h)
{
	writer_zero(w, GNU_SPARSE_SKIP);
	for (size_t i = 0; i < TAR_OLD_SPARSE; i++) {
		if (i < h->n_pieces) {
			put_number(w, SIZE_BYTES, h->pieces[i].offset);
			put_number(w, SIZE_BYTES, h->pieces[i].bytes);
		} else {
			writer_zero(w, 2 * SIZE_BYTES);
		}
	}
	writer_u8(w, h->more);
	put_number(w, SIZE_BYTES, h->real_size);
}

int tar_header_format(const struct tar_header *h, uint8_t ret[static TAR_BLOCK_BYTES])
{
	struct writer w = WRITER(ret, TAR_BLOCK_BYTES);
	bool gnu = h->type == TAR_SPARSE;
	const char *name = h->name;
	uint32_t sum = 0;
	size_t prefix = 0, len;

	if (gnu ? strlen(name) > NAME_BYTES : split_name(name, &prefix) < 0)
		return -ENAMETOOLONG;
	name += prefix ? prefix + 1 : 0;
	put_text(&w, name, strlen(name), NAME_BYTES);
	put_number(&w, NUMBER_BYTES, h->mode);
	put_number(&w, NUMBER_BYTES, h->uid);
	put_number(&w, NUMBER_BYTES, h->gid);
	put_number(&w, SIZE_BYTES, h->bytes);
	put_number(&w, SIZE_BYTES, 0);
	writer_text(&w, "        ");
	writer_u8(&w, (uint8_t)flag_of(h->type));
	put_text(&w, h->link, strlen(h->link), LINK_BYTES);
	writer_bytes(&w,
		     gnu ? "ustar  "
			 : "ustar\0"
			   "00",
		     MAGIC_BYTES);
	writer_zero(&w, 2 * ACCOUNT_BYTES);
	put_number(&w, NUMBER_BYTES, h->major);
	put_number(&w, NUMBER_BYTES, h->minor);
	if (gnu)
		put_pieces(&w, h);
	else
		put_text(&w, h->name, prefix, PREFIX_BYTES);
	if (writer_end(&w, &len) < 0)
		return -ENAMETOOLONG;
	writer_zero(&w, TAR_BLOCK_BYTES - len);
	for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
		sum += ret[i];
	w = WRITER(ret + SUM_AT, SUM_BYTES);
	put_number(&w, SUM_BYTES - 1, sum);
	return 0;
}

int tar_pieces_parse(const uint8_t block[static TAR_BLOCK_BYTES],
		     struct tar_piece ret[static TAR_OLD_SPARSE_EXT], size_t *ret_n, bool *ret_more)
{
	struct reader r = READER(block, TAR_BLOCK_BYTES);
	size_t n;

	if (pieces(&r, TAR_OLD_SPARSE_EXT, ret, &n) < 0)
		return -EBADMSG;
	*ret_more = reader_u8(&r) != 0;
	*ret_n = n;
	return 0;
}

int tar_decimal(const void *p, size_t n, uint64_t *ret)
{
	const uint8_t *digits = p;
	uint64_t v = 0;

	if (n == 0 || n > DECIMAL_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		uint8_t d = (uint8_t)(digits[i] - '0');

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return -EBADMSG;
		v = 10 * v + d;
	}
	*ret = v;
	return 0;
}

int tar_record_next(struct reader *r, struct tar_record *ret)
{
	struct tar_record rec;
	const uint8_t *start = r->p, *p, *end;
	uint64_t bytes;
	size_t digits;

	if (r->left == 0)
		return 0;
	end = memchr(start, ' ', MIN(r->left, (size_t)DECIMAL_MAX));
	if (!end)
		return -EBADMSG;
	digits = (size_t)(end - start);
	if (tar_decimal(start, digits, &bytes) < 0 || bytes > r->left || bytes < digits + 4)
		return -EBADMSG; /* at least " k=\n" behind the digits */
	p = reader_bytes(r, (size_t)bytes);
	if (!p || p[bytes - 1] != '\n')
		return -EBADMSG;
	rec.key = (const char *)p + digits + 1;
	end = memchr(rec.key, '=', (size_t)bytes - digits - 2);
	if (!end || (const char *)end == rec.key)
		return -EBADMSG;
	rec.key_len = (size_t)((const char *)end - rec.key);
	if (memchr(rec.key, 0, rec.key_len))
		return -EBADMSG;
	rec.value = end + 1;
	rec.value_len = (size_t)(p + bytes - 1 - rec.value);
	*ret = rec;
	return 1;
}

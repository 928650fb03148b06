/*
 * tar.c - the entries of a tar archive, one after the other
 *
 * Only headers are read, through a window that jumps over the data, so that an archive of any size
 * is listed at the speed of its headers, and the data need no second copy. Records of pax and GNU's
 * long names come before the header that they are about; their memory is bounded.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "image/tar_internal.h"

#define WINDOW_BYTES (32u << 10)

/* What is read of the archive at once. */
struct window {
	const struct span *span;
	uint64_t at; /* of buf in the span */
	size_t n;
	uint8_t buf[WINDOW_BYTES];
};

struct reading {
	struct window w;
	uint64_t at; /* of the next header */
	struct buffer name, link, pax, global;
	struct tar_facts facts;
	bool ended; /* by a block of zeros */
};

int tar_fail(const struct span *s, uint64_t at, int err, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)log_err(0, "'%s': %s (tar archive, byte %llu)", s->in->name, text,
		      (unsigned long long)(s->at + at));
	return err;
}

int tar_read_bytes(const struct span *s, uint64_t at, void *buf, size_t n)
{
	size_t done = 0;

	if (at > s->bytes || n > s->bytes - at)
		return tar_fail(s, at, -EBADMSG, "it is cut off");
	while (done < n) {
		ssize_t k = pread(s->in->fd, (uint8_t *)buf + done, n - done,
				  (off_t)(s->at + at + done));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return log_err(-errno, "cannot read '%s'", s->in->name);
		if (k == 0)
			return log_err(-ESTALE, "'%s' became shorter while it was read",
				       s->in->name);
		done += (size_t)k;
	}
	return 0;
}

/* Borrow the block at @at until the next call. */
static int window_block(struct window *w, uint64_t at, const uint8_t **ret)
{
	size_t n;
	int r;

	if (at < w->at || at - w->at + TAR_BLOCK_BYTES > w->n) {
		if (w->span->bytes - at < TAR_BLOCK_BYTES)
			return tar_fail(w->span, at, -EBADMSG, "it is cut off");
		n = (size_t)MIN((uint64_t)sizeof(w->buf), w->span->bytes - at);
		r = tar_read_bytes(w->span, at, w->buf, n);
		if (r < 0) {
			w->n = 0;
			return r;
		}
		w->at = at;
		w->n = n;
	}
	*ret = w->buf + (at - w->at);
	return 0;
}

static uint64_t whole_blocks(uint64_t bytes)
{
	return (bytes + TAR_BLOCK_BYTES - 1) / TAR_BLOCK_BYTES * TAR_BLOCK_BYTES;
}

/* Take the data of a header that is about another one. */
static int take_text(struct reading *x, const struct tar_header *h, struct buffer *to)
{
	int r;

	buffer_clear(to);
	if (h->bytes > to->max)
		return tar_fail(x->w.span, x->at, -E2BIG,
				"a name or record of %llu bytes; %zu is the most",
				(unsigned long long)h->bytes, to->max);
	r = buffer_reserve(to, (size_t)h->bytes);
	if (r < 0)
		return log_err(r, "cannot read '%s'", x->w.span->in->name);
	r = tar_read_bytes(x->w.span, x->at, to->data, (size_t)h->bytes);
	if (r < 0)
		return r;
	to->len = (size_t)h->bytes;
	to->data[to->len] = 0;
	x->at += whole_blocks(h->bytes);
	return 0;
}

/* Blocks with further pieces behind a header of GNU's old sparse format. */
static int take_old_pieces(struct reading *x, const struct tar_header *h)
{
	bool more = h->more;
	int r = tar_facts_pieces(&x->facts, h->pieces, h->n_pieces);

	while (r == 0 && more) {
		struct tar_piece pieces[TAR_OLD_SPARSE_EXT];
		const uint8_t *block;
		size_t n = 0;

		r = window_block(&x->w, x->at, &block);
		if (r == 0 && tar_pieces_parse(block, pieces, &n, &more) < 0)
			r = tar_fail(x->w.span, x->at, -EBADMSG, "a damaged map of holes");
		if (r == 0) {
			r = tar_facts_pieces(&x->facts, pieces, n);
			x->at += TAR_BLOCK_BYTES;
		}
	}
	x->facts.sparse = true;
	x->facts.real_size = h->real_size;
	x->facts.has_real_size = true;
	if (r == -ENOMEM)
		return log_err(r, "cannot read '%s'", x->w.span->in->name);
	return r == -E2BIG ? tar_fail(x->w.span, x->at, r, "a file with more than %u pieces",
				      TAR_PIECES_MAX)
			   : r;
}

static const enum inode_kind kinds[TAR_TYPE_MAX_] = {
	[TAR_FILE] = INODE_FILE, [TAR_HARD_LINK] = INODE_FILE, [TAR_SYMLINK] = INODE_LINK,
	[TAR_CHAR] = INODE_CHAR, [TAR_BLOCK] = INODE_BLOCK,    [TAR_DIR] = INODE_DIR,
	[TAR_FIFO] = INODE_FIFO, [TAR_SPARSE] = INODE_FILE,
};

/* Old tars tell the size of a hard link's file and bring no data; pax may bring them. */
static bool next_is_header(struct reading *x)
{
	struct tar_header h;
	const uint8_t *block;

	if (x->pax.data || x->w.span->bytes - x->at < TAR_BLOCK_BYTES ||
	    window_block(&x->w, x->at, &block) < 0)
		return false;
	return tar_header_parse(block, &h) >= 0;
}

/* The sizes of a file: in the archive, and its own. */
static int take_sizes(struct reading *x, const struct tar_header *h, struct tar_entry *e)
{
	const struct tar_facts *f = &x->facts;
	const struct span *s = x->w.span;
	uint64_t bytes = f->has_size ? f->size : h->bytes, sum = 0;
	bool has_data = h->type == TAR_FILE || h->type == TAR_SPARSE;

	/* Others have no data, whatever they say; GNU's incremental folders and some links do. */
	if (h->type == TAR_HARD_LINK && bytes > 0 && next_is_header(x))
		bytes = 0;
	if (bytes > s->bytes - x->at || (h->type == TAR_DIR && bytes > TAR_PAX_MAX))
		return tar_fail(s, x->at, -EBADMSG, "'%s' is cut off", e->path);
	e->data = (struct span){ .in = s->in, .at = s->at + x->at, .bytes = bytes };
	x->at += h->type == TAR_SYMLINK || h->type == TAR_CHAR || h->type == TAR_BLOCK ||
				 h->type == TAR_FIFO
			 ? 0
			 : whole_blocks(bytes);
	if (!has_data)
		return 0;
	e->size = bytes;
	if (!f->sparse)
		return 0;
	e->sparse = true;
	e->pieces = f->pieces;
	e->n_pieces = f->n_pieces;
	e->size = f->has_real_size ? f->real_size : bytes;
	for (size_t i = 0; i < f->n_pieces; i++) {
		if (f->pieces[i].offset > e->size ||
		    f->pieces[i].bytes > e->size - f->pieces[i].offset ||
		    f->pieces[i].bytes > bytes - sum ||
		    (i > 0 &&
		     f->pieces[i].offset < f->pieces[i - 1].offset + f->pieces[i - 1].bytes))
			return tar_fail(s, x->at, -EBADMSG, "'%s' has a damaged map of holes",
					e->path);
		sum += f->pieces[i].bytes;
	}
	return sum == bytes
		       ? 0
		       : tar_fail(s, x->at, -EBADMSG, "'%s' has a damaged map of holes", e->path);
}

/* Which of all that was said of the name counts: pax, then GNU, then the header. */
static const char *choose(const char *pax, const struct buffer *gnu, const char *header)
{
	return pax ? pax : gnu->data ? buffer_str(gnu) : header;
}

static int give_entry(struct reading *x, const struct tar_header *h, tar_entry_fn fn, void *arg)
{
	const struct span *s = x->w.span;
	struct tar_facts *f = &x->facts;
	struct tar_entry e = { .kind = kinds[h->type], .hard_link = h->type == TAR_HARD_LINK };
	int r = 0;

	if (x->global.len > 0)
		r = tar_facts_take(f, s, x->at, &x->global);
	if (r == 0 && x->pax.data)
		r = tar_facts_take(f, s, x->at, &x->pax);
	if (r == 0 && h->type == TAR_SPARSE)
		r = take_old_pieces(x, h);
	if (r == 0 && f->map_in_data)
		r = tar_facts_map(f, s, &x->at, f->has_size ? f->size : h->bytes);
	if (r < 0)
		return r;
	e.path = choose(f->path, &x->name, h->name);
	e.link = choose(f->link, &x->link, h->link);
	if (strlen(e.path) >= TAR_PATH_MAX || strlen(e.link) >= TAR_PATH_MAX)
		return tar_fail(s, x->at, -ENAMETOOLONG, "a path of more than %u bytes",
				TAR_PATH_MAX - 1);
	if (!*e.path)
		return tar_fail(s, x->at, -EBADMSG, "an entry without a name");
	e.mode = (uint16_t)h->mode;
	e.uid = f->has_uid ? f->uid : h->uid;
	e.gid = f->has_gid ? f->gid : h->gid;
	e.major = h->major;
	e.minor = h->minor;
	r = take_sizes(x, h, &e);
	e.xattrs = f->xattrs;
	e.n_xattrs = f->n_xattrs;
	return r < 0 ? r : fn(arg, &e);
}

static void forget(struct reading *x)
{
	buffer_clear(&x->name);
	buffer_clear(&x->link);
	buffer_clear(&x->pax);
	tar_facts_clear(&x->facts);
}

/* One header with what follows it. */
static int step(struct reading *x, tar_entry_fn fn, void *arg)
{
	struct tar_header h;
	const uint8_t *block;
	int r = window_block(&x->w, x->at, &block);

	if (r < 0)
		return r;
	r = tar_header_parse(block, &h);
	if (r == 1) {
		x->ended = true;
		return 0;
	}
	if (r == -EOPNOTSUPP)
		return tar_fail(x->w.span, x->at, r, "an entry of the unknown type '%c'",
				block[156] >= ' ' && block[156] < 0x7f ? block[156] : '?');
	if (r < 0)
		return tar_fail(x->w.span, x->at, r,
				x->at ? "a damaged header" : "no tar archive begins here");
	x->at += TAR_BLOCK_BYTES;
	switch (h.type) {
	case TAR_LONG_NAME:
		return take_text(x, &h, &x->name);
	case TAR_LONG_LINK:
		return take_text(x, &h, &x->link);
	case TAR_PAX:
		return take_text(x, &h, &x->pax);
	case TAR_PAX_GLOBAL:
		return take_text(x, &h, &x->global);
	case TAR_LABEL:
		return 0;
	default:
		r = give_entry(x, &h, fn, arg);
		forget(x);
		return r;
	}
}

int tar_read(const struct span *s, tar_entry_fn fn, void *arg)
{
	struct reading *x = calloc(1, sizeof(*x));
	int r = 0;

	if (!x)
		return log_err(-ENOMEM, "cannot read '%s'", s->in->name);
	x->w.span = s;
	x->name = BUFFER(TAR_PATH_MAX);
	x->link = BUFFER(TAR_PATH_MAX);
	x->pax = BUFFER(TAR_PAX_MAX);
	x->global = BUFFER(TAR_GLOBAL_MAX);
	if (s->bytes == 0)
		r = tar_fail(s, 0, -EBADMSG, "it is empty");
	while (r == 0 && !x->ended && x->at < s->bytes)
		r = step(x, fn, arg);
	if (r == 0 && !x->ended)
		r = tar_fail(s, x->at, -EBADMSG, "it is cut off");
	forget(x);
	buffer_clear(&x->global);
	free(x);
	return r;
}

bool tar_begins(const uint8_t *p, size_t n)
{
	struct tar_header h;
	uint8_t block[TAR_BLOCK_BYTES];
	int r;

	if (n < TAR_BLOCK_BYTES)
		return false;
	memcpy(block, p, sizeof(block));
	r = tar_header_parse(block, &h);
	return r == 0 || r == 1 || r == -EOPNOTSUPP;
}

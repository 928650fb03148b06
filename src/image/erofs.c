/*
 * erofs.c - an erofs image of a tree, in one pass over the files' data (docs/erofs.md)
 *
 * Why not mkfs.erofs: it takes owners and device nodes from files on the disk, for which it needs
 * root, and can read nothing but a folder. The format is plain: the data of files comes first, in
 * their order; then, when all numbers of blocks are known, folders; then the inodes, each with its
 * attributes and what is left over of its data behind it. The superblock is written last.
 *
 * A file that shrinks is compressed with LZ4, cluster by cluster. One that is mostly holes is cut
 * into chunks of which those with data are stored. Everything else stands as it is.
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/erofs_lz4.h"
#include "image/erofs_place.h"
#include "image/format.h"
#include "image/out.h"
#include "image/scan.h"
#include "image/source.h"

#define OUT_BLOCKS     (EROFS_BLOCK / BLOCK_BYTES)
#define HOLES_MIN      (1u << 20) /* bytes of a file that is looked through for holes */
#define CHUNKS_MAX     65536u	  /* of a file */
#define LZ4_FILE_MAX   (UINT64_C(8) << 30)
#define ROOT_PAD_SLOTS 1u /* slot 0 is nobody's: an inode number 0 is none */

struct item {
	struct erofs_inode e;
	const struct node *node; /* the first of its names */
	uint64_t slot;
	uint32_t tail;	/* bytes of data behind the inode */
	uint8_t *index; /* owned; clusters or chunks */
	size_t index_bytes;
};

struct pass {
	const struct format_job *job;
	struct out out;
	struct erofs_lz4 lz4;
	struct erofs_place place;
	struct item *items; /* by number, from 1 */
	uint32_t n_items;
	uint32_t meta_block, needs;
	uint64_t done_bytes;	       /* of files */
	crypto_generichash_state hash; /* of the metadata: the image's identity */
	uint32_t into;		       /* bytes of the metadata's block that is being made */
	uint8_t block[EROFS_BLOCK];
};

static int fail(int err, const struct node *n, const char *what)
{
	_cleanup_free_ char *path = tree_path(n);

	return log_err(err, "'%s': %s", path ? path : n->name, what);
}

static uint32_t next_block(const struct pass *s)
{
	return s->out.block / OUT_BLOCKS;
}

static uint32_t head_bytes(const struct item *x)
{
	return (x->e.extended ? EROFS_EXTENDED_BYTES : EROFS_COMPACT_BYTES) + x->e.xattr_bytes;
}

/* --- data, before the metadata --- */

static int put_block(void *ctx, const uint8_t *block)
{
	struct pass *s = ctx;
	uint8_t *to;
	int r = 0;

	for (uint32_t k = 0; r == 0 && k < OUT_BLOCKS; k++) {
		r = out_block(&s->out, &to);
		if (r == 0)
			memcpy(to, block + (size_t)k * BLOCK_BYTES, BLOCK_BYTES);
	}
	return r;
}

/* The blocks of a file from @first on, @n of BLOCK_BYTES, filled up to a whole block of erofs. */
static int put_plain(struct pass *s, const struct inode *i, int source, uint64_t first, uint32_t n)
{
	int r = n ? out_data(&s->out, i, source, first, n) : 0;

	return r < 0 ? r : out_skip(&s->out, -s->out.block % OUT_BLOCKS);
}

/* What does not fill a block goes behind the inode where there is room for it. */
static void take_layout(struct item *x)
{
	uint32_t tail = (uint32_t)(x->e.size % EROFS_BLOCK);

	x->e.layout = EROFS_PLAIN;
	if (tail > 0 && head_bytes(x) + tail <= EROFS_BLOCK) {
		x->e.layout = EROFS_INLINE;
		x->tail = tail;
	}
	if (x->e.size == x->tail)
		x->e.where = EROFS_NO_BLOCK;
}

/* Pieces of a file with holes: each where it is, or nowhere. */
static int put_chunks(struct pass *s, struct item *x, int source)
{
	const struct inode *i = x->e.inode;
	uint64_t blocks = (i->size + EROFS_BLOCK - 1) / EROFS_BLOCK, n, step;
	uint32_t bits = 0;
	struct writer w;
	int r = 0;

	while (blocks >> bits >= CHUNKS_MAX)
		bits++;
	n = (blocks + (UINT64_C(1) << bits) - 1) >> bits;
	step = (uint64_t)OUT_BLOCKS << bits;
	x->index_bytes = (size_t)n * 4;
	x->index = malloc(x->index_bytes);
	if (!x->index)
		return log_err(-ENOMEM, "cannot write the image");
	w = WRITER(x->index, x->index_bytes);
	for (uint64_t k = 0; r == 0 && k < n; k++) {
		uint64_t end = (i->size + BLOCK_BYTES - 1) / BLOCK_BYTES, from = k * step;
		bool hole = blocks_data(i, from, step) == 0;

		writer_le32(&w, hole ? EROFS_NO_BLOCK : next_block(s));
		if (!hole)
			r = put_plain(s, i, source, from, (uint32_t)MIN(step, end - from));
	}
	x->e.layout = EROFS_CHUNKS;
	x->tail = 0;
	x->e.where = bits;
	s->needs |= EROFS_NEEDS_CHUNKS;
	return r;
}

static int put_lz4(struct pass *s, struct item *x, int source)
{
	int r = erofs_lz4_file(&s->lz4, x->e.inode, source, next_block(s), put_block, s);

	if (r != 0)
		return r;
	x->index = malloc(s->lz4.index.len);
	if (!x->index)
		return log_err(-ENOMEM, "cannot write the image");
	x->index_bytes = s->lz4.index.len;
	memcpy(x->index, s->lz4.index.data, x->index_bytes);
	x->e.layout = EROFS_LZ4;
	x->tail = 0;
	x->e.where = s->lz4.n_blocks;
	s->needs |= EROFS_NEEDS_LZ4;
	return 0;
}

/* In whichever way is best for it. */
static int put_content(struct pass *s, struct item *x, int source)
{
	struct inode *i = x->node->inode;
	uint64_t data = i->size;
	int r = 0;

	if (i->size >= HOLES_MIN) {
		r = scan_inode(i);
		data = blocks_data(i, 0, UINT32_MAX) * BLOCK_BYTES;
	}
	if (r < 0)
		return r;
	if (data <= i->size / 2 && i->size >= HOLES_MIN)
		return put_chunks(s, x, source);
	if (i->size > EROFS_BLOCK && i->size <= LZ4_FILE_MAX) {
		r = put_lz4(s, x, source);
		if (r <= 0)
			return r;
	}
	x->e.where = next_block(s);
	take_layout(x);
	return put_plain(s, i, source, 0,
			 (uint32_t)((i->size - x->tail + BLOCK_BYTES - 1) / BLOCK_BYTES));
}

static int put_file(struct pass *s, struct item *x)
{
	const struct inode *i = x->e.inode;
	_cleanup_close_ int source = FD_NONE;
	int r = 0;

	take_layout(x);
	if (i->size == x->tail) {
		s->done_bytes += i->size;
		return 0; /* all of it goes behind the inode */
	}
	if (i->source)
		r = source_open(i, &source);
	if (r == 0)
		r = put_content(s, x, source);
	if (r == 0 && source >= 0)
		r = source_check(i, source);
	s->done_bytes += i->size;
	if (s->job->progress)
		s->job->progress(s->job->user, s->done_bytes);
	return r;
}

/* --- what there is, and where --- */

static int look(struct pass *s, struct item *x, const struct node *n)
{
	struct inode *i = n->inode;
	int r;

	if (i->kind == INODE_DIR)
		i->size = erofs_folder_bytes(n);
	x->node = n;
	x->e = (struct erofs_inode){
		.inode = i, .number = i->number, .size = i->size, .time_s = (uint64_t)s->job->time_s
	};
	r = erofs_xattr_bytes(i, &x->e.xattr_bytes);
	if (r == -E2BIG)
		return fail(r, n, "its extended attributes are more than 64 KiB");
	if (r < 0)
		return fail(r, n, "erofs does not have extended attributes of this kind");
	if (i->kind == INODE_LINK && (i->size == 0 || i->size >= EROFS_BLOCK))
		return fail(-ENAMETOOLONG, n, "a symlink's target has 1 to 4095 bytes");
	x->e.extended = erofs_is_large(i, i->size);
	if (i->kind == INODE_CHAR || i->kind == INODE_BLOCK)
		x->e.where = format_device(i);
	else
		take_layout(x);
	return 0;
}

/* Number all inodes, the root first. */
static int look_at_all(struct pass *s)
{
	uint32_t n_items = 0;
	int r = 0;

	for (const struct node *n = tree_root(s->job->tree); n; n = tree_next(n))
		n->inode->number = 0;
	s->items = calloc(tree_nodes(s->job->tree) + 2, sizeof(*s->items));
	if (!s->items)
		return log_err(-ENOMEM, "cannot write the image");
	for (const struct node *n = tree_root(s->job->tree); r == 0 && n; n = tree_next(n)) {
		if (n->inode->number)
			continue;
		n->inode->number = ++n_items;
		r = look(s, &s->items[n_items], n);
		s->n_items = n_items;
	}
	return r;
}

/* Bytes of the item in the metadata. */
static uint64_t meta_bytes(const struct item *x)
{
	uint64_t n = head_bytes(x);

	if (x->e.layout == EROFS_LZ4)
		return (n + 7) / 8 * 8 + EROFS_INDEX_HEAD_BYTES + x->index_bytes;
	return n + (x->e.layout == EROFS_CHUNKS ? x->index_bytes : x->tail);
}

static int place_all(struct pass *s)
{
	uint64_t pad;
	int r = erofs_place_take(&s->place, ROOT_PAD_SLOTS * EROFS_SLOT, &pad);

	for (uint32_t k = 1; r == 0 && k <= s->n_items; k++)
		r = erofs_place_take(&s->place, meta_bytes(&s->items[k]), &s->items[k].slot);
	return r < 0 ? log_err(r, "cannot write the image") : 0;
}

static uint64_t slot_of(void *ctx, const struct inode *i)
{
	const struct pass *s = ctx;

	return s->items[i->number].slot;
}

/* The blocks of a folder but what goes behind its inode. */
static int put_folder(struct pass *s, struct item *x)
{
	uint64_t n = (x->e.size - x->tail + EROFS_BLOCK - 1) / EROFS_BLOCK;
	uint8_t block[EROFS_BLOCK];
	size_t at = 0;
	uint32_t used;
	int r = 0;

	if (n > 0)
		x->e.where = next_block(s);
	for (; r == 0 && n > 0; n--) {
		erofs_put_folder(x->node, &at, slot_of, s, block, &used);
		r = put_block(s, block);
	}
	return r;
}

/* --- the metadata --- */

static int flush_meta(struct pass *s)
{
	int r = put_block(s, s->block);

	crypto_generichash_update(&s->hash, s->block, sizeof(s->block));
	memset(s->block, 0, sizeof(s->block));
	s->into = 0;
	return r;
}

static int put_bytes(struct pass *s, const uint8_t *p, size_t n)
{
	int r = 0;

	while (r == 0 && n > 0) {
		size_t k = MIN(n, (size_t)(EROFS_BLOCK - s->into));

		if (p)
			memcpy(s->block + s->into, p, k);
		p = p ? p + k : NULL;
		s->into += (uint32_t)k;
		n -= k;
		if (s->into == EROFS_BLOCK)
			r = flush_meta(s);
	}
	return r;
}

/* The last bytes of a folder: what does not fill a block. */
static void tail_of_folder(struct pass *s, const struct item *x, uint8_t *to)
{
	uint8_t block[EROFS_BLOCK];
	uint32_t used = 0;
	size_t at = 0;

	for (uint64_t n = x->e.size / EROFS_BLOCK + 1; n > 0; n--)
		erofs_put_folder(x->node, &at, slot_of, s, block, &used);
	memcpy(to, block, used);
}

static int put_tail(struct pass *s, const struct item *x)
{
	const struct inode *i = x->e.inode;
	_cleanup_close_ int source = FD_NONE;
	uint8_t tail[EROFS_BLOCK] = { 0 };
	int r = 0;

	if (x->tail == 0)
		return 0;
	if (i->kind == INODE_DIR)
		tail_of_folder(s, x, tail);
	else if (i->kind == INODE_LINK)
		memcpy(tail, i->target, x->tail);
	else if (i->source)
		r = source_open(i, &source);
	if (r == 0 && i->kind == INODE_FILE)
		r = source_read(i, source, i->size - x->tail, tail, x->tail);
	if (r == 0 && source >= 0)
		r = source_check(i, source);
	return r < 0 ? r : put_bytes(s, tail, x->tail);
}

static int put_item(struct pass *s, const struct item *x)
{
	static uint8_t head[EROFS_EXTENDED_BYTES + EROFS_XATTR_BYTES_MAX];
	struct writer w = WRITER(head, sizeof(head));
	uint64_t now = (uint64_t)(next_block(s) - s->meta_block) * EROFS_BLOCK + s->into;
	int r;

	assert(x->slot * EROFS_SLOT >= now);
	r = put_bytes(s, NULL, (size_t)(x->slot * EROFS_SLOT - now));
	erofs_put_inode(&x->e, &w);
	erofs_put_xattrs(x->e.inode, &w);
	if (r == 0)
		r = put_bytes(s, head, w.len);
	if (r == 0 && x->e.layout == EROFS_LZ4)
		r = put_bytes(s, NULL, -w.len % 8 + EROFS_INDEX_HEAD_BYTES);
	if (r == 0)
		r = put_bytes(s, x->index, x->index_bytes);
	return r < 0 ? r : put_tail(s, x);
}

static int compare_slots(const void *a, const void *b)
{
	const struct item *const *x = a, *const *y = b;

	return (*x)->slot < (*y)->slot ? -1 : (*x)->slot > (*y)->slot;
}

static int put_items(struct pass *s)
{
	_cleanup_free_ struct item **sorted = calloc(s->n_items, sizeof(struct item *));
	int r = sorted ? 0 : log_err(-ENOMEM, "cannot write the image");

	for (uint32_t k = 0; r == 0 && k < s->n_items; k++)
		sorted[k] = &s->items[k + 1];
	if (r == 0)
		qsort(sorted, s->n_items, sizeof(struct item *), compare_slots);
	for (uint32_t k = 0; r == 0 && k < s->n_items; k++)
		r = put_item(s, sorted[k]);
	return r < 0 || !s->into ? r : flush_meta(s);
}

static int put_super(struct pass *s, struct format_result *ret)
{
	struct erofs_super super = { .root = s->items[1].slot,
				     .inodes = s->n_items,
				     .time_s = (uint64_t)s->job->time_s,
				     .blocks = next_block(s),
				     .meta_block = s->meta_block,
				     .needs = s->needs,
				     .label = s->job->label };
	uint8_t block[EROFS_BLOCK] = { 0 };
	struct writer w = WRITER(block + EROFS_SUPER_AT, EROFS_SUPER_BYTES);

	crypto_generichash_final(&s->hash, super.uuid, sizeof(super.uuid));
	super.uuid[6] = (uint8_t)((super.uuid[6] & 0x0f) | 0x80); /* version 8: by its own rule */
	super.uuid[8] = (uint8_t)((super.uuid[8] & 0x3f) | 0x80);
	erofs_put_super(&super, &w);
	erofs_set_checksum(block);
	if (pwrite(s->out.fd, block, sizeof(block), 0) != sizeof(block))
		return log_err(-EIO, "cannot write the image");
	ret->image_bytes = (uint64_t)super.blocks * EROFS_BLOCK;
	ret->memory_bytes = 0;
	return 0;
}

static int put_meta(struct pass *s, struct format_result *ret)
{
	int r;

	s->meta_block = next_block(s);
	crypto_generichash_init(&s->hash, NULL, 0, EROFS_UUID_BYTES);
	if (s->job->label)
		crypto_generichash_update(&s->hash, (const uint8_t *)s->job->label,
					  strlen(s->job->label));
	r = put_items(s);
	if (r == 0)
		r = out_end(&s->out, s->out.block);
	return r < 0 ? r : put_super(s, ret);
}

static int put_all(struct pass *s, struct format_result *ret)
{
	int r = look_at_all(s);

	if (r == 0)
		r = out_skip(&s->out, OUT_BLOCKS);
	for (uint32_t k = 1; r == 0 && k <= s->n_items; k++) {
		if (s->items[k].e.inode->kind == INODE_FILE)
			r = put_file(s, &s->items[k]);
	}
	if (r == 0)
		r = place_all(s);
	for (uint32_t k = 1; r == 0 && k <= s->n_items; k++) {
		if (s->items[k].e.inode->kind == INODE_DIR)
			r = put_folder(s, &s->items[k]);
	}
	return r < 0 ? r : put_meta(s, ret);
}

int erofs_write(const struct format_job *job, int fd, struct format_result *ret)
{
	struct pass *s = calloc(1, sizeof(*s));
	int r = s ? erofs_lz4_init(&s->lz4) : -ENOMEM;

	if (r < 0) {
		free(s);
		return log_err(r, "cannot write the image");
	}
	s->job = job;
	tree_sort(job->tree);
	r = out_init(&s->out, fd);
	if (r == 0)
		r = put_all(s, ret);
	out_deinit(&s->out);
	for (uint32_t k = 0; s->items && k <= s->n_items; k++)
		free(s->items[k].index);
	free(s->items);
	erofs_place_clear(&s->place);
	erofs_lz4_deinit(&s->lz4);
	free(s);
	return r;
}

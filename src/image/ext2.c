/*
 * ext2.c - an ext2 image from a plan, in one pass from front to back
 *
 * The plan says where everything is, so each block is made when its turn comes: a group's
 * superblock, descriptors, bitmaps and inode table at its start, then the data of files as it
 * comes. Only a buffer is kept. libext2fs would allocate block by block and write metadata back and
 * forth; it has no way to take an allocation that is known beforehand.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/ext2.h"
#include "image/ext2_format.h"
#include "image/out.h"
#include "image/source.h"

struct pass {
	const struct plan *plan;
	struct ext2_usage *usage; /* of each group; owned */
	struct out out;
};

/* A file or folder while its blocks are made. */
struct content {
	struct pass *pass;
	const struct node *node;
	int source;   /* open file, or FD_NONE */
	size_t child; /* of a folder: the next entry */
};

static int count_usage(struct pass *s)
{
	const struct plan *p = s->plan;
	struct plan_cursor end = PLAN_CURSOR(p);

	s->usage = calloc(p->groups, sizeof(*s->usage));
	if (!s->usage)
		return log_err(-ENOMEM, "cannot write the image");
	plan_cursor_skip(&end, p->used_blocks);
	for (uint32_t g = 0; g < p->groups; g++) {
		struct ext2_usage *u = &s->usage[g];
		uint32_t first = plan_group_first(p, g), inode = g * p->group_inodes;

		u->blocks = plan_group_meta(p, g);
		if (end.next > first)
			u->blocks = MAX(u->blocks, MIN(end.next - first, plan_group_size(p, g)));
		if (p->used_inodes > inode)
			u->inodes = MIN(p->used_inodes - inode, p->group_inodes);
		for (uint32_t i = 0; i < u->inodes; i++) {
			const struct node *n = p->inodes[inode + i].node;

			u->folders += n && n->inode->kind == INODE_DIR;
		}
	}
	return 0;
}

static int put_table(struct pass *s, uint32_t g)
{
	uint32_t used = s->usage[g].inodes;
	uint32_t blocks = (used + PLAN_BLOCK_INODES - 1) / PLAN_BLOCK_INODES;

	for (uint32_t b = 0; b < blocks; b++) {
		uint8_t *to;
		int r = out_block(&s->out, &to);

		if (r < 0)
			return r;
		ext2_put_inodes(s->plan, g, b, used, to);
	}
	return out_skip(&s->out, s->plan->table_blocks - blocks);
}

static int put_bitmap(struct pass *s, uint32_t used, uint32_t n)
{
	uint8_t *to;
	int r = out_block(&s->out, &to);

	if (r == 0)
		ext2_put_bitmap(used, n, to);
	return r;
}

/* All that group @g has at its start. */
static int put_group(struct pass *s, uint32_t g)
{
	const struct plan *p = s->plan;
	uint8_t *to;
	int r = 0;

	if (plan_has_super(g)) {
		r = out_block(&s->out, &to);
		if (r == 0)
			ext2_put_super(p, g, to);
		for (uint32_t b = 0; r == 0 && b < p->descriptor_blocks; b++) {
			r = out_block(&s->out, &to);
			if (r == 0)
				ext2_put_descriptors(p, s->usage, b, to);
		}
	}
	if (r == 0)
		r = put_bitmap(s, s->usage[g].blocks, plan_group_size(p, g));
	if (r == 0)
		r = put_bitmap(s, s->usage[g].inodes, p->group_inodes);
	return r < 0 ? r : put_table(s, g);
}

/* Go to where the next block of a file goes; *ret_room is how many may follow each other there. */
static int next_block(struct pass *s, uint32_t *ret_room)
{
	uint32_t group_blocks = s->plan->group_blocks;
	uint32_t into = (s->out.block - PLAN_FIRST_BLOCK) % group_blocks;

	if (into == 0) {
		int r = put_group(s, s->out.block / group_blocks);

		if (r < 0)
			return r;
		into = (s->out.block - PLAN_FIRST_BLOCK) % group_blocks;
	}
	*ret_room = group_blocks - into;
	return 0;
}

/* A pointer block: where its children will be, once it has been made itself. */
static int put_pointers(struct content *c, const struct block_piece *piece)
{
	const struct inode *i = c->node->inode;
	struct plan_cursor cursor = { .plan = c->pass->plan };
	uint64_t span = blocks_span(piece->level - 1);
	struct writer w;
	uint8_t *to;
	int r = out_block(&c->pass->out, &to);

	if (r < 0)
		return r;
	w = WRITER(to, BLOCK_BYTES);
	cursor.next = c->pass->out.block;
	for (unsigned k = 0; k < BLOCK_POINTERS; k++) {
		uint64_t n = blocks_tree(i, piece->level - 1, piece->first + k * span);

		writer_le32(&w, n ? plan_cursor_take(&cursor) : 0);
		plan_cursor_skip(&cursor, n ? n - 1 : 0);
	}
	return 0;
}

static int put_data(struct content *c, uint64_t first, uint32_t count)
{
	const struct node *n = c->node;
	struct out *o = &c->pass->out;
	uint8_t *to;
	int r = 0;

	if (n->inode->kind == INODE_FILE)
		return out_data(o, n->inode, c->source, first, count);
	for (uint32_t k = 0; r == 0 && k < count; k++) {
		r = out_block(o, &to);
		if (r < 0)
			return r;
		if (n->inode->kind == INODE_DIR)
			ext2_put_folder(n, &c->child, first + k == 0, to);
		else
			memcpy(to, n->inode->target, (size_t)n->inode->size);
	}
	return r;
}

static int put_piece(void *arg, const struct block_piece *piece)
{
	struct content *c = arg;
	uint32_t room;
	int r;

	for (uint32_t done = 0; done < piece->count;) {
		uint32_t n;

		r = next_block(c->pass, &room);
		if (r < 0)
			return r;
		n = MIN(piece->count - done, room);
		r = piece->level ? put_pointers(c, piece) : put_data(c, piece->first + done, n);
		if (r < 0)
			return r;
		done += n;
	}
	return 0;
}

static int put_content(struct pass *s, const struct node *n)
{
	struct content c = { .pass = s, .node = n, .source = FD_NONE };
	const struct inode *i = n->inode;
	int r = 0;

	if (s->plan->inodes[i->number - 1].blocks == 0)
		return 0;
	if (i->kind == INODE_FILE && i->source)
		r = source_open(i, &c.source);
	if (r == 0)
		r = blocks_each(i, put_piece, &c);
	if (r == 0 && c.source >= 0)
		r = source_check(i, c.source);
	(void)fd_close(c.source);
	return r;
}

static int put_xattrs(struct pass *s, const struct plan_xattr *x)
{
	uint32_t room;
	uint8_t *to;
	int r = next_block(s, &room);

	if (r == 0)
		r = out_block(&s->out, &to);
	if (r == 0)
		memcpy(to, x->block, BLOCK_BYTES);
	return r;
}

static int put_all(struct pass *s)
{
	const struct plan *p = s->plan;
	uint32_t room;
	int r = out_skip(&s->out, PLAN_FIRST_BLOCK);

	for (uint32_t k = 0; r == 0 && k < p->n_xattrs; k++)
		r = put_xattrs(s, &p->xattrs[k]);
	for (const struct node *n = tree_root(p->tree); r == 0 && n; n = tree_next(n)) {
		if (p->inodes[n->inode->number - 1].node == n)
			r = put_content(s, n);
	}
	/* What is behind the last file is free: only the groups' own blocks are made. */
	for (uint32_t g = 0; r == 0 && g < p->groups; g++) {
		if (s->out.block > plan_group_first(p, g))
			continue;
		r = out_skip(&s->out, plan_group_first(p, g) - s->out.block);
		if (r == 0)
			r = next_block(s, &room);
	}
	return r < 0 ? r : out_end(&s->out, p->blocks);
}

int ext2_write(const struct plan *p, int fd, void (*progress)(void *user, uint64_t done),
	       void *user)
{
	struct pass s = { .plan = p };
	int r = out_init(&s.out, fd);

	s.out.progress = progress;
	s.out.user = user;
	if (r == 0)
		r = count_usage(&s);
	if (r == 0)
		r = put_all(&s);
	out_deinit(&s.out);
	free(s.usage);
	return r;
}

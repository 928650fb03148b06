/*
 * size.c - what an image consists of, to the byte
 */
#include <errno.h>
#include <string.h>

#include "image/size.h"

static int compare_rows(const void *va, const void *vb)
{
	const struct size_row *a = va, *b = vb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return strcmp(a->path, b->path);
}

static uint64_t whole_blocks(uint64_t bytes)
{
	return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

static int add_file(struct size_table *t, const struct node *n)
{
	const struct inode *i = n->inode;
	uint64_t stored = blocks_data(i, 0, BLOCKS_FILE_MAX) * BLOCK_BYTES;
	struct size_row *row = &t->rows[t->n];

	row->path = tree_path(n);
	if (!row->path)
		return -ENOMEM;
	row->node = n;
	row->bytes = i->size;
	t->n++;
	t->hole_bytes += whole_blocks(i->size) - stored;
	if (stored > 0) {
		t->rounding_bytes += whole_blocks(i->size) - i->size;
		t->data_bytes += stored - (whole_blocks(i->size) - i->size);
	}
	if (n->reason == REASON_NEEDED) {
		t->needed++;
		t->needed_bytes += i->size;
	} else {
		t->asked++;
		t->asked_bytes += i->size;
	}
	return 0;
}

static int add_all(struct size_table *t, const struct plan *p)
{
	for (uint32_t k = 0; k < p->used_inodes; k++) {
		const struct node *n = p->inodes[k].node;
		int r = 0;

		if (!n)
			continue;
		if (n->inode->kind == INODE_FILE)
			r = add_file(t, n);
		else if (n->inode->kind == INODE_DIR)
			t->folders++;
		else if (n->inode->kind == INODE_LINK)
			t->links++;
		else
			t->others++;
		if (r < 0)
			return r;
		if (n->inode->kind == INODE_DIR || n->inode->kind == INODE_LINK)
			t->folder_bytes += (uint64_t)p->inodes[k].blocks * BLOCK_BYTES;
	}
	return 0;
}

int size_table_make(const struct plan *p, struct size_table *ret)
{
	struct size_table t = { .rows = calloc(p->used_inodes, sizeof(*t.rows)) };
	int r = t.rows ? add_all(&t, p) : -ENOMEM;

	if (r < 0) {
		size_table_clear(&t);
		return r;
	}
	if (t.n > 0)
		qsort(t.rows, t.n, sizeof(*t.rows), compare_rows);
	t.image_bytes = plan_bytes(p);
	t.meta_bytes = ((uint64_t)p->meta_blocks + p->n_xattrs) * BLOCK_BYTES;
	t.free_bytes = (uint64_t)p->free_blocks * BLOCK_BYTES;
	t.pointer_bytes = t.image_bytes - t.meta_bytes - t.free_bytes - t.data_bytes -
			  t.rounding_bytes - t.folder_bytes;
	t.free_inodes = (uint64_t)p->groups * p->group_inodes - p->used_inodes;
	*ret = t;
	return 0;
}

void size_table_clear(struct size_table *t)
{
	for (size_t i = 0; t->rows && i < t->n; i++)
		free(t->rows[i].path);
	free(t->rows);
	*t = (struct size_table){ 0 };
}

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

/* Has the name the suffix, be it with a version or a kind of compression behind it? */
static bool is_kind(const char *name, const char *suffix)
{
	const char *p = strstr(name, suffix);

	return p && (p[strlen(suffix)] == 0 || p[strlen(suffix)] == '.');
}

static int add_file(struct size_table *t, const struct node *n)
{
	struct size_row *row = &t->rows[t->n];

	row->path = tree_path(n);
	if (!row->path)
		return -ENOMEM;
	row->node = n;
	row->bytes = n->inode->size;
	t->n++;
	if (is_kind(row->node->name, ".so")) {
		t->libraries++;
		t->library_bytes += row->bytes;
	} else if (is_kind(row->node->name, ".ko") && strstr(row->path, "/modules/")) {
		t->modules++;
		t->module_bytes += row->bytes;
	}
	if (n->reason == REASON_NEEDED) {
		t->needed++;
		t->needed_bytes += row->bytes;
	} else {
		t->asked++;
		t->asked_bytes += row->bytes;
	}
	return 0;
}

static int add_node(struct size_table *t, const struct node *n)
{
	switch (n->inode->kind) {
	case INODE_FILE:
		return add_file(t, n);
	case INODE_DIR:
		t->folders++;
		return 0;
	case INODE_LINK:
		t->links++;
		return 0;
	default:
		t->others++;
		return 0;
	}
}

/* What the blocks of an inode are. */
static void add_blocks(struct size_table *t, const struct plan_inode *p)
{
	const struct inode *i = p->node->inode;
	uint64_t stored = blocks_data(i, 0, BLOCKS_FILE_MAX) * BLOCK_BYTES;

	if (i->kind == INODE_DIR || i->kind == INODE_LINK)
		t->folder_bytes += (uint64_t)p->blocks * BLOCK_BYTES;
	if (i->kind != INODE_FILE)
		return;
	t->hole_bytes += whole_blocks(i->size) - stored;
	if (stored > 0) {
		t->rounding_bytes += whole_blocks(i->size) - i->size;
		t->data_bytes += stored - (whole_blocks(i->size) - i->size);
	}
}

static int make_table(size_t n, struct size_table *ret)
{
	*ret = (struct size_table){ .rows = calloc(n, sizeof(*ret->rows)) };
	return ret->rows ? 0 : -ENOMEM;
}

static void sort_rows(struct size_table *t)
{
	if (t->n > 0)
		qsort(t->rows, t->n, sizeof(*t->rows), compare_rows);
}

void size_table_finish(struct size_table *t, enum index_format format,
		       const struct format_result *made)
{
	t->image_bytes = made->image_bytes;
	t->memory_bytes = index_memory_bytes(format, made->image_bytes, made->memory_bytes);
	t->boot_bytes = t->memory_bytes + INDEX_BOOT_BYTES;
}

int size_table_of_tree(const struct tree *tree, struct size_table *ret)
{
	_cleanup_size_table_ struct size_table t = { 0 };
	int r = make_table(tree_nodes(tree) + 1, &t);

	for (const struct node *n = tree_root(tree); n; n = tree_next(n))
		n->inode->number = 0;
	for (const struct node *n = tree_root(tree); r == 0 && n; n = tree_next(n)) {
		if (n->inode->number++ == 0)
			r = add_node(&t, n);
	}
	if (r < 0)
		return r;
	sort_rows(&t);
	*ret = t;
	t = (struct size_table){ 0 };
	return 0;
}

int size_table_make(const struct plan *p, struct size_table *ret)
{
	_cleanup_size_table_ struct size_table t = { 0 };
	struct format_result made = { .image_bytes = plan_bytes(p) };
	int r = make_table(p->used_inodes, &t);

	for (uint32_t k = 0; r == 0 && k < p->used_inodes; k++) {
		if (!p->inodes[k].node)
			continue;
		add_blocks(&t, &p->inodes[k]);
		r = add_node(&t, p->inodes[k].node);
	}
	if (r < 0)
		return r;
	sort_rows(&t);
	size_table_finish(&t, INDEX_EXT2, &made);
	t.meta_bytes = ((uint64_t)p->meta_blocks + p->n_xattrs) * BLOCK_BYTES;
	t.free_bytes = (uint64_t)p->free_blocks * BLOCK_BYTES;
	t.pointer_bytes = t.image_bytes - t.meta_bytes - t.free_bytes - t.data_bytes -
			  t.rounding_bytes - t.folder_bytes;
	t.free_inodes = (uint64_t)p->groups * p->group_inodes - p->used_inodes;
	*ret = t;
	t = (struct size_table){ 0 };
	return 0;
}

void size_table_clear(struct size_table *t)
{
	for (size_t i = 0; t->rows && i < t->n; i++)
		free(t->rows[i].path);
	free(t->rows);
	*t = (struct size_table){ 0 };
}

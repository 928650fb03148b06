/*
 * test-plan.c - the geometry of an ext2 image is exact, and every block has one place
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "image/ext2.h"
#include "image/plan.h"

static struct node *add(struct tree *t, struct node *dir, const char *name, enum inode_kind kind,
			uint64_t size)
{
	struct node *n;

	assert_int_equal(tree_add(t, dir, name, strlen(name), kind, 0644, NULL, &n), 0);
	n->inode->size = size;
	return n;
}

/* A file whose data is where @runs says. */
static struct inode sparse(uint64_t size, struct inode_run *runs, size_t n)
{
	return (struct inode){
		.kind = INODE_FILE, .size = size, .scanned = true, .runs = runs, .n_runs = n
	};
}

static void blocks_of_dense_files_are_counted_with_their_pointers(void **state)
{
	static const struct {
		uint64_t size, blocks;
	} table[] = {
		{ 0, 0 },
		{ 1, 1 },
		{ 1024, 1 },
		{ 1025, 2 },
		{ 12 * 1024, 12 },
		{ 12 * 1024 + 1, 13 + 1 },
		{ 268 * 1024, 268 + 1 },
		{ 268 * 1024 + 1, 269 + 1 + 2 },
		{ (268 + 256) * 1024, 524 + 1 + 2 },
		{ (268 + 65536) * 1024, 65804 + 1 + 257 },
		{ (268 + 65536) * 1024 + 1, 65805 + 1 + 257 + 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct inode x = { .kind = INODE_FILE, .size = table[i].size };

		assert_int_equal(blocks_total(&x), table[i].blocks);
	}
}

static void holes_take_neither_blocks_nor_pointers(void **state)
{
	struct inode_run none = { 0 }, one[] = { { 0, 1 }, { 300, 2 }, { 70000, 1 } };
	struct inode all = sparse(UINT64_C(1) << 33, &none, 0);
	struct inode some = sparse(UINT64_C(1) << 33, one, 3);

	assert_int_equal(blocks_total(&all), 0);
	assert_int_equal(blocks_data(&some, 0, BLOCKS_FILE_MAX), 4);
	assert_int_equal(blocks_data(&some, 301, 10), 1);
	/* 1 direct, 2 in the second tree (2 pointer blocks), 1 in the third (3) */
	assert_int_equal(blocks_total(&some), 4 + 2 + 3);
}

struct seen {
	uint64_t data, pointers, last;
	bool ordered;
};

static int see(void *arg, const struct block_piece *p)
{
	struct seen *s = arg;

	if (p->level) {
		s->pointers++;
	} else {
		s->data += p->count;
		s->ordered &= p->first >= s->last;
		s->last = p->first + p->count;
	}
	return 0;
}

static void pieces_add_up_to_the_total(void **state)
{
	struct inode_run runs[] = {
		{ 3, 20 }, { 267, 3 }, { 500, 500 }, { 65800, 300 }, { 131072, 1 }
	};
	struct inode table[] = {
		{ .kind = INODE_FILE, .size = 100 },
		{ .kind = INODE_FILE, .size = 70000 * 1024 },
		sparse(131073 * 1024, runs, 5),
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct seen s = { .ordered = true };

		assert_int_equal(blocks_each(&table[i], see, &s), 0);
		assert_true(s.ordered);
		assert_int_equal(s.data, blocks_data(&table[i], 0, BLOCKS_FILE_MAX));
		assert_int_equal(s.data + s.pointers, blocks_total(&table[i]));
	}
}

static void supers_are_in_groups_0_1_and_powers_of_3_5_7(void **state)
{
	static const uint32_t with[] = { 0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343 };
	size_t k = 0;

	for (uint32_t g = 0; g < 400; g++) {
		bool expected = k < ARRAY_SIZE(with) && with[k] == g;

		assert_int_equal(plan_has_super(g), expected);
		k += expected;
	}
}

/* Sums and bounds that hold for every plan. */
static void check_plan(const struct plan *p)
{
	uint64_t sum = PLAN_FIRST_BLOCK;
	struct plan_cursor end = PLAN_CURSOR(p);
	uint32_t last = p->groups - 1;

	for (uint32_t g = 0; g < p->groups; g++) {
		assert_true(plan_group_size(p, g) > plan_group_meta(p, g));
		sum += plan_group_meta(p, g);
	}
	assert_int_equal(sum, p->meta_blocks);
	assert_int_equal(p->blocks, p->meta_blocks + p->used_blocks + p->free_blocks);
	assert_true(p->blocks > plan_group_first(p, last) &&
		    p->blocks <= plan_group_first(p, last + 1));
	assert_true(p->groups * p->group_inodes >= p->used_inodes + p->spec.free_inodes);
	assert_true(p->group_inodes <= PLAN_GROUP_INODES);
	assert_true((uint64_t)p->free_blocks * BLOCK_BYTES >= p->spec.free_bytes);
	plan_cursor_skip(&end, p->used_blocks);
	assert_true(end.next <= p->blocks);
}

static void sizes_over_many_free_spaces_are_the_smallest(void **state)
{
	_cleanup_tree_ struct tree *t = NULL;

	assert_int_equal(tree_new(&t), 0);
	for (uint64_t blocks = 0; blocks < 70000; blocks += 61) {
		for (uint64_t inodes = 0; inodes < 30000; inodes += 7919) {
			struct plan_spec spec = { .free_bytes = blocks * BLOCK_BYTES,
						  .free_inodes = inodes };
			struct plan p;

			assert_int_equal(plan_make(t, &spec, &p), 0);
			check_plan(&p);
			/* Rounding of groups to whole bytes of bitmap is all that is added. */
			assert_true(p.free_blocks - blocks <=
				    p.groups * (PLAN_GROUP_ALIGN + 2 + p.descriptor_blocks));
			if (p.free_blocks >
			    blocks) /* only when the last group could not be smaller */
				assert_int_equal(plan_group_size(&p, p.groups - 1),
						 plan_group_meta(&p, p.groups - 1) + 1);
			/* Fewer groups would not hold it. */
			if (p.groups > 1) {
				uint32_t g = p.groups - 1;
				uint64_t tables = (p.used_inodes + inodes + 7) / 8;
				bool inodes_fit = (tables + g - 1) / g <= PLAN_GROUP_INODES / 8;
				struct plan q = p;

				q.groups = g;
				q.table_blocks = (uint32_t)((tables + g - 1) / g);
				q.descriptor_blocks = (g * 32 + 1023) / 1024;
				uint64_t all = PLAN_FIRST_BLOCK + p.used_blocks + blocks;
				for (uint32_t i = 0; i < g; i++)
					all += plan_group_meta(&q, i);
				assert_false(inodes_fit &&
					     all <= PLAN_FIRST_BLOCK + g * PLAN_GROUP_BLOCKS);
			}
			plan_clear(&p);
		}
	}
}

static void folders_fill_their_blocks(void **state)
{
	_cleanup_tree_ struct tree *t = NULL;
	char name[256];
	struct node *dir;

	assert_int_equal(tree_new(&t), 0);
	dir = add(t, tree_root(t), "d", INODE_DIR, 0);
	assert_int_equal(ext2_folder_bytes(dir), 1024);
	for (unsigned i = 0; i < 3; i++) { /* 264 bytes each: three fit behind "." and ".." */
		memset(name, 'a' + (int)i, 255);
		name[255] = 0;
		add(t, dir, name, INODE_FIFO, 0);
	}
	tree_sort(t);
	assert_int_equal(ext2_folder_bytes(dir), 1024);
	memset(name, 'd', 200); /* 208 bytes for 1024 - 24 - 3 * 264 = 208 */
	name[200] = 0;
	add(t, dir, name, INODE_FIFO, 0);
	tree_sort(t);
	assert_int_equal(ext2_folder_bytes(dir), 1024);
	add(t, dir, "e", INODE_FIFO, 0);
	tree_sort(t);
	assert_int_equal(ext2_folder_bytes(dir), 2048);
}

static void hard_links_share_an_inode(void **state)
{
	_cleanup_tree_ struct tree *t = NULL;
	struct plan_spec spec = { 0 };
	struct node *a, *b;
	struct plan p;

	assert_int_equal(tree_new(&t), 0);
	a = add(t, tree_root(t), "z", INODE_FIFO, 0);
	assert_int_equal(tree_add(t, tree_root(t), "a", 1, INODE_FIFO, 0, a->inode, &b), 0);
	assert_int_equal(plan_make(t, &spec, &p), 0);
	assert_int_equal(a->inode->links, 2);
	assert_int_equal(p.used_inodes, PLAN_INODES_RESERVED + 1);
	assert_ptr_equal(p.inodes[a->inode->number - 1].node, b); /* the first by name */
	plan_clear(&p);
}

static void quiet(enum log_level level, const char *line)
{
}

static void what_ext2_cannot_hold_is_refused(void **state)
{
	static const struct {
		enum inode_kind kind;
		uint64_t size;
		int err;
	} table[] = {
		{ INODE_FILE, BLOCKS_FILE_MAX * BLOCK_BYTES + 1, -EFBIG },
		{ INODE_LINK, 0, -ENAMETOOLONG },
		{ INODE_LINK, 1024, -ENAMETOOLONG },
	};

	log_set_sink(quiet);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_tree_ struct tree *t = NULL;
		struct plan_spec spec = { 0 };
		struct plan p;

		assert_int_equal(tree_new(&t), 0);
		add(t, tree_root(t), "x", table[i].kind, table[i].size);
		assert_int_equal(plan_make(t, &spec, &p), table[i].err);
	}
	log_set_sink(NULL);
}

static void too_many_subfolders_are_refused(void **state)
{
	_cleanup_tree_ struct tree *t = NULL;
	struct plan_spec spec = { 0 };
	char name[16];
	struct plan p;

	assert_int_equal(tree_new(&t), 0);
	for (unsigned i = 0; i < 64998; i++) {
		snprintf(name, sizeof(name), "%u", i);
		add(t, tree_root(t), name, INODE_DIR, 0);
	}
	assert_int_equal(plan_make(t, &spec, &p), 0);
	check_plan(&p);
	plan_clear(&p);
	add(t, tree_root(t), "more", INODE_DIR, 0);
	log_set_sink(quiet);
	assert_int_equal(plan_make(t, &spec, &p), -EMLINK);
	log_set_sink(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_of_dense_files_are_counted_with_their_pointers),
		cmocka_unit_test(holes_take_neither_blocks_nor_pointers),
		cmocka_unit_test(pieces_add_up_to_the_total),
		cmocka_unit_test(supers_are_in_groups_0_1_and_powers_of_3_5_7),
		cmocka_unit_test(sizes_over_many_free_spaces_are_the_smallest),
		cmocka_unit_test(folders_fill_their_blocks),
		cmocka_unit_test(hard_links_share_an_inode),
		cmocka_unit_test(what_ext2_cannot_hold_is_refused),
		cmocka_unit_test(too_many_subfolders_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

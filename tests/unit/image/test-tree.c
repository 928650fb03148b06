/*
 * test-tree.c - names in folders, paths and symlinks of an image
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

#include "image/tree.h"

static struct node *add(struct tree *t, struct node *dir, const char *name, enum inode_kind kind,
			const char *target)
{
	struct node *n;

	assert_int_equal(tree_add(t, dir, name, strlen(name), kind, 0755, NULL, &n), 0);
	if (target)
		n->inode->target = strdup(target);
	return n;
}

static void a_walk_goes_depth_first_by_bytes(void **state)
{
	_cleanup_tree_ struct tree *t = NULL;
	char seen[64] = "";
	struct node *b;

	assert_int_equal(tree_new(&t), 0);
	b = add(t, tree_root(t), "b", INODE_DIR, NULL);
	add(t, tree_root(t), "\xff", INODE_FIFO, NULL);
	add(t, tree_root(t), "a", INODE_FIFO, NULL);
	add(t, b, "y", INODE_FIFO, NULL);
	add(t, b, "x", INODE_DIR, NULL);
	tree_sort(t);
	for (struct node *n = tree_root(t); n; n = tree_next(n)) {
		_cleanup_free_ char *path = tree_path(n);

		assert_non_null(path);
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ", path);
	}
	assert_string_equal(seen, "/ /a /b /b/x /b/y /\xff ");
	assert_int_equal(b->inode->links, 3);
	assert_int_equal(tree_root(t)->inode->links, 3);
}

static void names_are_found_among_many(void **state)
{
	_cleanup_tree_ struct tree *t = NULL;
	char name[16];
	struct node *n;

	assert_int_equal(tree_new(&t), 0);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		add(t, tree_root(t), name, INODE_FIFO, NULL);
	}
	assert_int_equal(tree_add(t, tree_root(t), "f77777", 6, INODE_FIFO, 0, NULL, &n), -EEXIST);
	assert_non_null(tree_child(t, tree_root(t), "f77777x", 6));
	assert_null(tree_child(t, tree_root(t), "f100000", 7));
}

static void symlinks_are_followed_within_the_image(void **state)
{
	_cleanup_tree_ struct tree *t = NULL;
	static const struct {
		const char *path;
		int err;
		const char *leads_to;
	} table[] = {
		{ "/", 0, "/" },
		{ "/usr/bin/../bin/./sh", 0, "/usr/bin/sh" },
		{ "/bin/sh", 0, "/usr/bin/sh" },
		{ "/abs/sh", 0, "/usr/bin/sh" },
		{ "/../../bin", 0, "/usr/bin" },
		{ "/loop", -ELOOP, NULL },
		{ "/loop/x", -ELOOP, NULL },
		{ "/gone", -ENOENT, NULL },
		{ "/dangling", -ENOENT, NULL },
		{ "/usr/bin/sh/x", -ENOTDIR, NULL },
	};
	struct node *usr, *bin, *n;

	assert_int_equal(tree_new(&t), 0);
	usr = add(t, tree_root(t), "usr", INODE_DIR, NULL);
	bin = add(t, usr, "bin", INODE_DIR, NULL);
	add(t, bin, "sh", INODE_FIFO, NULL);
	add(t, tree_root(t), "bin", INODE_LINK, "usr/bin");
	add(t, tree_root(t), "abs", INODE_LINK, "/bin/../bin");
	add(t, tree_root(t), "loop", INODE_LINK, "loop");
	add(t, tree_root(t), "dangling", INODE_LINK, "/nowhere");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *path = NULL;

		assert_int_equal(tree_lookup(t, table[i].path, &n), table[i].err);
		if (table[i].err)
			continue;
		path = tree_path(n);
		assert_string_equal(path, table[i].leads_to);
	}
}

static void depth_and_names_have_limits(void **state)
{
	_cleanup_tree_ struct tree *t = NULL;
	char name[300];
	struct node *at, *n;

	assert_int_equal(tree_new(&t), 0);
	memset(name, 'n', sizeof(name));
	assert_int_equal(tree_add(t, tree_root(t), name, 256, INODE_FIFO, 0, NULL, &n),
			 -ENAMETOOLONG);
	assert_int_equal(tree_add(t, tree_root(t), name, 0, INODE_FIFO, 0, NULL, &n),
			 -ENAMETOOLONG);
	assert_int_equal(tree_add(t, tree_root(t), name, 255, INODE_FIFO, 0, NULL, &n), 0);
	at = tree_root(t);
	for (unsigned i = 0; i < TREE_DEPTH_MAX; i++)
		at = add(t, at, "d", INODE_DIR, NULL);
	assert_int_equal(tree_add(t, at, "d", 1, INODE_DIR, 0, NULL, &n), -EMLINK);
}

static void what_is_removed_is_gone_and_the_rest_is_found(void **state)
{
	_cleanup_tree_ struct tree *t = NULL;
	struct node *dir, *n, *other;
	char name[16];

	assert_int_equal(tree_new(&t), 0);
	for (unsigned round = 0; round < 3; round++) {
		dir = add(t, tree_root(t), "dir", INODE_DIR, NULL);
		for (unsigned i = 0; i < 5000; i++) {
			snprintf(name, sizeof(name), "f%u", i);
			add(t, dir, name, INODE_FILE, NULL);
		}
		other = add(t, dir, "sub", INODE_DIR, NULL);
		add(t, other, "below", INODE_DIR, NULL);
		assert_int_equal(dir->inode->links, 3);
		for (unsigned i = 0; i < 5000; i += 2) {
			snprintf(name, sizeof(name), "f%u", i);
			tree_remove(t, tree_child(t, dir, name, strlen(name)));
		}
		for (unsigned i = 0; i < 5000; i++) {
			snprintf(name, sizeof(name), "f%u", i);
			n = tree_child(t, dir, name, strlen(name));
			assert_true(i % 2 ? n != NULL : n == NULL);
		}
		assert_int_equal(tree_nodes(t), 1 + 1 + 2500 + 2);
		assert_int_equal(dir->n_children, 2501);
		tree_remove(t, dir);
		assert_int_equal(tree_nodes(t), 1);
		assert_int_equal(tree_root(t)->inode->links, 2);
	}
	tree_sort(t);
	assert_null(tree_next(tree_root(t)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_removed_is_gone_and_the_rest_is_found),
		cmocka_unit_test(a_walk_goes_depth_first_by_bytes),
		cmocka_unit_test(names_are_found_among_many),
		cmocka_unit_test(symlinks_are_followed_within_the_image),
		cmocka_unit_test(depth_and_names_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

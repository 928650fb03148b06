/*
 * test-scan.c - zeros are found by content, however a file is stored and whichever thread reads it
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "image/blocks.h"
#include "image/scan.h"
#include "../scratch.h"

#define FILES	   40u
#define FILE_BYTES (300u << 10) /* together more than one thread is left alone with */

struct fixture {
	char dir[SCRATCH_PATH_MAX];
	int dirfd;
	struct tree *t;
};

static char said[1024];

static void remember(enum log_level level, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

/* File @k has data in block @k, in block 270 and in its last, odd bytes. */
static void make_file(struct fixture *f, unsigned k, bool dense)
{
	char name[16];
	struct node *n;
	int fd;

	snprintf(name, sizeof(name), "%c%u", dense ? 'd' : 's', k);
	fd = openat(f->dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	if (dense) {
		static const uint8_t zeros[FILE_BYTES];

		assert_int_equal(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
	}
	assert_int_equal(ftruncate(fd, FILE_BYTES - k), 0);
	assert_int_equal(pwrite(fd, "x", 1, k * BLOCK_BYTES + 1023), 1);
	assert_int_equal(pwrite(fd, "x", 1, 270 * BLOCK_BYTES), 1);
	assert_int_equal(pwrite(fd, "x", 1, FILE_BYTES - k - 1), 1);
	close(fd);
	assert_int_equal(
		tree_add(f->t, tree_root(f->t), name, strlen(name), INODE_FILE, 0644, NULL, &n), 0);
	n->inode->size = FILE_BYTES - k;
	n->inode->source = strdup(name);
	n->inode->source_dirfd = f->dirfd;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(scratch_make(f->dir), 0);
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_new(&f->t), 0);
	for (unsigned k = 0; k < FILES; k++)
		make_file(f, k, k % 2);
	tree_sort(f->t);
	log_set_sink(remember);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tree_free(f->t);
	close(f->dirfd);
	assert_int_equal(scratch_remove(f->dir), 0);
	free(f);
	return 0;
}

struct seen {
	uint64_t done, total;
};

static void count(void *user, uint64_t done, uint64_t total)
{
	struct seen *s = user;

	assert_true(done >= s->done);
	s->done = done;
	s->total = total;
}

static void zeros_are_found_by_content(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0 };
	uint64_t sum = 0;

	for (int twice = 0; twice < 2; twice++) { /* a second look finds the same */
		s.done = 0;
		assert_int_equal(scan_tree(f->t, count, &s), 0);
	}
	for (struct node *n = tree_next(tree_root(f->t)); n; n = tree_next(n)) {
		const struct inode *i = n->inode;
		uint32_t k = (uint32_t)strtoul(n->name + 1, NULL, 10);

		assert_true(i->scanned);
		assert_int_equal(i->n_runs, 3);
		assert_int_equal(i->runs[0].first, k);
		assert_int_equal(i->runs[1].first, 270);
		assert_int_equal(i->runs[2].first, (FILE_BYTES - k - 1) / BLOCK_BYTES);
		for (size_t r = 0; r < 3; r++)
			assert_int_equal(i->runs[r].count, 1);
		sum += i->size;
	}
	assert_int_equal(s.total, sum);
	assert_int_equal(s.done, sum);
}

static void a_file_that_is_gone_is_named(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(unlinkat(f->dirfd, "s10", 0), 0);
	assert_int_equal(scan_tree(f->t, NULL, NULL), -ENOENT);
	assert_non_null(strstr(said, "cannot read 's10': No such file"));
}

static void a_file_that_shrank_is_named(void **state)
{
	struct fixture *f = *state;
	int fd = openat(f->dirfd, "d11", O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(scan_tree(f->t, NULL, NULL), -ESTALE);
	assert_non_null(strstr(said, "'d11' changed while it was read"));
}

static void data_in_memory_and_small_files(void **state)
{
	struct inode i = { .kind = INODE_FILE, .size = 5000 };

	i.data = calloc(1, 5000);
	i.data[4999] = 1;
	assert_int_equal(scan_inode(&i), 0);
	assert_int_equal(i.n_runs, 1);
	assert_int_equal(i.runs[0].first, 4);
	free(i.data);
	free(i.runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(zeros_are_found_by_content, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_gone_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_shrank_is_named, setup, teardown),
		cmocka_unit_test(data_in_memory_and_small_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

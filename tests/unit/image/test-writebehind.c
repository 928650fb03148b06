/*
 * test-writebehind.c - every buffer is written where it belongs, and a failed write is told
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/writebehind.h"
#include "../scratch.h"

#define PIECE 1000u
#define MANY  (20 * WRITEBEHIND_BUFFERS)

static int open_file(int flags)
{
	char dir[SCRATCH_PATH_MAX], path[SCRATCH_PATH_MAX + 8];
	int fd, other;

	assert_int_equal(scratch_make(dir), 0);
	snprintf(path, sizeof(path), "%s/f", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	other = open(path, flags | O_CLOEXEC);
	assert_true(fd >= 0 && other >= 0);
	close(fd);
	assert_int_equal(scratch_remove(dir), 0);
	return other;
}

static void pieces_are_written_where_they_belong(void **state)
{
	struct writebehind *w;
	int fd = open_file(O_RDWR);
	uint8_t *p;

	assert_int_equal(writebehind_new(fd, PIECE, &w), 0);
	assert_int_equal(writebehind_wait(w), 0); /* nothing on its way */
	for (unsigned k = 0; k < MANY; k++) {	  /* from the last place to the first, with gaps */
		assert_int_equal(writebehind_take(w, &p), 0);
		memset(p, (int)k + 1, PIECE);
		writebehind_put(w, PIECE - k, (uint64_t)(MANY - 1 - k) * 2 * PIECE);
	}
	assert_int_equal(writebehind_wait(w), 0);
	for (unsigned k = 0; k < MANY; k++) {
		uint8_t got[PIECE + 1];
		ssize_t n = pread(fd, got, sizeof(got), (off_t)(MANY - 1 - k) * 2 * PIECE);

		assert_true(n >= (ssize_t)(PIECE - k));
		for (unsigned b = 0; b < PIECE - k; b++)
			assert_int_equal(got[b], k + 1);
		assert_true(n == (ssize_t)(PIECE - k) || got[PIECE - k] == 0);
	}
	writebehind_free(w);
	writebehind_free(NULL);
	close(fd);
}

static void a_failed_write_is_told_and_stays(void **state)
{
	struct writebehind *w;
	int fd = open_file(O_RDONLY), r = 0;
	uint8_t *p;

	assert_int_equal(writebehind_new(fd, PIECE, &w), 0);
	for (unsigned k = 0; r == 0 && k < MANY; k++) {
		r = writebehind_take(w, &p);
		if (r == 0)
			writebehind_put(w, PIECE, 0);
	}
	assert_int_equal(r, -EBADF); /* at the latest when the ring is full */
	assert_int_equal(writebehind_take(w, &p), -EBADF);
	assert_int_equal(writebehind_wait(w), -EBADF);
	writebehind_free(w);
	close(fd);
}

static void what_is_on_its_way_is_written_before_the_end(void **state)
{
	struct writebehind *w;
	int fd = open_file(O_RDWR);
	uint8_t *p, got[PIECE];

	assert_int_equal(writebehind_new(fd, PIECE, &w), 0);
	assert_int_equal(writebehind_take(w, &p), 0);
	memset(p, 7, PIECE);
	writebehind_put(w, PIECE, 5);
	writebehind_free(w);
	assert_int_equal(pread(fd, got, sizeof(got), 5), PIECE);
	assert_int_equal(got[0], 7);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_written_where_they_belong),
		cmocka_unit_test(a_failed_write_is_told_and_stays),
		cmocka_unit_test(what_is_on_its_way_is_written_before_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

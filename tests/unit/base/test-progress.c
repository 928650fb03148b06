/*
 * test-progress.c - what a terminal shows of long work, and that nothing else shows it
 */
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lang.h"
#include "base/progress.h"

#define SECOND_US 1000000u
#define MB	  UINT64_C(1000000)

struct shown {
	uint64_t total, done;
	uint64_t took_us;
	const char *text;
};

/* Draw once, as if the work had begun @took_us ago, with standard error on @fd; then put back what
 * was there. */
static void draw(int fd, const struct shown *s)
{
	struct progress p;
	int saved = dup(STDERR_FILENO);

	assert_true(saved >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	progress_start(&p, "publishing", s->total);
	p.start_us -= s->took_us;
	progress_update(&p, s->done);
	progress_update(&p, s->done); /* too early to draw again */
	progress_end(&p);
	fflush(stderr);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
}

/* A terminal hands on what was written in pieces and in its own time. */
static void read_to_mark(int terminal, int other, char *ret, size_t size)
{
	const char mark = '$';
	size_t n = 0;

	assert_int_equal(write(other, &mark, 1), 1);
	do {
		ssize_t k = read(terminal, ret + n, size - n - 1);

		assert_true(k > 0);
		n += (size_t)k;
	} while (ret[n - 1] != mark);
	ret[n] = 0;
}

static void a_terminal_shows(void **state)
{
	static const struct shown rows[] = {
		{ 4 * MB, 0, 0, "\rpublishing: [....................]   0 %, 0 B, 0 B/s\033[K" },
		{ 4 * MB, MB, 100000, "\rpublishing: [#####...............]  25 %, 1.00 MB, " },
		/* after 1000 s what passes while the test runs is nothing */
		{ 4000 * MB, 1000 * MB, 1000 * SECOND_US,
		  "  25 %, 1.00 GB, 1.00 MB/s, 3000 s left\033[K" },
		{ 0, 1000 * MB, 1000 * SECOND_US, "\rpublishing: 1.00 GB, 1.00 MB/s\033[K" },
		{ MB, 2 * MB, 100000, "\rpublishing: [####################] 100 %, 2.00 MB, " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[512];
		int terminal, other;

		assert_int_equal(openpty(&terminal, &other, NULL, NULL, NULL), 0);
		draw(other, &rows[i]);
		read_to_mark(terminal, other, text, sizeof(text));
		if (!strstr(text, rows[i].text))
			fail_msg("row %zu: expected '%s' in '%s'", i, rows[i].text, text);
		assert_null(strstr(strstr(text, "publishing") + 1, "publishing")); /* once */
		assert_int_equal(strstr(text, "left") != NULL,
				 rows[i].took_us > SECOND_US && rows[i].total);
		close(terminal);
		close(other);
	}
}

static void a_pipe_shows_nothing(void **state)
{
	const struct shown s = { 4 * MB, MB, SECOND_US, "" };
	int fds[2];
	char c;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	draw(fds[1], &s);
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 0);
	close(fds[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_shows),
		cmocka_unit_test(a_pipe_shows_nothing),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}

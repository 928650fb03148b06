/*
 * test-process.c - programs that are started, that end in every way, and that cannot be started
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/process.h"

static void status_is_as_a_shell_has_it(void **state)
{
	static const struct {
		const char *script;
		int status;
	} rows[] = { { "exit 0", 0 }, { "exit 7", 7 }, { "kill -KILL $$", 128 + SIGKILL } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *const argv[] = { "sh", "-c", rows[i].script, NULL };
		struct process p = PROCESS(argv);
		int status = -1;
		pid_t pid;

		assert_int_equal(process_spawn(&p, &pid), 0);
		assert_int_equal(process_wait(pid, 10000, &status), 0);
		assert_int_equal(status, rows[i].status);
	}
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
	static const char *const absent[] = { "bpboot-no-such-program", NULL };
	static const char *const no_program[] = { "/etc/passwd", NULL };
	struct process p = PROCESS(absent), q = PROCESS(no_program);
	pid_t pid;

	assert_int_equal(process_spawn(&p, &pid), -ENOENT);
	assert_int_equal(process_spawn(&q, &pid), -ENOENT);
}

static void waiting_has_a_deadline(void **state)
{
	static const char *const argv[] = { "sleep", "60", NULL };
	struct process p = PROCESS(argv);
	int status = -1;
	pid_t pid;

	p.die_with_parent = true;
	assert_int_equal(process_spawn(&p, &pid), 0);
	assert_int_equal(process_wait(pid, 10, &status), -ETIMEDOUT);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(process_wait(pid, -1, &status), 0);
	assert_int_equal(status, 128 + SIGTERM);
}

static void output_is_captured_and_input_given(void **state)
{
	static const char *const argv[] = { "sh", "-c", "cat; echo err >&2; exit 3", NULL };
	_cleanup_buffer_ struct buffer out = BUFFER(4096);
	int status;

	assert_int_equal(process_capture(argv, "hello\n", &out, &status), 0);
	assert_int_equal(status, 3);
	assert_string_equal(buffer_str(&out), "hello\nerr\n");
}

static void output_over_the_limit_ends_the_program(void **state)
{
	static const char *const argv[] = { "yes", NULL };
	_cleanup_buffer_ struct buffer out = BUFFER(10000);
	int status;

	assert_int_equal(process_capture(argv, NULL, &out, &status), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_as_a_shell_has_it),
		cmocka_unit_test(a_program_that_is_not_there_is_an_error),
		cmocka_unit_test(waiting_has_a_deadline),
		cmocka_unit_test(output_is_captured_and_input_given),
		cmocka_unit_test(output_over_the_limit_ends_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-output.c - output of many processes on one descriptor: lines, prefixes, turns, and a reader
 * that is slow
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "space/output.h"

#define SOURCES 3
#define WINDOW	4096

struct rig {
	struct ev_loop *loop;
	struct output o;
	struct output_source sources[SOURCES];
	uint32_t granted[SOURCES];
	int pipe[2];
	char got[65536];
	size_t n_got;
};

static void on_grant(void *owner, size_t i, uint32_t bytes)
{
	struct rig *r = owner;

	r->granted[i] += bytes;
	r->sources[i].let_out = 0;
}

static void on_moved(void *owner)
{
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r || pipe(r->pipe) < 0 || fcntl(r->pipe[0], F_SETFL, O_NONBLOCK) < 0)
		return -1;
	r->loop = ev_loop_new(EVBACKEND_POLL);
	if (output_init(&r->o, r->loop, r->pipe[1], SOURCES) < 0)
		return -1;
	for (uint32_t i = 0; i < SOURCES; i++) {
		r->sources[i] = (struct output_source){ .node = i + 5, .text = BUFFER(WINDOW) };
		r->o.sources[i] = &r->sources[i];
	}
	r->o.grant = on_grant;
	r->o.moved = on_moved;
	r->o.owner = r;
	r->o.line_max = WINDOW;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	output_deinit(&r->o);
	for (int i = 0; i < SOURCES; i++)
		buffer_clear(&r->sources[i].text);
	ev_loop_destroy(r->loop);
	close(r->pipe[0]);
	close(r->pipe[1]);
	free(r);
	return 0;
}

static void say(struct rig *r, int i, const char *text)
{
	assert_int_equal(buffer_append(&r->sources[i].text, text, strlen(text)), 0);
	output_pump(&r->o);
}

static const char *got(struct rig *r)
{
	ssize_t n;

	while ((n = read(r->pipe[0], r->got + r->n_got, sizeof(r->got) - 1 - r->n_got)) > 0)
		r->n_got += (size_t)n;
	r->got[r->n_got] = 0;
	return r->got;
}

static void test_plain_output_goes_out_as_it_comes(void **state)
{
	struct rig *r = *state;

	say(r, 0, "ab");
	say(r, 1, "cd");
	say(r, 0, "\n");
	assert_string_equal(got(r), "abcd\n");
	assert_int_equal(r->granted[0], 3);
}

static void test_lines_are_whole(void **state)
{
	struct rig *r = *state;

	r->o.by_line = r->o.prefix = true;
	say(r, 0, "on");
	say(r, 1, "two\nth");
	say(r, 0, "e\n");
	assert_string_equal(got(r), "6: two\n5: one\n");
	r->sources[1].ended = true;
	output_pump(&r->o);
	assert_string_equal(got(r), "6: two\n5: one\n6: th\n");
	assert_true(output_idle(&r->o));
}

static void test_a_long_line_keeps_others_waiting(void **state)
{
	struct rig *r = *state;

	r->o.by_line = r->o.prefix = true;
	r->o.line_max = 4;
	say(r, 0, "abcdef");
	say(r, 1, "short\n");
	assert_string_equal(got(r), "5: abcdef");
	say(r, 0, "gh\n");
	assert_string_equal(got(r), "5: abcdefgh\n6: short\n");
}

static void test_a_long_line_that_never_ends_frees_the_others(void **state)
{
	struct rig *r = *state;

	r->o.by_line = r->o.prefix = true;
	r->o.line_max = 4;
	say(r, 0, "abcdef");
	say(r, 1, "short\n");
	r->sources[0].ended = true;
	output_pump(&r->o);
	assert_string_equal(got(r), "5: abcdef\n6: short\n");
}

static void test_node_by_node(void **state)
{
	struct rig *r = *state;

	r->o.only = 0;
	say(r, 1, "second");
	say(r, 0, "first ");
	assert_string_equal(got(r), "first ");
	r->o.only = 1;
	output_pump(&r->o);
	assert_string_equal(got(r), "first second");
}

static void test_a_full_pipe_stops_grants(void **state)
{
	struct rig *r = *state;
	uint64_t total = 0;
	char block[WINDOW];

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 200; i++) {
		size_t room = WINDOW - r->sources[0].text.len;

		assert_int_equal(buffer_append(&r->sources[0].text, block, room), 0);
		total += room;
		output_pump(&r->o);
	}
	assert_true(
		total <
		3 * OUTPUT_QUEUE_MAX); /* pipe, queue and window are full: nothing more went in */
	while (!output_idle(&r->o)) {
		r->n_got = 0;
		(void)got(r);
		output_pump(&r->o);
	}
	assert_int_equal(r->granted[0], total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain_output_goes_out_as_it_comes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_lines_are_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_long_line_keeps_others_waiting, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_long_line_that_never_ends_frees_the_others,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_node_by_node, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_pipe_stops_grants, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

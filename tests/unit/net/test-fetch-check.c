/*
 * test-fetch-check.c - parts are hashed aside, here when that process dies, and their memory is
 * lent out once
 */
#include <ev.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/parse.h"
#include "net/fetch_check.h"

#define BUFFERS	   8
#define PART_BYTES 50000
#define PARTS	   100

struct test {
	struct ev_loop *loop;
	struct fetch_check *check;
	size_t given, done;
	bool seen[PARTS];
	pid_t kill_after_one;
};

static void fill(uint8_t *p, size_t n, size_t part)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 253 + part);
}

static size_t bytes_of(size_t part)
{
	return part % 3 == 2 ? PART_BYTES - part : PART_BYTES;
}

/* Ask for as many as there is memory for. */
static void give(struct test *t)
{
	while (t->given < PARTS) {
		uint8_t *p = fetch_check_buffer(t->check);

		if (!p)
			return;
		fill(p, bytes_of(t->given), t->given);
		t->given++;
		fetch_check_hash(t->check, p, bytes_of(t->given - 1), t->given - 1,
				 (unsigned)(t->given - 1) % 5);
	}
}

static void on_checked(void *ctx, const struct fetch_checked *c)
{
	struct test *t = ctx;
	uint8_t want[INDEX_HASH_BYTES], *p = malloc(c->n);

	assert_non_null(p);
	assert_true(c->part < PARTS && !t->seen[c->part]);
	assert_int_equal(c->n, bytes_of(c->part));
	assert_int_equal(c->server, c->part % 5);
	fill(p, c->n, c->part);
	assert_memory_equal(c->data, p, c->n);
	crypto_generichash(want, sizeof(want), p, c->n, NULL, 0);
	assert_memory_equal(c->hash, want, sizeof(want));
	free(p);
	t->seen[c->part] = true;
	t->done++;
	fetch_check_give_back(t->check, c->data);
	if (t->kill_after_one > 0)
		(void)kill(t->kill_after_one, SIGKILL);
	t->kill_after_one = 0;
	if (t->done == PARTS)
		ev_break(t->loop, EVBREAK_ALL);
}

static void on_kick(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	give(w->data);
	if (((struct test *)w->data)->done < PARTS)
		ev_timer_again(loop, w);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	ev_break(loop, EVBREAK_ALL);
}

/* The only child that we have. Return: its pid, or 0. */
static pid_t child(void)
{
	char path[64], text[32] = "";
	uint32_t pid = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	fd = open(path, O_RDONLY);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0) {
		text[strcspn(text, " \n")] = 0;
		if (parse_u32(text, 1, INT32_MAX, &pid) < 0)
			pid = 0;
	}
	if (fd >= 0)
		close(fd);
	return (pid_t)pid;
}

/* All parts, asked for from the loop. @kills: the process dies after the first. */
static void run(bool aside, bool kills)
{
	struct test t = { .loop = ev_loop_new(EVFLAG_AUTO) };
	struct ev_timer kick, deadline;

	assert_non_null(t.loop);
	assert_int_equal(
		fetch_check_new(t.loop, BUFFERS, PART_BYTES, aside, on_checked, &t, &t.check), 0);
	if (!aside)
		assert_int_equal(child(), 0);
	t.kill_after_one = kills ? child() : 0; /* 0: one processor, and nobody to kill */
	ev_timer_init(&kick, on_kick, 0., 0.001);
	ev_timer_init(&deadline, on_deadline, 60., 0.);
	kick.data = &t;
	ev_timer_start(t.loop, &kick);
	ev_timer_start(t.loop, &deadline);
	ev_run(t.loop, 0);
	assert_int_equal(t.done, PARTS);
	assert_int_equal(fetch_check_waiting(t.check), 0);
	ev_timer_stop(t.loop, &kick);
	ev_timer_stop(t.loop, &deadline);
	fetch_check_free(t.check);
	assert_true(waitpid(-1, NULL, WNOHANG) < 0); /* it left no process behind */
	ev_loop_destroy(t.loop);
}

static void hashed_aside(void **state)
{
	run(true, false);
}

static void hashed_here(void **state)
{
	run(false, false);
}

static void process_dies(void **state)
{
	for (unsigned i = 0; i < 10; i++)
		run(true, true);
}

static void ignore(void *ctx, const struct fetch_checked *c)
{
}

static void memory_is_lent_once(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct fetch_check *c;
	uint8_t *p[3];

	assert_int_equal(fetch_check_new(loop, 2, 1, false, ignore, NULL, &c), 0);
	for (size_t i = 0; i < 3; i++)
		p[i] = fetch_check_buffer(c);
	assert_true(p[0] && p[1] && p[0] != p[1] && !p[2]);
	fetch_check_give_back(c, p[0]);
	fetch_check_give_back(c, NULL);
	assert_ptr_equal(fetch_check_buffer(c), p[0]);
	fetch_check_free(c);
	fetch_check_free(NULL);
	ev_loop_destroy(loop);
}

/* Ended in the middle: nothing is called any more, nothing waits for ever. */
static void freed_in_the_middle(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct fetch_check *c;
	uint8_t *p;

	assert_int_equal(fetch_check_new(loop, BUFFERS, PART_BYTES, true, ignore, NULL, &c), 0);
	while ((p = fetch_check_buffer(c)))
		fetch_check_hash(c, p, PART_BYTES, 0, 0);
	fetch_check_free(c);
	assert_true(waitpid(-1, NULL, WNOHANG) < 0);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashed_aside),	       cmocka_unit_test(hashed_here),
		cmocka_unit_test(process_dies),	       cmocka_unit_test(memory_is_lent_once),
		cmocka_unit_test(freed_in_the_middle),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}

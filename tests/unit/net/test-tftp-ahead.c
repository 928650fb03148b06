/*
 * test-tftp-ahead.c - acknowledgements ahead of blocks, against a lock-step server on a link that
 * loses
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "net/tftp_ahead.h"

#define BLKSIZE 1000

/* A lock-step server: it stands at one block, and takes that block's acknowledgement alone. */
struct server {
	uint32_t at;   /* block that was sent last; 0: none */
	unsigned loss; /* per mille, of acknowledgements and of blocks */
	uint32_t seed;
	unsigned flushes; /* as tftpd-hpa: a wrong acknowledgement empties the socket */
};

static bool lost(struct server *s)
{
	s->seed = s->seed * 1664525u + 1013904223u;
	return (s->seed >> 8) % 1000 < s->loss;
}

static uint32_t length(const struct tftp_ahead *a, uint32_t block)
{
	return block < a->n_blocks ? BLKSIZE : (uint32_t)(a->bytes % BLKSIZE);
}

/* Say acknowledgements; what comes back is taken. */
static void say(struct tftp_ahead *a, struct server *s, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++) {
		if (lost(s))
			continue;
		if (i != s->at && s->flushes)
			return;
		if (i != s->at || i >= a->n_blocks)
			continue;
		s->at++;
		if (!lost(s))
			assert_true(tftp_ahead_take(a, s->at, length(a, s->at)) >= 0);
	}
}

/* One pass. Return: rounds of acknowledgements that it took. */
static unsigned pass(struct tftp_ahead *a, struct server *s)
{
	unsigned rounds = 0;
	uint32_t first = 0, n;

	s->at = 0;
	while (a->high < a->n_blocks && a->missing > 0) {
		n = tftp_ahead_acks(a, &first);
		if (n == 0)
			n = tftp_ahead_late(a, &first);
		if (n == 0)
			break;
		assert_true(first + n <= a->n_blocks + 1 && n <= 66);
		say(a, s, first, n);
		rounds++;
	}
	return rounds;
}

static void a_clean_link_needs_one_round_a_window(void **state)
{
	static struct tftp_ahead a;
	struct server s = { .seed = 1 };

	assert_int_equal(tftp_ahead_begin(&a, 1000 * BLKSIZE, BLKSIZE, 16), 0);
	assert_int_equal(a.n_blocks, 1001);
	assert_true(pass(&a, &s) < 1001 / 16 + 10);
	assert_int_equal(a.missing, 0);
}

static void losses_leave_holes_that_passes_fill(void **state)
{
	static struct tftp_ahead a;

	for (unsigned seed = 1; seed < 200; seed++) {
		struct server s = { .seed = seed, .loss = seed % 50, .flushes = seed % 2 };
		uint64_t bytes = seed * 997;

		assert_int_equal(tftp_ahead_begin(&a, bytes, BLKSIZE, 1 + seed % 64), 0);
		for (unsigned n = 0; a.missing > 0; n++) {
			if (n > 0)
				assert_int_equal(tftp_ahead_pass(&a, bytes, BLKSIZE), 0);
			(void)pass(&a, &s);
		}
	}
}

static void a_silent_server_ends_the_pass(void **state)
{
	static struct tftp_ahead a;
	unsigned n = 0;
	uint32_t first;

	assert_int_equal(tftp_ahead_begin(&a, 5000, BLKSIZE, 16), 0);
	while (tftp_ahead_late(&a, &first) > 0)
		n++;
	assert_true(n >= 2 && n <= TFTP_AHEAD_TRIES_MAX);
}

static void a_file_that_is_not_as_it_was_said_breaks_off(void **state)
{
	static struct tftp_ahead a;

	assert_int_equal(tftp_ahead_begin(&a, 65535ull * BLKSIZE, BLKSIZE, 16), -ERANGE);
	assert_int_equal(tftp_ahead_begin(&a, 65535ull * BLKSIZE - 1, BLKSIZE, 16), 0);
	assert_int_equal(tftp_ahead_begin(&a, 2500, BLKSIZE, 16), 0);
	assert_int_equal(tftp_ahead_take(&a, 0, BLKSIZE), -EPROTO);
	assert_int_equal(tftp_ahead_take(&a, 1, BLKSIZE - 1), -EPROTO);
	assert_int_equal(tftp_ahead_take(&a, 3, BLKSIZE), -EPROTO);
	assert_int_equal(tftp_ahead_take(&a, 4, 0), -EPROTO);
	assert_int_equal(tftp_ahead_take(&a, 3, 500), TFTP_AHEAD_NEW);
	assert_int_equal(tftp_ahead_take(&a, 3, 500), TFTP_AHEAD_AGAIN);
	assert_int_equal(a.missing, 2);
	assert_int_equal(tftp_ahead_pass(&a, 2501, BLKSIZE), -ESTALE);
	assert_int_equal(tftp_ahead_pass(&a, 2500, 512), -ESTALE);
	for (unsigned n = 1; n < TFTP_AHEAD_PASSES_MAX; n++)
		assert_int_equal(tftp_ahead_pass(&a, 2500, BLKSIZE), 0);
	assert_int_equal(tftp_ahead_pass(&a, 2500, BLKSIZE), -E2BIG);
	assert_int_equal(tftp_ahead_begin(&a, 0, BLKSIZE, 16), 0);
	assert_int_equal(tftp_ahead_take(&a, 1, 0), TFTP_AHEAD_NEW);
	assert_int_equal(a.missing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_link_needs_one_round_a_window),
		cmocka_unit_test(losses_leave_holes_that_passes_fill),
		cmocka_unit_test(a_silent_server_ends_the_pass),
		cmocka_unit_test(a_file_that_is_not_as_it_was_said_breaks_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

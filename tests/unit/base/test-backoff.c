/*
 * test-backoff.c - waits double, stay within their bounds, and differ
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/backoff.h"

static void doubles_up_to_the_maximum(void **state)
{
	static const uint32_t want[] = { 1000, 2000, 4000, 8000, 10000, 10000 };
	bool differ = false;

	for (int round = 0; round < 50; round++) {
		struct backoff b = BACKOFF(1000, 10000);

		for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
			uint32_t ms = backoff_next(&b);

			assert_in_range(ms, want[i] * 3 / 4, want[i] * 5 / 4);
			differ |= ms != want[i];
		}
		backoff_reset(&b);
		assert_in_range(backoff_next(&b), 750, 1250);
	}
	assert_true(differ);
}

static void survives_odd_bounds(void **state)
{
	struct backoff zero = BACKOFF(0, 0), huge = BACKOFF(UINT32_MAX / 2, UINT32_MAX / 2);

	assert_int_equal(backoff_next(&zero), 0);
	assert_true(backoff_next(&huge) > UINT32_MAX / 4);
	assert_true(backoff_next(&huge) > UINT32_MAX / 4);
	assert_int_equal(backoff_random(0), 0);
	assert_int_equal(backoff_random(1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_up_to_the_maximum),
		cmocka_unit_test(survives_odd_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-journal.c - what may have to be sent again, by its place in the stream
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "space/journal.h"

static const uint8_t text[] = "0123456789";

/* What is left after some was appended and some forgotten, and what can be had of it. */
static void test_places(void **state)
{
	static const struct {
		const char *name;
		size_t first;	 /* bytes appended */
		uint64_t forget; /* up to this place */
		size_t second;	 /* appended then */
		uint64_t place;
		size_t max;
		ssize_t want;
	} rows[] = {
		{ "an empty one has its start", 0, 0, 0, 0, 9, 0 },
		{ "and nothing behind it", 0, 0, 0, 1, 9, -ERANGE },
		{ "all of it", 10, 0, 0, 0, 99, 10 },
		{ "as much as is asked for", 10, 0, 0, 3, 4, 4 },
		{ "the end", 10, 0, 0, 10, 9, 0 },
		{ "beyond the end", 10, 0, 0, 11, 9, -ERANGE },
		{ "what was forgotten", 10, 4, 0, 3, 9, -ERANGE },
		{ "the first that was not", 10, 4, 0, 4, 9, 6 },
		{ "places go on behind what was forgotten", 10, 4, 5, 8, 9, 7 },
		{ "all was forgotten", 10, 10, 0, 10, 9, 0 },
		{ "and more comes", 10, 10, 3, 10, 9, 3 },
		{ "more than there is cannot be forgotten", 5, 99, 2, 5, 9, 2 },
		{ "a place far beyond 32 bits", 5, 0, 0, UINT64_MAX, 9, -ERANGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct journal j = JOURNAL(64);
		const uint8_t *p = NULL;
		ssize_t n;

		assert_int_equal(journal_append(&j, text, rows[i].first), 0);
		journal_forget(&j, rows[i].forget);
		assert_int_equal(journal_append(&j, text, rows[i].second), 0);
		n = journal_at(&j, rows[i].place, rows[i].max, &p);
		if (n != rows[i].want)
			fail_msg("%s: %zd, expected %zd", rows[i].name, n, rows[i].want);
		for (ssize_t k = 0; k < n; k++) {
			uint64_t at = rows[i].place + (uint64_t)k;

			assert_int_equal(p[k], text[at < rows[i].first ? at : at - rows[i].first]);
		}
		journal_clear(&j);
	}
}

/* Two ends that lose their connection at every place have the whole stream, once, in the end. */
static void test_a_stream_over_many_connections(void **state)
{
	struct journal sender = JOURNAL(64);
	uint8_t got[500];
	uint64_t received = 0, granted = 0;
	size_t made = 0;

	for (unsigned round = 0; received < sizeof(got); round++) {
		const uint8_t *p;
		ssize_t n;

		while (made < sizeof(got) && made - granted < 16) { /* credit */
			uint8_t byte = (uint8_t)(made++ * 7);

			assert_int_equal(journal_append(&sender, &byte, 1), 0);
		}
		n = journal_at(&sender, received, round % 5 + 1, &p); /* then it breaks */
		assert_true(n >= 0);
		if (n > 0)
			memcpy(got + received, p, (size_t)n);
		received += (uint64_t)n;
		if (round % 3 == 0) { /* a grant arrives */
			granted = received;
			journal_forget(&sender, granted);
		}
		assert_true(journal_end(&sender) == made);
		assert_true(sender.bytes.len <= 16);
	}
	for (size_t i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], (uint8_t)(i * 7));
	journal_clear(&sender);
}

static void test_it_has_a_maximum(void **state)
{
	struct journal j = JOURNAL(8);

	assert_int_equal(journal_append(&j, text, 8), 0);
	assert_int_equal(journal_append(&j, text, 1), -E2BIG);
	journal_forget(&j, 3);
	assert_int_equal(journal_append(&j, text, 3), 0);
	journal_clear(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_a_stream_over_many_connections),
		cmocka_unit_test(test_it_has_a_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

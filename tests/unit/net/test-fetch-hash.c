/*
 * test-fetch-hash.c - several parts at once have the hashes that libsodium has of each
 */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "net/fetch_hash.h"

/* Around the ends of blocks, and none; each set also with lanes that end at different blocks. */
static const size_t lengths[] = { 0, 1, 127, 128, 129, 255, 256, 257, 1000, 4096, 262144, 262145 };
#define N_LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static void check(enum fetch_hash_way way, const size_t *of, size_t n)
{
	struct fetch_hash parts[FETCH_HASH_AT_ONCE] = { 0 };
	uint8_t want[INDEX_HASH_BYTES];

	for (size_t k = 0; k < n; k++) { /* exact sizes, so that the sanitizer sees one byte over */
		uint8_t *p = malloc(of[k] ? of[k] : 1);

		assert_non_null(p);
		for (size_t i = 0; i < of[k]; i++)
			p[i] = (uint8_t)(i * 31 + i / 251 + k * 7);
		parts[k].data = p;
		parts[k].n = of[k];
		if (of[k] == 0)
			parts[k].data = p + 1;
	}
	fetch_hash_by(way, parts, n);
	for (size_t k = 0; k < n; k++) {
		crypto_generichash(want, sizeof(want), parts[k].data, parts[k].n, NULL, 0);
		assert_memory_equal(parts[k].hash, want, sizeof(want));
		free((uint8_t *)(uintptr_t)parts[k].data - (parts[k].n == 0));
	}
}

/* In every way that this processor knows. */
static void check_all(const size_t *of, size_t n)
{
	for (enum fetch_hash_way way = 0; way < FETCH_HASH_MAX_; way++) {
		if (fetch_hash_knows(way))
			check(way, of, n);
	}
}

static void same_lengths(void **state)
{
	for (size_t i = 0; i < N_LENGTHS; i++) {
		size_t of[FETCH_HASH_AT_ONCE];

		for (size_t k = 0; k < FETCH_HASH_AT_ONCE; k++)
			of[k] = lengths[i];
		for (size_t n = 1; n <= FETCH_HASH_AT_ONCE; n++)
			check_all(of, n);
	}
}

static void different_lengths(void **state)
{
	for (size_t i = 0; i < N_LENGTHS; i++) {
		size_t of[FETCH_HASH_AT_ONCE];

		for (size_t k = 0; k < FETCH_HASH_AT_ONCE; k++)
			of[k] = lengths[(i + 5 * k) % N_LENGTHS];
		for (size_t n = 2; n <= FETCH_HASH_AT_ONCE; n++)
			check_all(of, n);
	}
}

static void known_answer(void **state)
{
	/* b2sum -l 256 of "abc" */
	static const uint8_t want[INDEX_HASH_BYTES] = {
		0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
		0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
		0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19,
	};
	struct fetch_hash parts[2] = { { .data = (const uint8_t *)"abc", .n = 3 },
				       { .data = (const uint8_t *)"abc", .n = 3 } };

	fetch_hash(parts, 2);
	assert_memory_equal(parts[0].hash, want, sizeof(want));
	assert_memory_equal(parts[1].hash, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answer),
		cmocka_unit_test(same_lengths),
		cmocka_unit_test(different_lengths),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}

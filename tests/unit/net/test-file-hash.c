/*
 * test-file-hash.c - the hash of a file is that of the hashes of its chunks, in whatever steps it
 * comes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/lang.h"
#include "net/file_hash.h"

/* As docs/protocol.md says it, by libsodium alone. */
static void plainly(const uint8_t *p, size_t n, uint8_t ret[static FILE_HASH_BYTES])
{
	crypto_generichash_state s;
	uint8_t one[FILE_HASH_BYTES];

	crypto_generichash_init(&s, NULL, 0, sizeof(one));
	for (size_t at = 0; at < n; at += FILE_HASH_CHUNK) {
		crypto_generichash(one, sizeof(one), p + at, MIN(n - at, (size_t)FILE_HASH_CHUNK),
				   NULL, 0);
		crypto_generichash_update(&s, one, sizeof(one));
	}
	crypto_generichash_final(&s, ret, FILE_HASH_BYTES);
}

static void test_sizes_and_steps(void **state)
{
	static const size_t sizes[] = { 0,	 1,	    65535,
					65536,	 65537,	    4 * 65536 - 1,
					262144,	 262145,    9 * 65536,
					1000001, 17 * 65536 };
	static const size_t steps[] = { 262144, 524288 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint8_t want[FILE_HASH_BYTES], got[FILE_HASH_BYTES];
		uint8_t *p = malloc(sizes[i] ? sizes[i] : 1);

		assert_non_null(p);
		for (size_t k = 0; k < sizes[i]; k++)
			p[k] = (uint8_t)(k * 7 + k / 65536);
		plainly(p, sizes[i], want);
		file_hash(p, sizes[i], got);
		assert_memory_equal(got, want, sizeof(want));
		for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
			struct file_hash h;

			file_hash_init(&h);
			for (size_t at = 0; at < sizes[i]; at += steps[k])
				file_hash_add(&h, p + at, MIN(sizes[i] - at, steps[k]));
			file_hash_final(&h, got);
			assert_memory_equal(got, want, sizeof(want));
		}
		free(p);
	}
}

static void test_each_byte_counts(void **state)
{
	uint8_t p[3 * 65536] = { 0 }, a[FILE_HASH_BYTES], b[FILE_HASH_BYTES];

	file_hash(p, sizeof(p), a);
	p[2 * 65536 + 5] = 1;
	file_hash(p, sizeof(p), b);
	assert_memory_not_equal(a, b, sizeof(a));
	file_hash(p, sizeof(p) - 1, a);
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_and_steps),
		cmocka_unit_test(test_each_byte_counts),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-masterkey.c - bpmaster's keys as text
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/masterkey.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"

static int parse(enum masterkey_kind kind, const char *text, uint8_t ret[static MASTERKEY_BYTES])
{
	size_t n = strlen(text);
	char *copy = memcpy(malloc(n ? n : 1), text, n);
	int r = masterkey_parse(kind, copy, n, ret);

	free(copy);
	return r;
}

static void reads_what_it_writes(void **state)
{
	uint8_t key[MASTERKEY_BYTES], again[MASTERKEY_BYTES];
	char text[MASTERKEY_TEXT_MAX];

	for (size_t i = 0; i < MASTERKEY_BYTES; i++)
		key[i] = (uint8_t)(i * 37);
	for (int kind = 0; kind < MASTERKEY_KIND_MAX_; kind++) {
		masterkey_format((enum masterkey_kind)kind, key, text);
		assert_int_equal(parse((enum masterkey_kind)kind, text, again), 0);
		assert_memory_equal(key, again, sizeof(key));
	}
}

static void refuses(void **state)
{
	static const struct {
		enum masterkey_kind kind;
		const char *text;
		int r;
	} cases[] = {
		{ MASTERKEY_SECRET, "bpboot-master-key 1 " HEX "\n", 0 },
		{ MASTERKEY_PUBLIC, "bpboot-master-public 1 " HEX "\n", 0 },
		{ MASTERKEY_SECRET, "bpboot-master-public 1 " HEX "\n", -EPROTO },
		{ MASTERKEY_PUBLIC, "bpboot-master-key 1 " HEX "\n", -EPROTO },
		{ MASTERKEY_NODE, "bpboot-node-key 1 " HEX "\n", 0 },
		{ MASTERKEY_NODE, "bpboot-master-key 1 " HEX "\n", -EPROTO },
		{ MASTERKEY_SECRET, "bpboot-node-key 1 " HEX "\n", -EPROTO },
		{ MASTERKEY_NODE, "bpboot-node-key 1 " HEX, -EBADMSG },
		{ MASTERKEY_SECRET, "bpboot-master-key 2 " HEX "\n", -EBADMSG },
		{ MASTERKEY_SECRET, "bpboot-master-key 1 " HEX, -EBADMSG },
		{ MASTERKEY_SECRET, "bpboot-master-key 1 " HEX "\n\n", -EBADMSG },
		{ MASTERKEY_SECRET, "bpboot-master-key 1 " HEX "00\n", -EBADMSG },
		{ MASTERKEY_SECRET, "bpboot-master-key 1 0001\n", -EBADMSG },
		{ MASTERKEY_SECRET, "bpboot-master-key 1 ", -EBADMSG },
		{ MASTERKEY_SECRET, "bpboot-master-key", -EBADMSG },
		{ MASTERKEY_SECRET, "", -EBADMSG },
	};
	uint8_t key[MASTERKEY_BYTES];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (parse(cases[i].kind, cases[i].text, key) != cases[i].r)
			fail_msg("case %zu: %s", i, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

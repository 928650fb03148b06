/*
 * test-minisign.c - files written by minisign 0.11 are read, and what is written reads back the
 * same
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/minisign.h"

#define PUB_COMMENT "untrusted comment: minisign public key 640DC27B16B9772\n"
#define PUB_LINE    "RWRyl2uxJ9xABhGrlPDYNAI/ulhqSgGq6Wo1j6lK/m9KJvOfR6gB05AU\n"
#define SIG_COMMENT "untrusted comment: signature from minisign secret key\n"
#define SIG_LINE                                                           \
	"RURyl2uxJ9xABpwomIXK/R/huapy7vEgCWpgRvqV/iaSj7SBjh9N6izBsTOyA5v/" \
	"qf25/nQw9HQ/naNCupmFpNMtT9pse6bF9As=\n"
#define OLD_LINE                                                                                   \
	"RWRyl2uxJ9xABr1oekHbAV4KoZFlzonrfgXhFZaYBTbpGschWXKl86oQf+OgxiPfyinKP4OyIiuJnpACg4f9l8Mj" \
	"cYtvFq8Dvgw=\n"
#define TRUSTED_LINE "trusted comment: counter 7\n"
#define GLOBAL_LINE                                                                                \
	"s0arrx0IrmtbwNCuy6qGY4Oqh3eViccIOch02DKRCJ9G8JWpjfqs6bLy8sQAa7nbsKfQll6SHtneZeCO1cIcBQ==" \
	"\n"

/* Parse from a copy of exactly the text's size, so that the sanitizer sees one byte over. */
static int key_parse(const char *text, struct minisign_key *ret)
{
	size_t n = strlen(text);
	char *copy = memcpy(malloc(n ? n : 1), text, n);
	int r = minisign_key_parse(copy, n, ret);

	free(copy);
	return r;
}

static int sig_parse(const char *text, struct minisign_sig *ret)
{
	size_t n = strlen(text);
	char *copy = memcpy(malloc(n ? n : 1), text, n);
	int r = minisign_sig_parse(copy, n, ret);

	free(copy);
	return r;
}

static void reads_and_writes_a_key(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MINISIGN_FILE_MAX);
	char id[MINISIGN_ID_STR_MAX];
	struct minisign_key k, again;

	assert_int_equal(key_parse(PUB_COMMENT PUB_LINE, &k), 0);
	assert_string_equal(minisign_id_str(k.id, id), "640DC27B16B9772");
	assert_int_equal(minisign_key_format(&k, &b), 0);
	assert_string_equal(buffer_str(&b), PUB_COMMENT PUB_LINE);
	assert_int_equal(key_parse(buffer_str(&b), &again), 0);
	assert_memory_equal(&k, &again, sizeof(k));
}

static void reads_and_writes_a_signature(void **state)
{
	static const struct {
		const char *text;
		bool prehashed;
	} rows[] = {
		{ SIG_COMMENT SIG_LINE TRUSTED_LINE GLOBAL_LINE, true },
		{ SIG_COMMENT OLD_LINE TRUSTED_LINE GLOBAL_LINE, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(MINISIGN_FILE_MAX);
		struct minisign_sig s, again;

		assert_int_equal(sig_parse(rows[i].text, &s), 0);
		assert_true(s.prehashed == rows[i].prehashed);
		assert_string_equal(s.trusted_comment, "counter 7");
		assert_int_equal(minisign_sig_format(&s, &b), 0);
		assert_int_equal(sig_parse(buffer_str(&b), &again), 0);
		assert_memory_equal(&s, &again, sizeof(s));
	}
}

static void refuses_malformed_files(void **state)
{
	static const char *const keys[] = {
		"",
		PUB_COMMENT,
		PUB_LINE,
		PUB_COMMENT PUB_LINE "more\n",
		PUB_COMMENT "RWRyl2uxJ9xABhGrlPDYNAI/ulhqSgGq6Wo1j6lK/m9KJvOfR6gB05A\n",
		PUB_COMMENT "RWRyl2uxJ9xABhGrlPDYNAI/ulhqSgGq6Wo1j6lK/m9KJvOfR6gB05A=\n",
		PUB_COMMENT "RWRyl2uxJ9xABhGrlPDYNAI/ulhqSgGq6Wo1j6lK/m9KJvOfR6gB05A!\n",
		PUB_COMMENT "AARyl2uxJ9xABhGrlPDYNAI/ulhqSgGq6Wo1j6lK/m9KJvOfR6gB05AU\n",
	};
	static const char *const sigs[] = {
		"",
		SIG_COMMENT SIG_LINE,
		SIG_COMMENT SIG_LINE TRUSTED_LINE,
		SIG_COMMENT SIG_LINE GLOBAL_LINE,
		SIG_COMMENT SIG_LINE "trusted comment: a\x01q\n" GLOBAL_LINE,
		SIG_COMMENT SIG_LINE TRUSTED_LINE GLOBAL_LINE GLOBAL_LINE,
		SIG_COMMENT SIG_LINE TRUSTED_LINE PUB_LINE,
		SIG_COMMENT PUB_LINE TRUSTED_LINE GLOBAL_LINE,
		"<html>\n" SIG_LINE TRUSTED_LINE GLOBAL_LINE,
	};
	struct minisign_key k;
	struct minisign_sig s;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(key_parse(keys[i], &k), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++)
		assert_int_equal(sig_parse(sigs[i], &s), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_a_key),
		cmocka_unit_test(reads_and_writes_a_signature),
		cmocka_unit_test(refuses_malformed_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-cipher.c - the handshake proves the master, and frames come in order, whole and unchanged
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "space/cipher.h"

static const uint8_t secret[CIPHER_KEY_BYTES] = { 7, 1, 2, 3 },
		     other_secret[CIPHER_KEY_BYTES] = { 9 };

struct ends {
	struct cipher slave_receive, slave_send, master_receive, master_send;
};

static void shake(struct ends *e)
{
	uint8_t public[CIPHER_KEY_BYTES], greeting[CIPHER_GREETING_BYTES],
		answer[CIPHER_ANSWER_BYTES];
	struct handshake h;

	assert_int_equal(cipher_public(secret, public), 0);
	assert_int_equal(handshake_greet(&h, public, greeting), 0);
	assert_int_equal(
		handshake_answer(secret, greeting, answer, &e->master_receive, &e->master_send), 0);
	assert_int_equal(handshake_finish(&h, answer, &e->slave_receive, &e->slave_send), 0);
}

static void test_both_ends_agree(void **state)
{
	struct ends e;
	uint8_t text[100], tag[CIPHER_TAG_BYTES];

	shake(&e);
	assert_memory_equal(e.slave_send.key, e.master_receive.key, CIPHER_KEY_BYTES);
	assert_memory_equal(e.slave_receive.key, e.master_send.key, CIPHER_KEY_BYTES);
	assert_memory_not_equal(e.slave_send.key, e.slave_receive.key, CIPHER_KEY_BYTES);
	for (int i = 0; i < 3; i++) {
		memset(text, i, sizeof(text));
		cipher_seal(&e.slave_send, "ad", 2, text, sizeof(text), tag);
		assert_int_not_equal(text[0], i + 256);
		assert_int_equal(cipher_open(&e.master_receive, "ad", 2, text, sizeof(text), tag),
				 0);
		for (size_t k = 0; k < sizeof(text); k++)
			assert_int_equal(text[k], i);
	}
}

static void test_two_handshakes_share_no_key(void **state)
{
	struct ends a, b;

	shake(&a);
	shake(&b);
	assert_memory_not_equal(a.slave_send.key, b.slave_send.key, CIPHER_KEY_BYTES);
}

static void test_a_greeting_for_another_master_is_refused(void **state)
{
	uint8_t public[CIPHER_KEY_BYTES], greeting[CIPHER_GREETING_BYTES],
		answer[CIPHER_ANSWER_BYTES];
	struct cipher receive, send;
	struct handshake h;

	assert_int_equal(cipher_public(other_secret, public), 0);
	assert_int_equal(handshake_greet(&h, public, greeting), 0);
	assert_int_equal(handshake_answer(secret, greeting, answer, &receive, &send),
			 -EKEYREJECTED);
}

/* Whoever does not hold the master's secret can answer nothing that the slave takes. */
static void test_every_changed_byte_of_the_handshake_is_told(void **state)
{
	uint8_t public[CIPHER_KEY_BYTES], greeting[CIPHER_GREETING_BYTES],
		answer[CIPHER_ANSWER_BYTES];
	struct cipher receive, send;
	struct handshake h;

	assert_int_equal(cipher_public(secret, public), 0);
	assert_int_equal(handshake_greet(&h, public, greeting), 0);
	for (size_t i = 0; i < sizeof(greeting); i++) {
		greeting[i] ^= 1;
		assert_true(handshake_answer(secret, greeting, answer, &receive, &send) < 0);
		greeting[i] ^= 1;
	}
	assert_int_equal(handshake_answer(secret, greeting, answer, &receive, &send), 0);
	for (size_t i = 0; i < sizeof(answer); i++) {
		answer[i] ^= 1;
		assert_int_equal(handshake_finish(&h, answer, &receive, &send), -EKEYREJECTED);
		answer[i] ^= 1;
	}
	assert_int_equal(handshake_finish(&h, answer, &receive, &send), 0);
}

static void test_an_answer_to_another_greeting_is_refused(void **state)
{
	uint8_t public[CIPHER_KEY_BYTES], one[CIPHER_GREETING_BYTES], two[CIPHER_GREETING_BYTES];
	uint8_t answer[CIPHER_ANSWER_BYTES];
	struct cipher receive, send;
	struct handshake h1, h2;

	assert_int_equal(cipher_public(secret, public), 0);
	assert_int_equal(handshake_greet(&h1, public, one), 0);
	assert_int_equal(handshake_greet(&h2, public, two), 0);
	assert_int_equal(handshake_answer(secret, one, answer, &receive, &send), 0);
	assert_int_equal(handshake_finish(&h2, answer, &receive, &send), -EKEYREJECTED);
}

static void test_points_of_low_order_are_refused(void **state)
{
	uint8_t zero[CIPHER_KEY_BYTES] = { 0 }, greeting[CIPHER_GREETING_BYTES] = CIPHER_MAGIC;
	uint8_t answer[CIPHER_ANSWER_BYTES];
	struct cipher receive, send;
	struct handshake h;

	assert_int_equal(handshake_greet(&h, zero, greeting), -EKEYREJECTED);
	memset(greeting + CIPHER_MAGIC_BYTES, 0, sizeof(greeting) - CIPHER_MAGIC_BYTES);
	assert_int_equal(handshake_answer(secret, greeting, answer, &receive, &send),
			 -EKEYREJECTED);
}

/* Open a copy: a frame that is refused is wiped. */
static int open_copy(struct cipher *c, const char *ad, const uint8_t text[static 16],
		     const uint8_t *tag)
{
	uint8_t copy[16];

	memcpy(copy, text, sizeof(copy));
	return cipher_open(c, ad, 1, copy, sizeof(copy), tag);
}

static void test_changed_repeated_and_swapped_frames_are_told(void **state)
{
	uint8_t a[16] = "first", b[16] = "second", tag_a[CIPHER_TAG_BYTES], tag_b[CIPHER_TAG_BYTES];
	struct ends e;

	shake(&e);
	cipher_seal(&e.slave_send, "1", 1, a, sizeof(a), tag_a);
	cipher_seal(&e.slave_send, "2", 1, b, sizeof(b), tag_b);
	assert_int_equal(open_copy(&e.master_receive, "2", b, tag_b), -EBADMSG); /* too early */
	assert_int_equal(open_copy(&e.master_receive, "2", a, tag_a), -EBADMSG); /* other length */
	assert_int_equal(open_copy(&e.slave_receive, "1", a, tag_a), -EBADMSG);	 /* sent back */
	for (size_t i = 0; i < sizeof(a); i++) {
		a[i] ^= 0x80;
		assert_int_equal(open_copy(&e.master_receive, "1", a, tag_a), -EBADMSG);
		a[i] ^= 0x80;
	}
	assert_int_equal(open_copy(&e.master_receive, "1", a, tag_a), 0);
	assert_int_equal(open_copy(&e.master_receive, "1", a, tag_a), -EBADMSG); /* again */
	assert_int_equal(open_copy(&e.master_receive, "2", b, tag_b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ends_agree),
		cmocka_unit_test(test_two_handshakes_share_no_key),
		cmocka_unit_test(test_a_greeting_for_another_master_is_refused),
		cmocka_unit_test(test_every_changed_byte_of_the_handshake_is_told),
		cmocka_unit_test(test_an_answer_to_another_greeting_is_refused),
		cmocka_unit_test(test_points_of_low_order_are_refused),
		cmocka_unit_test(test_changed_repeated_and_swapped_frames_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-cipher.c - the handshake proves both ends, and frames come in order, whole and unchanged
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "space/cipher.h"

static const uint8_t secret[CIPHER_KEY_BYTES] = { 7, 1, 2, 3 },
		     other_secret[CIPHER_KEY_BYTES] = { 9 },
		     slave_secret[CIPHER_KEY_BYTES] = { 5, 5 };

struct ends {
	struct cipher slave_receive, slave_send, master_receive, master_send;
};

/* One handshake, step by step. */
struct shaking {
	struct keypair master, slave;
	struct handshake at_slave, at_master;
	uint8_t greeting[CIPHER_GREETING_BYTES], answer[CIPHER_ANSWER_BYTES],
		proof[CIPHER_PROOF_BYTES];
	struct identity who;
	struct ends ends;
};

static void greet(struct shaking *s)
{
	*s = (struct shaking){ 0 };
	assert_int_equal(keypair_of(secret, &s->master), 0);
	assert_int_equal(keypair_of(slave_secret, &s->slave), 0);
	assert_int_equal(handshake_greet(&s->at_slave, s->master.public, s->greeting), 0);
}

static int answer(struct shaking *s)
{
	return handshake_answer(&s->at_master, &s->master, s->greeting, s->answer);
}

static int prove(struct shaking *s, bool lasting)
{
	return handshake_prove(&s->at_slave, &s->slave, lasting, s->answer, s->proof,
			       &s->ends.slave_receive, &s->ends.slave_send);
}

/* On a copy, so that it can be tried again. */
static int check(struct shaking *s)
{
	struct handshake h = s->at_master;

	return handshake_check(&h, s->proof, &s->who, &s->ends.master_receive,
			       &s->ends.master_send);
}

static void shake(struct ends *e)
{
	struct shaking s;

	greet(&s);
	assert_int_equal(answer(&s), 0);
	assert_int_equal(prove(&s, false), 0);
	assert_int_equal(check(&s), 0);
	*e = s.ends;
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

static void test_the_master_learns_the_key_of_the_slave(void **state)
{
	for (int lasting = 0; lasting < 2; lasting++) {
		struct shaking s;

		greet(&s);
		assert_int_equal(answer(&s), 0);
		assert_int_equal(prove(&s, lasting), 0);
		assert_int_equal(check(&s), 0);
		assert_memory_equal(s.who.key, s.slave.public, CIPHER_KEY_BYTES);
		assert_int_equal(s.who.lasting, lasting);
	}
}

/* It is encrypted: who listens, or redirects the connection, does not learn which node it is. */
static void test_the_key_of_the_slave_is_not_on_the_wire(void **state)
{
	struct shaking s;

	greet(&s);
	assert_int_equal(answer(&s), 0);
	assert_int_equal(prove(&s, true), 0);
	for (size_t i = 0; i + 8 <= sizeof(s.proof); i++)
		assert_memory_not_equal(s.proof + i, s.slave.public, 8);
}

static void test_a_greeting_for_another_master_is_refused(void **state)
{
	struct shaking s;

	greet(&s);
	assert_int_equal(keypair_of(other_secret, &s.master), 0);
	assert_int_equal(answer(&s), -EKEYREJECTED);
}

/* Whoever does not hold the master's secret can answer nothing that the slave takes, and who
 * changes the proof proves nothing. */
static void test_every_changed_byte_of_the_handshake_is_told(void **state)
{
	struct shaking s;

	greet(&s);
	for (size_t i = 0; i < sizeof(s.greeting); i++) {
		s.greeting[i] ^= 1;
		assert_true(answer(&s) < 0);
		assert_false(s.at_master.answered);
		s.greeting[i] ^= 1;
	}
	assert_int_equal(answer(&s), 0);
	for (size_t i = 0; i < sizeof(s.answer); i++) {
		s.answer[i] ^= 1;
		assert_int_equal(prove(&s, false), -EKEYREJECTED);
		s.answer[i] ^= 1;
	}
	assert_int_equal(prove(&s, false), 0);
	for (size_t i = 0; i < sizeof(s.proof); i++) {
		s.proof[i] ^= 1;
		assert_true(check(&s) < 0);
		s.proof[i] ^= 1;
	}
	assert_int_equal(check(&s), 0);
}

/* Who shows the public key of another one, without its secret, is told. */
static void test_a_key_that_is_shown_and_not_held_is_refused(void **state)
{
	struct shaking s;
	struct keypair thief;

	greet(&s);
	assert_int_equal(answer(&s), 0);
	assert_int_equal(keypair_of(other_secret, &thief), 0);
	memcpy(thief.public, s.slave.public, sizeof(thief.public));
	s.slave = thief;
	assert_int_equal(prove(&s, true), 0);
	assert_int_equal(check(&s), -EKEYREJECTED);
}

/* The master's answer is new each time: a recorded greeting and proof open no second connection. */
static void test_a_replayed_handshake_is_refused(void **state)
{
	struct shaking s;

	greet(&s);
	assert_int_equal(answer(&s), 0);
	assert_int_equal(prove(&s, true), 0);
	assert_int_equal(check(&s), 0);
	assert_int_equal(answer(&s), 0);
	assert_int_equal(check(&s), -EBADMSG);
}

static void test_an_answer_to_another_greeting_is_refused(void **state)
{
	struct shaking one, two;

	greet(&one);
	greet(&two);
	assert_int_equal(answer(&one), 0);
	memcpy(two.answer, one.answer, sizeof(two.answer));
	assert_int_equal(prove(&two, false), -EKEYREJECTED);
}

static void test_points_of_low_order_are_refused(void **state)
{
	static const uint8_t zero[CIPHER_KEY_BYTES];
	struct shaking s;

	greet(&s);
	assert_int_equal(handshake_greet(&s.at_slave, zero, s.greeting), -EKEYREJECTED);
	memset(s.greeting + CIPHER_MAGIC_BYTES, 0, sizeof(s.greeting) - CIPHER_MAGIC_BYTES);
	assert_int_equal(answer(&s), -EKEYREJECTED);
	greet(&s);
	assert_int_equal(answer(&s), 0);
	memset(s.slave.public, 0, sizeof(s.slave.public));
	assert_int_equal(prove(&s, false), 0);
	assert_int_equal(check(&s), -EKEYREJECTED);
}

static void test_fingerprints(void **state)
{
	char a[CIPHER_FINGERPRINT], b[CIPHER_FINGERPRINT];

	assert_int_equal(strlen(cipher_fingerprint(secret, a)), CIPHER_FINGERPRINT - 1);
	assert_string_not_equal(a, cipher_fingerprint(other_secret, b));
	assert_string_equal(a, cipher_fingerprint(secret, b));
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
		cmocka_unit_test(test_the_master_learns_the_key_of_the_slave),
		cmocka_unit_test(test_the_key_of_the_slave_is_not_on_the_wire),
		cmocka_unit_test(test_a_key_that_is_shown_and_not_held_is_refused),
		cmocka_unit_test(test_a_replayed_handshake_is_refused),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_an_answer_to_another_greeting_is_refused),
		cmocka_unit_test(test_points_of_low_order_are_refused),
		cmocka_unit_test(test_changed_repeated_and_swapped_frames_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

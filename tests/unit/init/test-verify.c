/*
 * test-verify.c - signatures by our key, another key, over changed text; and which image a machine
 * may use
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "init/verify.h"

#include "../scratch.h"

#define TEXT "bpboot-index 1\n"

static struct minisign_key key;
static uint8_t secret[crypto_sign_SECRETKEYBYTES];

static void sign(const char *text, bool prehashed, struct minisign_sig *s)
{
	uint8_t hash[64], all[MINISIGN_SIG_BYTES + MINISIGN_COMMENT_MAX];
	size_t n;

	*s = (struct minisign_sig){ .prehashed = prehashed, .trusted_comment = "counter 7" };
	memcpy(s->id, key.id, sizeof(s->id));
	crypto_generichash(hash, sizeof(hash), (const uint8_t *)text, strlen(text), NULL, 0);
	if (prehashed)
		crypto_sign_detached(s->signature, NULL, hash, sizeof(hash), secret);
	else
		crypto_sign_detached(s->signature, NULL, (const uint8_t *)text, strlen(text),
				     secret);
	n = strlen(s->trusted_comment);
	memcpy(all, s->signature, sizeof(s->signature));
	memcpy(all + sizeof(s->signature), s->trusted_comment, n);
	crypto_sign_detached(s->global_signature, NULL, all, sizeof(s->signature) + n, secret);
}

static int check(const struct minisign_sig *s, const char *text, char why[static VERIFY_WHY_MAX])
{
	_cleanup_buffer_ struct buffer b = BUFFER(MINISIGN_FILE_MAX);
	struct verify_keys keys = { .keys = { key }, .n = 1 };

	assert_int_equal(minisign_sig_format(s, &b), 0);
	return verify_signature(&keys, text, strlen(text), b.data, b.len, why);
}

static void only_what_our_key_signed_is_believed(void **state)
{
	char why[VERIFY_WHY_MAX] = "";
	struct minisign_sig s;

	for (int prehashed = 0; prehashed < 2; prehashed++) {
		sign(TEXT, prehashed, &s);
		assert_int_equal(check(&s, TEXT, why), 0);
		assert_int_equal(check(&s, TEXT "x", why), -EKEYREJECTED);
		s.trusted_comment[8] = '8';
		assert_int_equal(check(&s, TEXT, why), -EKEYREJECTED);
		sign(TEXT, prehashed, &s);
		s.prehashed = !s.prehashed;
		assert_int_equal(check(&s, TEXT, why), -EKEYREJECTED);
		sign(TEXT, prehashed, &s);
		s.id[0] ^= 1;
		assert_int_equal(check(&s, TEXT, why), -ENOKEY);
		assert_non_null(strstr(why, "another key"));
	}
	assert_int_equal(verify_signature(&(struct verify_keys){ .n = 0 }, "", 0, "x", 1, why),
			 -EBADMSG);
}

static void every_flipped_bit_of_a_signature_is_found(void **state)
{
	char why[VERIFY_WHY_MAX];
	struct minisign_sig s;

	sign(TEXT, true, &s);
	for (size_t i = 0; i < 8 * MINISIGN_SIG_BYTES; i += 7) {
		s.signature[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(check(&s, TEXT, why), -EKEYREJECTED);
		s.signature[i / 8] ^= (uint8_t)(1 << i % 8);
		s.global_signature[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(check(&s, TEXT, why), -EKEYREJECTED);
		s.global_signature[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(check(&s, TEXT, why), 0);
}

static void keys_come_from_pub_files(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MINISIGN_FILE_MAX);
	char dir[SCRATCH_PATH_MAX], why[VERIFY_WHY_MAX] = "";
	struct verify_keys keys;
	int fd;

	assert_int_equal(scratch_make(dir), 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(verify_keys_read(fd, ".", &keys, why), -ENOKEY);
	assert_int_equal(minisign_key_format(&key, &b), 0);
	assert_int_equal(file_write(fd, "readme", "x", 1, 0644), 0);
	assert_int_equal(file_write(fd, "sign.pub", b.data, b.len, 0644), 0);
	assert_int_equal(verify_keys_read(fd, ".", &keys, why), 0);
	assert_int_equal(keys.n, 1);
	assert_memory_equal(&keys.keys[0], &key, sizeof(key));
	assert_int_equal(file_write(fd, "bad.pub", "x", 1, 0644), 0);
	assert_int_equal(verify_keys_read(fd, ".", &keys, why), -EBADMSG);
	assert_non_null(strstr(why, "bad.pub"));
	close(fd);
	assert_int_equal(scratch_remove(dir), 0);
}

static void old_and_foreign_images_are_refused(void **state)
{
	struct index x = { .counter = 7, .arch = INDEX_X86_64, .format = INDEX_EXT2 };
	char why[VERIFY_WHY_MAX];

#if defined(__aarch64__)
	x.arch = INDEX_AARCH64;
#endif
	assert_int_equal(verify_index(&x, 7, why), 0);
	assert_int_equal(verify_index(&x, 8, why), -ESTALE);
	x.format = INDEX_EROFS;
	assert_int_equal(verify_index(&x, 0, why), 0);
	x.arch = x.arch == INDEX_X86_64 ? INDEX_AARCH64 : INDEX_X86_64;
	assert_int_equal(verify_index(&x, 0, why), -ENOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_our_key_signed_is_believed),
		cmocka_unit_test(every_flipped_bit_of_a_signature_is_found),
		cmocka_unit_test(keys_come_from_pub_files),
		cmocka_unit_test(old_and_foreign_images_are_refused),
	};

	if (sodium_init() < 0)
		return 1;
	randombytes_buf(key.id, sizeof(key.id));
	crypto_sign_keypair(key.public_key, secret);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

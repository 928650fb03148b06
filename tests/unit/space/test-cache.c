/*
 * test-cache.c - a blob is named when its hash is right, what was used longest ago goes first, and
 * nothing that is in use
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "space/cache.h"

#define LIMIT 1000000u

static char dir[] = "/tmp/test-cache-XXXXXX";
static struct cache *c;

static int setup(void **state)
{
	char words[MESSAGE_WORDS_MAX];

	return cache_open(dir, LIMIT, &c, words);
}

static int teardown(void **state)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s", c->dir);
	cache_close(c);
	c = NULL;
	assert_int_equal(access(path, F_OK), -1);
	return 0;
}

/* Bytes of their own for each @seed. */
static struct message_file file_of(uint8_t seed, size_t n, uint8_t **ret)
{
	struct message_file f = { .bytes = n, .path = "/opt/x" };

	*ret = malloc(n ? n : 1);
	assert_non_null(*ret);
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = (uint8_t)(seed + i * 3);
	file_hash(*ret, n, f.hash);
	return f;
}

/* Bring bytes in, in steps. Return: of the last cache_filled(). */
static int bring(struct cache_blob *b, const uint8_t *p, size_t n, size_t step)
{
	size_t done = 0;
	int r = 0;

	do {
		size_t room, some;
		uint8_t *to = cache_room(b, &room);

		some = MIN(room, step);
		some = MIN(some, n - done);
		if (some > 0)
			memcpy(to, p + done, some);
		r = cache_filled(c, b, some);
		done += some;
	} while (r == 0 && done < n);
	return r;
}

static struct cache_blob *put(uint8_t seed, size_t n)
{
	uint8_t *p;
	struct message_file f = file_of(seed, n, &p);
	struct message_blob id = cache_id(&f, 0);
	struct cache_blob *b;

	assert_int_equal(cache_expect(c, &id, n, &b), 0);
	assert_int_equal(bring(b, p, n, 65536), 1);
	free(p);
	return b;
}

static bool has(uint8_t seed, size_t n)
{
	uint8_t *p;
	struct message_file f = file_of(seed, n, &p);
	struct message_blob id = cache_id(&f, 0);

	free(p);
	return cache_find(c, &id) != NULL;
}

static void test_what_comes_is_what_is_kept(void **state)
{
	static const size_t sizes[] = { 0, 1, 65536, 262143, 262144, 262145, 600000 };
	static const size_t steps[] = { 1000, 65536, 262144 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
			uint8_t *p, *back = malloc(sizes[i] + 1);
			struct message_file f = file_of((uint8_t)i, sizes[i], &p);
			struct message_blob id = cache_id(&f, 0);
			_cleanup_close_ int fd = FD_NONE;
			struct cache_blob *b;
			struct stat st;
			size_t n;

			assert_non_null(back);
			assert_int_equal(cache_expect(c, &id, sizes[i], &b), 0);
			assert_int_equal(bring(b, p, sizes[i], steps[k]), 1);
			assert_true(b->here);
			fd = cache_blob_open(c, b);
			assert_true(fd >= 0);
			assert_int_equal(fstat(fd, &st), 0);
			assert_int_equal(st.st_mode & 07777, 0555);
			assert_int_equal(fd_read_full(fd, back, sizes[i] + 1, &n), 0);
			assert_int_equal(n, sizes[i]);
			assert_memory_equal(back, p, n);
			cache_drop(c, b);
			assert_null(cache_find(c, &id));
			free(back);
			free(p);
		}
	}
}

static void test_an_altered_blob_gets_no_name(void **state)
{
	uint8_t *p;
	struct message_file f = file_of(1, 300000, &p);
	struct message_blob id = cache_id(&f, 0);
	struct cache_blob *b;

	assert_int_equal(cache_expect(c, &id, f.bytes, &b), 0);
	p[299999] ^= 1;
	assert_int_equal(bring(b, p, f.bytes, 65536), -EBADMSG);
	assert_false(b->here);
	assert_true(cache_blob_open(c, b) < 0);
	p[299999] ^= 1;
	assert_int_equal(cache_rewind(b), 0); /* another sender may do better */
	assert_int_equal(bring(b, p, f.bytes, 65536), 1);
	free(p);
}

static void test_longest_unused_goes_first(void **state)
{
	struct cache_item item = { .file = &(const struct message_file){ .path = "/a/b" } };
	struct cache_view *v;

	put(1, 300000);
	item.blob = put(2, 300000);
	put(3, 300000);
	assert_int_equal(cache_view_get(c, &item, 1, &v), 0); /* 2 was used after 3 */
	assert_int_equal(cache_view_make(c, v), 0);
	cache_view_put(c, v);
	put(4, 300000);
	assert_false(has(1, 300000));
	assert_true(has(2, 300000));
	put(5, 300000);
	assert_false(has(3, 300000));
	assert_true(has(2, 300000));
	put(6, 300000);
	assert_false(has(2, 300000)); /* and its view with it */
	assert_null(c->views);
	put(7, 900000);
	assert_true(c->bytes == 900000 && c->n == 1);
}

static void test_in_use_stays(void **state)
{
	struct cache_item item = { .file = &(const struct message_file){ .path = "/a/b" } };
	const struct message_blob id = { .hash = { 9 } };
	struct cache_view *v;
	struct cache_blob *b;
	char path[4096];

	item.blob = put(1, 600000);
	assert_int_equal(cache_view_get(c, &item, 1, &v), 0);
	assert_int_equal(cache_view_make(c, v), 0);
	put(2, 300000);
	assert_int_equal(cache_expect(c, &id, 500000, &b), -ENOBUFS);
	assert_int_equal(cache_expect(c, &id, LIMIT + 1, &b), -EFBIG);
	assert_true(has(1, 600000));
	snprintf(path, sizeof(path), "%s/a/b", v->path);
	assert_int_equal(access(path, R_OK), 0);
	cache_view_put(c, v);
	assert_int_equal(cache_expect(c, &id, 500000, &b), 0);
	assert_false(has(1, 600000));
	assert_int_equal(access(path, F_OK), -1);
}

/* A start of which not all came: neither it nor what came in part keeps its place. */
static void test_half_a_blob_can_be_given_up(void **state)
{
	const struct message_blob id = { .hash = { 1 } }, other = { .hash = { 2 } };
	struct cache_item item = { .file = &(const struct message_file){ .path = "/a/b" } };
	struct cache_view *v;
	struct cache_blob *b;

	assert_int_equal(cache_expect(c, &id, 700000, &item.blob), 0);
	assert_int_equal(cache_view_get(c, &item, 1, &v), 0);
	assert_int_equal(cache_view_make(c, v), -EAGAIN);
	assert_int_equal(cache_expect(c, &other, 700000, &b), -ENOBUFS);
	cache_view_put(c, v);
	assert_null(c->views);
	assert_int_equal(cache_expect(c, &other, 700000, &b), 0);
	assert_null(cache_find(c, &id));
}

static void test_private_blobs_are_their_users(void **state)
{
	struct message_file f = { .is_private = true };
	struct message_blob a = cache_id(&f, 1000), b = cache_id(&f, 1001);

	assert_int_equal(a.owner, 1000);
	assert_int_equal(b.owner, 1001);
	f.is_private = false;
	assert_int_equal(cache_id(&f, 1000).owner, MESSAGE_EVERYONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_comes_is_what_is_kept),	TEST(test_an_altered_blob_gets_no_name),
		TEST(test_longest_unused_goes_first),	TEST(test_in_use_stays),
		TEST(test_half_a_blob_can_be_given_up), TEST(test_private_blobs_are_their_users),
	};
	int r;

	if (sodium_init() < 0 || !mkdtemp(dir))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)rmdir(dir);
	return r;
}

/*
 * test-publish.c - keys, publication, verification and pruning, in a boot directory of the test's
 * own
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "image/publish.h"
#include "image/verify.h"

#include "../scratch.h"

#define IMAGE_BYTES (3u << 20)

static char said[4096]; /* everything logged since the last clear */

static void remember(enum log_level level, const char *line)
{
	size_t n = strlen(said);

	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

struct fixture {
	char dir[SCRATCH_PATH_MAX];
	int dirfd;
	int image_fd;
	struct sign_key key;
	struct minisign_key pub;
	struct publish_spec spec;
};

/* 1 MiB of noise, 1 MiB of zeros, text, a short run of zeros, text. */
static void fill(int fd, unsigned seed)
{
	uint8_t *p = calloc(1, IMAGE_BYTES);
	uint32_t x = seed;

	assert_non_null(p);
	for (size_t i = 0; i < 1u << 20; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)(x >> 24);
	}
	for (size_t i = 2u << 20; i < IMAGE_BYTES; i++)
		p[i] = (uint8_t)("the same text over and over "[i % 28]);
	memset(p + (2u << 20) + 8192, 0, 16384);
	assert_int_equal(pwrite(fd, p, IMAGE_BYTES, 0), IMAGE_BYTES);
	free(p);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	log_set_sink(remember);
	said[0] = 0;
	assert_int_equal(scratch_make(f->dir), 0);
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->image_fd = open(f->dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	assert_true(f->dirfd >= 0 && f->image_fd >= 0);
	fill(f->image_fd, 1);
	assert_int_equal(sign_key_generate(&f->key), 0);
	sign_public(&f->key, &f->pub);
	f->spec = (struct publish_spec){ .boot_dirfd = f->dirfd,
					 .name = "a",
					 .init = "/sbin/init",
					 .key = &f->key,
					 .level = 3 };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	fd_close(f->image_fd);
	fd_close(f->dirfd);
	r = scratch_remove(f->dir);
	free(f);
	return r;
}

static void read_index(struct fixture *f, struct index *ret)
{
	_cleanup_buffer_ struct buffer b = BUFFER(INDEX_BYTES_MAX);
	const char *why = NULL;
	unsigned line = 0;

	assert_int_equal(file_read(f->dirfd, "a.index", &b), 0);
	assert_int_equal(index_parse(b.data, b.len, ret, &line, &why), 0);
}

static void part_path(const struct index_part *p, char ret[static 128])
{
	char hex[2 * INDEX_HASH_BYTES + 1];

	for (size_t i = 0; i < INDEX_HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", p->hash[i]);
	snprintf(ret, 128, "parts/%s", hex);
}

static void publishes_and_verifies(void **state)
{
	struct fixture *f = *state;
	_cleanup_index_ struct index x = { 0 };
	struct publish_result res;
	struct verify_result v;
	struct stat st;
	char path[128];

	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_true(res.changed);
	assert_int_equal(res.counter, 1);
	assert_int_equal(res.holes, 1);
	assert_int_equal(res.hole_bytes, 1u << 20);
	/* 4 parts of noise, 4 of text; runs of zeros that are short end no part */
	assert_int_equal(res.parts, 8);
	assert_int_equal(res.new_parts, res.parts);
	read_index(f, &x);
	assert_int_equal(x.parts[4].offset, 1u << 20);
	assert_int_equal(x.parts[4].stored_bytes, 0);
	for (size_t i = 0; i < x.n_parts; i++) {
		if (!x.parts[i].stored_bytes)
			continue;
		part_path(&x.parts[i], path);
		assert_int_equal(fstatat(f->dirfd, path, &st, 0), 0);
		assert_int_equal(st.st_size, x.parts[i].stored_bytes);
		assert_int_equal(st.st_mode & 07777, 0644);
	}
	assert_int_equal(verify_image(f->dirfd, "a", &f->pub, 1, &v), 0);
	assert_int_equal(v.parts, res.parts);
	assert_int_equal(v.stored_bytes, res.stored_bytes);
	assert_string_equal(said, "");
}

static void second_publication_of_the_same_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct publish_result res;
	struct stat before, after;

	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(fstatat(f->dirfd, "a.index", &before, 0), 0);
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(fstatat(f->dirfd, "a.index", &after, 0), 0);
	assert_false(res.changed);
	assert_int_equal(res.counter, 1);
	assert_int_equal(res.new_parts, 0);
	assert_int_equal(res.compressed_parts, 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void counter_grows_when_content_changes_and_old_parts_are_kept(void **state)
{
	struct fixture *f = *state;
	struct publish_result res;

	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(pwrite(f->image_fd, "x", 1, 300000), 1); /* in the second part */
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_true(res.changed);
	assert_int_equal(res.counter, 2);
	assert_int_equal(res.new_parts, 1);
	f->spec.init = "/bin/bash"; /* no part changes, but what the node does */
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(res.counter, 3);
	assert_int_equal(res.new_parts, 0);
}

static void only_what_changed_is_compressed(void **state)
{
	struct fixture *f = *state;
	struct publish_result res;
	struct verify_result v;

	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(res.compressed_parts, 8);
	assert_int_equal(pwrite(f->image_fd, "x", 1, 300000), 1); /* in the second part */
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(res.compressed_parts, 1);
	assert_int_equal(verify_image(f->dirfd, "a", &f->pub, 1, &v), 0);
	f->spec.level = 4; /* what another level made is not taken over */
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(res.compressed_parts, 8);
	f->spec.key = NULL; /* nor what nobody vouches for */
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(res.compressed_parts, 8);
}

static void threads_and_repetition_do_not_show_in_the_index(void **state)
{
	struct fixture *f = *state;
	_cleanup_buffer_ struct buffer one = BUFFER(INDEX_BYTES_MAX), two = BUFFER(INDEX_BYTES_MAX);
	struct publish_result res;

	f->spec.threads = 1;
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(file_read(f->dirfd, "a.index", &one), 0);
	assert_int_equal(unlinkat(f->dirfd, "a.index", 0), 0);
	f->spec.threads = 5;
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(file_read(f->dirfd, "a.index", &two), 0);
	assert_string_equal(buffer_str(&one), buffer_str(&two));
}

static void another_key_signs_again_without_a_new_counter(void **state)
{
	struct fixture *f = *state;
	struct publish_result res;
	struct verify_result v;

	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(sign_key_generate(&f->key), 0);
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_true(res.changed);
	assert_int_equal(res.counter, 1);
	assert_int_equal(verify_image(f->dirfd, "a", &f->pub, 1, &v), -EBADMSG);
	assert_non_null(strstr(said, "is not the key to check with"));
	sign_public(&f->key, &f->pub);
	assert_int_equal(verify_image(f->dirfd, "a", &f->pub, 1, &v), 0);
}

static void a_part_that_was_damaged_is_named_and_written_again(void **state)
{
	struct fixture *f = *state;
	_cleanup_index_ struct index x = { 0 };
	_cleanup_close_ int fd = FD_NONE;
	struct publish_result res;
	struct verify_result v;
	char path[128];
	uint8_t byte;

	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	read_index(f, &x);
	part_path(&x.parts[2], path);
	fd = openat(f->dirfd, path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, 1000), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, 1000), 1);
	assert_int_equal(verify_image(f->dirfd, "a", &f->pub, 1, &v), -EBADMSG);
	assert_non_null(strstr(said, path));
	assert_non_null(strstr(said, "part 3 "));
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(res.new_parts, 1);
	assert_int_equal(verify_image(f->dirfd, "a", &f->pub, 1, &v), 0);
}

static void a_publication_that_fails_leaves_the_old_image(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, small = { .rlim_cur = 20000 };
	struct publish_result res;
	struct verify_result v;
	size_t parts;
	uint64_t bytes;

	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	fill(f->image_fd, 99);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small); /* noise does not fit: as when the disk is full */
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_non_null(strstr(said, "cannot write part"));
	said[0] = 0;
	assert_int_equal(verify_image(f->dirfd, "a", &f->pub, 1, &v), 0);
	assert_int_equal(publish_prune(f->dirfd, &parts, &bytes), 0);
	assert_int_equal(parts, 0); /* it took away what it had written */
}

static void prune_removes_what_no_index_names(void **state)
{
	struct fixture *f = *state;
	struct publish_result res;
	struct verify_result v;
	size_t parts;
	uint64_t bytes;

	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	f->spec.name = "b";
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(res.new_parts, 0); /* shared */
	assert_int_equal(pwrite(f->image_fd, "x", 1, 5), 1);
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES, &res), 0);
	assert_int_equal(publish_prune(f->dirfd, &parts, &bytes), 0);
	assert_int_equal(parts, 0);
	assert_int_equal(unlinkat(f->dirfd, "a.index", 0), 0);
	assert_int_equal(publish_prune(f->dirfd, &parts, &bytes), 0);
	assert_int_equal(parts, 1); /* what only "a" had */
	assert_true(bytes > 200000);
	assert_int_equal(verify_image(f->dirfd, "b", &f->pub, 1, &v), 0);
	assert_int_equal(file_write(f->dirfd, "c.index", "rubbish\n", 8, 0644), 0);
	assert_int_equal(publish_prune(f->dirfd, &parts, &bytes), -EBADMSG);
}

static void refuses_bad_specifications(void **state)
{
	struct fixture *f = *state;
	struct publish_result res;
	struct publish_spec s;

	s = f->spec, s.name = "../a";
	assert_int_equal(publish_image(&s, f->image_fd, IMAGE_BYTES, &res), -EINVAL);
	s = f->spec, s.init = "bin/sh";
	assert_int_equal(publish_image(&s, f->image_fd, IMAGE_BYTES, &res), -EINVAL);
	s = f->spec, s.init = "/bin/sh -x";
	assert_int_equal(publish_image(&s, f->image_fd, IMAGE_BYTES, &res), -EINVAL);
	s = f->spec, s.part_bytes = 5000;
	assert_int_equal(publish_image(&s, f->image_fd, IMAGE_BYTES, &res), -ERANGE);
	s = f->spec, s.level = 20;
	assert_int_equal(publish_image(&s, f->image_fd, IMAGE_BYTES, &res), -ERANGE);
	assert_int_equal(publish_image(&f->spec, f->image_fd, 1000, &res), -ERANGE);
	assert_int_equal(publish_image(&f->spec, f->image_fd, IMAGE_BYTES + 1024, &res), -EIO);
	assert_int_equal(faccessat(f->dirfd, "a.index", F_OK, 0), -1);
}

static void secret_keys_read_back_and_damaged_ones_do_not(void **state)
{
	struct fixture *f = *state;
	_cleanup_buffer_ struct buffer b = BUFFER(4096);
	struct sign_key again;

	assert_int_equal(sign_key_format(&f->key, &b), 0);
	assert_int_equal(file_write(f->dirfd, "key", b.data, b.len, 0600), 0);
	assert_int_equal(sign_key_load(f->dirfd, "key", &again), 0);
	assert_memory_equal(&again, &f->key, sizeof(again));
	for (size_t i = 49; i + 1 < b.len; i += 7) { /* behind the comment */
		uint8_t was = b.data[i];

		b.data[i] = was == 'B' ? 'C' : 'B';
		assert_int_equal(file_write(f->dirfd, "key", b.data, b.len, 0600), 0);
		b.data[i] = was;
		/* salt and key id are not checked, for they may be anything */
		if (i >= 49 + 8 && i < 49 + 83)
			continue;
		assert_true(sign_key_load(f->dirfd, "key", &again) < 0);
	}
	assert_int_equal(sign_key_load(f->dirfd, "no-such", &again), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(publishes_and_verifies, setup, teardown),
		cmocka_unit_test_setup_teardown(second_publication_of_the_same_changes_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			counter_grows_when_content_changes_and_old_parts_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(only_what_changed_is_compressed, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_and_repetition_do_not_show_in_the_index,
						setup, teardown),
		cmocka_unit_test_setup_teardown(another_key_signs_again_without_a_new_counter,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_part_that_was_damaged_is_named_and_written_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_publication_that_fails_leaves_the_old_image,
						setup, teardown),
		cmocka_unit_test_setup_teardown(prune_removes_what_no_index_names, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_bad_specifications, setup, teardown),
		cmocka_unit_test_setup_teardown(secret_keys_read_back_and_damaged_ones_do_not,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

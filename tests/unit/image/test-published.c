/*
 * test-published.c - a published image reads like a file, and no part is believed that is not the
 * index's
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "image/publish.h"
#include "image/published.h"

#include "../scratch.h"

#define IMAGE_BYTES (3u << 20)
#define PART_BYTES  (64u << 10)

struct fixture {
	char dir[SCRATCH_PATH_MAX];
	int boot;
	uint8_t *image;
};

static unsigned said;

static void count(enum log_level level, const char *line)
{
	said++;
}

/* Noise, a hole of 1 MiB, text. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_close_ int fd = FD_NONE;
	struct publish_spec spec = {
		.name = "a", .init = "/sbin/init", .level = 1, .part_bytes = PART_BYTES
	};
	struct publish_result res;
	uint32_t x = 1;

	assert_int_equal(scratch_make(f->dir), 0);
	f->boot = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = open(f->dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	f->image = calloc(1, IMAGE_BYTES);
	for (size_t i = 0; i < 1u << 20; i++) {
		x = x * 1664525 + 1013904223;
		f->image[i] = (uint8_t)(x >> 24);
	}
	for (size_t i = 2u << 20; i < IMAGE_BYTES; i++)
		f->image[i] = (uint8_t)("text and text "[i % 14]);
	assert_int_equal(fd_write_all(fd, f->image, IMAGE_BYTES), 0);
	spec.boot_dirfd = f->boot;
	assert_int_equal(publish_image(&spec, fd, IMAGE_BYTES, &res), 0);
	assert_true(res.holes > 0 && res.parts > 16);
	log_set_sink(count);
	said = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	log_set_sink(NULL);
	close(f->boot);
	r = scratch_remove(f->dir);
	free(f->image);
	free(f);
	return r;
}

static void every_place_reads_as_the_image_does(void **state)
{
	_cleanup_published_ struct published *p = NULL;
	_cleanup_free_ uint8_t *buf = malloc(IMAGE_BYTES);
	struct fixture *f = *state;
	struct medium *m;
	uint32_t x = 3;
	size_t n = 0;

	assert_int_equal(published_open(f->boot, "a", &p), 0);
	m = published_medium(p);
	assert_int_equal(m->bytes, IMAGE_BYTES);
	assert_int_equal(m->read(m, 0, buf, IMAGE_BYTES, &n), 0);
	assert_int_equal(n, IMAGE_BYTES);
	assert_memory_equal(buf, f->image, IMAGE_BYTES);
	for (unsigned i = 0; i < 500; i++) {
		uint32_t at, k;

		x = x * 1664525 + 1013904223;
		at = x % IMAGE_BYTES;
		x = x * 1664525 + 1013904223;
		k = x % (3 * PART_BYTES);
		assert_int_equal(m->read(m, at, buf, k, &n), 0);
		assert_int_equal(n, MIN(k, IMAGE_BYTES - at));
		assert_memory_equal(buf, f->image + at, n);
	}
	assert_int_equal(m->read(m, IMAGE_BYTES, buf, 10, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(m->read(m, UINT64_MAX - 4, buf, 10, &n), 0);
	assert_int_equal(n, 0);
}

static void a_part_that_is_not_the_index_s_is_refused_where_it_is_read(void **state)
{
	_cleanup_published_ struct published *p = NULL;
	struct fixture *f = *state;
	char name[2 * INDEX_HASH_BYTES + 1], path[sizeof(name) + 8];
	uint8_t buf[4096];
	struct medium *m;
	size_t n = 0;
	int fd;

	assert_int_equal(published_open(f->boot, "a", &p), 0);
	format_hex(published_index_of(p)->parts[1].hash, INDEX_HASH_BYTES, name);
	snprintf(path, sizeof(path), "parts/%s", name);
	fd = openat(f->boot, path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 100), 1);
	close(fd);
	m = published_medium(p);
	assert_int_equal(m->read(m, 0, buf, sizeof(buf), &n), 0); /* of another part */
	assert_int_equal(said, 0);
	assert_int_equal(m->read(m, PART_BYTES, buf, sizeof(buf), &n), -EBADMSG);
	assert_int_equal(said, 1);
	assert_true(m->told);
	assert_int_equal(unlinkat(f->boot, path, 0), 0);
	assert_int_equal(m->read(m, PART_BYTES, buf, sizeof(buf), &n), -EBADMSG);
}

static void names_and_indexes_that_are_none_are_refused(void **state)
{
	struct fixture *f = *state;
	struct published *p = NULL;

	assert_int_equal(published_open(f->boot, "../a", &p), -EINVAL);
	assert_int_equal(published_open(f->boot, "b", &p), -ENOENT);
	assert_int_equal(linkat(f->boot, "a.index", f->boot, "b.index", 0), 0);
	assert_int_equal(published_open(f->boot, "b", &p), -EBADMSG); /* it says "a" */
	assert_null(p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(every_place_reads_as_the_image_does),
		T(a_part_that_is_not_the_index_s_is_refused_where_it_is_read),
		T(names_and_indexes_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

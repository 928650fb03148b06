/*
 * test-listing.c - what images hold can be compared, whatever they are
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/log.h"
#include "image/listing.h"

#include "newc_make.h"

#define FILE_MODE (S_IFREG | 0644)

static void say_nothing(enum log_level level, const char *line)
{
}

static int list(const struct buffer *b, struct listing *ret)
{
	_cleanup_close_ int fd = newc_make_file(b);
	struct medium m;

	assert_int_equal(medium_of_file(fd, &m), 0);
	return listing_of_medium(&m, "test", ret);
}

static const struct listing_row *row(const struct listing *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!strcmp(l->rows[i].path, path))
			return &l->rows[i];
	}
	fail_msg("no %s", path);
	return NULL;
}

static void rows_are_in_the_order_of_their_paths(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(1u << 20);
	_cleanup_listing_ struct listing l = { 0 };
	static const char *const want[] = { "/a", "/a/x", "/b", "/c" };
	struct newc dir = { .mode = S_IFDIR | 0755, .nlink = 2 };

	newc_make(&b, dir, ".", "");
	newc_make(&b, (struct newc){ .mode = S_IFLNK | 0777, .nlink = 1 }, "./c", "a");
	newc_make(&b, (struct newc){ .mode = S_IFCHR | 0600, .rdev_major = 5, .rdev_minor = 1 },
		  "b", "");
	newc_make(&b, dir, "a", "");
	newc_make(&b, (struct newc){ .mode = FILE_MODE, .uid = 7, .gid = 8, .nlink = 1 }, "/a/x",
		  "data");
	newc_make_end(&b);
	assert_int_equal(list(&b, &l), 0);
	assert_int_equal(l.n, ARRAY_SIZE(want)); /* the root is in every image */
	for (size_t i = 0; i < l.n; i++)
		assert_string_equal(l.rows[i].path, want[i]);
	assert_string_equal(row(&l, "/c")->target, "a");
	assert_int_equal(row(&l, "/b")->major, 5);
	assert_int_equal(row(&l, "/a/x")->size, 4);
	assert_int_equal(row(&l, "/a/x")->gid, 8);
	assert_int_equal(l.image_bytes, b.len);
}

static void of_several_files_of_a_name_the_last_remains(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(1u << 20);
	_cleanup_listing_ struct listing l = { 0 };
	struct newc file = { .mode = FILE_MODE, .nlink = 1 };

	newc_make(&b, file, "a", "first");
	newc_make(&b, file, "b", "b");
	newc_make_end(&b);
	newc_make(&b, file, "a", "the last");
	newc_make_end(&b);
	assert_int_equal(list(&b, &l), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(row(&l, "/a")->size, 8);
}

static void hard_links_share_the_data_that_one_of_them_has(void **state)
{
	static const char *const data[][2] = { { "", "shared" }, { "shared", "" } };

	for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(1u << 20);
		_cleanup_listing_ struct listing l = { 0 };
		struct newc linked = { .mode = FILE_MODE, .nlink = 2, .ino = 9 };

		newc_make(&b, linked, "a", data[i][0]);
		newc_make(&b, linked, "b", data[i][1]);
		newc_make_end(&b);
		newc_make(&b, linked, "other", ""); /* of another archive: another file */
		newc_make_end(&b);
		assert_int_equal(list(&b, &l), 0);
		assert_int_equal(row(&l, "/a")->size, 6);
		assert_int_equal(row(&l, "/b")->size, 6);
		assert_memory_equal(row(&l, "/a")->hash, row(&l, "/b")->hash, LISTING_HASH_BYTES);
		assert_int_equal(row(&l, "/other")->size, 0);
	}
}

static void attributes_are_those_of_the_file_before(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(1u << 20), x = BUFFER(4096), y = BUFFER(4096);
	_cleanup_listing_ struct listing l = { 0 };
	struct newc file = { .mode = FILE_MODE, .nlink = 1 };

	/* The same two in either order. */
	assert_int_equal(newc_xattr_format("user.a", "1", 1, &x), 0);
	assert_int_equal(newc_xattr_format("user.b", "2", 1, &x), 0);
	assert_int_equal(newc_xattr_format("user.b", "2", 1, &y), 0);
	assert_int_equal(newc_xattr_format("user.a", "1", 1, &y), 0);
	newc_make(&b, file, "a", "");
	for (unsigned i = 0; i < 2; i++) {
		struct newc e = { .mode = FILE_MODE, .size = (uint32_t)x.len };

		memcpy(e.name, NEWC_METADATA, sizeof(NEWC_METADATA));
		assert_int_equal(newc_format(&e, &b), 0);
		assert_int_equal(buffer_append(&b, i ? y.data : x.data, x.len), 0);
		assert_int_equal(newc_pad(&b), 0);
		newc_make(&b, file, i ? "c" : "b", "");
	}
	newc_make_end(&b);
	assert_int_equal(list(&b, &l), 0);
	assert_int_equal(l.n, 3);
	assert_int_equal(row(&l, "/a")->n_xattrs, 2);
	assert_int_equal(row(&l, "/b")->n_xattrs, 2);
	assert_int_equal(row(&l, "/c")->n_xattrs, 0);
	assert_memory_equal(row(&l, "/a")->xattrs_hash, row(&l, "/b")->xattrs_hash,
			    LISTING_HASH_BYTES);
}

static void a_damaged_archive_gives_nothing(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(1u << 20);
	struct listing l = { .n = 77 };

	newc_make(&b, (struct newc){ .mode = FILE_MODE, .nlink = 1 }, "a", "data");
	log_set_sink(say_nothing);
	assert_int_equal(list(&b, &l), -EBADMSG);
	log_set_sink(NULL);
	assert_int_equal(l.n, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_in_the_order_of_their_paths),
		cmocka_unit_test(of_several_files_of_a_name_the_last_remains),
		cmocka_unit_test(hard_links_share_the_data_that_one_of_them_has),
		cmocka_unit_test(attributes_are_those_of_the_file_before),
		cmocka_unit_test(a_damaged_archive_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-copy.c - what a sender of files can do to a receiver, and what not
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "space/copy.h"
#include "wire/copy.h"

#include "../scratch.h"

static char dir[SCRATCH_PATH_MAX];
static char asked[] = "asked", *const paths[] = { asked };

static void quiet(enum log_level level, const char *line)
{
}

static int setup(void **state)
{
	log_set_sink(quiet);
	return sodium_init() < 0 || scratch_make(dir) < 0 || chdir(dir) < 0 ||
			       mkdir("in", 0755) < 0 || mkdir("out", 0755) < 0
		       ? -1
		       : 0;
}

static int teardown(void **state)
{
	return chdir("/") < 0 ? -1 : scratch_remove(dir);
}

/* Records, of which a receiver gets the first @n bytes. */
static int receive(const struct buffer *b, size_t n)
{
	const struct copy_options o = { .recursive = true };
	_cleanup_close_ int fd = memfd_create("copy", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, b->data, n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return copy_receive(fd, paths, 1, "in", &o);
}

static void put(struct buffer *b, struct copy_record c)
{
	c.meta.mode = c.meta.mode ? c.meta.mode : 0644;
	assert_int_equal(copy_write(b, &c), 0);
}

#define PUT(...) put(&b, (struct copy_record){ __VA_ARGS__ })
#define RECORDS()                                           \
	_cleanup_buffer_ struct buffer b = BUFFER(1 << 20); \
	PUT(.type = COPY_HELLO);

static void put_file(struct buffer *b, const char *name, const char *text, bool right)
{
	struct copy_record end = { .type = COPY_FILE_END, .complete = true };
	crypto_generichash_state hash;
	uint8_t body[64] = { 0 };
	size_t n = strlen(text);

	memcpy(body + 8, text, n);
	crypto_generichash_init(&hash, NULL, 0, COPY_HASH_BYTES);
	crypto_generichash_update(&hash, body, 8 + n);
	crypto_generichash_final(&hash, end.hash, COPY_HASH_BYTES);
	end.hash[0] ^= !right;
	put(b, (struct copy_record){ .type = COPY_FILE, .name = name, .bytes = n, .link = 1 });
	put(b,
	    (struct copy_record){ .type = COPY_DATA, .data = (const uint8_t *)text, .data_n = n });
	put(b, end);
}

static bool there(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

static void test_a_file_is_whole_or_not_there(void **state)
{
	RECORDS();
	put_file(&b, "asked", "hello", true);
	PUT(.type = COPY_END);
	for (size_t n = 0; n < b.len; n++) {
		assert_true(receive(&b, n) < 0);
		if (n < b.len - COPY_HEAD_BYTES - 4) /* its own end has not come */
			assert_false(there("in/asked"));
		(void)unlink("in/asked");
	}
	assert_int_equal(receive(&b, b.len), 0);
	assert_true(there("in/asked"));
	assert_int_equal(unlink("in/asked"), 0);
}

static void test_a_wrong_hash_leaves_nothing(void **state)
{
	RECORDS();
	put_file(&b, "asked", "hello", false);
	PUT(.type = COPY_END);
	assert_int_equal(receive(&b, b.len), -EIO);
	assert_false(there("in/asked"));
}

static void test_what_was_not_asked_for_is_refused(void **state)
{
	RECORDS();
	put_file(&b, "other", "hello", true);
	PUT(.type = COPY_END);
	assert_int_equal(receive(&b, b.len), -EPROTO);
	assert_false(there("in/other"));
}

static void test_nothing_comes_twice(void **state)
{
	RECORDS();
	put_file(&b, "asked", "hello", true);
	put_file(&b, "asked", "again", true);
	assert_int_equal(receive(&b, b.len), -EPROTO);
	assert_int_equal(unlink("in/asked"), 0);
}

static void test_names_that_lead_elsewhere_are_no_names(void **state)
{
	static const char *const names[] = { "..", ".", "", "a/b", "/etc", "../x" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(1 << 20);
		struct copy_record c = { .type = COPY_FOLDER, .name = names[i] };

		assert_false(copy_name_valid(names[i]));
		assert_int_equal(copy_write(&b, &c), -EINVAL);
	}
}

static void test_no_link_leads_out(void **state)
{
	RECORDS();
	PUT(.type = COPY_FOLDER, .name = "asked", .meta = { .mode = 0755 });
	PUT(.type = COPY_SYMLINK, .name = "s", .target = "../../out");
	PUT(.type = COPY_FOLDER, .name = "s", .meta = { .mode = 0755 });
	put_file(&b, "evil", "evil", true);
	PUT(.type = COPY_UP);
	PUT(.type = COPY_UP);
	PUT(.type = COPY_END);
	assert_int_equal(receive(&b, b.len), -EIO);
	assert_false(there("out/evil"));
	assert_true(there("in/asked/s"));
}

static void test_a_link_to_a_file_that_was_not_sent(void **state)
{
	RECORDS();
	PUT(.type = COPY_FOLDER, .name = "asked", .meta = { .mode = 0755 });
	PUT(.type = COPY_LINK, .name = "g", .link = 9);
	put_file(&b, "f", "hello", true);
	PUT(.type = COPY_LINK, .name = "g", .link = 1);
	PUT(.type = COPY_UP);
	PUT(.type = COPY_END);
	assert_int_equal(receive(&b, b.len), -EIO);
	assert_true(there("in/asked/g"));
}

/* Records out of turn. */
static void test_rules(void **state)
{
	static const struct copy_record up = { .type = COPY_UP }, end = { .type = COPY_END },
					hello = { .type = COPY_HELLO },
					file = { .type = COPY_FILE, .name = "asked", .bytes = 4 },
					folder = { .type = COPY_FOLDER, .name = "asked" },
					data = { .type = COPY_DATA,
						 .data = (const uint8_t *)"12345",
						 .data_n = 5 },
					file_end = { .type = COPY_FILE_END, .complete = true },
					attribute = { .type = COPY_ATTRIBUTE, .name = "user.x" };
	static const struct copy_record *const rows[][4] = {
		{ &hello, &attribute },
		{ &hello, &folder, &attribute, &folder },
		{ &hello, &folder, &attribute, &file },
		{ &file },
		{ &hello, &hello },
		{ &hello, &up },
		{ &hello, &data },
		{ &hello, &file_end },
		{ &hello, &file, &data },
		{ &hello, &file, &file },
		{ &hello, &folder, &end },
		{ &hello, &file, &up },
		{ &hello, &folder, &up, &up },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(1 << 20);

		for (size_t k = 0; k < 4 && rows[i][k]; k++)
			put(&b, *rows[i][k]);
		assert_int_equal(receive(&b, b.len), -EPROTO);
		assert_true(rmdir("in/asked") == 0 || errno == ENOENT || errno == ENOTEMPTY);
	}
}

static void test_modes_that_are_none(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(1 << 20);
	struct copy_record c = { .type = COPY_FILE, .name = "x", .meta = { .mode = 0100644 } };

	assert_int_equal(copy_write(&b, &c), -EINVAL);
	c = (struct copy_record){ .type = COPY_SPECIAL, .name = "x", .meta = { .mode = 0100644 } };
	assert_int_equal(copy_write(&b, &c), -EINVAL);
}

/* More than a sender sends of one file. */
static void test_attributes_have_a_bound(void **state)
{
	static uint8_t value[COPY_DATA_MAX];
	_cleanup_buffer_ struct buffer b = BUFFER(4 << 20);

	PUT(.type = COPY_HELLO);
	PUT(.type = COPY_FILE, .name = "asked");
	for (int i = 0; i < 17; i++)
		PUT(.type = COPY_ATTRIBUTE, .name = "user.x", .data = value,
		    .data_n = sizeof(value));
	assert_int_equal(receive(&b, b.len), -EPROTO);
	assert_false(there("in/asked"));
}

static void test_attributes_that_a_copy_keeps(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} rows[] = {
		{ "user.x", true },
		{ "trusted.x", true },
		{ "security.capability", true },
		{ COPY_ACL, true },
		{ COPY_ACL_DEFAULT, true },
		{ "user.", false },
		{ "system.other", false },
		{ "system.posix_acl_access2", false },
		{ "", false },
		{ "x", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(1 << 20);
		struct copy_record c = { .type = COPY_ATTRIBUTE, .name = rows[i].name };

		assert_int_equal(copy_attribute_valid(rows[i].name), rows[i].valid);
		assert_int_equal(copy_write(&b, &c), rows[i].valid ? 0 : -EINVAL);
	}
}

/* A list that the kernel does not take: the group's bits, which are its mask, are not given. */
static void test_without_its_access_list_a_group_gets_nothing(void **state)
{
	const struct copy_options o = { .preserve = true };
	_cleanup_close_ int fd = memfd_create("copy", MFD_CLOEXEC);
	const struct copy_record list = { .type = COPY_ATTRIBUTE,
					  .name = COPY_ACL,
					  .data = (const uint8_t *)"none",
					  .data_n = 4 };
	struct copy_record end = { .type = COPY_FILE_END, .complete = true };
	crypto_generichash_state hash;
	struct stat st;
	RECORDS();

	crypto_generichash_init(&hash, NULL, 0, COPY_HASH_BYTES);
	crypto_generichash_update(&hash, (const uint8_t *)COPY_ACL, sizeof(COPY_ACL));
	crypto_generichash_update(&hash, list.data, list.data_n);
	crypto_generichash_final(&hash, end.hash, COPY_HASH_BYTES);
	PUT(.type = COPY_FILE, .name = "asked",
	    .meta = { .mode = 0664, .uid = getuid(), .gid = getgid() });
	put(&b, list);
	put(&b, end);
	PUT(.type = COPY_END);
	assert_int_equal(fd_write_all(fd, b.data, b.len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(copy_receive(fd, paths, 1, "in", &o), -EIO);
	assert_int_equal(stat("in/asked", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(unlink("in/asked"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_is_whole_or_not_there),
		cmocka_unit_test(test_a_wrong_hash_leaves_nothing),
		cmocka_unit_test(test_what_was_not_asked_for_is_refused),
		cmocka_unit_test(test_nothing_comes_twice),
		cmocka_unit_test(test_names_that_lead_elsewhere_are_no_names),
		cmocka_unit_test(test_attributes_have_a_bound),
		cmocka_unit_test(test_attributes_that_a_copy_keeps),
		cmocka_unit_test(test_without_its_access_list_a_group_gets_nothing),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_no_link_leads_out),
		cmocka_unit_test(test_a_link_to_a_file_that_was_not_sent),
		cmocka_unit_test(test_modes_that_are_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

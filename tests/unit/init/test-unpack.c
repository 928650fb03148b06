/*
 * test-unpack.c - archives become files, however they are cut; hostile ones make nothing outside
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../scratch.h"
#include "init/unpack.h"

#define ARCHIVE_MAX (1u << 20)

struct entry {
	const char *name;
	uint32_t mode, ino, nlink;
	const char *data; /* or NULL */
	uint32_t zeros;	  /* before it */
};

static void add(struct buffer *to, const struct entry *e)
{
	struct newc n = { .ino = e->ino,
			  .mode = e->mode,
			  .uid = getuid(),
			  .gid = getgid(),
			  .nlink = e->nlink ? e->nlink : 1,
			  .mtime = 1577836800,
			  .size = e->zeros + (uint32_t)(e->data ? strlen(e->data) : 0) };

	snprintf(n.name, sizeof(n.name), "%s", e->name);
	assert_int_equal(newc_format(&n, to), 0);
	assert_int_equal(buffer_reserve(to, e->zeros), 0);
	memset(to->data + to->len, 0, e->zeros);
	to->len += e->zeros;
	if (e->data)
		assert_int_equal(buffer_append(to, e->data, strlen(e->data)), 0);
	assert_int_equal(newc_pad(to), 0);
}

static void add_all(struct buffer *to, const struct entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(to, &entries[i]);
	add(to, &(struct entry){ .name = NEWC_TRAILER });
}

/* Feed copies of exactly @step bytes, so that the sanitizer sees one byte over. */
static int unpack(struct unpack *u, const struct buffer *b, size_t step)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < b->len; at += step) {
		size_t n = MIN(step, b->len - at);
		uint8_t *copy = memcpy(malloc(n), b->data + at, n);

		r = unpack_feed(u, copy, n);
		free(copy);
	}
	return r == 0 ? unpack_end(u) : r;
}

static const struct entry good[] = {
	{ .name = ".", .mode = 040711, .ino = 1, .nlink = 3 },
	{ .name = "dir", .mode = 041777, .ino = 2, .nlink = 2 },
	{ .name = "dir/file", .mode = 0104711, .ino = 3, .nlink = 2, .data = "hello" },
	{ .name = "dir/link", .mode = 0120777, .ino = 4, .data = "../over there" },
	{ .name = "dir/sub", .mode = 040755, .ino = 5 },
	{ .name = "dir/sub/fifo", .mode = 010600, .ino = 6 },
	{ .name = "./TRAILER!!!", .mode = 0100600, .ino = 7, .data = "x" },
	{ .name = "more", .mode = 0104711, .ino = 3, .nlink = 2 },
	{ .name = "sparse", .mode = 0100644, .ino = 8, .data = "end", .zeros = 70001 },
};

static void an_archive_becomes_files(void **state)
{
	static const size_t steps[] = { 1, 3, 111, 4096, ARCHIVE_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(ARCHIVE_MAX);
		char dir[SCRATCH_PATH_MAX], text[64] = "";
		struct stat st, again;
		struct unpack u;
		int fd, file;

		assert_int_equal(scratch_make(dir), 0);
		fd = open(dir, O_RDONLY | O_DIRECTORY);
		unpack_init(&u, fd);
		add_all(&b, good, ARRAY_SIZE(good));
		assert_int_equal(unpack(&u, &b, steps[i]), 0);
		unpack_deinit(&u);
		assert_int_equal(fstatat(fd, "dir/file", &st, 0), 0);
		assert_int_equal(st.st_mode, 0104711);
		assert_int_equal(st.st_nlink, 2);
		assert_int_equal(st.st_mtim.tv_sec, 1577836800);
		assert_int_equal(fstatat(fd, "more", &again, 0), 0);
		assert_int_equal(st.st_ino, again.st_ino);
		assert_int_equal(fstatat(fd, "dir", &st, 0), 0);
		assert_int_equal(st.st_mode, 041777);
		assert_int_equal(st.st_mtim.tv_sec, 1577836800);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_mode, 040711);
		assert_int_equal(st.st_mtim.tv_sec, 1577836800);
		assert_int_equal(readlinkat(fd, "dir/link", text, sizeof(text)), 13);
		assert_string_equal(text, "../over there");
		assert_int_equal(fstatat(fd, "dir/sub/fifo", &st, 0), 0);
		assert_true(S_ISFIFO(st.st_mode));
		assert_int_equal(fstatat(fd, "TRAILER!!!", &st, 0), 0);
		file = openat(fd, "sparse", O_RDONLY);
		assert_int_equal(fstat(file, &st), 0);
		assert_int_equal(st.st_size, 70004);
		assert_true(st.st_blocks * 512 <= 8192);
		assert_int_equal(pread(file, text, 4, 70000), 4);
		assert_memory_equal(text, "\0end", 4);
		close(file);
		close(fd);
		scratch_remove(dir);
	}
}

static void what_is_hostile_is_refused(void **state)
{
	static const struct {
		struct entry entries[3];
		size_t n;
		int err;
		const char *why;
	} cases[] = {
		{ { { .name = "../out", .mode = 0100644, .data = "x" } }, 1, -EBADMSG, "plain" },
		{ { { .name = "/out", .mode = 0100644, .data = "x" } }, 1, -EBADMSG, "plain" },
		{ { { .name = "a//b", .mode = 0100644, .data = "x" } }, 1, -EBADMSG, "plain" },
		{ { { .name = "a/", .mode = 040755 } }, 1, -EBADMSG, "plain" },
		{ { { .name = "./../out", .mode = 040755 } }, 1, -EBADMSG, "plain" },
		{ { { .name = "up", .mode = 0120777, .data = ".." },
		    { .name = "up/out", .mode = 0100644, .data = "x" } },
		  2,
		  -ELOOP,
		  "/up" },
		{ { { .name = "to", .mode = 0120777, .data = "../out" },
		    { .name = "to", .mode = 0100644, .data = "x" } },
		  2,
		  -EEXIST,
		  "/to" },
		{ { { .name = "nowhere/file", .mode = 0100644 } }, 1, -ENOENT, "/nowhere" },
		{ { { .name = "f", .mode = 0100644, .ino = 9, .nlink = 2 },
		    { .name = "g", .mode = 0100644, .ino = 9, .nlink = 2, .data = "x" } },
		  2,
		  -EBADMSG,
		  "data of its own" },
		{ { { .name = "f", .mode = 0100644, .ino = 9, .nlink = 2 },
		    { .name = "g", .mode = 0100644, .ino = 8, .nlink = 2 } },
		  2,
		  -EBADMSG,
		  "order" },
		{ { { .name = "l", .mode = 0120777 } }, 1, -EBADMSG, "nowhere" },
		{ { { .name = "d", .mode = 040755, .data = "x" } }, 1, -EBADMSG, "has data" },
		{ { { .name = "k", .mode = 0 } }, 1, -EBADMSG, "no known kind" },
		{ { { .name = NEWC_METADATA, .mode = 0100000, .data = "x" } },
		  1,
		  -EBADMSG,
		  "attributes of no file" },
		{ { { .name = "f", .mode = 0100644 },
		    { .name = NEWC_METADATA, .mode = 0100000, .data = "x" } },
		  2,
		  -EBADMSG,
		  "damaged" },
		{ { { .name = "f", .mode = 0100644 }, { .name = ".", .mode = 040755 } },
		  2,
		  -EBADMSG,
		  "not the first" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(ARCHIVE_MAX);
		char dir[SCRATCH_PATH_MAX], inner[SCRATCH_PATH_MAX + 8], out[SCRATCH_PATH_MAX + 8];
		struct unpack u;
		int fd;

		assert_int_equal(scratch_make(dir), 0);
		snprintf(inner, sizeof(inner), "%s/in", dir);
		snprintf(out, sizeof(out), "%s/out", dir);
		assert_int_equal(mkdir(inner, 0755), 0);
		fd = open(inner, O_RDONLY | O_DIRECTORY);
		unpack_init(&u, fd);
		add_all(&b, cases[i].entries, cases[i].n);
		assert_int_equal(unpack(&u, &b, ARCHIVE_MAX), cases[i].err);
		if (!strstr(u.why, cases[i].why))
			fail_msg("'%s' does not say '%s'", u.why, cases[i].why);
		assert_int_equal(access(out, F_OK), -1);
		unpack_deinit(&u);
		close(fd);
		scratch_remove(dir);
	}
}

static void what_is_cut_off_is_noticed(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(ARCHIVE_MAX);

	add_all(&b, good, 3);
	for (size_t n = 0; n < b.len; n += 7) {
		char dir[SCRATCH_PATH_MAX];
		struct buffer part = b;
		struct unpack u;
		int fd;

		assert_int_equal(scratch_make(dir), 0);
		fd = open(dir, O_RDONLY | O_DIRECTORY);
		unpack_init(&u, fd);
		part.len = n;
		assert_int_equal(unpack(&u, &part, 64), -EBADMSG);
		unpack_deinit(&u);
		close(fd);
		scratch_remove(dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_archive_becomes_files),
		cmocka_unit_test(what_is_hostile_is_refused),
		cmocka_unit_test(what_is_cut_off_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

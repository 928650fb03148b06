/*
 * test-text.c - lines and words with their places; paths; whole files
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/lines.h"
#include "base/path.h"

#include "../scratch.h"

static void words_and_their_places(void **state)
{
	static const char text[] =
		"# comment\n\n  file  a b# c\r\n\tx \"a \\\"b\\\" \\\\c\" # end\n\"\" z";
	struct lines l;

	lines_init(&l, "t", text, sizeof(text) - 1);
	assert_int_equal(lines_next(&l), 1);
	assert_int_equal(l.line, 3);
	assert_int_equal(l.n_words, 4);
	assert_string_equal(l.words[2], "b#");
	assert_string_equal(l.words[3], "c");
	assert_int_equal(lines_next(&l), 1);
	assert_int_equal(l.line, 4);
	assert_int_equal(l.n_words, 2);
	assert_string_equal(l.words[1], "a \"b\" \\c");
	assert_int_equal(lines_next(&l), 1);
	assert_int_equal(l.n_words, 2);
	assert_string_equal(l.words[0], "");
	assert_int_equal(lines_next(&l), 0);
	assert_int_equal(lines_next(&l), 0);
}

static void malformed_lines_say_why(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *why;
	} rows[] = {
		{ "a \"b", 4, "quote is not closed" },
		{ "\"a\"b", 4, "text follows a closing quote" },
		{ "a\0b", 3, "line holds a NUL byte" },
	};
	_cleanup_free_ char *many = malloc(2 * 65), *wide = malloc(LINES_BYTES_MAX);
	struct lines l;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		lines_init(&l, "t", rows[i].text, rows[i].n);
		assert_int_equal(lines_next(&l), -EBADMSG);
		assert_string_equal(l.error, rows[i].why);
		assert_int_equal(l.line, 1);
	}
	for (size_t i = 0; i < 65; i++)
		memcpy(many + 2 * i, "x ", 2);
	lines_init(&l, "t", many, 2 * 65);
	assert_int_equal(lines_next(&l), -EBADMSG);
	memset(wide, 'x', LINES_BYTES_MAX);
	lines_init(&l, "t", wide, LINES_BYTES_MAX);
	assert_int_equal(lines_next(&l), -EBADMSG);
	lines_init(&l, "t", wide, LINES_BYTES_MAX - 1);
	assert_int_equal(lines_next(&l), 1);
}

static void paths_become_plain(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "", "/" },
		{ "/", "/" },
		{ "a", "/a" },
		{ "/a//b/", "/a/b" },
		{ "/a/./b", "/a/b" },
		{ "/a/../b", "/b" },
		{ "/../../b", "/b" },
		{ "/a/b/..", "/a" },
		{ "..", "/" },
		{ "/a/...", "/a/..." },
		{ "a/..b/c", "/a/..b/c" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *s = NULL;

		assert_int_equal(path_normalize(rows[i].in, &s), 0);
		assert_string_equal(s, rows[i].out);
	}
}

static void paths_are_joined_with_one_slash(void **state)
{
	static const char *const rows[][3] = {
		{ "a", "b", "a/b" },
		{ "a/", "/b", "a/b" },
		{ "/", "b", "/b" },
		{ "", "b", "/b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *s = NULL;

		assert_int_equal(path_join(rows[i][0], rows[i][1], &s), 0);
		assert_string_equal(s, rows[i][2]);
	}
	assert_string_equal(path_base("/a/b"), "b");
	assert_string_equal(path_base("b"), "b");
}

/* newfile_drop_all() is a process's last act: nothing may be made after it. */
static void drop_all_in_a_child(int fd, const char *path)
{
	struct newfile f;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (newfile_open(&f, fd, path, 0644) < 0)
			_exit(1);
		newfile_drop_all();
		_exit(f.temp && faccessat(fd, f.temp, F_OK, 0) == 0 ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void files_are_whole_or_not_at_all(void **state)
{
	char dir[SCRATCH_PATH_MAX];
	_cleanup_buffer_ struct buffer b = BUFFER(5);
	struct newfile f;
	struct stat st;
	int fd;

	assert_int_equal(scratch_make(dir), 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_mkdirs(fd, "x/y", 0755), 0);
	assert_int_equal(path_mkdirs(fd, "x/y", 0755), 0);
	assert_int_equal(file_write(fd, "x/y/a", "12345", 5, 0640), 0);
	assert_int_equal(fstatat(fd, "x/y/a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(path_mkdirs(fd, "x/y/a", 0755), -ENOTDIR);
	assert_int_equal(file_read(fd, "x/y/a", &b), 0);
	assert_string_equal(buffer_str(&b), "12345");

	assert_int_equal(newfile_open(&f, fd, "x/y/a", 0644), 0);
	assert_int_equal(write(f.fd, "new", 3), 3);
	newfile_drop(&f); /* the old one stays */
	buffer_clear(&b);
	assert_int_equal(file_read(fd, "x/y/a", &b), 0);
	assert_string_equal(buffer_str(&b), "12345");

	drop_all_in_a_child(fd, "x/y/b");
	assert_int_equal(file_write(fd, "x/y/b", "123456", 6, 0644), 0);
	buffer_clear(&b);
	assert_int_equal(file_read(fd, "x/y/b", &b), -E2BIG);
	assert_int_equal(newfile_open(&f, fd, "none/b", 0644), -ENOENT);
	assert_int_equal(newfile_open(&f, fd, "x/y", 0644), -EISDIR);
	assert_int_equal(newfile_open(&f, fd, "/dev/null", 0644), -EOPNOTSUPP);

	assert_int_equal(unlinkat(fd, "x/y/a", 0), 0);
	assert_int_equal(unlinkat(fd, "x/y/b", 0), 0);
	assert_int_equal(unlinkat(fd, "x/y", AT_REMOVEDIR), 0); /* nothing else was left */
	assert_int_equal(unlinkat(fd, "x", AT_REMOVEDIR), 0);
	close(fd);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_their_places),
		cmocka_unit_test(malformed_lines_say_why),
		cmocka_unit_test(paths_become_plain),
		cmocka_unit_test(paths_are_joined_with_one_slash),
		cmocka_unit_test(files_are_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

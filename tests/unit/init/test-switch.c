/*
 * test-switch.c - an initramfs is emptied only when it is one, and there is a root to go to
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

#include "base/fd.h"
#include "init/boot.h"

#define RAM   "/dev/shm" /* a tmpfs on any Linux */
#define OTHER "/proc"	 /* another file system */

static int guard(const char *root, const char *next, const char **why)
{
	_cleanup_close_ int r = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int n = open(next, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return switch_guard(r, n, why);
}

static void the_guards(void **state)
{
	char dir[] = RAM "/bpboot-test-XXXXXX", init[64], inside[64];
	const char *why;

	assert_non_null(mkdtemp(dir));
	snprintf(init, sizeof(init), "%s/init", dir);
	snprintf(inside, sizeof(inside), "%s/sysroot", dir);
	assert_int_equal(mkdir(inside, 0700), 0);

	assert_int_equal(guard(dir, OTHER, &why), -EPERM); /* no /init */
	assert_non_null(strstr(why, "no /init"));
	assert_int_equal(symlink("/bin/sh", init), 0);
	assert_int_equal(guard(dir, OTHER, &why), -EPERM);
	assert_int_equal(unlink(init), 0);
	assert_int_equal(mkdir(init, 0700), 0);
	assert_int_equal(guard(dir, OTHER, &why), -EPERM);
	assert_int_equal(rmdir(init), 0);

	assert_int_equal(close(creat(init, 0700)), 0);
	assert_int_equal(guard(dir, OTHER, &why), 0);
	assert_int_equal(guard(dir, inside, &why), -EPERM); /* a folder, nothing mounted */
	assert_non_null(strstr(why, "no file system is mounted"));
	assert_int_equal(guard(dir, dir, &why), -EPERM);
	assert_int_equal(guard("/sys", dir, &why), -EPERM); /* neither ramfs nor tmpfs */
	assert_non_null(strstr(why, "keeps what it holds"));
	assert_int_equal(guard(dir, "/does/not/exist", &why), -EBADF);
	assert_int_equal(unlink(init), 0);
	assert_int_equal(rmdir(inside), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_guards) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-closure.c - libraries are found as the loader finds them, in a root of the test's own
 */
#include <fcntl.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/path.h"
#include "image/closure.h"
#include "image/ldcache.h"

#include "elf_make.h"

#include "../scratch.h"

static char root_dir[SCRATCH_PATH_MAX];
static struct root root = { .fd = FD_NONE };

static void put(const char *path, const void *p, size_t n, mode_t mode)
{
	char *dir = strndup(path + 1, (size_t)(path_base(path) - path) - 1);

	assert_non_null(dir);
	if (*dir)
		assert_int_equal(path_mkdirs(root.fd, dir, 0755), 0);
	free(dir);
	assert_int_equal(file_write(root.fd, path + 1, p, n, mode), 0);
}

/* An ELF file at @path; @tags and @values end with 0. */
static void put_elf(const char *path, const int64_t *tags, const char *const *values)
{
	struct elf_make m;

	elf_make_begin(&m);
	for (size_t i = 0; tags[i]; i++)
		elf_make_string(&m, tags[i], values[i]);
	put(path, m.bytes, sizeof(m.bytes), 0755);
}

#define ELF(path, tags, ...) \
	put_elf(path, (const int64_t[])tags, (const char *const[]){ __VA_ARGS__ })
#define TAGS(...)              \
	{                      \
		__VA_ARGS__, 0 \
	}

static int setup(void **state)
{
	if (scratch_make(root_dir) < 0 || root_open(&root, root_dir) < 0)
		return -1;
	ELF("/lib/ld.so", TAGS(DT_SONAME), "ld.so");
	return 0;
}

static int teardown(void **state)
{
	root_close(&root);
	return scratch_remove(root_dir);
}

/* The closure of @path is exactly @expected: paths, with blanks between. */
static void expect(const char *path, const char *expected)
{
	_cleanup_closure_ struct closure *c = NULL;
	const struct closure_item *items;
	char found[1024] = "";
	size_t n, len = 0;
	int r;

	assert_int_equal(closure_new(&root, &c), 0);
	r = closure_add(c, path);
	if (r < 0)
		fail_msg("%s", closure_error(c));
	items = closure_items(c, &n);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(found + len, sizeof(found) - len, "%s%s", i ? " " : "",
					items[i].path);
	assert_string_equal(found, expected);
}

static void expect_error(const char *path, int err, const char *says)
{
	_cleanup_closure_ struct closure *c = NULL;

	assert_int_equal(closure_new(&root, &c), 0);
	assert_int_equal(closure_add(c, path), err);
	if (!strstr(closure_error(c), says))
		fail_msg("expected '%s' in: %s", says, closure_error(c));
}

static void libraries_come_breadth_first(void **state)
{
	ELF("/bin/p", TAGS(DT_NEEDED, DT_NEEDED), "liba", "libb");
	ELF("/lib/liba", TAGS(DT_NEEDED), "libc");
	ELF("/usr/lib/libb", TAGS(DT_NEEDED), "libc");
	ELF("/lib/libc", TAGS(DT_NEEDED), "liba");
	expect("/bin/p", "/lib/ld.so /lib/liba /usr/lib/libb /lib/libc");
}

static void runpath_wins_over_rpath_and_is_not_inherited(void **state)
{
	ELF("/bin/p", TAGS(DT_NEEDED, DT_RUNPATH, DT_RPATH), "liba", "/run", "/rp");
	ELF("/run/liba", TAGS(DT_NEEDED), "libb");
	ELF("/rp/liba", TAGS(DT_SONAME), "liba");
	ELF("/run/libb", TAGS(DT_SONAME), "libb");
	ELF("/lib/libb", TAGS(DT_SONAME), "libb");
	expect("/bin/p", "/lib/ld.so /run/liba /lib/libb");
}

static void rpath_is_inherited(void **state)
{
	ELF("/bin/p", TAGS(DT_NEEDED, DT_RPATH), "liba", "/rp");
	ELF("/rp/liba", TAGS(DT_NEEDED), "libb");
	ELF("/rp/libb", TAGS(DT_SONAME), "libb");
	ELF("/lib/libb", TAGS(DT_SONAME), "libb");
	expect("/bin/p", "/lib/ld.so /rp/liba /rp/libb");
}

static void origin_lib_and_platform_are_expanded(void **state)
{
	ELF("/opt/x/bin/p", TAGS(DT_NEEDED, DT_NEEDED, DT_NEEDED, DT_RUNPATH), "liba", "libb",
	    "libc", "$ORIGIN/../lib:/q/${PLATFORM}::/z/$LIB");
	ELF("/opt/x/lib/liba", TAGS(DT_SONAME), "liba");
	ELF("/q/x86_64/libb", TAGS(DT_SONAME), "libb");
	ELF("/z/lib64/libc", TAGS(DT_SONAME), "libc");
	expect("/opt/x/bin/p", "/lib/ld.so /opt/x/bin/../lib/liba /q/x86_64/libb /z/lib64/libc");
}

static void a_loaded_soname_is_not_looked_for_again(void **state)
{
	ELF("/bin/p", TAGS(DT_NEEDED, DT_NEEDED), "liba", "libreal");
	ELF("/lib/liba", TAGS(DT_SONAME), "libreal");
	ELF("/lib/libreal", TAGS(DT_SONAME), "libreal");
	expect("/bin/p", "/lib/ld.so /lib/liba");
}

static void the_cache_comes_before_the_usual_folders(void **state)
{
	_cleanup_buffer_ struct buffer text = BUFFER(4096);
	struct ldcache cache = { 0 };

	ELF("/bin/p", TAGS(DT_NEEDED), "liba");
	ELF("/lib/liba", TAGS(DT_SONAME), "liba");
	ELF("/far/liba", TAGS(DT_SONAME), "liba");
	assert_int_equal(ldcache_add(&cache, "liba", "/wrong/machine", LDCACHE_386), 0);
	assert_int_equal(ldcache_add(&cache, "liba", "/far/liba", LDCACHE_X86_64), 0);
	assert_int_equal(ldcache_format(&cache, &text), 0);
	ldcache_clear(&cache);
	put("/etc/ld.so.cache", text.data, text.len, 0644);
	expect("/bin/p", "/lib/ld.so /far/liba");
}

static void folders_of_ld_so_conf_come_last(void **state)
{
	static const char conf[] = "include ld.so.conf.d/*.conf\n",
			  more[] = "# more\n/far # there\n";

	ELF("/bin/p", TAGS(DT_NEEDED), "liba");
	ELF("/far/liba", TAGS(DT_SONAME), "liba");
	put("/etc/ld.so.conf", conf, sizeof(conf) - 1, 0644);
	put("/etc/ld.so.conf.d/far.conf", more, sizeof(more) - 1, 0644);
	expect("/bin/p", "/lib/ld.so /far/liba");
}

static void another_machine_is_passed_over(void **state)
{
	struct elf_make m;

	ELF("/bin/p", TAGS(DT_NEEDED), "liba");
	elf_make_begin(&m);
	m.bytes[offsetof(Elf64_Ehdr, e_machine)] = ELF_MACHINE_AARCH64;
	put("/lib/liba", m.bytes, sizeof(m.bytes), 0644);
	put("/lib64/liba", "not ELF", 7, 0644);
	ELF("/usr/lib/liba", TAGS(DT_SONAME), "liba");
	expect("/bin/p", "/lib/ld.so /usr/lib/liba");
}

static void builds_for_better_processors_come_along(void **state)
{
	ELF("/bin/p", TAGS(DT_NEEDED), "liba");
	ELF("/lib/liba", TAGS(DT_SONAME), "liba");
	ELF("/lib/glibc-hwcaps/x86-64-v3/liba", TAGS(DT_SONAME), "liba");
	expect("/bin/p", "/lib/ld.so /lib/liba /lib/glibc-hwcaps/x86-64-v3/liba");
}

static void scripts_need_their_interpreter(void **state)
{
	ELF("/bin/sh", TAGS(DT_NEEDED), "liba");
	ELF("/usr/bin/env", TAGS(DT_SONAME), "env");
	ELF("/usr/bin/py", TAGS(DT_SONAME), "py");
	ELF("/lib/liba", TAGS(DT_SONAME), "liba");
	put("/bin/s", "#! /bin/sh -e\nexit\n", 19, 0755);
	put("/bin/e", "#!/usr/bin/env -S A=b py -u\n", 28, 0755);
	expect("/bin/s", "/bin/sh /lib/ld.so /lib/liba");
	expect("/bin/e", "/usr/bin/env /lib/ld.so /usr/bin/py");
}

static void who_wants_what_is_missing_is_named(void **state)
{
	ELF("/bin/p", TAGS(DT_NEEDED), "liba");
	ELF("/lib/liba", TAGS(DT_NEEDED), "libgone.so.1");
	put("/bin/s", "#!/bin/gone\n", 12, 0755);
	put("/bin/t", "text\n", 5, 0755);
	expect_error("/bin/p", -ENOENT,
		     "library 'libgone.so.1' is not found; '/lib/liba' wants it");
	expect_error("/bin/s", -ENOENT, "interpreter '/bin/gone' is not found; '/bin/s' wants it");
	ELF("/bin/sh", TAGS(DT_SONAME), "sh");
	ELF("/usr/bin/env", TAGS(DT_SONAME), "env");
	put("/bin/dos", "#!/bin/sh\r\n", 11, 0755);
	put("/bin/dosenv", "#!/usr/bin/env sh\r\n", 19, 0755);
	expect_error("/bin/dos", -ENOENT, "'/bin/dos' has lines that end in CR LF");
	expect_error("/bin/dosenv", -ENOENT, "'/bin/dosenv' has lines that end in CR LF");
	expect_error("/bin/t", -ENOEXEC, "neither an ELF file nor a script");
	expect_error("/bin", -ENOEXEC, "not a regular file");
	expect_error("/bin/none", -ENOENT, "cannot find '/bin/none'");
}

static void scripts_in_a_circle_end(void **state)
{
	put("/bin/a", "#!/bin/b\n", 9, 0755);
	put("/bin/b", "#!/bin/a\n", 9, 0755);
	expect_error("/bin/a", -ELOOP, "more than 5 deep");
}

static void symlinks_never_leave_the_root(void **state)
{
	_cleanup_free_ char *path = NULL;

	ELF("/usr/lib/liba", TAGS(DT_SONAME), "liba");
	assert_int_equal(symlinkat("../../../../usr/lib/liba", root.fd, "usr/lib/rel"), 0);
	assert_int_equal(symlinkat("/usr/lib/rel", root.fd, "usr/lib/abs"), 0);
	assert_int_equal(symlinkat("loop", root.fd, "usr/lib/loop"), 0);
	assert_int_equal(
		root_resolve(&root, "/usr/lib/../../../usr/lib/abs", NULL, NULL, &path, NULL), 0);
	assert_string_equal(path, "/usr/lib/liba");
	assert_int_equal(root_resolve(&root, "/usr/lib/loop", NULL, NULL, &path, NULL), -ELOOP);
	assert_int_equal(root_resolve(&root, "/usr/lib/liba/x", NULL, NULL, &path, NULL), -ENOTDIR);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(libraries_come_breadth_first),
		T(runpath_wins_over_rpath_and_is_not_inherited),
		T(rpath_is_inherited),
		T(origin_lib_and_platform_are_expanded),
		T(a_loaded_soname_is_not_looked_for_again),
		T(the_cache_comes_before_the_usual_folders),
		T(folders_of_ld_so_conf_come_last),
		T(another_machine_is_passed_over),
		T(builds_for_better_processors_come_along),
		T(scripts_need_their_interpreter),
		T(who_wants_what_is_missing_is_named),
		T(scripts_in_a_circle_end),
		T(symlinks_never_leave_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

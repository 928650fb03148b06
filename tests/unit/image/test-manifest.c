/*
 * test-manifest.c - what a manifest may say, and the line that each mistake is found in
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/manifest.h"
#include "wire/index.h"

/* Parse from a heap copy of exactly the text's size. */
static int parse(const char *text, struct manifest *ret, unsigned *ret_line, char *ret_error)
{
	size_t n = strlen(text);
	char *copy = malloc(n ? n : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, n);
	r = manifest_parse(copy, n, ret, ret_line, ret_error);
	free(copy);
	return r;
}

static void mistakes_are_found_in_their_line(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *says;
	} table[] = {
		{ "nonsense x\n", 1, "unknown line 'nonsense'" },
		{ "# fine\n\nfile a\n", 3, "'file' takes SOURCE TARGET" },
		{ "file a /b c\n", 1, "'file' takes SOURCE TARGET" },
		{ "from a b\n", 1, "'from' takes SOURCE [owner=USER[:GROUP]] [image=NAME]" },
		{ "from a mode=0644\n", 1, "'from' takes" },
		{ "from a image=\n", 1, "expected image= once, with a value" },
		{ "from a platform=x platform=y\n", 1, "expected platform= once" },
		{ "from -\n\nfrom -\n", 3, "standard input is read already, by line 1" },
		{ "packages\n", 1, "'packages' takes SUITE [PACKAGE...] [variant=NAME]" },
		{ "packages --hook\n", 1, "is not the name of a suite" },
		{ "packages s $(x)\n", 1, "is not the name of a package" },
		{ "packages s variant=a b\n", 1, "stands behind the packages' names" },
		{ "packages s\npackages t\n", 2, "a second 'packages'; name all in line 1" },
		{ "file a b\n", 1, "target 'b' has to be an absolute path" },
		{ "file a /x/../y\n", 1, "must not contain '..'" },
		{ "file a /x/./y\n", 1, "must not contain '.'" },
		{ "file \"\" /x\n", 1, "source is empty" },
		{ "dir /a mode=8\n", 1, "mode=" },
		{ "dir /a mode=17777\n", 1, "octal mode" },
		{ "dir /a mode=0755 mode=0700\n", 1, "one mode=" },
		{ "dir /a owner=\n", 1, "one owner=" },
		{ "dir /a owner=a:b:c\n", 1, "one owner=" },
		{ "link /a b mode=0777\n", 1, "'link' takes" },
		{ "link /a \"\"\n", 1, "1 to 1023 bytes" },
		{ "node /dev/x d 1 2\n", 1, "expected c or b" },
		{ "node /dev/x c 4096 2\n", 1, "0 to 4095" },
		{ "node /dev/x c 1 -2\n", 1, "0 to 1048575" },
		{ "node /dev/x c 1\n", 1, "'node' takes" },
		{ "module a/b.ko\n", 1, "not the name of a module" },
		{ "needs lib/x.so\n", 1, "expected the name of a library or an absolute path" },
		{ "gconv a/b\n", 1, "not the name of a character set" },
		{ "bpslave now\n", 1, "'bpslave' takes nothing" },
		{ "init sbin/init\n", 1, "absolute" },
		{ "init /a\ninit /b\n", 2, "a second 'init'" },
		{ "name .x\n", 1, "not first a '.'" },
		{ "name a/b\n", 1, "expected up to 63" },
		{ "free lots\n", 1, "like 8M" },
		{ "free 2T\n", 1, "up to 1T" },
		{ "free 1M inodes=-1\n", 1, "inodes=" },
		{ "free 1M\n\n\nfree 2M\n", 4, "a second 'free'" },
		{ "time yesterday\n", 1, "seconds since 1970" },
		{ "dir \"/a\n", 1, "quote is not closed" },
		{ "dir /0123456789012345678901234567890123456789012345678901234567890123456789"
		  "01234567890123456789012345678901234567890123456789012345678901234567890123456789"
		  "0123"
		  "45678901234567890123456789012345678901234567890123456789012345678901234567890123"
		  "4567"
		  "890123456789012345678901234567890\n",
		  1, "255 is the most" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char error[MANIFEST_ERROR_MAX];
		struct manifest m;
		unsigned line;

		assert_int_equal(parse(table[i].text, &m, &line, error), -EBADMSG);
		if (line != table[i].line || !strstr(error, table[i].says))
			fail_msg("'%s' gave line %u: %s", table[i].text, line, error);
	}
}

static void every_line_is_understood(void **state)
{
	static const char text[] = "file a /b/c mode=0640 owner=7:8\n"
				   "tree \"my tree\" / owner=keep # behind\n"
				   "dir //x///y/ mode=1777\n"
				   "link /l ../some/where owner=games\n"
				   "node /dev/sda b 8 0 mode=0660\r\n"
				   "program bash\nprogram /opt/x /usr/bin/x mode=4755\n"
				   "module virtio_net\nneeds libm.so.6\ngconv *\nbpslave\ninit "
				   "/sbin/init\nname n-1.2_x\n"
				   "free 8M inodes=12\ntime 1700000000\nformat squashfs";
	char error[MANIFEST_ERROR_MAX];
	struct manifest m;
	unsigned line;

	assert_int_equal(parse(text, &m, &line, error), 0);
	assert_int_equal(m.n, 16);
	assert_string_equal(m.entries[0].target, "/b/c");
	assert_int_equal(m.entries[0].mode, 0640);
	assert_string_equal(m.entries[0].owner, "7:8");
	assert_string_equal(m.entries[1].source, "my tree");
	assert_string_equal(m.entries[2].target, "/x/y");
	assert_string_equal(m.entries[3].link, "../some/where");
	assert_true(m.entries[4].block);
	assert_int_equal(m.entries[4].major, 8);
	assert_null(m.entries[5].target);
	assert_string_equal(m.entries[6].target, "/usr/bin/x");
	assert_int_equal(m.entries[6].line, 7);
	assert_int_equal(manifest_find(&m, MANIFEST_FREE)->number, 8 << 20);
	assert_int_equal(manifest_find(&m, MANIFEST_FREE)->inodes, 12);
	assert_int_equal(manifest_find(&m, MANIFEST_TIME)->number, 1700000000);
	assert_int_equal(manifest_find(&m, MANIFEST_FORMAT)->number, INDEX_SQUASHFS);
	manifest_clear(&m);
}

static void an_attribute_can_be_a_source(void **state)
{
	char error[MANIFEST_ERROR_MAX];
	struct manifest m;
	unsigned line;

	assert_int_equal(parse("file mode=1 /x\nprogram mode=2\n", &m, &line, error), 0);
	assert_string_equal(m.entries[0].source, "mode=1");
	assert_string_equal(m.entries[1].source, "mode=2");
	manifest_clear(&m);
}

static void what_is_written_reads_back_the_same(void **state)
{
	static const char text[] =
		"tree \"a \\\"b\\\" \\\\\" \"/x # y\" mode=0001 owner=a#b\nlink /l \"\t\"\n"
		"free 1 inodes=0\nnode /n c 1 2\n";
	_cleanup_buffer_ struct buffer one = BUFFER(4096), two = BUFFER(4096);
	char error[MANIFEST_ERROR_MAX];
	struct manifest m;
	unsigned line;

	assert_int_equal(parse(text, &m, &line, error), 0);
	assert_int_equal(manifest_format(&m, &one), 0);
	manifest_clear(&m);
	assert_int_equal(parse(buffer_str(&one), &m, &line, error), 0);
	assert_string_equal(m.entries[0].source, "a \"b\" \\");
	assert_int_equal(manifest_format(&m, &two), 0);
	assert_string_equal(buffer_str(&one), buffer_str(&two));
	manifest_clear(&m);
}

static void too_large_a_text_is_refused(void **state)
{
	char error[MANIFEST_ERROR_MAX];
	struct manifest m;
	unsigned line;

	assert_int_equal(manifest_parse("", MANIFEST_BYTES_MAX + 1, &m, &line, error), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_found_in_their_line),
		cmocka_unit_test(every_line_is_understood),
		cmocka_unit_test(an_attribute_can_be_a_source),
		cmocka_unit_test(what_is_written_reads_back_the_same),
		cmocka_unit_test(too_large_a_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

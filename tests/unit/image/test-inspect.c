/*
 * test-inspect.c - archives are told of as they stand, and what is wrong with one is said once
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
#include "image/compress.h"
#include "image/inspect.h"

#include "newc_make.h"

static char said[1024];
static unsigned lines;

static void remember(enum log_level level, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
	lines++;
}

struct told {
	char text[1024];
	int stop; /* what the visitor returns at the first file */
};

static int segment(void *user, const struct inspect_segment *s)
{
	struct told *t = user;
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "[%u %s]", s->number, s->packing);
	return 0;
}

static int entry(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	struct told *t = user;
	size_t n = strlen(t->text), got = 0;
	char buf[64] = "";

	if (t->stop)
		return t->stop;
	assert_int_equal(data->read(data, buf, sizeof(buf) - 1, &got), 0);
	snprintf(t->text + n, sizeof(t->text) - n, "%s=%s%s ", e->path, buf,
		 e->target ? e->target : "");
	return 0;
}

static int look(const struct buffer *b, struct told *t)
{
	_cleanup_close_ int fd = newc_make_file(b);
	struct inspect_visitor v = { segment, entry, t };
	int r;

	lines = 0;
	log_set_sink(remember);
	r = inspect_file(fd, "test", &v);
	log_set_sink(NULL);
	return r;
}

static const struct newc file = { .mode = S_IFREG | 0644, .nlink = 1 };

static void archives_stand_one_behind_the_other(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(1u << 20), packed = BUFFER(1u << 20);
	struct told t = { 0 };

	newc_make(&packed, file, "./c", "3");
	newc_make(&packed, (struct newc){ .mode = S_IFLNK | 0777, .nlink = 1 }, "d", "c");
	newc_make_end(&packed);
	newc_make(&b, file, "a", "1");
	newc_make_end(&b);
	assert_int_equal(buffer_append(&b, "\0\0\0\0\0\0\0\0", 8), 0);
	newc_make(&b, file, "/b", "2");
	newc_make_end(&b);
	assert_int_equal(compress_buffer(COMPRESS_GZIP, 6, &packed, &b), 0);
	assert_int_equal(buffer_append(&b, "\0\0\0", 3), 0);
	assert_int_equal(compress_buffer(COMPRESS_ZSTD, 3, &packed, &b), 0);
	assert_int_equal(look(&b, &t), 0);
	assert_string_equal(t.text, "[1 none]a=1 b=2 [2 gzip]c=3 d=c [3 zstd]c=3 d=c ");
	assert_int_equal(lines, 0);
}

static void what_is_wrong_is_said_once(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int r;
		const char *says;
	} cases[] = {
		{ "", 0, -EBADMSG, "is empty" },
		{ "\0\0\0\0\0", 5, -EBADMSG, "nothing but zeros" },
		{ "hello", 5, -EBADMSG, "nothing that bpboot can look into" },
		{ "hsqs....", 8, -EBADMSG, "is a squashfs image" },
		{ "\177ELF....", 8, -EBADMSG, "is an ELF file" },
		{ "0", 1, -EBADMSG, "cut off" },
		{ "070701", 6, -EBADMSG, "cut off" },
		{ "\x1f\x8b\x08\0", 4, -EBADMSG, "cut off or damaged" },
		{ "\x28\xb5\x2f\xfd", 4, -EBADMSG, "cut off or damaged" },
		{ "BZh9", 4, -EBADMSG, "cut off or damaged" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(1024);
		struct told t = { 0 };
		int r;

		assert_int_equal(buffer_append(&b, cases[i].bytes, cases[i].n), 0);
		r = look(&b, &t);
		if (r != cases[i].r || lines != 1 || !strstr(said, cases[i].says))
			fail_msg("case %zu: %d, %u lines, the last: %s", i, r, lines, said);
	}
}

static void a_visitor_can_end_it(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(1024);
	struct told t = { .stop = -ECANCELED };

	newc_make(&b, file, "a", "1");
	newc_make_end(&b);
	assert_int_equal(look(&b, &t), -ECANCELED);
	assert_int_equal(lines, 0);
}

static void a_file_that_was_not_read_is_passed_over(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(1u << 20);
	_cleanup_free_ char *large = calloc(1, 100001);
	struct told t = { 0 };

	memset(large, 'x', 100000);
	newc_make(&b, file, "a", large); /* of which 63 bytes are read */
	newc_make(&b, file, "b", "2");
	newc_make_end(&b);
	assert_int_equal(look(&b, &t), 0);
	assert_non_null(strstr(t.text, " b=2 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archives_stand_one_behind_the_other),
		cmocka_unit_test(what_is_wrong_is_said_once),
		cmocka_unit_test(a_visitor_can_end_it),
		cmocka_unit_test(a_file_that_was_not_read_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

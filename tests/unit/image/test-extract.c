/*
 * test-extract.c - files of an image are written below a folder and nowhere else, also while
 * somebody changes the folder
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/log.h"
#include "image/extract.h"

#include "../scratch.h"
#include "newc_make.h"

#define RACE_ROUNDS 3000

struct fixture {
	char dir[SCRATCH_PATH_MAX];
	int top, in, out; /* "in" is extracted to; "out" has to stay empty */
};

static void say_nothing(enum log_level level, const char *line)
{
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(scratch_make(f->dir), 0);
	f->top = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(f->top, "in", 0755), 0);
	assert_int_equal(mkdirat(f->top, "out", 0755), 0);
	f->in = openat(f->top, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->out = openat(f->top, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	log_set_sink(say_nothing);
	*state = f;
	return f->in < 0 || f->out < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	log_set_sink(NULL);
	close(f->in);
	close(f->out);
	close(f->top);
	r = scratch_remove(f->dir);
	free(f);
	return r;
}

static int entry(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	return extract_entry(user, e, data);
}

static int extract(struct fixture *f, const struct buffer *b)
{
	_cleanup_extract_ struct extract *x = NULL;
	_cleanup_close_ int fd = newc_make_file(b);
	struct inspect_visitor v = { NULL, entry, NULL };
	int r;

	assert_int_equal(extract_new(f->in, &x), 0);
	v.user = x;
	r = inspect_file(fd, "test", &v);
	return r == 0 ? extract_finish(x) : r;
}

static const struct newc file = { .mode = S_IFREG | 0644, .nlink = 1, .ino = 1 };
static const struct newc dir = { .mode = S_IFDIR | 0755, .nlink = 2, .ino = 2 };
static const struct newc symlink_ = { .mode = S_IFLNK | 0777, .nlink = 1, .ino = 3 };

static void names_that_lead_out_are_refused(void **state)
{
	static const char *const names[] = { "..",   "../out/f", "a/../../out/f",
					     "a/..", "./../f",	 "//../f" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(1u << 20);

		newc_make(&b, file, names[i], "x");
		newc_make_end(&b);
		assert_int_equal(extract(f, &b), -EXDEV);
	}
	assert_int_equal(unlinkat(f->top, "out", AT_REMOVEDIR), 0); /* it is empty */
	assert_int_equal(mkdirat(f->top, "out", 0755), 0);
}

static void links_are_followed_inside_alone(void **state)
{
	struct fixture *f = *state;
	char absolute[SCRATCH_PATH_MAX + 8];
	const char *targets[] = { "../out", "../../../../../../../../../../..", absolute, "/",
				  "." };

	snprintf(absolute, sizeof(absolute), "%s/out", f->dir);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		_cleanup_buffer_ struct buffer b = BUFFER(1u << 20);

		newc_make(&b, symlink_, "l", targets[i]);
		newc_make(&b, file, "l/f", "x");
		newc_make(&b, dir, "l/d", "");
		newc_make(&b, symlink_, "l/s", "x");
		newc_make_end(&b);
		(void)extract(f, &b); /* some are circles inside */
	}
	assert_int_equal(unlinkat(f->top, "out", AT_REMOVEDIR), 0);
	assert_int_equal(mkdirat(f->top, "out", 0755), 0);
}

static void set_id_bits_and_devices_stay_behind(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(1u << 20);
	struct newc setuid = { .mode = S_IFREG | 06755, .nlink = 1 };
	struct newc disk = { .mode = S_IFBLK | 0666, .nlink = 1, .rdev_major = 8 };
	struct fixture *f = *state;
	struct stat st;

	newc_make(&b, setuid, "s", "x");
	newc_make(&b, disk, "disk", "");
	newc_make_end(&b);
	assert_int_equal(extract(f, &b), 0);
	assert_int_equal(fstatat(f->in, "s", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(faccessat(f->in, "disk", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static atomic_bool racing;

/* Now "d" is a folder, now a symlink out of here. */
static void *exchange(void *arg)
{
	struct fixture *f = arg;

	while (atomic_load(&racing)) {
		if (renameat2(f->in, "d", f->in, "trap", RENAME_EXCHANGE) < 0)
			abort();
	}
	return NULL;
}

static void nobody_who_changes_the_folder_leads_out(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(1u << 20);
	struct fixture *f = *state;
	pthread_t thread;

	assert_int_equal(mkdirat(f->in, "d", 0755), 0);
	assert_int_equal(symlinkat("../out", f->in, "trap"), 0);
	newc_make(&b, dir, "d", "");
	newc_make(&b, file, "d/f", "x");
	newc_make(&b, dir, "d/e", "");
	newc_make(&b, symlink_, "d/s", "x");
	newc_make_end(&b);
	atomic_store(&racing, true);
	assert_int_equal(pthread_create(&thread, NULL, exchange, f), 0);
	for (unsigned i = 0; i < RACE_ROUNDS; i++)
		(void)extract(f, &b); /* it may fail, but never write elsewhere */
	atomic_store(&racing, false);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(unlinkat(f->top, "out", AT_REMOVEDIR), 0);
	assert_int_equal(mkdirat(f->top, "out", 0755), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(names_that_lead_out_are_refused),
		T(links_are_followed_inside_alone),
		T(set_id_bits_and_devices_stay_behind),
		T(nobody_who_changes_the_folder_leads_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

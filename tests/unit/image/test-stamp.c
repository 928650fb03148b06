/*
 * test-stamp.c - what an image is made of is known again, and every change to it is seen
 */
#include <errno.h>
#include <fcntl.h>
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
#include "base/log.h"
#include "image/stamp.h"
#include "../scratch.h"

#define MANIFEST "tree t /\nfile f /f mode=0644\n"

static const uint8_t key_id[] = "12345678";

struct fixture {
	char dir[SCRATCH_PATH_MAX];
	int dirfd;
};

static void put(const struct fixture *f, const char *path, const char *text)
{
	assert_int_equal(file_write(f->dirfd, path, text, strlen(text), 0644), 0);
}

/* Two files in a folder, one beside it, and a manifest that names them. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	unsetenv("SOURCE_DATE_EPOCH");
	assert_int_equal(scratch_make(f->dir), 0);
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(f->dirfd, "t", 0755), 0);
	put(f, "t/a", "aaaa");
	put(f, "t/b", "bbbb");
	put(f, "f", "file");
	put(f, "m.image", MANIFEST);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->dirfd);
	assert_int_equal(scratch_remove(f->dir), 0);
	free(f);
	return 0;
}

/* Gather and stamp; @age_ns moves the begin of the build, so that no test needs to wait. */
static struct stamp stamp_of(const struct fixture *f, struct stamp_spec spec, uint64_t age_ns)
{
	_cleanup_build_ struct build b = BUILD();
	char manifest[SCRATCH_PATH_MAX + 16];
	struct build_spec what = { .manifest = manifest };
	struct stamp s;

	snprintf(manifest, sizeof(manifest), "%s/m.image", f->dir);
	assert_int_equal(build_gather(&b, &what), 0);
	b.started_ns += age_ns;
	spec.build = &b;
	assert_int_equal(stamp_make(&spec, &s), 0);
	return s;
}

static const struct stamp_spec plain = { .level = 15, .part_bytes = 4096, .key_id = key_id };

static bool same(const struct stamp *a, const struct stamp *b)
{
	return !memcmp(a->inputs, b->inputs, sizeof(a->inputs));
}

static void change_nothing(const struct fixture *f)
{
}

static void change_other(const struct fixture *f)
{
	put(f, "nobody", "asks for this");
}

static void change_content(const struct fixture *f)
{
	put(f, "t/a", "AAAA"); /* of the same size */
}

static void change_in_place(const struct fixture *f)
{
	struct timespec times[2] = { 0 };
	struct stat st;
	int fd = openat(f->dirfd, "t/a", O_WRONLY | O_CLOEXEC);

	assert_int_equal(fstat(fd, &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(pwrite(fd, "AAAA", 4, 0), 4);
	assert_int_equal(futimens(fd, times), 0); /* who hides it cannot hide the change's time */
	close(fd);
}

static void change_name(const struct fixture *f)
{
	assert_int_equal(renameat(f->dirfd, "t/a", f->dirfd, "t/c"), 0);
}

static void change_place(const struct fixture *f)
{
	assert_int_equal(mkdirat(f->dirfd, "t/d", 0755), 0);
	assert_int_equal(renameat(f->dirfd, "t/a", f->dirfd, "t/d/a"), 0);
}

static void change_mode(const struct fixture *f)
{
	assert_int_equal(fchmodat(f->dirfd, "t/b", 0600, 0), 0);
}

static void change_link(const struct fixture *f)
{
	assert_int_equal(linkat(f->dirfd, "t/a", f->dirfd, "t/z", 0), 0);
}

static void change_manifest(const struct fixture *f)
{
	put(f, "m.image", MANIFEST "free 1K\n");
}

static void change_epoch(const struct fixture *f)
{
	setenv("SOURCE_DATE_EPOCH", "1000000000", 1);
}

static void changes_are_seen_and_nothing_else(void **state)
{
	static const struct {
		void (*change)(const struct fixture *f);
		bool same;
	} table[] = {
		{ change_nothing, true },   { change_other, true }, { change_content, false },
		{ change_in_place, false }, { change_name, false }, { change_place, false },
		{ change_mode, false },	    { change_link, false }, { change_manifest, false },
		{ change_epoch, false },
	};

	for (size_t k = 0; k < ARRAY_SIZE(table); k++) {
		struct stamp before, after;

		assert_int_equal(setup(state), 0);
		before = stamp_of(*state, plain, 0);
		usleep(10000); /* a tick of the file system's clock */
		table[k].change(*state);
		after = stamp_of(*state, plain, 0);
		if (same(&before, &after) != table[k].same)
			fail_msg("row %zu", k);
		teardown(state);
	}
	unsetenv("SOURCE_DATE_EPOCH");
}

static void how_it_is_published_counts(void **state)
{
	struct fixture *f = *state;
	struct stamp_spec level = plain, part = plain, key = plain, no_key = plain;
	struct stamp s = stamp_of(f, plain, 0), other;
	struct stamp_spec *const all[] = { &level, &part, &key, &no_key };

	level.level = 3;
	part.part_bytes = 8192;
	key.key_id = (const uint8_t *)"12345679";
	no_key.key_id = NULL;
	for (size_t k = 0; k < ARRAY_SIZE(all); k++) {
		other = stamp_of(f, *all[k], 0);
		assert_false(same(&s, &other));
	}
}

static void fresh_sources_are_not_trusted(void **state)
{
	struct fixture *f = *state;
	struct stamp s;

	put(f, "t/a", "just now");
	s = stamp_of(f, plain, 0);
	assert_true(s.racy);
	s = stamp_of(f, plain, 2 * (uint64_t)STAMP_RACY_NS);
	assert_false(s.racy);
}

/* An index of one part, with its part and a signature of any kind. */
static void publish(const struct fixture *f)
{
	_cleanup_buffer_ struct buffer text = BUFFER(INDEX_BYTES_MAX);
	struct index_part part = { .raw_bytes = 4096, .stored_bytes = 5 };
	struct index x = { .name = "a",
			   .counter = 1,
			   .init = "/i",
			   .image_bytes = 4096,
			   .parts = &part,
			   .n_parts = 1 };
	char path[6 + 2 * INDEX_HASH_BYTES + 1] = "parts/";

	assert_int_equal(index_format(&x, &text), 0);
	assert_int_equal(file_write(f->dirfd, "a.index", text.data, text.len, 0644), 0);
	put(f, "a.index.minisig", "signature");
	assert_true(mkdirat(f->dirfd, "parts", 0755) == 0 || errno == EEXIST);
	memset(path + 6, '0', sizeof(path) - 7);
	put(f, path, "12345");
}

static void damage_index(const struct fixture *f)
{
	put(f, "a.index", "bpboot index 1\n");
}

static void damage_signature(const struct fixture *f)
{
	put(f, "a.index.minisig", "Signature");
}

static void damage_stamp(const struct fixture *f)
{
	put(f, "a.stamp", "bpboot stamp 1\n");
}

static void remove_part(const struct fixture *f)
{
	char path[6 + 2 * INDEX_HASH_BYTES + 1] = "parts/";

	memset(path + 6, '0', sizeof(path) - 7);
	assert_int_equal(unlinkat(f->dirfd, path, 0), 0);
}

static void what_is_published_must_be_there(void **state)
{
	static void (*const harm[])(const struct fixture *f) = { damage_index, damage_signature,
								 damage_stamp, remove_part };
	struct fixture *f = *state;
	struct stamp s = stamp_of(f, plain, 2 * (uint64_t)STAMP_RACY_NS), other = s, racy = s;

	other.inputs[3] ^= 1;
	racy.racy = true;
	assert_false(stamp_matches(f->dirfd, "a", true, &s));
	for (size_t k = 0; k < ARRAY_SIZE(harm); k++) {
		publish(f);
		assert_int_equal(stamp_write(f->dirfd, "a", true, &s, NULL), 0);
		assert_true(stamp_matches(f->dirfd, "a", true, &s));
		assert_false(stamp_matches(f->dirfd, "a", false, &s));
		assert_false(stamp_matches(f->dirfd, "b", true, &s));
		assert_false(stamp_matches(f->dirfd, "a", true, &other));
		assert_false(stamp_matches(f->dirfd, "a", true, &racy));
		harm[k](f);
		assert_false(stamp_matches(f->dirfd, "a", true, &s));
	}
	publish(f);
	assert_int_equal(stamp_write(f->dirfd, "a", true, &s, NULL), 0);
	assert_int_equal(stamp_write(f->dirfd, "a", true, &racy, NULL), 0);
	assert_int_equal(faccessat(f->dirfd, "a.stamp", F_OK, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_seen_and_nothing_else),
		cmocka_unit_test_setup_teardown(how_it_is_published_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(fresh_sources_are_not_trusted, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_published_must_be_there, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

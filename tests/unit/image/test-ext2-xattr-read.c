/*
 * test-ext2-xattr-read.c - what our writer makes of attributes reads back the same, and hostile
 * ones are refused
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/ext2_xattr.h"

#define SEEN_MAX 16

struct seen {
	size_t n;
	struct {
		char name[300];
		uint8_t value[512];
		size_t bytes;
		bool inline_data;
	} x[SEEN_MAX];
};

static int see(void *user, const struct ext2_xattr *a)
{
	struct seen *s = user;

	assert_true(s->n < SEEN_MAX && strlen(a->name) < sizeof(s->x[0].name));
	strcpy(s->x[s->n].name, a->name);
	if (a->value && a->bytes <= sizeof(s->x[0].value))
		memcpy(s->x[s->n].value, a->value, a->bytes);
	s->x[s->n].bytes = a->bytes;
	s->x[s->n++].inline_data = a->inline_data;
	return 0;
}

/* From an exact-size copy. */
static int read_block(const uint8_t *p, size_t n, struct seen *ret)
{
	uint8_t *copy = memcpy(malloc(n), p, n);
	int r = ext2_xattr_each_of_block(copy, n, see, ret);

	free(copy);
	return r;
}

static const uint8_t acl[] = {
	2,  0, 0, 0,							       /* version */
	1,  0, 6, 0, 0xff, 0xff, 0xff, 0xff,				       /* the owner */
	2,  0, 6, 0, 0xd2, 4,	 0,    0,				       /* user 1234 */
	4,  0, 4, 0, 0xff, 0xff, 0xff, 0xff, 8,	 0, 4, 0, 0x2e, 0x16, 0,    0, /* group 5678 */
	16, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, 32, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
};

static void what_is_written_reads_back(void **state)
{
	struct inode_xattr list[] = {
		{ (char *)"security.capability", (uint8_t *)"\1\2\3\4\0", 5 },
		{ (char *)"system.posix_acl_access", (uint8_t *)acl, sizeof(acl) },
		{ (char *)"user.empty", NULL, 0 },
		{ (char *)"user.note", (uint8_t *)"some words", 10 },
	};
	struct inode i = { .xattrs = list, .n_xattrs = ARRAY_SIZE(list) };
	uint8_t block[BLOCK_BYTES] = { 0 };
	struct seen s = { 0 };

	assert_int_equal(ext2_xattr_put(&i, block), 0);
	assert_int_equal(read_block(block, sizeof(block), &s), 0);
	assert_int_equal(s.n, ARRAY_SIZE(list));
	for (size_t k = 0; k < ARRAY_SIZE(list); k++) {
		size_t at = 0;

		while (at < s.n && strcmp(s.x[at].name, list[k].name))
			at++;
		assert_true(at < s.n);
		assert_int_equal(s.x[at].bytes, list[k].bytes);
		assert_memory_equal(s.x[at].value, list[k].value ? list[k].value : (uint8_t *)"",
				    list[k].bytes);
	}
}

/* A block of one entry, whose numbers are as they are said. */
static int one(uint8_t name_bytes, uint8_t index, uint16_t offset, uint32_t bytes, size_t n,
	       struct seen *ret)
{
	uint8_t block[128] = { 0, 0, 2, 0xea };

	block[32] = name_bytes;
	block[33] = index;
	memcpy(block + 34, &offset, 2);
	memcpy(block + 40, &bytes, 4);
	memset(block + 48, 'n', name_bytes < 32 ? name_bytes : 32);
	return read_block(block, n, ret);
}

static void hostile_numbers_are_refused(void **state)
{
	static const struct {
		uint8_t name_bytes, index;
		uint16_t offset;
		uint32_t bytes;
		size_t n;
		int r;
		size_t told;
	} cases[] = {
		{ 4, 1, 100, 4, 128, 0, 1 },
		{ 4, 1, 124, 4, 128, 0, 1 },
		{ 4, 1, 125, 4, 128, -EBADMSG, 0 },	     /* one byte beyond */
		{ 4, 1, 0xffff, 1, 128, -EBADMSG, 0 },	     /* far beyond */
		{ 4, 1, 100, UINT32_MAX, 128, -EBADMSG, 0 }, /* larger than all */
		{ 4, 1, 0xffff, 0, 128, 0, 1 },		     /* of nothing no place matters */
		{ 200, 1, 100, 4, 128, -EBADMSG, 0 },	     /* a name beyond the end */
		{ 4, 99, 100, 4, 128, 0, 0 },		     /* of a kind that nobody knows */
		{ 4, 0, 100, 4, 128, 0, 0 },
		{ 4, 2, 100, 4, 128, -EBADMSG, 0 }, /* an ACL of no version */
		{ 4, 1, 100, 4, 40, -EBADMSG, 0 },  /* the entry is cut off */
		{ 4, 1, 20, 4, 35, 0, 0 },	    /* no room for one */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen s = { 0 };
		int r = one(cases[i].name_bytes, cases[i].index, cases[i].offset, cases[i].bytes,
			    cases[i].n, &s);

		if (r != cases[i].r || s.n != cases[i].told)
			fail_msg("case %zu: %d, %zu told", i, r, s.n);
	}
}

static void a_block_without_its_mark_is_none(void **state)
{
	uint8_t block[64] = { 0 };
	struct seen s = { 0 };

	assert_int_equal(read_block(block, sizeof(block), &s), -EBADMSG);
	assert_int_equal(ext2_xattr_each_of_inode(block, sizeof(block), see, &s), 0);
	assert_int_equal(s.n, 0);
}

static void the_rest_of_a_small_file_is_no_attribute(void **state)
{
	uint8_t room[64] = { 0, 0, 2, 0xea, 4, 7, 40, 0, 0, 0, 0, 0, 3, 0, 0, 0 };
	struct seen s = { 0 };

	memcpy(room + 20, "data", 4);
	memcpy(room + 44, "xyz", 3);
	assert_int_equal(ext2_xattr_each_of_inode(room, sizeof(room), see, &s), 0);
	assert_int_equal(s.n, 1);
	assert_true(s.x[0].inline_data);
	assert_memory_equal(s.x[0].value, "xyz", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(hostile_numbers_are_refused),
		cmocka_unit_test(a_block_without_its_mark_is_none),
		cmocka_unit_test(the_rest_of_a_small_file_is_no_attribute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

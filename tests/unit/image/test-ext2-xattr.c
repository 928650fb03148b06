/*
 * test-ext2-xattr.c - extended attributes as a block: what is put can be read back, and what cannot
 * be kept is refused
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

#define ACL_NOBODY "\xff\xff\xff\xff"
#define ACL_ENTRIES                                \
	"\1\0\7\0" ACL_NOBODY "\2\0\5\0\x39\5\0\0" \
	"\4\0\5\0" ACL_NOBODY "\x10\0\7\0" ACL_NOBODY "\x20\0\4\0" ACL_NOBODY
#define ACL "\2\0\0\0" ACL_ENTRIES
#define X(name, text)                                               \
	{                                                           \
		(char *)(name), (uint8_t *)(text), sizeof(text) - 1 \
	}

struct seen {
	const struct inode *i;
	size_t n;
	const char *names[8]; /* in the order of the block */
};

static int compare_with_inode(void *user, const struct ext2_xattr *x)
{
	struct seen *s = user;

	for (size_t k = 0; k < s->i->n_xattrs; k++) {
		const struct inode_xattr *want = &s->i->xattrs[k];

		if (strcmp(want->name, x->name) != 0)
			continue;
		assert_int_equal(x->bytes, want->bytes);
		if (x->bytes > 0)
			assert_memory_equal(x->value, want->value, x->bytes);
		s->names[s->n++] = want->name;
		return 0;
	}
	fail_msg("'%s' was never put", x->name);
	return -1;
}

static void what_is_put_reads_back_in_the_kernels_order(void **state)
{
	struct inode_xattr all[] = {
		X("security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
		X("system.posix_acl_access", ACL),
		X("system.posix_acl_default", ACL),
		X("user.bb", "x"),
		X("user.a", ""),
		X("user.aa", "12345"),
		X("trusted.overlay.opaque", "y"),
	};
	static const char *const order[] = { "user.a",
					     "user.aa",
					     "user.bb",
					     "system.posix_acl_access",
					     "system.posix_acl_default",
					     "trusted.overlay.opaque",
					     "security.capability" };
	struct inode i = { .xattrs = all, .n_xattrs = ARRAY_SIZE(all) };
	uint8_t *block = calloc(1, BLOCK_BYTES);
	struct seen s = { .i = &i };

	assert_int_equal(ext2_xattr_put(&i, block), 0);
	assert_int_equal(ext2_xattr_each_of_block(block, BLOCK_BYTES, compare_with_inode, &s), 0);
	assert_int_equal(s.n, ARRAY_SIZE(order));
	for (size_t k = 0; k < s.n; k++)
		assert_string_equal(s.names[k], order[k]);
	ext2_xattr_put_refs(block, 0x0201);
	assert_int_equal(block[4], 1);
	assert_int_equal(block[5], 2);
	free(block);
}

/* As fs/ext4/xattr.c lays them out. */
static void the_bytes_are_those_of_linux(void **state)
{
	struct inode_xattr one = X("user.k", "value");
	struct inode i = { .xattrs = &one, .n_xattrs = 1 };
	uint8_t block[BLOCK_BYTES] = { 0 };

	assert_int_equal(ext2_xattr_put(&i, block), 0);
	assert_memory_equal(block, "\0\0\2\xea\1\0\0\0\1\0\0\0", 12);
	/* one entry: its hash is the block's too; the value stands at the end, padded to 4 */
	assert_memory_equal(block + 12, block + 32 + 12, 4);
	assert_memory_equal(block + 32, "\1\1\xf8\3\0\0\0\0\5\0\0\0", 12);
	assert_memory_equal(block + 48, "k\0\0\0\0\0\0\0", 8);
	assert_memory_equal(block + BLOCK_BYTES - 8, "value\0\0\0", 8);
}

static void what_cannot_be_kept_is_refused(void **state)
{
	static uint8_t big[2000];
	static char long_name[300] = "user.";
	static const struct {
		struct inode_xattr x;
		int err;
	} table[] = {
		{ { (char *)"user.big", big, BLOCK_BYTES - 32 - 4 - 16 - 4 }, 0 }, /* just fits */
		{ { (char *)"user.big", big, BLOCK_BYTES - 32 - 4 - 16 - 3 }, -E2BIG },
		{ { (char *)"user.big", big, sizeof(big) }, -E2BIG },
		{ { long_name, big, 1 }, -E2BIG },
		{ X("other.kind", "x"), -EOPNOTSUPP },
		{ X("system.posix_acl_access.more", "x"), -EOPNOTSUPP },
		{ X("system.posix_acl_access", ""), -EBADMSG },
		{ X("system.posix_acl_access", "\1\0\0\0"), -EBADMSG },
		{ X("system.posix_acl_access", "\2\0\0\0\1\0\7\0"), -EBADMSG },
	};

	memset(big, 'b', sizeof(big));
	memset(long_name + 5, 'n', 256);
	for (size_t k = 0; k < ARRAY_SIZE(table); k++) {
		struct inode_xattr x = table[k].x;
		struct inode i = { .xattrs = &x, .n_xattrs = 1 };
		uint8_t *block = calloc(1, BLOCK_BYTES);

		assert_int_equal(ext2_xattr_put(&i, block), table[k].err);
		free(block);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_reads_back_in_the_kernels_order),
		cmocka_unit_test(the_bytes_are_those_of_linux),
		cmocka_unit_test(what_cannot_be_kept_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-node-key-efi.c - a key of a node in a folder that looks like efivarfs
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/fd.h"
#include "space/node_key_efi.h"
#include "wire/masterkey.h"

#define TEXT "bpboot-node-key 1 "
#define HEX  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static char folder[] = "/tmp/bpboot-efi-XXXXXX";
static int dir = FD_NONE;

static int set_up(void **state)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	if (sodium_init() < 0 || !mkdtemp(folder))
		return -1;
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

/* Return: whether the file has the flag; sets it to @on before, where the file system has it. */
static bool immutable(bool on)
{
	int fd = openat(dir, NODE_KEY_EFI_VARIABLE, O_RDONLY | O_CLOEXEC), flags = 0, want;

	assert_true(fd >= 0);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		want = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &want);
		(void)ioctl(fd, FS_IOC_GETFLAGS, &flags);
	}
	fd_close(fd);
	return flags & FS_IMMUTABLE_FL;
}

static int tear_down(void **state)
{
	if (faccessat(dir, NODE_KEY_EFI_VARIABLE, F_OK, 0) == 0)
		(void)immutable(false);
	(void)unlinkat(dir, NODE_KEY_EFI_VARIABLE, 0);
	(void)unlinkat(dir, "elsewhere", 0);
	dir = fd_close(dir);
	return rmdir(folder);
}

static void put(const char *name, const void *p, size_t n, mode_t mode)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(write(fd, p, n), n);
	fd_close(fd);
}

static size_t get(uint8_t *ret, size_t max, mode_t *ret_mode)
{
	int fd = openat(dir, NODE_KEY_EFI_VARIABLE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	n = read(fd, ret, max);
	fd_close(fd);
	assert_true(n >= 0);
	*ret_mode = st.st_mode & 07777;
	return (size_t)n;
}

static void test_made_once(void **state)
{
	struct keypair first, again;
	uint8_t value[256];
	mode_t mode;
	size_t n;

	assert_int_equal(node_key_efi_open(dir, &first), 0);
	n = get(value, sizeof(value), &mode);
	assert_int_equal(mode, 0600);
	assert_int_equal(n, 4 + strlen(TEXT HEX) + 1);
	assert_memory_equal(value, "\7\0\0\0" TEXT, 4 + strlen(TEXT));
	assert_int_equal(node_key_efi_open(dir, &again), 0);
	assert_memory_equal(&first, &again, sizeof(first));
}

/* As the kernel shows variables after a boot: to all, and not to be changed. */
static void test_hidden(void **state)
{
	uint8_t secret[CIPHER_KEY_BYTES];
	uint8_t value[256];
	struct keypair pair;
	bool fixed;
	mode_t mode;

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)i;
	put(NODE_KEY_EFI_VARIABLE, "\7\0\0\0" TEXT HEX "\n", 4 + strlen(TEXT HEX) + 1, 0644);
	fixed = immutable(true);
	assert_int_equal(node_key_efi_open(dir, &pair), 0);
	assert_memory_equal(pair.secret, secret, sizeof(secret));
	(void)get(value, sizeof(value), &mode);
	assert_int_equal(mode, 0600);
	if (fixed) {
		int fd = openat(dir, NODE_KEY_EFI_VARIABLE, O_WRONLY | O_CLOEXEC);

		assert_int_equal(fd, -1); /* it still is */
	}
}

/* What is no key of ours stays as it is. */
static void test_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{ "\7\0\0", 3 },
		{ "\7\0\0\0", 4 },
		{ "\6\0\0\0" TEXT HEX "\n", 4 + 18 + 64 + 1 }, /* goes with the power */
		{ "\7\0\0\0" TEXT HEX "00\n", 4 + 18 + 66 + 1 },
		{ "\7\0\0\0bpboot-master-key 1 " HEX "\n", 4 + 20 + 64 + 1 },
		{ "\7\0\0\0somebody's words", 20 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t value[256];
		struct keypair pair;
		mode_t mode;

		put(NODE_KEY_EFI_VARIABLE, rows[i].bytes, rows[i].n, 0600);
		assert_int_equal(node_key_efi_open(dir, &pair), -EBADMSG);
		assert_int_equal(get(value, sizeof(value), &mode), rows[i].n);
		assert_memory_equal(value, rows[i].bytes, rows[i].n);
	}
}

static void test_link_is_not_followed(void **state)
{
	struct keypair pair;

	put("elsewhere", "\7\0\0\0" TEXT HEX "\n", 4 + strlen(TEXT HEX) + 1, 0600);
	assert_int_equal(symlinkat("elsewhere", dir, NODE_KEY_EFI_VARIABLE), 0);
	assert_int_equal(node_key_efi_open(dir, &pair), -EBADMSG);
	assert_int_equal(unlinkat(dir, NODE_KEY_EFI_VARIABLE, 0), 0);
}

/* A machine that lost its power between the name and its value. */
static void test_name_without_value(void **state)
{
	struct keypair pair, again;

	put(NODE_KEY_EFI_VARIABLE, "", 0, 0600);
	(void)immutable(true);
	assert_int_equal(node_key_efi_open(dir, &pair), 0);
	assert_int_equal(node_key_efi_open(dir, &again), 0);
	assert_memory_equal(&pair, &again, sizeof(pair));
}

/* Nothing can be made: the folder is gone. */
static void test_no_room(void **state)
{
	struct keypair pair;

	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(node_key_efi_open(dir, &pair), -EIO);
	assert_int_equal(mkdir(folder, 0700), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hidden, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_link_is_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_name_without_value, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_room, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-ramdisk.c - parts are unpacked to their place, holes stay zero, and what is not exactly a
 * part is refused
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>
#include <cmocka.h>

#include "init/ramdisk.h"

enum { RAW = 65536 };

static uint8_t raw[RAW], stored[2 * RAW];

static size_t pack(size_t n)
{
	for (size_t i = 0; i < n; i++)
		raw[i] = (uint8_t)(i * i >> 3);
	return ZSTD_compress(stored, sizeof(stored), raw, n, 3);
}

static void parts_come_to_their_place(void **state)
{
	size_t n = pack(RAW);
	struct index_part parts[] = {
		{ .offset = 0, .raw_bytes = 4096 },
		{ .offset = 4096, .raw_bytes = RAW, .stored_bytes = (uint32_t)n },
		{ .offset = 4096 + RAW, .raw_bytes = UINT32_MAX - 4095 },
	};
	struct index x = { .parts = parts, .n_parts = ARRAY_SIZE(parts) };
	int fd = memfd_create("disk", MFD_CLOEXEC);
	uint8_t got[4096 + RAW];
	struct ramdisk d;

	assert_int_equal(ramdisk_init(&d, fd, &x), 0);
	assert_int_equal(d.raw_size, RAW); /* not of the hole's */
	assert_int_equal((uintptr_t)d.raw % RAMDISK_ALIGN, 0);
	assert_int_equal(ramdisk_write(&d, &parts[1], stored, n), 0);
	assert_int_equal(pread(fd, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(got + 4096, raw, RAW);
	for (size_t i = 0; i < 4096; i++)
		assert_int_equal(got[i], 0);
	ramdisk_deinit(&d);
	ramdisk_deinit(&d);
	close(fd);
}

static void what_is_not_exactly_a_part_is_refused(void **state)
{
	size_t n = pack(RAW);
	struct index_part part = { .raw_bytes = RAW, .stored_bytes = (uint32_t)n };
	struct index x = { .parts = &part, .n_parts = 1 };
	int fd = memfd_create("disk", MFD_CLOEXEC);
	struct ramdisk d;

	assert_int_equal(ramdisk_init(&d, fd, &x), 0);
	assert_int_equal(ramdisk_write(&d, &part, stored, n - 1), -EBADMSG);
	part.stored_bytes = (uint32_t)n - 1; /* cut */
	assert_int_equal(ramdisk_write(&d, &part, stored, n - 1), -EBADMSG);
	part.stored_bytes = (uint32_t)n;
	part.raw_bytes = RAW - 4096; /* longer than it may be */
	assert_int_equal(ramdisk_write(&d, &part, stored, n), -EBADMSG);
	part.raw_bytes = RAW;
	part.stored_bytes = (uint32_t)n + 1; /* something behind the frame */
	assert_int_equal(ramdisk_write(&d, &part, stored, n + 1), -EBADMSG);
	part.stored_bytes = (uint32_t)n;
	stored[0] ^= 1; /* no frame */
	assert_int_equal(ramdisk_write(&d, &part, stored, n), -EBADMSG);
	n = pack(RAW / 2); /* shorter than it has to be */
	part.stored_bytes = (uint32_t)n;
	assert_int_equal(ramdisk_write(&d, &part, stored, n), -EBADMSG);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0); /* nothing was written */
	part.raw_bytes = RAW / 2;
	assert_int_equal(ramdisk_write(&d, &part, stored, n), 0);
	close(fd);
	assert_int_equal(ramdisk_write(&d, &part, stored, n), -EBADF);
	ramdisk_deinit(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_come_to_their_place),
		cmocka_unit_test(what_is_not_exactly_a_part_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

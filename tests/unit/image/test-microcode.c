/*
 * test-microcode.c - what is microcode, whose, and where it lies in the archive
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "image/microcode.h"
#include "wire/newc.h"

#define UPDATE_BYTES 2048
#define AMD_BYTES    (4 + 8 + 16 + 8 + 64)

static void put32(uint8_t *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

/* An update whose words add up to 0. */
static void make_intel(uint8_t to[static UPDATE_BYTES], uint32_t total)
{
	memset(to, 0, UPDATE_BYTES);
	put32(to, 1);	   /* version of the header */
	put32(to + 20, 1); /* of the loader */
	put32(to + 32, total);
	put32(to + 100, 77);
	put32(to + 16, -(1u + 1u + total + 77u));
}

static void make_amd(uint8_t to[static AMD_BYTES])
{
	memset(to, 0, AMD_BYTES);
	memcpy(to, "DMA", 3);
	put32(to + 8, 16);
	put32(to + 28, 1);
	put32(to + 32, 64);
}

/* From a copy that is exactly as large. */
static int vendor(const uint8_t *p, size_t n, enum microcode_vendor *ret)
{
	uint8_t *copy = memcpy(calloc(1, n ? n : 1), p, n);
	int r = microcode_vendor(copy, n, ret);

	free(copy);
	return r;
}

static void each_vendor_is_known(void **state)
{
	uint8_t intel[2 * UPDATE_BYTES], amd[2 * AMD_BYTES];
	enum microcode_vendor v;

	make_intel(intel, 0); /* 2048 bytes, which is what 0 means */
	make_intel(intel + UPDATE_BYTES, UPDATE_BYTES);
	assert_int_equal(vendor(intel, UPDATE_BYTES, &v), 0);
	assert_int_equal(v, MICROCODE_INTEL);
	assert_int_equal(vendor(intel, sizeof(intel), &v), 0);
	make_amd(amd);
	make_amd(amd + AMD_BYTES);
	assert_int_equal(vendor(amd, AMD_BYTES, &v), 0);
	assert_int_equal(v, MICROCODE_AMD);
	assert_int_equal(vendor(amd, sizeof(amd), &v), 0);
}

static void damage_is_seen(void **state)
{
	uint8_t intel[UPDATE_BYTES], amd[AMD_BYTES];
	enum microcode_vendor v;

	make_intel(intel, UPDATE_BYTES);
	make_amd(amd);
	assert_int_equal(vendor(intel, 0, &v), -EBADMSG);
	for (size_t n = 1; n < UPDATE_BYTES; n += 13)
		assert_int_equal(vendor(intel, n, &v), -EBADMSG);
	for (size_t n = 1; n < AMD_BYTES; n++) {
		if (n != 4 && n != 28) /* whole sections, if few */
			assert_int_equal(vendor(amd, n, &v), -EBADMSG);
	}
	intel[1500] ^= 4;
	assert_int_equal(vendor(intel, UPDATE_BYTES, &v), -EBADMSG);
	put32(amd + 4, 2);
	assert_int_equal(vendor(amd, AMD_BYTES, &v), -EBADMSG);
}

/* Read back by the codec: names in order, data as it was, Intel's at a multiple of 16. */
static void the_archive_holds_them(void **state)
{
	struct microcode m = MICROCODE();
	struct buffer to = BUFFER(1 << 20);
	uint8_t intel[UPDATE_BYTES], amd[AMD_BYTES];
	bool have_intel = false, have_amd = false;
	struct newc e;
	struct reader r;

	make_intel(intel, UPDATE_BYTES);
	make_amd(amd);
	assert_int_equal(buffer_append(&m.updates[MICROCODE_INTEL], intel, sizeof(intel)), 0);
	assert_int_equal(buffer_append(&m.updates[MICROCODE_AMD], amd, sizeof(amd)), 0);
	assert_int_equal(microcode_archive(&m, 0, &to), 0);
	r = READER(to.data, to.len);
	while (newc_parse(&r, &e) == 0 && strcmp(e.name, NEWC_TRAILER)) {
		const uint8_t *data = newc_data(&r, &e);

		assert_non_null(data);
		if (!strcmp(e.name, "kernel/x86/microcode/GenuineIntel.bin")) {
			assert_int_equal(e.size, sizeof(intel));
			assert_memory_equal(data, intel, sizeof(intel));
			assert_int_equal((data - to.data) % 16, 0);
			have_intel = true;
		}
		if (!strcmp(e.name, "kernel/x86/microcode/AuthenticAMD.bin")) {
			assert_int_equal(e.size, sizeof(amd));
			assert_memory_equal(data, amd, sizeof(amd));
			have_amd = true;
		}
	}
	assert_true(have_intel && have_amd);
	assert_int_equal(r.left, 0);
	buffer_clear(&to);
	microcode_clear(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_vendor_is_known),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(the_archive_holds_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

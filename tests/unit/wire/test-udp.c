/*
 * test-udp.c - datagrams for packet sockets: right checksums, nothing taken that is not whole
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/addr.h"
#include "wire/udp.h"

/*
 * 10.9.0.2:68 to 10.9.0.1:67, five bytes; the checksums were computed by hand with Python's
 * arithmetic
 */
static const uint8_t packet[] = {
	0x45, 0x00, 0x00, 0x21, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x26,
	0xb8, 0x0a, 0x09, 0x00, 0x02, 0x0a, 0x09, 0x00, 0x01, 0x00, 0x44,
	0x00, 0x43, 0x00, 0x0d, 0xa7, 0x66, 'h',  'e',	'l',  'l',  'o',
};

static void sum_fix(uint8_t *p)
{
	uint32_t s = 0;

	p[10] = p[11] = 0;
	for (size_t i = 0; i < 20; i += 2)
		s += (uint32_t)p[i] << 8 | p[i + 1];
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	p[10] = (uint8_t)(~s >> 8);
	p[11] = (uint8_t)~s;
}

static void writes_known_bytes(void **state)
{
	struct udp_datagram d = { .src_port = 68,
				  .dst_port = 67,
				  .data = (const uint8_t *)"hello",
				  .bytes = 5 },
			    back;
	uint8_t buf[64];
	size_t n;

	assert_int_equal(ipv4_parse("10.9.0.2", &d.src), 0);
	assert_int_equal(ipv4_parse("10.9.0.1", &d.dst), 0);
	assert_int_equal(udp_format(&d, buf, sizeof(buf), &n), 0);
	assert_int_equal(n, sizeof(packet));
	assert_memory_equal(buf, packet, n);
	assert_int_equal(udp_parse(buf, n, false, &back), 0);
	assert_int_equal(back.bytes, 5);
	assert_memory_equal(back.data, "hello", 5);
	assert_int_equal(back.dst_port, 67);
	assert_int_equal(udp_format(&d, buf, n - 1, &n), -E2BIG);
}

static void refuses_what_is_not_whole(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
		bool fix; /* make the header's checksum right again */
	} bad[] = {
		{ "version 6", 0, 0x65, true },
		{ "header of 16 bytes", 0, 0x44, true },
		{ "header longer than the packet", 0, 0x4f, true },
		{ "total length over what is there", 3, 0x22, true },
		{ "total length shorter than the headers", 3, 0x1b, true },
		{ "header checksum", 10, 0x27, false },
		{ "a fragment follows", 6, 0x20, true },
		{ "a later fragment", 7, 0x01, true },
		{ "TCP", 9, 0x06, true },
		{ "UDP length 7", 25, 7, true },
		{ "UDP length over the packet", 25, 0x0e, true },
		{ "UDP checksum", 26, 0x28, true },
		{ "one bit of the data", 32, 'n', true },
	};
	struct udp_datagram d;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t *p = memcpy(malloc(sizeof(packet)), packet, sizeof(packet));

		p[bad[i].at] = bad[i].value;
		if (bad[i].fix)
			sum_fix(p);
		if (udp_parse(p, sizeof(packet), false, &d) != -EBADMSG)
			fail_msg("%s was taken", bad[i].what);
		free(p);
	}
	for (size_t n = 0; n < sizeof(packet); n++) {
		uint8_t *p = memcpy(malloc(n ? n : 1), packet, n);

		assert_int_equal(udp_parse(p, n, false, &d), -EBADMSG);
		free(p);
	}
}

static void a_checksum_may_be_absent_or_still_to_come(void **state)
{
	uint8_t p[sizeof(packet) + 8] = { 0 }; /* with padding behind, as short frames have */
	struct udp_datagram d;

	memcpy(p, packet, sizeof(packet));
	p[26] = 0x12;
	assert_int_equal(udp_parse(p, sizeof(p), false, &d), -EBADMSG);
	assert_int_equal(udp_parse(p, sizeof(p), true, &d), 0);
	assert_int_equal(d.bytes, 5);
	p[26] = p[27] = 0;
	assert_int_equal(udp_parse(p, sizeof(p), false, &d), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_known_bytes),
		cmocka_unit_test(refuses_what_is_not_whole),
		cmocka_unit_test(a_checksum_may_be_absent_or_still_to_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-tftp.c - TFTP packets are read as the RFCs write them, and nothing else is
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/tftp.h"

/* Parse from a copy of exactly the packet's size, so that the sanitizer sees one byte over. */
static uint8_t *parse_copy(const void *p, size_t n, struct tftp_packet *ret, int *ret_err)
{
	uint8_t *copy = memcpy(malloc(n ? n : 1), p, n);

	*ret_err = tftp_packet_parse(copy, n, ret);
	return copy;
}

#define PKT(s) s, sizeof(s) - 1

static void refuses_what_breaks_a_rule(void **state)
{
	static const struct {
		const char *rule;
		const char *bytes;
		size_t n;
	} bad[] = {
		{ "empty", PKT("") },
		{ "half an opcode", PKT("\0") },
		{ "opcode 0", PKT("\0\0\0\1") },
		{ "opcode 7", PKT("\0\7\0\1") },
		{ "opcode in the wrong byte", PKT("\3\0\0\1") },
		{ "data without block", PKT("\0\3\0") },
		{ "ack too short", PKT("\0\4\0") },
		{ "ack too long", PKT("\0\4\0\1x") },
		{ "error without code", PKT("\0\5\0") },
		{ "request without NUL", PKT("\0\1file") },
		{ "request without mode", PKT("\0\1file\0") },
		{ "request without a name", PKT("\0\1\0octet\0") },
		{ "mode netascii", PKT("\0\1f\0netascii\0") },
		{ "option without value", PKT("\0\6blksize\0") },
		{ "option value without NUL", PKT("\0\6blksize\0"
						  "512") },
		{ "option name runs off the end", PKT("\0\6blksize") },
		{ "blksize 7", PKT("\0\6blksize\0"
				   "7\0") },
		{ "blksize 65465", PKT("\0\6blksize\0"
				       "65465\0") },
		{ "blksize negative", PKT("\0\6blksize\0-1\0") },
		{ "blksize empty", PKT("\0\6blksize\0\0") },
		{ "blksize no number", PKT("\0\6blksize\0abc\0") },
		{ "blksize with a blank", PKT("\0\6blksize\0 512\0") },
		{ "blksize twice", PKT("\0\6blksize\0"
				       "512\0BLKSIZE\0"
				       "512\0") },
		{ "windowsize 0", PKT("\0\6windowsize\0"
				      "0\0") },
		{ "windowsize 65536", PKT("\0\6windowsize\0"
					  "65536\0") },
		{ "tsize over 63 bits", PKT("\0\6tsize\0"
					    "9223372036854775808\0") },
		{ "tsize of 40 digits", PKT("\0\6tsize\0"
					    "1111111111111111111111111111111111111111\0") },
		{ "timeout 0", PKT("\0\6timeout\0"
				   "0\0") },
		{ "more options than a packet may have", PKT("\0\6a\0"
							     "1\0b\0"
							     "1\0c\0"
							     "1\0d\0"
							     "1\0e\0"
							     "1\0f\0"
							     "1\0g\0"
							     "1\0h\0"
							     "1\0i\0"
							     "1\0j\0"
							     "1\0k\0"
							     "1\0l\0"
							     "1\0m\0"
							     "1\0n\0"
							     "1\0o\0"
							     "1\0p\0"
							     "1\0q\0"
							     "1\0") },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tftp_packet p = { .block = 77 };
		int err;
		uint8_t *copy = parse_copy(bad[i].bytes, bad[i].n, &p, &err);

		if (err != -EBADMSG || p.block != 77)
			fail_msg("%s: %d", bad[i].rule, err);
		free(copy);
	}
}

static void reads_data_and_acknowledgements(void **state)
{
	struct tftp_packet p;
	int err;
	uint8_t *copy = parse_copy(PKT("\0\3\xff\xfehello"), &p, &err);

	assert_int_equal(err, 0);
	assert_int_equal(p.op, TFTP_DATA);
	assert_int_equal(p.block, 0xfffe);
	assert_int_equal(p.data_bytes, 5);
	assert_memory_equal(p.data, "hello", 5);
	free(copy);
	copy = parse_copy(PKT("\0\3\0\1"), &p, &err);
	assert_int_equal(err, 0);
	assert_int_equal(p.data_bytes, 0);
	free(copy);
	copy = parse_copy(PKT("\0\4\1\2"), &p, &err);
	assert_int_equal(err, 0);
	assert_int_equal(p.op, TFTP_ACK);
	assert_int_equal(p.block, 0x102);
	free(copy);
}

static void reads_errors_as_a_console_can_show_them(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *text;
	} c[] = {
		{ PKT("\0\5\0\1File not found\0"), "File not found" },
		{ PKT("\0\5\0\1no NUL behind"), "no NUL behind" },
		{ PKT("\0\5\0\1"), "" },
		{ PKT("\0\5\0\1\0"), "" },
		{ PKT("\0\5\0\1\33[2Jgone\0"), "?[2Jgone" },
		{ PKT("\0\5\0\1two\nlines\0more"), "two?lines" },
	};
	char longest[1000] = "\0\5\0\1";
	struct tftp_packet p;
	uint8_t *copy;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		copy = parse_copy(c[i].bytes, c[i].n, &p, &err);
		assert_int_equal(err, 0);
		assert_int_equal(p.error, 1);
		assert_string_equal(p.message, c[i].text);
		free(copy);
	}
	memset(longest + 4, 'x', sizeof(longest) - 4);
	copy = parse_copy(longest, sizeof(longest), &p, &err);
	assert_int_equal(err, 0);
	assert_int_equal(strlen(p.message), TFTP_MESSAGE_MAX - 1);
	free(copy);
	assert_string_equal(tftp_error_name(1), "file not found");
	assert_string_equal(tftp_error_name(8), "options refused");
	assert_string_equal(tftp_error_name(9), "error");
	assert_string_equal(tftp_error_name(65535), "error");
}

static void reads_options_in_any_case_and_order(void **state)
{
	struct tftp_packet p;
	int err;
	uint8_t *copy = parse_copy(PKT("\0\6WindowSize\0"
				       "16\0TSIZE\0"
				       "0\0blksize\0"
				       "1468\0"),
				   &p, &err);

	assert_int_equal(err, 0);
	assert_int_equal(p.options.windowsize, 16);
	assert_int_equal(p.options.blksize, 1468);
	assert_true(p.options.has_tsize);
	assert_int_equal(p.options.tsize, 0);
	assert_false(p.options.unknown);
	free(copy);
	copy = parse_copy(PKT("\0\6multicast\0"
			      "1,2,3\0"),
			  &p, &err);
	assert_int_equal(err, 0);
	assert_true(p.options.unknown);
	free(copy);
	copy = parse_copy(PKT("\0\6"), &p, &err);
	assert_int_equal(err, 0);
	free(copy);
}

static void writes_a_request_byte_for_byte(void **state)
{
	static const char want[] = "\0\1dir/file\0octet\0blksize\0"
				   "1468\0tsize\0"
				   "0\0windowsize\0"
				   "16\0utimeout\0"
				   "50000";
	struct tftp_packet p = {
		.op = TFTP_RRQ,
		.path = "dir/file",
		.options = { .blksize = 1468, .windowsize = 16, .has_tsize = true,
			     .utimeout_us = 50000 },
	}, back;
	uint8_t buf[TFTP_REQUEST_MAX];
	size_t n;

	assert_int_equal(tftp_packet_format(&p, buf, sizeof(buf), &n), 0);
	assert_int_equal(n, sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
	assert_int_equal(tftp_packet_parse(buf, n, &back), 0);
	assert_string_equal(back.path, "dir/file");
	assert_int_equal(tftp_packet_format(&p, buf, n - 1, &n), -E2BIG);
}

static void an_overlong_path_is_refused(void **state)
{
	uint8_t buf[2 + TFTP_PATH_MAX + 7] = { 0, 1 };
	struct tftp_packet p;

	memset(buf + 2, 'x', TFTP_PATH_MAX);
	memcpy(buf + 2 + TFTP_PATH_MAX, "\0octet", 7);
	assert_int_equal(tftp_packet_parse(buf, sizeof(buf), &p), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_breaks_a_rule),
		cmocka_unit_test(reads_data_and_acknowledgements),
		cmocka_unit_test(reads_errors_as_a_console_can_show_them),
		cmocka_unit_test(reads_options_in_any_case_and_order),
		cmocka_unit_test(writes_a_request_byte_for_byte),
		cmocka_unit_test(an_overlong_path_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-http.c - heads of HTTP answers are read as RFC 9112 writes them, and nothing else is
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/http.h"

/* Parse from a copy of exactly the head's size, so that the sanitizer sees one byte over. */
static int parse(const char *s, size_t n, struct http_head *ret)
{
	uint8_t *copy = memcpy(malloc(n ? n : 1), s, n);
	int r = http_head_parse(copy, n, ret);

	free(copy);
	return r;
}

#define HEAD(s) s, sizeof(s) - 1
#define OK_LINE "HTTP/1.1 200 OK\r\n"

static void refuses_what_breaks_a_rule(void **state)
{
	static const struct {
		const char *rule;
		const char *bytes;
		size_t n;
	} bad[] = {
		{ "empty", HEAD("") },
		{ "only the empty line", HEAD("\r\n") },
		{ "no empty line", HEAD(OK_LINE) },
		{ "bytes behind the head", HEAD(OK_LINE "\r\nx") },
		{ "bare newlines", HEAD("HTTP/1.1 200 OK\n\n") },
		{ "another protocol", HEAD("ICY 200 OK\r\n\r\n") },
		{ "HTTP/2", HEAD("HTTP/2.0 200 OK\r\n\r\n") },
		{ "status of two digits", HEAD("HTTP/1.1 20 OK\r\n\r\n") },
		{ "status of four digits", HEAD("HTTP/1.1 2000 OK\r\n\r\n") },
		{ "status 600", HEAD("HTTP/1.1 600 X\r\n\r\n") },
		{ "status with a sign", HEAD("HTTP/1.1 +20 X\r\n\r\n") },
		{ "no status", HEAD("HTTP/1.1 \r\n\r\n") },
		{ "field without colon", HEAD(OK_LINE "X\r\n\r\n") },
		{ "field without name", HEAD(OK_LINE ": x\r\n\r\n") },
		{ "blank before the colon", HEAD(OK_LINE "Content-Length : 1\r\n\r\n") },
		{ "folded line", HEAD(OK_LINE "X: a\r\n b\r\n\r\n") },
		{ "NUL in a value", HEAD(OK_LINE "X: a\0b\r\n\r\n") },
		{ "escape in a value", HEAD(OK_LINE "X: a\033b\r\n\r\n") },
		{ "CR alone", HEAD(OK_LINE "X: a\rb\r\n\r\n") },
		{ "length empty", HEAD(OK_LINE "Content-Length:\r\n\r\n") },
		{ "length with a sign", HEAD(OK_LINE "Content-Length: +1\r\n\r\n") },
		{ "length negative", HEAD(OK_LINE "Content-Length: -1\r\n\r\n") },
		{ "length hexadecimal", HEAD(OK_LINE "Content-Length: 0x10\r\n\r\n") },
		{ "length a list", HEAD(OK_LINE "Content-Length: 1, 2\r\n\r\n") },
		{ "length over 63 bits",
		  HEAD(OK_LINE "Content-Length: 9223372036854775808\r\n\r\n") },
		{ "length of 40 digits",
		  HEAD(OK_LINE
		       "Content-Length: 1111111111111111111111111111111111111111\r\n\r\n") },
		{ "two lengths", HEAD(OK_LINE "Content-Length: 1\r\nContent-Length: 2\r\n\r\n") },
		{ "range in other units", HEAD(OK_LINE "Content-Range: lines 1-2/3\r\n\r\n") },
		{ "range backwards", HEAD(OK_LINE "Content-Range: bytes 2-1/3\r\n\r\n") },
		{ "range beyond the total", HEAD(OK_LINE "Content-Range: bytes 1-3/3\r\n\r\n") },
		{ "range without total", HEAD(OK_LINE "Content-Range: bytes 1-3\r\n\r\n") },
		{ "range twice",
		  HEAD(OK_LINE
		       "Content-Range: bytes 0-1/3\r\nContent-Range: bytes 0-1/3\r\n\r\n") },
		{ "range against length",
		  HEAD(OK_LINE "Content-Range: bytes 0-1/3\r\nContent-Length: 3\r\n\r\n") },
		{ "location with a blank", HEAD(OK_LINE "Location: /a b\r\n\r\n") },
		{ "location empty", HEAD(OK_LINE "Location: \r\n\r\n") },
	};
	struct http_head h;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse(bad[i].bytes, bad[i].n, &h) != -EBADMSG)
			fail_msg("accepted: %s", bad[i].rule);
	}
}

static void reads_what_servers_say(void **state)
{
	struct http_head h;

	assert_int_equal(
		parse(HEAD("HTTP/1.1 206 Partial Content\r\nServer: nginx\r\ncontent-LENGTH:5 \r\n"
			   "Content-Range: bytes 5-9/10\r\nETag: \"x-1\"\r\n"
			   "Connection: keep-alive\r\n\r\n"),
		      &h),
		0);
	assert_int_equal(h.status, HTTP_PARTIAL);
	assert_string_equal(h.reason, "Partial Content");
	assert_true(h.keep && h.has_length && h.has_range && h.has_total && !h.encoded);
	assert_true(h.length == 5 && h.first == 5 && h.last == 9 && h.total == 10);
	assert_string_equal(h.etag, "\"x-1\"");
	assert_int_equal(parse(HEAD("HTTP/1.0 200\r\n\r\n"), &h), 0);
	assert_true(!h.keep && !h.has_length);
	assert_int_equal(parse(HEAD("HTTP/1.0 200 OK\r\nConnection: TE, Keep-Alive\r\n\r\n"), &h),
			 0);
	assert_true(h.keep);
	assert_int_equal(parse(HEAD(OK_LINE "Connection: foo , CLOSE\r\n\r\n"), &h), 0);
	assert_false(h.keep);
	assert_int_equal(parse(HEAD(OK_LINE "Transfer-Encoding: chunked\r\n\r\n"), &h), 0);
	assert_true(h.encoded);
	assert_int_equal(parse(HEAD(OK_LINE "Content-Encoding: gzip\r\n\r\n"), &h), 0);
	assert_true(h.encoded);
	assert_int_equal(parse(HEAD("HTTP/1.1 416 \xff\r\nContent-Range: bytes */10\r\n\r\n"), &h),
			 0);
	assert_string_equal(h.reason, "?");
	assert_false(h.has_range);
	assert_int_equal(parse(HEAD(OK_LINE "ETag: W/\"weak\"\r\n\r\n"), &h), 0);
	assert_string_equal(h.etag, "");
}

static void a_head_has_an_end(void **state)
{
	char *big = malloc(HTTP_HEAD_MAX);
	size_t n = 0;

	assert_int_equal(http_head_end("abc\r\n\r", 6, &n), -EAGAIN);
	assert_int_equal(http_head_end("abc\r\n\r\nbody", 11, &n), 0);
	assert_int_equal(n, 7);
	memset(big, 'x', HTTP_HEAD_MAX);
	assert_int_equal(http_head_end(big, HTTP_HEAD_MAX, &n), -E2BIG);
	free(big);
}

static void a_request_cannot_be_split(void **state)
{
	struct http_request q = { .host = "10.0.0.1:8080", .path = "a b\r\nX: y/%#?q" };
	char buf[HTTP_REQUEST_MAX];
	size_t n;

	assert_int_equal(http_request_format(&q, buf, sizeof(buf), &n), 0);
	buf[n] = 0;
	assert_ptr_equal(strstr(buf, "GET /a%20b%0D%0AX:%20y/%25%23?q HTTP/1.1\r\n"
				     "Host: 10.0.0.1:8080\r\n"),
			 buf);
	assert_null(strstr(buf, "Range"));
	q.first = 1000;
	q.etag = "\"e\"";
	assert_int_equal(http_request_format(&q, buf, sizeof(buf), &n), 0);
	buf[n] = 0;
	assert_non_null(strstr(buf, "\r\nRange: bytes=1000-\r\nIf-Range: \"e\"\r\n\r\n"));
	assert_int_equal(http_request_format(&q, buf, 50, &n), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_breaks_a_rule),
		cmocka_unit_test(reads_what_servers_say),
		cmocka_unit_test(a_head_has_an_end),
		cmocka_unit_test(a_request_cannot_be_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

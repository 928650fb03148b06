/*
 * http.h - heads of HTTP/1.1 messages: bytes to struct and back (RFC 9110, 9112)
 *
 * The client's side of fetching files: GET requests are written, answers' heads are read. Strict
 * where leniency has let others be tricked: lines end in CR LF, none is folded, a length is said
 * once. Bodies whose end only a chunked coding or the connection's end would tell are named as such
 * in the struct; the caller refuses them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

#define HTTP_PORT	  80
#define HTTP_HEAD_MAX	  16384	    /* bytes of an answer's head with its empty line */
#define HTTP_FIELDS_MAX	  128	    /* lines of a head */
#define HTTP_LENGTH_MAX	  INT64_MAX /* of a body */
#define HTTP_REASON_MAX	  80	    /* with NUL; longer ones are cut, unprintable bytes are '?' */
#define HTTP_LOCATION_MAX 600	    /* with NUL; longer ones make a head malformed */
#define HTTP_ETAG_MAX	  128	    /* with NUL; weak and longer ones are taken as absent */
#define HTTP_REQUEST_MAX  2560

enum http_status {
	HTTP_OK = 200,
	HTTP_PARTIAL = 206,
	HTTP_MOVED = 301,
	HTTP_FOUND = 302,
	HTTP_SEE_OTHER = 303,
	HTTP_TEMPORARY_REDIRECT = 307,
	HTTP_PERMANENT_REDIRECT = 308,
	HTTP_UNAUTHORIZED = 401,
	HTTP_FORBIDDEN = 403,
	HTTP_NOT_FOUND = 404,
	HTTP_GONE = 410,
	HTTP_RANGE_UNSATISFIABLE = 416,
};

struct http_head {
	unsigned status; /* 100 to 599 */
	char reason[HTTP_REASON_MAX];
	bool keep;    /* the connection stays open after the body */
	bool encoded; /* a Transfer-Encoding or Content-Encoding other than identity: the body is
			 not the file */
	bool has_length;
	uint64_t length;      /* of the body, as it says */
	bool has_range;	      /* Content-Range: bytes FIRST-LAST/TOTAL */
	uint64_t first, last; /* first <= last */
	bool has_total;
	uint64_t total;			  /* more than last */
	char location[HTTP_LOCATION_MAX]; /* "": none */
	char etag[HTTP_ETAG_MAX];	  /* strong, with its quotes; "": none */
};

/*
 * Where the head ends. Return: 0; -EAGAIN: not yet in these bytes; -E2BIG: longer than
 * HTTP_HEAD_MAX.
 */
_must_check_ int http_head_end(const void *buf, size_t n, size_t *ret_n);

/* Parse a head, all of it and nothing more. Return: 0 or -EBADMSG. */
_must_check_ int http_head_parse(const void *buf, size_t n, struct http_head *ret);

/* Write a head, as a test's server or a fuzzer needs it. Return: 0 or -E2BIG. */
_must_check_ int http_head_format(const struct http_head *h, void *buf, size_t n, size_t *ret_n);

struct http_request {
	const char *host; /* as the Host field says it */
	const char *path; /* raw, without the first slash; what a request line cannot hold is
			     written as %XX */
	uint64_t first;	  /* ask for the bytes from here on; 0: for all */
	const char *etag; /* only if it is still this one, else for all; "" or NULL: whatever it is
			     now */
};

/* Return: 0 or -E2BIG. */
_must_check_ int http_request_format(const struct http_request *q, void *buf, size_t n,
				     size_t *ret_n);

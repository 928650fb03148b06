/*
 * http.c - heads of HTTP/1.1 messages: bytes to struct and back
 *
 * A head is walked line by line with the bounds-checked reader; one table says which fields mean
 * something to us, all others are only checked for their form. Numbers are digits alone, so that no
 * sign, blank or hexadecimal prefix slips through.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "base/reader.h"
#include "base/writer.h"
#include "wire/http.h"

#define NUMBER_MAX 24 /* with NUL */

/* A piece of the head: borrowed, not terminated. */
struct text {
	const char *s;
	size_t n;
};

/* What a head says while it is read. */
struct parse {
	struct http_head h;
	bool minor_0, says_close, says_keep;
};

int http_head_end(const void *buf, size_t n, size_t *ret_n)
{
	const char *end = memmem(buf, MIN(n, (size_t)HTTP_HEAD_MAX), "\r\n\r\n", 4);

	if (!end)
		return n >= HTTP_HEAD_MAX ? -E2BIG : -EAGAIN;
	*ret_n = (size_t)(end - (const char *)buf) + 4;
	return 0;
}

static bool text_is(struct text t, const char *word)
{
	return t.n == strlen(word) && strncasecmp(t.s, word, t.n) == 0;
}

/* The next line without its CR LF. Return: 0 or -EBADMSG. */
static int line_read(struct reader *r, struct text *ret)
{
	const uint8_t *end = memmem(r->p, r->left, "\r\n", 2);
	struct text t;

	if (!end)
		return -EBADMSG;
	t.n = (size_t)(end - r->p);
	t.s = (const char *)reader_bytes(r, t.n);
	reader_skip(r, 2);
	for (size_t i = 0; i < t.n; i++) {
		uint8_t c = (uint8_t)t.s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return -EBADMSG;
	}
	*ret = t;
	return 0;
}

static struct text trim(struct text t)
{
	while (t.n > 0 && (t.s[0] == ' ' || t.s[0] == '\t')) {
		t.s++;
		t.n--;
	}
	while (t.n > 0 && (t.s[t.n - 1] == ' ' || t.s[t.n - 1] == '\t'))
		t.n--;
	return t;
}

/*
 * The text before the first @c, which is taken off @t with it. Return: 0 or -EBADMSG when there is
 * none.
 */
static int split(struct text *t, char c, struct text *ret)
{
	const char *at = memchr(t->s, c, t->n);

	if (!at)
		return -EBADMSG;
	*ret = (struct text){ t->s, (size_t)(at - t->s) };
	t->n -= ret->n + 1;
	t->s = at + 1;
	return 0;
}

static int number(struct text t, uint64_t *ret)
{
	char s[NUMBER_MAX];

	if (t.n >= sizeof(s))
		return -EBADMSG;
	memcpy(s, t.s, t.n);
	s[t.n] = 0;
	return parse_u64(s, 0, HTTP_LENGTH_MAX, ret) < 0 ? -EBADMSG : 0;
}

static int take_length(struct parse *p, struct text v)
{
	uint64_t n;

	if (number(v, &n) < 0 || (p->h.has_length && p->h.length != n))
		return -EBADMSG;
	p->h.has_length = true;
	p->h.length = n;
	return 0;
}

/*
 * "bytes FIRST-LAST/TOTAL"; the total may be "*". "bytes * /TOTAL" of a refusal counts as absent.
 */
static int take_range(struct parse *p, struct text v)
{
	struct text unit, first, last;
	struct http_head *h = &p->h;

	if (h->has_range || split(&v, ' ', &unit) < 0 || !text_is(unit, "bytes") ||
	    split(&v, '/', &last) < 0)
		return -EBADMSG;
	if (text_is(last, "*"))
		return 0;
	if (split(&last, '-', &first) < 0 || number(first, &h->first) < 0 ||
	    number(last, &h->last) < 0 || h->first > h->last)
		return -EBADMSG;
	h->has_range = true;
	if (text_is(v, "*"))
		return 0;
	h->has_total = true;
	return number(v, &h->total) < 0 || h->total <= h->last ? -EBADMSG : 0;
}

static int take_encoding(struct parse *p, struct text v)
{
	if (!text_is(v, "identity"))
		p->h.encoded = true;
	return 0;
}

/* A list of words, of which two mean something. */
static int take_connection(struct parse *p, struct text v)
{
	for (bool more = true; more;) {
		struct text word = v;

		more = split(&v, ',', &word) == 0;
		word = trim(word);
		if (text_is(word, "close"))
			p->says_close = true;
		else if (text_is(word, "keep-alive"))
			p->says_keep = true;
	}
	return 0;
}

static int take_location(struct parse *p, struct text v)
{
	if (v.n == 0 || v.n >= HTTP_LOCATION_MAX || p->h.location[0])
		return -EBADMSG;
	for (size_t i = 0; i < v.n; i++) {
		if ((uint8_t)v.s[i] <= 0x20 || (uint8_t)v.s[i] >= 0x7f)
			return -EBADMSG;
	}
	memcpy(p->h.location, v.s, v.n);
	return 0;
}

static int take_etag(struct parse *p, struct text v)
{
	if (p->h.etag[0])
		return -EBADMSG;
	if (v.n < 2 || v.n >= HTTP_ETAG_MAX || v.s[0] != '"' || v.s[v.n - 1] != '"')
		return 0;
	for (size_t i = 1; i + 1 < v.n; i++) {
		if ((uint8_t)v.s[i] <= 0x20 || (uint8_t)v.s[i] >= 0x7f || v.s[i] == '"')
			return 0;
	}
	memcpy(p->h.etag, v.s, v.n);
	return 0;
}

static const struct field {
	const char *name;
	int (*take)(struct parse *p, struct text value);
} fields[] = {
	{ "content-length", take_length },
	{ "content-range", take_range },
	{ "transfer-encoding", take_encoding },
	{ "content-encoding", take_encoding },
	{ "connection", take_connection },
	{ "location", take_location },
	{ "etag", take_etag },
};

/* RFC 9110, 5.6.2 */
static bool is_token(struct text t)
{
	for (size_t i = 0; i < t.n; i++) {
		uint8_t c = (uint8_t)t.s[i];

		if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
			return false;
	}
	return t.n > 0;
}

static int field_parse(struct parse *p, struct text line)
{
	struct text name;

	if (split(&line, ':', &name) < 0 || !is_token(name))
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (text_is(name, fields[i].name))
			return fields[i].take(p, trim(line));
	}
	return 0;
}

/* "HTTP/1.1 200 OK"; the reason may be empty, and some leave out the blank before it. */
static int status_parse(struct parse *p, struct text line)
{
	static const char version[] = "HTTP/1.";
	struct http_head *h = &p->h;
	uint64_t status;

	if (line.n < 12 || memcmp(line.s, version, 7) != 0 || line.s[7] < '0' || line.s[7] > '9' ||
	    line.s[8] != ' ' || number((struct text){ line.s + 9, 3 }, &status) < 0 ||
	    status < 100 || status > 599 || (line.n > 12 && line.s[12] != ' '))
		return -EBADMSG;
	p->minor_0 = line.s[7] == '0';
	h->status = (unsigned)status;
	for (size_t i = 13; i < line.n && i - 13 < sizeof(h->reason) - 1; i++) {
		uint8_t c = (uint8_t)line.s[i];

		h->reason[i - 13] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	return 0;
}

int http_head_parse(const void *buf, size_t n, struct http_head *ret)
{
	struct parse p = { 0 };
	struct reader r = READER(buf, n);
	struct text line;
	unsigned lines = 0;

	if (n > HTTP_HEAD_MAX || line_read(&r, &line) < 0 || status_parse(&p, line) < 0)
		return -EBADMSG;
	for (;;) {
		if (line_read(&r, &line) < 0)
			return -EBADMSG;
		if (line.n == 0)
			break;
		if (++lines > HTTP_FIELDS_MAX || field_parse(&p, line) < 0)
			return -EBADMSG;
	}
	if (reader_end(&r) < 0)
		return -EBADMSG;
	p.h.keep = !p.says_close && (!p.minor_0 || p.says_keep);
	if (p.h.has_range && p.h.has_length && p.h.length != p.h.last - p.h.first + 1)
		return -EBADMSG;
	*ret = p.h;
	return 0;
}

static void put(struct writer *w, const char *fmt, ...) _printf_(2, 3);

static void put(struct writer *w, const char *fmt, ...)
{
	char line[HTTP_LOCATION_MAX + 64];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		w->err = -E2BIG;
	else
		writer_bytes(w, line, (size_t)n);
}

int http_head_format(const struct http_head *h, void *buf, size_t n, size_t *ret_n)
{
	struct writer w = WRITER(buf, n);

	put(&w, "HTTP/1.1 %u %s\r\n", h->status, h->reason);
	if (h->has_length)
		put(&w, "Content-Length: %" PRIu64 "\r\n", h->length);
	if (h->has_range)
		put(&w, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/", h->first, h->last);
	if (h->has_range && h->has_total)
		put(&w, "%" PRIu64 "\r\n", h->total);
	else if (h->has_range)
		put(&w, "*\r\n");
	if (h->encoded)
		put(&w, "Transfer-Encoding: chunked\r\n");
	if (!h->keep)
		put(&w, "Connection: close\r\n");
	if (h->location[0])
		put(&w, "Location: %s\r\n", h->location);
	if (h->etag[0])
		put(&w, "ETag: %s\r\n", h->etag);
	put(&w, "\r\n");
	return writer_end(&w, ret_n);
}

int http_request_format(const struct http_request *q, void *buf, size_t n, size_t *ret_n)
{
	struct writer w = WRITER(buf, n);

	put(&w, "GET /");
	for (const char *p = q->path; *p; p++) {
		uint8_t c = (uint8_t)*p;

		if (c > 0x20 && c < 0x7f && !strchr("%#\"<>\\^`{|}", c))
			writer_u8(&w, c);
		else
			put(&w, "%%%02X", c);
	}
	put(&w,
	    " HTTP/1.1\r\nHost: %s\r\nUser-Agent: bpboot/" BPBOOT_VERSION
	    "\r\nAccept-Encoding: identity\r\n",
	    q->host);
	if (q->first > 0)
		put(&w, "Range: bytes=%" PRIu64 "-\r\n", q->first);
	if (q->first > 0 && q->etag && *q->etag)
		put(&w, "If-Range: %s\r\n", q->etag);
	put(&w, "\r\n");
	return writer_end(&w, ret_n);
}

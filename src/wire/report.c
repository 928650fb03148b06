/*
 * report.c - one event of a node's boot, as syslog datagram and as console line
 *
 * Both texts are written in one way only and read strictly, so that what is accepted reads back the
 * same. The datagram's structured data carries everything; MSGID repeats the stage for those who
 * read with a stock syslog.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/reader.h"
#include "base/writer.h"
#include "wire/report.h"

#define SD_ID	  "bpboot@32473" /* 32473 is IANA's number for examples: we have none of our own */
#define LINE_MARK "bpboot: "

enum {
	SYSLOG_LOCAL0 = 16 * 8,
	FIELD_MAX = 32, /* bytes of a parameter's value with NUL */
};

static const char *const stages[REPORT_STAGE_MAX_] = {
	[REPORT_START] = "start", [REPORT_DRIVERS] = "drivers", [REPORT_LINK] = "link",
	[REPORT_DHCP] = "dhcp",	  [REPORT_INDEX] = "index",	[REPORT_MEMORY] = "memory",
	[REPORT_FETCH] = "fetch", [REPORT_VERIFY] = "verify",	[REPORT_MOUNT] = "mount",
	[REPORT_ROOT] = "root",	  [REPORT_UP] = "up",		[REPORT_RETRY] = "retry",
	[REPORT_SHELL] = "shell",
};

/* Names and syslog severities (RFC 5424, table 2). */
static const struct {
	const char *name;
	unsigned severity;
} states[REPORT_STATE_MAX_] = {
	[REPORT_BEGIN] = { "begin", 6 }, [REPORT_PROGRESS] = { "progress", 7 },
	[REPORT_OK] = { "ok", 5 },	 [REPORT_WARN] = { "warn", 4 },
	[REPORT_FAIL] = { "fail", 3 },
};

const char *report_stage_name(enum report_stage s)
{
	return s < REPORT_STAGE_MAX_ ? stages[s] : "?";
}

const char *report_state_name(enum report_state s)
{
	return s < REPORT_STATE_MAX_ ? states[s].name : "?";
}

static int stage_parse(const char *s, enum report_stage *ret)
{
	for (size_t i = 0; i < REPORT_STAGE_MAX_; i++) {
		if (!strcmp(s, stages[i])) {
			*ret = (enum report_stage)i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int state_parse(const char *s, enum report_state *ret)
{
	for (size_t i = 0; i < REPORT_STATE_MAX_; i++) {
		if (!strcmp(s, states[i].name)) {
			*ret = (enum report_state)i;
			return 0;
		}
	}
	return -EBADMSG;
}

static void write_words(struct writer *w, const char *words)
{
	size_t n = strnlen(words, REPORT_WORDS_MAX - 1);

	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)words[i];

		writer_u8(w, c < 0x20 || c > 0x7e ? '?' : c);
	}
}

int report_format(const struct report *e, void *buf, size_t n, size_t *ret_n)
{
	struct writer w = WRITER(buf, n);
	char mac[MAC_STR_MAX];

	if (e->stage >= REPORT_STAGE_MAX_ || e->state >= REPORT_STATE_MAX_)
		return -EINVAL;
	writer_printf(&w, "<%u>1 - %s bpboot - %s [" SD_ID,
		      SYSLOG_LOCAL0 + states[e->state].severity, mac_format(&e->mac, mac),
		      stages[e->stage]);
	writer_printf(&w, " boot=\"%08" PRIx32 "\" seq=\"%" PRIu32 "\" ms=\"%" PRIu64 "\"", e->boot,
		      e->seq, e->ms);
	writer_printf(&w, " state=\"%s\"", states[e->state].name);
	if (e->state == REPORT_PROGRESS)
		writer_printf(&w, " done=\"%" PRIu64 "\" total=\"%" PRIu64 "\"", e->done, e->total);
	writer_text(&w, "]");
	if (e->words[0])
		writer_text(&w, " ");
	write_words(&w, e->words);
	return writer_end(&w, ret_n);
}

/* Consume exactly @s. */
static void expect(struct reader *r, const char *s)
{
	const uint8_t *p = reader_bytes(r, strlen(s));

	if (!p || memcmp(p, s, strlen(s)))
		r->err = -EBADMSG;
}

/* Text up to @end, which is consumed. Empty on an error, which sticks. */
static const char *take_until(struct reader *r, char end, char ret[static FIELD_MAX])
{
	const uint8_t *at = r->left ? memchr(r->p, end, r->left) : NULL;
	size_t n = at ? (size_t)(at - r->p) : 0;

	ret[0] = 0;
	if (!at || n >= FIELD_MAX || memchr(r->p, 0, n)) {
		r->err = -EBADMSG;
		return ret;
	}
	reader_copy(r, ret, n);
	ret[n] = 0;
	reader_skip(r, 1);
	return ret;
}

/* A decimal number without leading zeros, so that it has one spelling. */
static uint64_t take_number(struct reader *r, char end, uint64_t max)
{
	char text[FIELD_MAX];
	uint64_t v = 0;

	take_until(r, end, text);
	if (parse_u64(text, 0, max, &v) < 0 || (text[0] == '0' && text[1]))
		r->err = -EBADMSG;
	return v;
}

/* The rest of the message as words. */
static int take_words(struct reader *r, char ret[static REPORT_WORDS_MAX])
{
	size_t n = r->left;
	const uint8_t *p = reader_bytes(r, n);

	if (!p || n >= REPORT_WORDS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < 0x20 || p[i] > 0x7e)
			return -EBADMSG;
	}
	memcpy(ret, p, n);
	ret[n] = 0;
	return 0;
}

int report_parse(const void *buf, size_t n, struct report *ret)
{
	struct reader r = READER(buf, n);
	struct report e = { 0 };
	char text[FIELD_MAX];
	uint8_t boot[4] = { 0 };

	if (n > REPORT_DATAGRAM_MAX)
		return -EBADMSG;
	expect(&r, "<");
	(void)take_number(&r, '>', 191); /* the severity repeats the state */
	expect(&r, "1 - ");
	if (mac_parse(take_until(&r, ' ', text), &e.mac) < 0)
		return -EBADMSG;
	expect(&r, "bpboot - ");
	if (stage_parse(take_until(&r, ' ', text), &e.stage) < 0)
		return -EBADMSG;
	expect(&r, "[" SD_ID " boot=\"");
	if (parse_hex(take_until(&r, '"', text), boot, sizeof(boot)) < 0)
		return -EBADMSG;
	e.boot = (uint32_t)boot[0] << 24 | (uint32_t)boot[1] << 16 | (uint32_t)boot[2] << 8 |
		 boot[3];
	expect(&r, " seq=\"");
	e.seq = (uint32_t)take_number(&r, '"', UINT32_MAX);
	expect(&r, " ms=\"");
	e.ms = take_number(&r, '"', UINT64_MAX);
	expect(&r, " state=\"");
	if (state_parse(take_until(&r, '"', text), &e.state) < 0)
		return -EBADMSG;
	if (e.state == REPORT_PROGRESS) {
		expect(&r, " done=\"");
		e.done = take_number(&r, '"', UINT64_MAX);
		expect(&r, " total=\"");
		e.total = take_number(&r, '"', UINT64_MAX);
	}
	expect(&r, "]");
	if (r.left > 0)
		expect(&r, " ");
	if (r.err < 0 || take_words(&r, e.words) < 0)
		return -EBADMSG;
	*ret = e;
	return 0;
}

int report_line_format(const struct report *e, char *buf, size_t n)
{
	struct writer w = WRITER(buf, n);
	size_t len;

	if (e->stage >= REPORT_STAGE_MAX_ || e->state >= REPORT_STATE_MAX_)
		return -EINVAL;
	writer_printf(&w, LINE_MARK "%" PRIu64 ".%03u %s %s", e->ms / 1000,
		      (unsigned)(e->ms % 1000), stages[e->stage], states[e->state].name);
	writer_text(&w, ": ");
	if (e->state == REPORT_PROGRESS)
		writer_printf(&w, "%" PRIu64 "/%" PRIu64 " ", e->done, e->total);
	write_words(&w, e->words);
	writer_u8(&w, 0);
	return writer_end(&w, &len);
}

/* @r stands behind the mark. */
static int line_parse_at(struct reader *r, struct report *ret)
{
	struct report e = { 0 };
	char text[FIELD_MAX];
	uint64_t seconds = take_number(r, '.', UINT64_MAX / 1000 - 1), ms = 0;

	take_until(r, ' ', text);
	if (strlen(text) != 3 || parse_u64(text, 0, 999, &ms) < 0)
		return -EBADMSG;
	e.ms = seconds * 1000 + ms;
	if (stage_parse(take_until(r, ' ', text), &e.stage) < 0 ||
	    state_parse(take_until(r, ':', text), &e.state) < 0)
		return -EBADMSG;
	expect(r, " ");
	if (e.state == REPORT_PROGRESS) {
		e.done = take_number(r, '/', UINT64_MAX);
		e.total = take_number(r, ' ', UINT64_MAX);
	}
	if (r->err < 0 || take_words(r, e.words) < 0)
		return -EBADMSG;
	*ret = e;
	return 0;
}

int report_line_parse(const char *line, struct report *ret)
{
	size_t n = strlen(line);

	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n'))
		n--;
	for (const char *p = strstr(line, LINE_MARK); p; p = strstr(p + 1, LINE_MARK)) {
		size_t at = (size_t)(p - line) + strlen(LINE_MARK);
		struct reader r = READER(line + at, n > at ? n - at : 0);

		if (line_parse_at(&r, ret) == 0)
			return 0;
	}
	return -EBADMSG;
}

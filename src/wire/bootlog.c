/*
 * bootlog.c - one line of a node's boot log on the front end
 *
 * The time is computed, not asked of the C library: no time zone, no locale, the same on every
 * machine.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "wire/bootlog.h"

#define TIME_CHARS  24 /* "2026-11-22T10:31:02.123Z" */
#define DAY_MS	    UINT64_C(86400000)
#define WALL_MS_MAX (UINT64_C(2932897) * DAY_MS - 1) /* the end of the year 9999 */

struct date {
	uint32_t year, month, day, hour, minute, second, ms;
};

/* Days since 1970 of a date of the Gregorian calendar (years count from March, so that leap days
 * come last). */
static int64_t days_of(const struct date *d)
{
	int64_t y = (int64_t)d->year - (d->month <= 2), m = (d->month + 9) % 12;
	int64_t era = y / 400, year = y % 400;

	return era * 146097 + year * 365 + year / 4 - year / 100 + (153 * m + 2) / 5 + d->day - 1 -
	       719468;
}

static struct date date_of(uint64_t wall_ms)
{
	uint64_t days = wall_ms / DAY_MS + 719468, rest = wall_ms % DAY_MS;
	uint64_t era = days / 146097, doe = days % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), m = (5 * doy + 2) / 153;
	struct date d = {
		.day = (uint32_t)(doy - (153 * m + 2) / 5 + 1),
		.month = (uint32_t)(m < 10 ? m + 3 : m - 9),
		.hour = (uint32_t)(rest / 3600000),
		.minute = (uint32_t)(rest / 60000 % 60),
		.second = (uint32_t)(rest / 1000 % 60),
		.ms = (uint32_t)(rest % 1000),
	};

	d.year = (uint32_t)(yoe + era * 400 + (d.month <= 2));
	return d;
}

int bootlog_format(const struct bootlog_entry *e, char *buf, size_t n)
{
	char mac[MAC_STR_MAX], line[REPORT_LINE_MAX];
	struct date d = date_of(e->wall_ms);
	int r;

	if (e->wall_ms > WALL_MS_MAX)
		return -ERANGE;
	r = report_line_format(&e->report, line, sizeof(line));
	if (r < 0)
		return r;
	r = snprintf(buf, n, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ %s %08x %u %s", d.year, d.month,
		     d.day, d.hour, d.minute, d.second, d.ms, mac_format(&e->report.mac, mac),
		     e->report.boot, e->report.seq, line);
	return r < 0 || (size_t)r >= n ? -E2BIG : 0;
}

/* Decimal digits at a fixed place, within a range. */
static int digits(const char *s, size_t n, uint32_t min, uint32_t max, uint32_t *ret)
{
	char word[8] = "";

	memcpy(word, s, n);
	return parse_u32(word, min, max, ret);
}

static int time_parse(const char *s, uint64_t *ret)
{
	struct date d, again;
	uint64_t ms;

	if (digits(s, 4, 1970, 9999, &d.year) < 0 || s[4] != '-' ||
	    digits(s + 5, 2, 1, 12, &d.month) < 0 || s[7] != '-' ||
	    digits(s + 8, 2, 1, 31, &d.day) < 0 || s[10] != 'T' ||
	    digits(s + 11, 2, 0, 23, &d.hour) < 0 || s[13] != ':' ||
	    digits(s + 14, 2, 0, 59, &d.minute) < 0 || s[16] != ':' ||
	    digits(s + 17, 2, 0, 59, &d.second) < 0 || s[19] != '.' ||
	    digits(s + 20, 3, 0, 999, &d.ms) < 0 || s[23] != 'Z')
		return -EBADMSG;
	ms = (uint64_t)days_of(&d) * DAY_MS + d.hour * UINT64_C(3600000) + d.minute * 60000u +
	     d.second * 1000u + d.ms;
	again = date_of(ms);
	if (again.month != d.month || again.day != d.day)
		return -EBADMSG; /* 30 February */
	*ret = ms;
	return 0;
}

/* Copy the word up to the next blank to @word and step behind the blank. */
static int take_word(const char **s, char *word, size_t n)
{
	const char *end = strchr(*s, ' ');

	if (!end || (size_t)(end - *s) >= n)
		return -EBADMSG;
	memcpy(word, *s, (size_t)(end - *s));
	word[end - *s] = 0;
	*s = end + 1;
	return 0;
}

int bootlog_parse(const char *line, struct bootlog_entry *ret)
{
	char text[BOOTLOG_LINE_MAX], word[32];
	struct bootlog_entry e;
	uint64_t wall;
	uint32_t seq, boot;
	const char *s = text;
	uint8_t b[4];
	size_t n = strlen(line);
	struct mac mac;

	if (n > 0 && line[n - 1] == '\n')
		n--;
	if (n >= sizeof(text) || memchr(line, '\n', n))
		return -EBADMSG;
	memcpy(text, line, n);
	text[n] = 0;

	if (take_word(&s, word, sizeof(word)) < 0 || strlen(word) != TIME_CHARS ||
	    time_parse(word, &wall) < 0)
		return -EBADMSG;
	if (take_word(&s, word, sizeof(word)) < 0 || mac_parse(word, &mac) < 0)
		return -EBADMSG;
	if (take_word(&s, word, sizeof(word)) < 0 || strlen(word) != 8 ||
	    parse_hex(word, b, sizeof(b)) < 0)
		return -EBADMSG;
	boot = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	if (take_word(&s, word, sizeof(word)) < 0 || parse_u32(word, 0, UINT32_MAX, &seq) < 0)
		return -EBADMSG;
	if (strncmp(s, "bpboot: ", 8) || report_line_parse(s, &e.report) < 0)
		return -EBADMSG;
	e.wall_ms = wall;
	e.report.mac = mac;
	e.report.boot = boot;
	e.report.seq = seq;
	*ret = e;
	return 0;
}

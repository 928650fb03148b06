/*
 * dns.c - DNS questions and answers
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/reader.h"
#include "wire/dns.h"

#define HEADER_BYTES 12
#define JUMPS_MAX    16 /* compression pointers in one name */
#define CLASS_IN     1
#define RECORDS_MAX  64

#define FLAG_ANSWER    0x8000
#define FLAG_TRUNCATED 0x0200
#define FLAG_RECURSE   0x0100
#define OPCODE_MASK    0x7800

size_t dns_name_read(const uint8_t *d, size_t n, size_t at, struct writer *w)
{
	size_t behind = 0, limit = at;
	unsigned jumps = 0;
	bool first = true;

	for (;;) {
		uint8_t len;

		if (at >= n)
			return 0;
		len = d[at++];
		if (len == 0)
			return behind ? behind : at;
		if ((len & 0xc0) == 0xc0) {
			size_t to = at < n ? (size_t)(len & 0x3f) << 8 | d[at] : n;

			/* only backwards, before all that was read for this name: it must end */
			if (to >= limit || ++jumps > JUMPS_MAX)
				return 0;
			behind = behind ? behind : at + 1;
			limit = at = to;
			continue;
		}
		if (len > DNS_LABEL_MAX || len > n - at)
			return 0;
		if (!first)
			writer_u8(w, '.');
		first = false;
		for (; len > 0; len--, at++)
			writer_u8(w, d[at] > 0x20 && d[at] < 0x7f && d[at] != '.' ? d[at] : '?');
	}
}

void dns_search_read(const uint8_t *d, size_t n, char *to, size_t max)
{
	struct writer w = WRITER(to, max - 1);
	size_t at = 0;

	while (at < n) {
		size_t end = w.len, start;

		if (end)
			writer_u8(&w, ' ');
		start = w.len;
		at = dns_name_read(d, n, at, &w);
		if (at == 0) {
			w.len = 0;
			break;
		}
		if (w.err || w.len == start)
			w.len = end;
		w.err = 0;
	}
	memset(to + w.len, 0, max - w.len); /* nothing of what was left out stays behind the end */
}

void dns_search_write(struct writer *w, const char *s)
{
	while (*s) {
		size_t len = strcspn(s, ". "), fits = MIN(len, (size_t)DNS_LABEL_MAX);

		writer_u8(w, (uint8_t)fits);
		writer_bytes(w, s, fits);
		s += len;
		if (*s != '.')
			writer_u8(w, 0);
		s += *s != 0;
	}
}

int dns_question_format(uint16_t id, const char *name, enum dns_type type, void *buf, size_t n,
			size_t *ret_n)
{
	struct writer w = WRITER(buf, n);

	if (strlen(name) >= DNS_NAME_MAX)
		return -EINVAL;
	writer_be16(&w, id);
	writer_be16(&w, FLAG_RECURSE);
	writer_be16(&w, 1); /* question */
	writer_zero(&w, 6);
	while (*name) {
		size_t len = strcspn(name, ".");

		if (len == 0 || len > DNS_LABEL_MAX)
			return -EINVAL;
		writer_u8(&w, (uint8_t)len);
		writer_bytes(&w, name, len);
		name += len;
		if (*name == '.')
			name++;
	}
	writer_u8(&w, 0);
	writer_be16(&w, (uint16_t)type);
	writer_be16(&w, CLASS_IN);
	return writer_end(&w, ret_n);
}

/* A record of the answer, as far as we look into it. */
struct record {
	char name[DNS_NAME_MAX];
	uint16_t type, class;
	struct reader data;
	size_t data_at;
};

/* A name at *at, and step behind it. Return: 0 or -EBADMSG. */
static int take_name(const uint8_t *d, size_t n, size_t *at, char ret[static DNS_NAME_MAX])
{
	struct writer w = WRITER(ret, DNS_NAME_MAX - 1);
	size_t behind = dns_name_read(d, n, *at, &w);

	if (behind == 0 || w.err)
		return -EBADMSG;
	ret[w.len] = 0;
	*at = behind;
	return 0;
}

static int take_record(const uint8_t *d, size_t n, size_t *at, struct record *ret)
{
	struct reader r;
	uint16_t len;

	if (take_name(d, n, at, ret->name) < 0)
		return -EBADMSG;
	r = READER(d + *at, n - *at);
	ret->type = reader_be16(&r);
	ret->class = reader_be16(&r);
	reader_skip(&r, 4); /* time to live: nothing is kept */
	len = reader_be16(&r);
	ret->data = reader_sub(&r, len);
	if (r.err)
		return -EBADMSG;
	ret->data_at = (size_t)(ret->data.p - d);
	*at = n - r.left;
	return 0;
}

static void take_address(struct record *rec, struct dns_answer *a)
{
	struct ipaddr ip = { .family = rec->type == DNS_A ? AF_INET : AF_INET6 };
	size_t bytes = rec->type == DNS_A ? sizeof(ip.v4) : sizeof(ip.v6);

	if (rec->data.left != bytes || a->n_addresses == DNS_ADDRESSES_MAX)
		return;
	reader_copy(&rec->data, &ip.v6, bytes); /* both begin at the same place */
	a->addresses[a->n_addresses++] = ip;
}

/*
 * One pass over the records for what belongs to @name. Return: 1 when it is an alias, whose name
 * then is in @name; 0; -EBADMSG.
 */
static int answer_pass(const uint8_t *d, size_t n, size_t at, unsigned count, enum dns_type type,
		       char name[static DNS_NAME_MAX], struct dns_answer *a)
{
	struct record rec;

	for (unsigned i = 0; i < count; i++) {
		if (take_record(d, n, &at, &rec) < 0)
			return -EBADMSG;
		if (rec.class != CLASS_IN || strcasecmp(rec.name, name) != 0)
			continue;
		if (rec.type == type)
			take_address(&rec, a);
		if (rec.type == DNS_CNAME && a->n_addresses == 0)
			return take_name(d, n, &rec.data_at, name) < 0 ? -EBADMSG : 1;
	}
	return 0;
}

static int header_parse(struct reader *r, uint16_t id, struct dns_answer *a, unsigned *ret_count)
{
	uint16_t got = reader_be16(r), flags = reader_be16(r), questions = reader_be16(r);
	uint16_t answers = reader_be16(r);

	reader_skip(r, 4); /* authorities, additions */
	if (r->err)
		return -EBADMSG;
	if (got != id || !(flags & FLAG_ANSWER) || flags & OPCODE_MASK || questions != 1)
		return -EPROTO;
	a->code = flags & 0xf;
	a->truncated = flags & FLAG_TRUNCATED;
	*ret_count = MIN(answers, (uint16_t)RECORDS_MAX);
	return 0;
}

int dns_answer_parse(const void *buf, size_t n, uint16_t id, const char *name, enum dns_type type,
		     struct dns_answer *ret)
{
	struct reader r = READER(buf, n);
	struct dns_answer a = { 0 };
	char at_name[DNS_NAME_MAX];
	size_t at = HEADER_BYTES, wanted = strlen(name);
	unsigned count;
	int e = n > DNS_MESSAGE_MAX ? -EBADMSG : header_parse(&r, id, &a, &count);

	if (e == 0)
		e = take_name(buf, n, &at, at_name);
	if (e < 0)
		return e;
	r = READER((const uint8_t *)buf + at, n - at);
	if (wanted > 0 && name[wanted - 1] == '.')
		wanted--;
	if (strlen(at_name) != wanted || strncasecmp(at_name, name, wanted) != 0 ||
	    reader_be16(&r) != type || reader_be16(&r) != CLASS_IN || r.err)
		return -EPROTO;
	at += 4;
	for (unsigned aliases = 0; aliases <= DNS_ALIASES_MAX; aliases++) {
		e = answer_pass(buf, n, at, count, type, at_name, &a);
		if (e < 0 && !a.truncated)
			return e;
		if (e <= 0)
			break;
	}
	*ret = a;
	return 0;
}

/*
 * test-dns.c - DNS and ARP: what is asked, and which answers count
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/addr.h"
#include "wire/arp.h"
#include "wire/dns.h"

/* An answer to "n.org" A with number 0x1234: header, question, then @records. */
static int answer(const char *records, size_t n, unsigned count, unsigned flags,
		  struct dns_answer *a)
{
	static const uint8_t question[] = "\1n\3org\0\0\1\0\1";
	size_t total = 12 + sizeof(question) - 1 + n;
	uint8_t *copy = malloc(total);
	uint8_t head[12] = { 0x12, 0x34, (uint8_t)(flags >> 8), (uint8_t)flags, 0,
			     1,	   0,	 (uint8_t)count };
	int r;

	assert_non_null(copy);
	memcpy(copy, head, sizeof(head));
	memcpy(copy + 12, question, sizeof(question) - 1);
	memcpy(copy + total - n, records, n);
	r = dns_answer_parse(copy, total, 0x1234, "n.org", DNS_A, a);
	free(copy);
	return r;
}

#define ADDRESS "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\x09"
#define ALIAS	"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\7\1x\3com\0"
#define ALIASED "\1x\3com\0\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\x08"
#define SELF	"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x0c"

static void answers(void **state)
{
	static const struct {
		const char *records;
		size_t n;
		unsigned count, flags;
		int want;
		const char *address; /* the first, or NULL */
		enum dns_code code;
	} rows[] = {
		{ ADDRESS, sizeof(ADDRESS) - 1, 1, 0x8180, 0, "10.0.0.9", DNS_OK },
		{ ALIAS ALIASED, sizeof(ALIAS ALIASED) - 1, 2, 0x8180, 0, "10.0.0.8", DNS_OK },
		{ ALIASED ALIAS, sizeof(ALIASED ALIAS) - 1, 2, 0x8180, 0, "10.0.0.8", DNS_OK },
		{ SELF, sizeof(SELF) - 1, 1, 0x8180, 0, NULL, DNS_OK },
		{ "", 0, 0, 0x8183, 0, NULL, DNS_NXDOMAIN },
		{ "", 0, 0, 0x8182, 0, NULL, DNS_SERVFAIL },
		{ ADDRESS, sizeof(ADDRESS) - 1, 1, 0x0100, -EPROTO, NULL, DNS_OK },
		{ ADDRESS, sizeof(ADDRESS) - 1, 1, 0x8980, -EPROTO, NULL, DNS_OK },
		{ ADDRESS, sizeof(ADDRESS) - 2, 1, 0x8180, -EBADMSG, NULL, DNS_OK },
		{ ADDRESS, sizeof(ADDRESS) - 1, 2, 0x8180, -EBADMSG, NULL, DNS_OK },
		{ "\xc0\xff", 2, 1, 0x8180, -EBADMSG, NULL, DNS_OK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[IP_STR_MAX];
		struct dns_answer a;

		assert_int_equal(
			answer(rows[i].records, rows[i].n, rows[i].count, rows[i].flags, &a),
			rows[i].want);
		if (rows[i].want < 0)
			continue;
		assert_int_equal(a.code, rows[i].code);
		assert_int_equal(a.n_addresses, rows[i].address ? 1 : 0);
		if (rows[i].address)
			assert_string_equal(ip_format(&a.addresses[0], text), rows[i].address);
	}
}

static void questions(void **state)
{
	static const char want[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\1n\3org\0\0\1\0\1";
	char label[80] = "";
	uint8_t buf[DNS_QUESTION_MAX];
	size_t n;

	assert_int_equal(dns_question_format(0x1234, "n.org", DNS_A, buf, sizeof(buf), &n), 0);
	assert_int_equal(n, sizeof(want) - 1);
	assert_memory_equal(buf, want, n);
	assert_int_equal(dns_question_format(0x1234, "n.org.", DNS_A, buf, sizeof(buf), &n), 0);
	assert_int_equal(n, sizeof(want) - 1);
	assert_int_equal(dns_question_format(1, "a..b", DNS_A, buf, sizeof(buf), &n), -EINVAL);
	memset(label, 'x', 64);
	assert_int_equal(dns_question_format(1, label, DNS_A, buf, sizeof(buf), &n), -EINVAL);
	label[63] = 0;
	assert_int_equal(dns_question_format(1, label, DNS_A, buf, sizeof(buf), &n), 0);
	assert_int_equal(dns_question_format(1, label, DNS_A, buf, 40, &n), -E2BIG);
}

static void conflicts(void **state)
{
	static const struct mac own = { { 2, 0, 0, 0, 0, 1 } }, other = { { 2, 0, 0, 0, 0, 2 } };
	struct in_addr a, b;
	struct arp p;

	assert_int_equal(ipv4_parse("10.0.0.5", &a), 0);
	assert_int_equal(ipv4_parse("10.0.0.6", &b), 0);
	p = arp_probe(&own, a);
	assert_int_equal(p.sender.s_addr, 0);
	assert_false(arp_conflicts(&p, &own, a));  /* our own, come back */
	assert_true(arp_conflicts(&p, &other, a)); /* who probes for it wants it, too */
	p = (struct arp){ .op = 2, .sender_mac = other, .sender = a };
	assert_true(arp_conflicts(&p, &own, a));
	assert_false(arp_conflicts(&p, &own, b));
	p = (struct arp){ .op = 1, .sender_mac = other, .sender = b, .target = a };
	assert_false(arp_conflicts(&p, &own, a)); /* who looks for it does not have it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(questions),
		cmocka_unit_test(conflicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

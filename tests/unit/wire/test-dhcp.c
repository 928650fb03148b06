/*
 * test-dhcp.c - what servers send is read as the RFCs say, and hostile messages are survived
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/addr.h"
#include "wire/dhcp.h"

#define OPT(s) (const uint8_t *)(s), sizeof(s) - 1

/* A reply of an exact size with these options behind the cookie; caller frees. */
static uint8_t *reply(const uint8_t *options, size_t n, size_t *ret_n)
{
	uint8_t *p = calloc(1, 240 + n);

	p[0] = 2; /* BOOTREPLY */
	p[1] = 1;
	p[2] = 6;
	memcpy(p + 4, "\x12\x34\x56\x78", 4);
	memcpy(p + 16, "\x0a\x09\x00\x64", 4); /* yiaddr 10.9.0.100 */
	memcpy(p + 28, "\x52\x54\x00\x12\x34\x56", 6);
	memcpy(p + 236, "\x63\x82\x53\x63", 4);
	memcpy(p + 240, options, n);
	*ret_n = 240 + n;
	return p;
}

static int parse(const uint8_t *options, size_t n, struct dhcp_reply *ret)
{
	size_t size;
	uint8_t *p = reply(options, n, &size);
	int r = dhcp_reply_parse(p, size, ret);

	free(p);
	return r;
}

static const char *text(struct in_addr a)
{
	static char buf[4][INET_ADDRSTRLEN];
	static unsigned i;

	return ipv4_format(a, buf[i++ % 4]);
}

static void reads_a_whole_ack(void **state)
{
	struct dhcp_reply p;

	assert_int_equal(parse(OPT("\x35\1\5"
				   "\x36\4\x0a\x09\0\1"
				   "\1\4\xff\xff\xfe\0"
				   "\3\x8\x0a\x09\0\1\x0a\x09\0\2"
				   "\6\4\x0a\x09\0\3"
				   "\x33\4\0\0\x0e\x10"
				   "\x1a\2\5\xdc"
				   "\xc\4node"
				   "\xf\5local"
				   "\x11\5/root"
				   "\x1c\4\x0a\x09\1\xff"
				   "\x2a\4\x0a\x09\0\4"
				   "\x42\x8"
				   "10.9.0.5"
				   "\x43\6x.ipxe"
				   "\x77\x0c\1a\2bc\0\3def\xc0\2"
				   "\xff"
				   "garbage behind the end"),
			       &p),
			 0);
	assert_int_equal(p.type, DHCP_ACK);
	assert_int_equal(p.xid, 0x12345678);
	assert_int_equal(p.mac.b[5], 0x56);
	assert_string_equal(text(p.lease.address), "10.9.0.100");
	assert_int_equal(p.lease.prefix, 23);
	assert_string_equal(text(p.lease.server_id), "10.9.0.1");
	assert_string_equal(text(p.lease.next_server),
			    "10.9.0.5"); /* siaddr is zero, option 66 says */
	assert_string_equal(text(p.lease.broadcast), "10.9.1.255");
	assert_int_equal(p.lease.n_routers, 2);
	assert_string_equal(text(p.lease.routers[1]), "10.9.0.2");
	assert_string_equal(text(p.lease.dns[0]), "10.9.0.3");
	assert_string_equal(text(p.lease.ntp[0]), "10.9.0.4");
	assert_int_equal(p.lease.lease_s, 3600);
	assert_int_equal(p.lease.renew_s, 1800);
	assert_int_equal(p.lease.rebind_s, 3150);
	assert_int_equal(p.lease.mtu, 1500);
	assert_string_equal(p.lease.hostname, "node");
	assert_string_equal(p.lease.domain, "local");
	assert_string_equal(p.lease.root_path, "/root");
	assert_string_equal(p.lease.boot_file, "x.ipxe");
	assert_string_equal(p.lease.search, "a.bc def.bc");
}

static void refuses_broken_framing(void **state)
{
	static const struct {
		const char *rule;
		const uint8_t *o;
		size_t n;
	} bad[] = {
		{ "option longer than what is left", OPT("\x35\1\2\xc\5abcd") },
		{ "option without a length", OPT("\x35\1\2\xc") },
		{ "message type 0", OPT("\x35\1\0\xff") },
		{ "message type 9", OPT("\x35\1\x09\xff") },
		{ "message type of two bytes", OPT("\x35\2\2\2\xff") },
		{ "message type twice", OPT("\x35\1\2\x35\1\5\xff") },
		{ "overload 0", OPT("\x35\1\2\x34\1\0\xff") },
		{ "overload 4", OPT("\x35\1\2\x34\1\4\xff") },
		{ "overload of two bytes", OPT("\x35\1\2\x34\2\1\1\xff") },
		{ "overload twice", OPT("\x35\1\2\x34\1\1\x34\1\1\xff") },
	};
	struct dhcp_reply p = { .xid = 77 };
	size_t n;
	uint8_t *m;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse(bad[i].o, bad[i].n, &p) != -EBADMSG || p.xid != 77)
			fail_msg("%s was taken", bad[i].rule);
	}
	m = reply(OPT("\x35\1\2\xff"), &n);
	for (size_t cut = 0; cut < 240; cut++) {
		uint8_t *copy = memcpy(malloc(cut ? cut : 1), m, cut);

		assert_int_equal(dhcp_reply_parse(copy, cut, &p), -EBADMSG);
		free(copy);
	}
	for (size_t at = 0; at < 3; at++) { /* op, hardware type, hardware length */
		m[at] ^= 3;
		assert_int_equal(dhcp_reply_parse(m, n, &p), -EBADMSG);
		m[at] ^= 3;
	}
	m[239] ^= 1; /* cookie */
	assert_int_equal(dhcp_reply_parse(m, n, &p), -EBADMSG);
	free(m);
	m = calloc(1, DHCP_MESSAGE_MAX + 1);
	assert_int_equal(dhcp_reply_parse(m, DHCP_MESSAGE_MAX + 1, &p), -EBADMSG);
	free(m);
}

static void an_option_of_a_wrong_length_counts_as_absent(void **state)
{
	struct dhcp_reply p;

	assert_int_equal(parse(OPT("\x35\1\2"
				   "\x36\3\x0a\x09\0"
				   "\1\3\xff\xff\xff"
				   "\3\5\1\2\3\4\5"
				   "\6\0"
				   "\x33\2\0\1"
				   "\x1a\1\5"
				   "\x2a\6\1\2\3\4\5\6\xff"),
			       &p),
			 0);
	assert_int_equal(p.lease.server_id.s_addr, 0);
	assert_int_equal(p.lease.prefix, 8); /* of the class of 10.9.0.100 */
	assert_int_equal(p.lease.n_routers, 0);
	assert_int_equal(p.lease.n_dns, 0);
	assert_int_equal(p.lease.n_ntp, 0);
	assert_int_equal(p.lease.lease_s, DHCP_LEASE_DEFAULT_S);
	assert_int_equal(p.lease.mtu, 0);
	assert_int_equal(parse(OPT("\x35\1\2\1\4\xff\0\xff\0\xff"), &p), 0);
	assert_int_equal(p.lease.prefix, 8); /* a mask with holes */
	assert_int_equal(parse(OPT("\x35\1\2\x1a\2\0\x44\xff"), &p), 0);
	assert_int_equal(p.lease.mtu, 0); /* 68: below DHCP_MTU_MIN */
}

static void lists_stop_at_their_maximum(void **state)
{
	uint8_t o[3 + 2 + 240 + 1] = { 0x35, 1, 2, 6, 240 };
	struct dhcp_reply p;

	memset(o + 5, 9, 240);
	o[245] = 255;
	assert_int_equal(parse(o, sizeof(o), &p), 0);
	assert_int_equal(p.lease.n_dns, DHCP_SERVERS_MAX);
}

static void options_go_on_in_file_and_sname(void **state)
{
	struct dhcp_reply p;
	size_t n;
	uint8_t *m = reply(OPT("\x35\1\2"
			       "\x34\1\3"
			       "\xc\2no\xff"),
			   &n);

	memcpy(m + 108, "\xc\2de\x34\1\1\xff",
	       8); /* file: the name's second half; 52 means nothing here */
	memcpy(m + 44, "\x11\4/abc\xff\xc\1X", 9); /* sname: what is behind END is not read */
	assert_int_equal(dhcp_reply_parse(m, n, &p), 0);
	assert_string_equal(p.lease.hostname, "node");
	assert_string_equal(p.lease.root_path, "/abc");
	assert_string_equal(p.lease.boot_file, "");
	assert_string_equal(p.lease.server_name, "");
	m[108 + 1] = 127; /* runs off the end of file */
	assert_int_equal(dhcp_reply_parse(m, n, &p), -EBADMSG);
	free(m);

	m = reply(OPT("\x35\1\2\xff"),
		  &n); /* without overload they are text, 128 bytes without NUL too */
	memset(m + 108, 'f', 128);
	memcpy(m + 44, "server\ngone", 11);
	memcpy(m + 20, "\x0a\x09\0\7", 4);
	assert_int_equal(dhcp_reply_parse(m, n, &p), 0);
	assert_int_equal(strlen(p.lease.boot_file), 128);
	assert_string_equal(p.lease.server_name, "server?gone");
	assert_string_equal(text(p.lease.next_server), "10.9.0.7");
	free(m);
}

static void reads_classless_routes_all_or_nothing(void **state)
{
	struct dhcp_reply p;

	assert_int_equal(parse(OPT("\x35\1\2"
				   "\3\4\x0a\x09\0\1"
				   "\x79\x15"
				   "\0\x0a\x09\0\1"
				   "\x18\xc0\xa8\1\0\0\0\0"
				   "\x11\x0a\x9f\xff\x0a\x09\0\2"
				   "\xff"),
			       &p),
			 0);
	assert_int_equal(p.lease.n_routes, 3);
	assert_int_equal(p.lease.n_routers, 0); /* RFC 3442: option 3 is ignored then */
	assert_int_equal(p.lease.routes[0].prefix, 0);
	assert_string_equal(text(p.lease.routes[0].gateway), "10.9.0.1");
	assert_string_equal(text(p.lease.routes[1].dst), "192.168.1.0");
	assert_string_equal(text(p.lease.routes[1].gateway), "0.0.0.0");
	assert_string_equal(text(p.lease.routes[2].dst),
			    "10.159.128.0"); /* host bits are cleared */
	assert_int_equal(parse(OPT("\x35\1\2\3\4\x0a\x09\0\1\x79\5\x21\x0a\x09\0\1\xff"), &p), 0);
	assert_int_equal(p.lease.n_routes, 0); /* prefix 33 */
	assert_int_equal(p.lease.n_routers, 1);
	assert_int_equal(parse(OPT("\x35\1\2\x79\4\0\x0a\x09\0\xff"), &p), 0);
	assert_int_equal(p.lease.n_routes, 0); /* cut short */
}

static void domain_names_end(void **state)
{
	static const struct {
		const char *what;
		const uint8_t *o;
		size_t n;
		const char *search;
	} c[] = {
		{ "pointer to itself", OPT("\x35\1\2\x77\2\xc0\0\xff"), "" },
		{ "pointer forward", OPT("\x35\1\2\x77\4\xc0\2\1a\xff"), "" },
		{ "two pointers in a ring", OPT("\x35\1\2\x77\6\1a\xc0\4\xc0\0\xff"), "" },
		{ "half a pointer", OPT("\x35\1\2\x77\3\1a\xc0\xff"), "" },
		{ "label over the end", OPT("\x35\1\2\x77\3\5ab\xff"), "" },
		{ "label without end", OPT("\x35\1\2\x77\2\1a\xff"), "" },
		{ "label type 01", OPT("\x35\1\2\x77\3\x41\x61\0\xff"), "" },
		{ "the root alone", OPT("\x35\1\2\x77\1\0\xff"), "" },
		{ "escapes and dots in labels", OPT("\x35\1\2\x77\6\4a.\33 \0\xff"), "a???" },
	};
	struct dhcp_reply p;

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		assert_int_equal(parse(c[i].o, c[i].n, &p), 0);
		if (strcmp(p.lease.search, c[i].search) != 0)
			fail_msg("%s: '%s'", c[i].what, p.lease.search);
	}
}

/* What was taken before a broken name or route came is dropped, to the last byte. */
static void what_stood_before_a_broken_one_leaves_no_trace(void **state)
{
	static const struct dhcp_route no_routes[DHCP_ROUTES_MAX];
	static const char none[sizeof(((struct dhcp_lease *)0)->search)];
	struct dhcp_reply p;

	assert_int_equal(parse(OPT("\x35\1\2\x77\7\1a\0\2bc\5\xff"), &p), 0);
	assert_memory_equal(p.lease.search, none, sizeof(none));
	assert_int_equal(parse(OPT("\x35\1\2\x79\6\0\x0a\x09\0\1\x21\xff"), &p), 0);
	assert_memory_equal(p.lease.routes, no_routes, sizeof(no_routes));
}

static void times_make_sense(void **state)
{
	struct dhcp_reply p;

	/* renewal and rebinding later than the lease's end */
	assert_int_equal(parse(OPT("\x35\1\5\x33\4\0\0\0\x64\x3a\4\0\0\1\0\x3b\4\0\0\1\1\xff"), &p),
			 0);
	assert_int_equal(p.lease.renew_s, 50);
	assert_int_equal(p.lease.rebind_s, 87);
	assert_int_equal(parse(OPT("\x35\1\5\x33\4\xff\xff\xff\xff\xff"), &p), 0);
	assert_true(p.lease.lease_s == UINT32_MAX && p.lease.renew_s < p.lease.rebind_s);
}

static void long_options_come_in_pieces(void **state)
{
	struct dhcp_reply p = { .type = DHCP_OFFER, .xid = 5 }, back;
	uint8_t buf[DHCP_MESSAGE_MAX];
	size_t n;

	p.lease.lease_s = 10;
	p.lease.renew_s = 5;
	p.lease.rebind_s = 8;
	p.lease.prefix = 24;
	for (size_t i = 0; i + 8 < sizeof(p.lease.search); i += 8)
		memcpy(p.lease.search + i, "abc.def ", 8);
	p.lease.search[strlen(p.lease.search) - 1] = 0;
	memset(p.lease.root_path, 'r', sizeof(p.lease.root_path) - 1);
	assert_int_equal(dhcp_reply_format(&p, buf, sizeof(buf), &n), 0);
	assert_int_equal(dhcp_reply_parse(buf, n, &back), 0);
	assert_string_equal(back.lease.search, p.lease.search);
	assert_string_equal(back.lease.root_path, p.lease.root_path);
	assert_memory_equal(&p, &back, sizeof(p));
}

static void a_discover_says_who_we_are(void **state)
{
	struct dhcp_request q = {
		.type = DHCP_DISCOVER, .xid = 0x01020304, .secs = 7, .vendor_class = "bpboot:x86_64"
	};
	uint8_t buf[DHCP_MESSAGE_ASK];
	size_t n;

	assert_int_equal(mac_parse("52:54:00:12:34:56", &q.mac), 0);
	assert_int_equal(dhcp_request_format(&q, buf, sizeof(buf), &n), 0);
	assert_true(n >= DHCP_MESSAGE_MIN);
	assert_memory_equal(buf, "\1\1\6\0\1\2\3\4\0\7\0\0", 12);
	assert_memory_equal(buf + 28, q.mac.b, 6);
	assert_memory_equal(buf + 236, "\x63\x82\x53\x63\x35\1\1\x3d\7\1\x52\x54\0\x12\x34\x56",
			    16);
	assert_non_null(memmem(buf, n,
			       "\x3c\x0d"
			       "bpboot:x86_64",
			       15));
	assert_non_null(memmem(
		buf, n, "\x37\x12\1\3\6\xc\xf\x11\x1a\x1c\x2a\x2b\x33\x36\x3a\x3b\x42\x43\x77\x79",
		20));
	q.type = DHCP_REQUEST;
	q.broadcast = true;
	assert_int_equal(ipv4_parse("10.9.0.100", &q.requested), 0);
	assert_int_equal(ipv4_parse("10.9.0.1", &q.server_id), 0);
	assert_int_equal(dhcp_request_format(&q, buf, sizeof(buf), &n), 0);
	assert_int_equal(buf[10], 0x80);
	assert_non_null(memmem(buf, n, "\x32\4\x0a\x09\0\x64\x36\4\x0a\x09\0\1", 12));
	q.type = DHCP_RELEASE; /* RFC 2131, table 5: no parameter list, no vendor class */
	assert_int_equal(dhcp_request_format(&q, buf, sizeof(buf), &n), 0);
	assert_null(memmem(buf, n, "bpboot", 6));
	assert_int_equal(dhcp_request_format(&q, buf, 200, &n), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_whole_ack),
		cmocka_unit_test(refuses_broken_framing),
		cmocka_unit_test(an_option_of_a_wrong_length_counts_as_absent),
		cmocka_unit_test(lists_stop_at_their_maximum),
		cmocka_unit_test(options_go_on_in_file_and_sname),
		cmocka_unit_test(reads_classless_routes_all_or_nothing),
		cmocka_unit_test(domain_names_end),
		cmocka_unit_test(what_stood_before_a_broken_one_leaves_no_trace),
		cmocka_unit_test(times_make_sense),
		cmocka_unit_test(long_options_come_in_pieces),
		cmocka_unit_test(a_discover_says_who_we_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-ip.c - addresses of either family, alone and with a port
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/ip.h"

static void addresses_with_ports(void **state)
{
	static const struct {
		const char *text, *address;
		unsigned port;
	} rows[] = {
		{ "10.0.0.1", "10.0.0.1", 7 },	 { "10.0.0.1:69", "10.0.0.1", 69 },
		{ "fd00::1", "fd00::1", 7 },	 { "[fd00::1]", "fd00::1", 7 },
		{ "[fd00::1]:80", "fd00::1", 80 }, { "::", "::", 7 },
		{ "", NULL, 0 },		 { "10.0.0.1:", NULL, 0 },
		{ "10.0.0.1:0", NULL, 0 },	 { "10.0.0.1:65536", NULL, 0 },
		{ "[10.0.0.1]:80", NULL, 0 },	 { "[fd00::1]80", NULL, 0 },
		{ "[fd00::1", NULL, 0 },	 { "host", NULL, 0 },
		{ "fd00::1%eth0", NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[IP_STR_MAX];
		struct ipaddr a;
		uint16_t port;
		int r = ip_parse_port(rows[i].text, 7, &a, &port);

		if (!rows[i].address) {
			assert_int_equal(r, -EINVAL);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(ip_format(&a, text), rows[i].address);
		assert_int_equal(port, rows[i].port);
	}
}

static void socket_addresses_keep_what_they_are_made_of(void **state)
{
	struct ipaddr a, b, back;
	union ip_sock s, t;

	assert_int_equal(ip_parse("fe80::1", &a), 0);
	assert_int_equal(ip_parse("10.0.0.1", &b), 0);
	a.scope = 3;
	s = ip_sock(&a, 69);
	t = ip_sock(&b, 69);
	back = ip_sock_host(&s);
	assert_true(ip_equal(&a, &back));
	assert_int_equal(back.scope, 3);
	assert_int_equal(ip_sock_port(&s), 69);
	assert_int_equal(ip_sock_port(&t), 69);
	assert_int_equal(ip_sock_bytes(&s), sizeof(struct sockaddr_in6));
	assert_int_equal(ip_sock_bytes(&t), sizeof(struct sockaddr_in));
	assert_false(ip_sock_same_host(&s, &t));
	assert_true(ip_sock_same_host(&s, &s));
}

/* How a socket of both families tells where an IPv4 connection came from. */
static void mapped_addresses_are_ipv4(void **state)
{
	struct ipaddr mapped, plain, back;
	union ip_sock s;

	assert_int_equal(ip_parse("::ffff:10.0.0.1", &mapped), 0);
	assert_int_equal(ip_parse("10.0.0.1", &plain), 0);
	s = ip_sock(&mapped, 69);
	back = ip_sock_host(&s);
	assert_true(ip_equal(&plain, &back));
}

static void a_socket_on_all_addresses_takes_ipv4(void **state)
{
	const struct ipaddr all = { 0 };
	struct ipaddr to;
	union ip_sock at = { .in6 = { 0 } };
	socklen_t n = sizeof(at);
	int fd, from = socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd p = { .events = POLLIN };
	char byte;

	assert_int_equal(ip_bind(&all, 0, SOCK_DGRAM, &fd), 0);
	p.fd = fd;
	assert_int_equal(getsockname(fd, &at.sa, &n), 0);
	assert_int_equal(ip_parse("127.0.0.1", &to), 0);
	at = ip_sock(&to, ip_sock_port(&at));
	assert_int_equal(sendto(from, "x", 1, 0, &at.sa, ip_sock_bytes(&at)), 1);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	close(fd);
	close(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_with_ports),
		cmocka_unit_test(socket_addresses_keep_what_they_are_made_of),
		cmocka_unit_test(mapped_addresses_are_ipv4),
		cmocka_unit_test(a_socket_on_all_addresses_takes_ipv4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

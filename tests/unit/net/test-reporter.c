/*
 * test-reporter.c - events before there is an address are kept, sent when there is one, and again
 * after a failure
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/reporter.h"

static struct reporter r; /* too large for a stack */

static int listener(uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

/* Sequence numbers of what has come. */
static void assert_came(int fd, const char *numbers)
{
	char buf[REPORT_DATAGRAM_MAX], got[256] = "";
	struct report e;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		assert_int_equal(report_parse(buf, (size_t)n, &e), 0);
		assert_int_equal(e.boot, 99);
		assert_int_equal(e.mac.b[5], 7);
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%u ", e.seq);
	}
	assert_string_equal(got, numbers);
}

static bool add(enum report_state state, uint64_t ms)
{
	struct report e = { .stage = REPORT_FETCH, .state = state, .ms = ms };

	return reporter_add(&r, &e);
}

static void keeps_sends_and_sends_again(void **state)
{
	struct ipaddr to = ip_from_v4((struct in_addr){ htonl(INADDR_LOOPBACK) });
	uint16_t port;
	int fd = listener(&port);

	reporter_init(&r, 99);
	add(REPORT_OK, 1);
	add(REPORT_OK, 2);
	reporter_set_mac(&r, &(struct mac){ { 2, 0, 0, 0, 0, 7 } });
	assert_int_equal(reporter_connect(&r, &to, port), 0);
	assert_came(fd, "1 2 ");
	add(REPORT_OK, 3);
	assert_came(fd, "3 ");
	assert_true(add(REPORT_PROGRESS, 1000));
	assert_false(add(REPORT_PROGRESS, 1000 + REPORTER_PROGRESS_MS - 1));
	assert_true(add(REPORT_PROGRESS, 1000 + REPORTER_PROGRESS_MS));
	assert_came(fd, "4 5 ");
	reporter_disconnect(&r);
	add(REPORT_FAIL, 2000);
	assert_came(fd, "");
	assert_int_equal(reporter_connect(&r, &to, port), 0);
	assert_came(fd, "6 ");
	reporter_again(&r);
	assert_came(fd, "1 2 3 6 ");
	reporter_deinit(&r);
	close(fd);
}

static void what_was_refused_is_sent_again(void **state)
{
	struct ipaddr to = ip_from_v4((struct in_addr){ htonl(INADDR_LOOPBACK) });
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = to.v4 };
	uint16_t port;
	int fd = listener(&port);

	close(fd); /* nobody listens */
	reporter_init(&r, 99);
	reporter_set_mac(&r, &(struct mac){ { 2, 0, 0, 0, 0, 7 } });
	assert_int_equal(reporter_connect(&r, &to, port), 0);
	add(REPORT_OK, 1);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	a.sin_port = htons(port);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	add(REPORT_OK, 2);
	add(REPORT_OK, 3);
	assert_came(fd, "2 1 3 ");
	reporter_deinit(&r);
	close(fd);
}

static void the_oldest_go_when_there_are_too_many(void **state)
{
	reporter_init(&r, 99);
	for (uint64_t i = 0; i < REPORTER_KEPT_MAX + 10; i++)
		add(REPORT_OK, i);
	assert_int_equal(r.n_kept, REPORTER_KEPT_MAX);
	assert_int_equal(r.kept[0].e.seq, 11);
	reporter_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_sends_and_sends_again),
		cmocka_unit_test(what_was_refused_is_sent_again),
		cmocka_unit_test(the_oldest_go_when_there_are_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

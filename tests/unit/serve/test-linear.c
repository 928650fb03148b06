/*
 * test-linear.c - the work for a table grows as the table does: reading it, and writing each
 * configuration of it
 *
 * Not timed: the code under test is compiled so that each basic block that is entered calls
 * __sanitizer_cov_trace_pc(), and the blocks are counted. Sorting adds a logarithm; what compared
 * each node with each other would show as 16 times the work for 4 times the nodes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/dnsmasq.h"
#include "serve/ipxe.h"
#include "serve/isc_dhcpd.h"
#include "serve/kea.h"

enum {
	SMALL = 1000,
	LARGE = 4000,
	GROWTH_MAX = 6, /* of the work, for 4 times the nodes */
};

static uint64_t blocks;

void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
	blocks++;
}

static int whole(const struct cluster *c, const struct nodes *t, struct buffer *to)
{
	return dnsmasq_format(c, t, DNSMASQ_WHOLE, to);
}

static int proxy(const struct cluster *c, const struct nodes *t, struct buffer *to)
{
	return dnsmasq_format(c, t, DNSMASQ_PROXY, to);
}

static int kea_2(const struct cluster *c, const struct nodes *t, struct buffer *to)
{
	return kea_format(c, t, KEA_2_2, NULL, to);
}

static int kea_3(const struct cluster *c, const struct nodes *t, struct buffer *to)
{
	return kea_format(c, t, KEA_3_0, NULL, to);
}

static int script(const struct cluster *c, const struct nodes *t, struct buffer *to)
{
	return ipxe_format(c, t, true, to);
}

static const struct {
	const char *name;
	int (*format)(const struct cluster *c, const struct nodes *t, struct buffer *to);
} kinds[] = {
	{ "dnsmasq", whole }, { "dnsmasq-proxy", proxy }, { "isc-dhcpd", isc_dhcpd_format },
	{ "kea 2.2", kea_2 }, { "kea 3.0", kea_3 },	  { "ipxe-proxy", script },
};

static void get_cluster(struct cluster *ret)
{
	static const char text[] = "[cluster]\ninterface=br0\nnetwork=10.0.0.0/8\n"
				   "address=10.1.0.1\n[dhcp]\nrange=10.2.0.1-10.2.0.9\n";
	unsigned line;
	char why[256];

	assert_int_equal(cluster_parse("/etc/c", text, strlen(text), ret, &line, why), 0);
}

/* The table's text: nodes in an order that is none, each with an image of its own or all with one.
 */
static void get_text(uint32_t n, bool own, struct buffer *to)
{
	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = (uint32_t)((uint64_t)k * 1237 % n);
		char image[32] = "-";

		if (own)
			snprintf(image, sizeof(image), "image%u", i);
		assert_int_equal(buffer_printf(to, "%u 52:54:00:00:%02x:%02x 10.1.%u.%u %s\n", i,
					       i >> 8, i & 255, 1 + i / 250, 1 + i % 250, image),
				 0);
	}
}

/* Blocks of work: first that of reading the table, then that of each kind. */
static void measure(uint32_t n, bool own, uint64_t ret[static ARRAY_SIZE(kinds) + 1])
{
	_cleanup_cluster_ struct cluster c = { 0 };
	_cleanup_nodes_ struct nodes t = { 0 };
	_cleanup_buffer_ struct buffer text = BUFFER(NODES_BYTES_MAX);
	unsigned line;
	char why[256];

	get_cluster(&c);
	get_text(n, own, &text);
	blocks = 0;
	assert_int_equal(nodes_parse(buffer_str(&text), text.len, &t, &line, why), 0);
	assert_int_equal(t.n, n);
	ret[0] = blocks;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_buffer_ struct buffer out = BUFFER(DNSMASQ_BYTES_MAX);

		blocks = 0;
		assert_int_equal(kinds[i].format(&c, &t, &out), 0);
		ret[i + 1] = blocks;
	}
}

static void work_grows_with_the_table(void **state)
{
	for (int own = 0; own < 2; own++) {
		uint64_t small[ARRAY_SIZE(kinds) + 1], large[ARRAY_SIZE(kinds) + 1];

		measure(SMALL, own, small);
		measure(LARGE, own, large);
		for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
			print_message("# %s%s: %llu blocks for %d nodes, %llu for %d\n",
				      i ? kinds[i - 1].name : "the table",
				      own ? ", images of their own" : "",
				      (unsigned long long)small[i], SMALL,
				      (unsigned long long)large[i], LARGE);
			assert_true(small[i] > SMALL);
			assert_true(large[i] < small[i] * GROWTH_MAX);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_grows_with_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-cluster.c - cluster files that are read, and ones that are refused with their place
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "serve/cluster.h"

#define MINIMAL "[cluster]\ninterface=br0\nnetwork=10.1.0.0/16\naddress=10.1.0.1\n"

/* Parse from a copy of exactly the text's size. */
static int parse(const char *text, struct cluster *ret, unsigned *line, char *why)
{
	size_t n = strlen(text);
	char *copy = malloc(n ? n : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, n);
	r = cluster_parse("/etc/bpboot/cluster.conf", copy, n, ret, line, why);
	free(copy);
	return r;
}

static void minimal_file_has_defaults(void **state)
{
	_cleanup_cluster_ struct cluster c = { 0 };
	unsigned line;
	char why[256], a[INET_ADDRSTRLEN];

	assert_int_equal(parse(MINIMAL, &c, &line, why), 0);
	assert_string_equal(c.name, "cluster");
	assert_string_equal(c.interface, "br0");
	assert_string_equal(c.boot, "/srv/bpboot");
	assert_string_equal(c.image, "compute");
	assert_null(c.nodes);
	assert_null(c.master_consoles);
	assert_int_equal(c.unknown, CLUSTER_REFUSE);
	assert_string_equal(c.cmdline, "");
	assert_int_equal(c.lease_s, 12 * 3600);
	assert_int_equal(c.master_port, 2223);
	assert_int_equal(c.master_log_port, 514);
	assert_string_equal(ipv4_format(c.master_address, a), "10.1.0.1");
	assert_int_equal(c.prefix, 16);
}

static void every_key_is_read_and_written_back(void **state)
{
	static const char text[] =
		"# a comment\n[cluster]\nname=east\ninterface = eth1\nnetwork: 10.2.0.0/24\n"
		"address=10.2.0.1\nboot=../srv\nimage=big\nnodes=nodes\nunknown=accept\n"
		"loader=grub\nservers=10.2.0.1, tftp://10.2.0.2:69/a/\n http://10.2.0.3:80 "
		"http://10.2.0.4:8080/b\nkernel=k/vmlinuz\ninitrd=k/initrd\ncmdline=console=ttyS0  "
		" quiet\n\tpanic=5\n"
		"[dhcp]\nrange=10.2.0.100-10.2.0.200\n\t10.2.0.210-10.2.0.219\nlease=10m\n"
		"[master]\naddress=10.9.0.1\n"
		"port=99\nlog_port=5140\nstate=st\nsocket=/run/s\nkey=k\nenrol=accept\n"
		"consoles=con\n";
	_cleanup_cluster_ struct cluster c = { 0 }, d = { 0 };
	_cleanup_buffer_ struct buffer one = BUFFER(CLUSTER_BYTES_MAX),
				       two = BUFFER(CLUSTER_BYTES_MAX);
	unsigned line;
	char why[256], root[CLUSTER_ROOT_MAX], base[CLUSTER_SERVER_MAX];

	assert_int_equal(parse(text, &c, &line, why), 0);
	assert_string_equal(c.boot, "/etc/srv");
	assert_int_equal(c.loader, CLUSTER_GRUB);
	assert_int_equal(c.n_servers, 4);
	assert_int_equal(cluster_root(&c, "big", root), 0);
	assert_string_equal(root, "tftp://10.2.0.1/big.index,tftp://10.2.0.2/a/big.index,"
				  "http://10.2.0.3/big.index,http://10.2.0.4:8080/b/big.index");
	assert_string_equal(cluster_http_base(&c, base), "http://10.2.0.3");
	assert_string_equal(c.nodes, "/etc/bpboot/nodes");
	assert_string_equal(c.cmdline, "console=ttyS0 quiet panic=5");
	assert_int_equal(c.unknown, CLUSTER_ACCEPT);
	assert_int_equal(c.enrol, CLUSTER_ENROL_ACCEPT);
	assert_int_equal(c.n_ranges, 2);
	assert_int_equal(c.lease_s, 600);
	assert_int_equal(c.master_log_port, 5140);
	assert_string_equal(c.master_consoles, "/etc/bpboot/con");
	assert_int_equal(cluster_format(&c, &one), 0);
	assert_int_equal(parse(buffer_str(&one), &d, &line, why), 0);
	assert_int_equal(cluster_format(&d, &two), 0);
	assert_string_equal(buffer_str(&one), buffer_str(&two));
}

static void a_long_command_line_goes_on_in_further_lines(void **state)
{
	_cleanup_cluster_ struct cluster c = { 0 }, d = { 0 };
	_cleanup_buffer_ struct buffer text = BUFFER(CLUSTER_BYTES_MAX),
				       out = BUFFER(CLUSTER_BYTES_MAX);
	unsigned line;
	char why[256];

	assert_int_equal(buffer_printf(&text, "%scmdline=", MINIMAL), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(buffer_printf(&text, "\n  word%d=value", i), 0);
	assert_int_equal(parse(buffer_str(&text), &c, &line, why), 0);
	assert_int_equal(cluster_format(&c, &out), 0);
	assert_int_equal(parse(buffer_str(&out), &d, &line, why), 0);
	assert_string_equal(c.cmdline, d.cmdline);
	assert_non_null(strstr(c.cmdline, "word98=value word99=value"));
}

static void faults_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *words;
	} rows[] = {
		{ "", 0, "interface= is missing" },
		{ "[cluster]\ninterface=br0\nnetwork=10.1.0.0/16\n", 0, "address= is missing" },
		{ MINIMAL "color=red\n", 5, "unknown key 'color'" },
		{ MINIMAL "[color]\nred=1\n", 6, "unknown section [color]" },
		{ MINIMAL "interface=br1\n", 5, "given twice; first in line 2" },
		{ MINIMAL "nonsense\n", 5, "expected KEY=VALUE" },
		{ MINIMAL "unknown=maybe\n", 5, "refuse or accept" },
		{ MINIMAL "[master]\nenrol=maybe\n", 6, "known, first or accept" },
		{ MINIMAL "loader=lilo\n", 5, "ipxe, pxelinux, grub or uki" },
		{ MINIMAL "servers=boot.example\n", 5, "servers of the boot directory" },
		{ MINIMAL "servers=10.1.0.1\n ftp://10.1.0.1\n", 6, "servers of the boot" },
		{ MINIMAL "servers=http://10.1.0.1/../x\n", 5, "servers of the boot" },
		{ MINIMAL "servers=10.1.0.1:0\n", 5, "servers of the boot" },
		{ MINIMAL "servers=1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 "
			  "1.1.1.1\n",
		  5, "more than 8 servers" },
		{ MINIMAL "kernel=../../etc/shadow\n", 5, "within the boot directory" },
		{ MINIMAL "boot=a /.\n", 5, "not end in a blank" }, /* which a line cannot hold */
		{ MINIMAL "kernel=-x\n", 5, "not first a '-'" },
		{ MINIMAL "initrd=tftp://1.2.3.4/x\n", 5, "within the boot directory" },
		{ MINIMAL "cmdline=a || b\n", 5, "iPXE would end the command" },
		{ MINIMAL "cmdline=a\n b &&\n", 6, "iPXE would end the command" },
		{ MINIMAL "cmdline=a=${x}\n", 5, "replaced by iPXE" },
		{ "[cluster]\ninterface=eth*\n", 2, "name of a network interface" },
		{ MINIMAL "image=.hidden\n", 5, "not first a '.'" },
		{ MINIMAL "cmdline=a #b\n", 5, "begins with '#'" },
		{ MINIMAL "cmdline=a\n b ;c\n", 6, "begins with '#' or ';'" },
		{ "[cluster]\nnetwork=10.1.0.1/16\n", 2, "host bits zero" },
		{ "[cluster]\nnetwork=10.1.0.0/31\n", 2, "length 8 to 30" },
		{ "[cluster]\ninterface=averyveryverylongname\n", 2, "up to 15" },
		{ "[cluster]\ninterface=br0\nnetwork=10.1.0.0/16\naddress=10.2.0.1\n", 4,
		  "within network=" },
		{ "[cluster]\ninterface=br0\nnetwork=10.1.0.0/16\naddress=10.1.0.0\n", 4,
		  "within network=" },
		{ MINIMAL "[dhcp]\nrange=10.1.0.9-10.1.0.2\n", 6, "FIRST-LAST" },
		{ MINIMAL "[dhcp]\nrange=10.1.0.9-10.2.0.2\n", 6, "not within" },
		{ MINIMAL "[dhcp]\nrange=10.1.0.1-10.1.0.9\n", 6, "own address" },
		{ MINIMAL "[dhcp]\nrange=10.1.0.9-10.1.0.20 10.1.0.30\n", 6, "FIRST-LAST" },
		{ MINIMAL "[dhcp]\nrange=10.1.0.9-10.1.0.20,10.1.0.5-10.1.0.30\n", 6, "twice" },
		{ MINIMAL "[dhcp]\nrange=10.1.0.9-10.1.0.20\n\t10.1.0.20-10.1.0.30\n", 6, "twice" },
		{ MINIMAL "[dhcp]\nlease=1s\n", 6, "2m to 365d" },
		{ MINIMAL "[master]\nport=0\n", 6, "1 to 65535" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cluster c = { 0 };
		unsigned line = 999;
		char why[256] = "";

		print_message("# %s\n", rows[i].words);
		assert_int_equal(parse(rows[i].text, &c, &line, why), -EBADMSG);
		assert_int_equal(line, rows[i].line);
		if (!strstr(why, rows[i].words))
			fail_msg("'%s' does not say '%s'", why, rows[i].words);
		assert_null(c.file); /* written on success only */
	}
}

static void a_line_of_over_197_bytes_is_refused(void **state)
{
	struct cluster c;
	char text[512] = MINIMAL "cmdline=", why[256];
	unsigned line;

	memset(text + strlen(text), 'x', 300);
	assert_int_equal(parse(text, &c, &line, why), -EBADMSG);
	assert_int_equal(line, 5);
	assert_non_null(strstr(why, "begins with a blank"));
}

/* What is made absolute must still fit a line of the file. */
static void a_path_has_up_to_180_bytes_in_all(void **state)
{
	size_t room = CLUSTER_PATH_MAX - strlen("/etc/bpboot/");

	for (size_t n = room; n <= room + 1; n++) {
		struct cluster c = { 0 };
		char text[512] = MINIMAL "boot=", why[256];
		unsigned line = 0;

		memset(text + strlen(text), 'w', n);
		assert_int_equal(parse(text, &c, &line, why), n == room ? 0 : -EBADMSG);
		assert_int_equal(line, n == room ? 0 : 5);
		cluster_clear(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minimal_file_has_defaults),
		cmocka_unit_test(every_key_is_read_and_written_back),
		cmocka_unit_test(a_long_command_line_goes_on_in_further_lines),
		cmocka_unit_test(faults_are_refused_with_their_line),
		cmocka_unit_test(a_line_of_over_197_bytes_is_refused),
		cmocka_unit_test(a_path_has_up_to_180_bytes_in_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test-cmdline.c - the kernel command line, parameter by parameter, and what is ignored with a
 * warning
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "init/cmdline.h"

static struct cmdline *parse(const char *text)
{
	struct cmdline *c = malloc(sizeof(*c));
	char *copy = strdup(text);

	cmdline_parse(copy, c);
	free(copy);
	return c;
}

static void defaults_are_sensible(void **state)
{
	struct cmdline *c = parse("");

	assert_null(c->root);
	assert_false(c->ro || c->quiet || c->shell || c->have_panic);
	assert_int_equal(c->ip, CMDLINE_IP_UNSAID);
	assert_true(c->retry_min_s > 0 && c->retry_max_s > c->retry_min_s);
	assert_int_equal(c->n_warnings, 0);
	free(c);
}

static void words_are_taken(void **state)
{
	struct cmdline *c =
		parse("BOOT_IMAGE=/vmlinuz root=tftp:///a.index quiet rd.shell ro panic=-5 "
		      "rootflags=\"noatime,x y\" BOOTIF=01-52-54-00-12-34-56 bpboot.retry=1-3 "
		      "bpboot.master=10.0.0.1:77 bpboot.log=10.0.0.2 bpboot.link=7 "
		      "bpboot.node-key=efi\n");
	struct in_addr a;

	assert_string_equal(c->root, "tftp:///a.index");
	assert_string_equal(c->rootflags, "noatime,x y");
	assert_true(c->quiet && c->shell && c->ro && c->have_panic && c->have_bootif);
	assert_int_equal(c->panic_s, -1);
	assert_int_equal(c->bootif.b[5], 0x56);
	assert_int_equal(c->retry_min_s, 1);
	assert_int_equal(c->retry_max_s, 3);
	assert_int_equal(c->link_s, 7);
	assert_string_equal(c->node_key, "efi");
	assert_int_equal(c->master_port, 77);
	assert_int_equal(ipv4_parse("10.0.0.2", &a), 0);
	assert_int_equal(c->log.v4.s_addr, a.s_addr);
	assert_int_equal(c->n_warnings, 0);
	free(c);
}

static void the_ram_disk_is_of_a_known_kind(void **state)
{
	static const struct {
		const char *text, *packer; /* NULL: not compressed */
		size_t warnings;
	} cases[] = {
		{ "bpboot.ramdisk=brd", NULL, 0 },
		{ "bpboot.ramdisk=zram", "lz4", 0 },
		{ "bpboot.ramdisk=zram:lz4", "lz4", 0 },
		{ "bpboot.ramdisk=zram:zstd", "zstd", 0 },
		{ "bpboot.ramdisk=zram bpboot.ramdisk=brd", NULL, 0 },
		{ "bpboot.ramdisk=zram:", NULL, 1 },
		{ "bpboot.ramdisk=zram:lzo", NULL, 1 },
		{ "bpboot.ramdisk=brd:lz4", NULL, 1 },
		{ "bpboot.ramdisk=zramm", NULL, 1 },
		{ "bpboot.ramdisk=", NULL, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cmdline *c = parse(cases[i].text);

		if (cases[i].packer)
			assert_string_equal(c->zram, cases[i].packer);
		else
			assert_null(c->zram);
		assert_int_equal(c->n_warnings, cases[i].warnings);
		free(c);
	}
}

static void later_words_win_and_two_dashes_end(void **state)
{
	struct cmdline *c = parse("init=/a ro init=/b rw rd.shell=0 -- init=/c");

	assert_string_equal(c->init, "/b");
	assert_false(c->ro || c->shell);
	free(c);
}

static void ip_has_the_kernels_syntax(void **state)
{
	static const struct {
		const char *text;
		enum cmdline_ip ip;
		const char *address, *gateway, *device;
		unsigned prefix;
	} rows[] = {
		{ "ip=dhcp", CMDLINE_IP_DHCP, NULL, NULL, NULL, 0 },
		{ "ip=on", CMDLINE_IP_DHCP, NULL, NULL, NULL, 0 },
		{ "ip=any", CMDLINE_IP_DHCP, NULL, NULL, NULL, 0 },
		{ "ip=both", CMDLINE_IP_DHCP, NULL, NULL, NULL, 0 },
		{ "ip=off", CMDLINE_IP_OFF, NULL, NULL, NULL, 0 },
		{ "ip=none", CMDLINE_IP_OFF, NULL, NULL, NULL, 0 },
		{ "ip=dhcp6", CMDLINE_IP_DHCP6, NULL, NULL, NULL, 0 },
		{ "ip=auto6", CMDLINE_IP_AUTO6, NULL, NULL, NULL, 0 },
		{ "ip=either6", CMDLINE_IP_EITHER6, NULL, NULL, NULL, 0 },
		{ "ip=eth0:auto6", CMDLINE_IP_AUTO6, NULL, NULL, "eth0", 0 },
		{ "ip=eth0:dhcp:1400", CMDLINE_IP_DHCP, NULL, NULL, "eth0", 0 },
		{ "ip=10.1.2.3::10.1.2.1:24:n1:eth0:none:1400", CMDLINE_IP_STATIC, "10.1.2.3",
		  "10.1.2.1", "eth0", 24 },
		{ "ip=10.1.2.3::10.1.2.1:24:n1:eth0:none:10.9.9.9:10.9.9.8:10.9.9.7",
		  CMDLINE_IP_STATIC, "10.1.2.3", "10.1.2.1", "eth0", 24 },
		{ "ip=eth1:dhcp", CMDLINE_IP_DHCP, NULL, NULL, "eth1", 0 },
		{ "ip=:::::eth2:dhcp", CMDLINE_IP_DHCP, NULL, NULL, "eth2", 0 },
		{ "ip=10.1.2.3::10.1.2.1:255.255.254.0:n1:eth0:off", CMDLINE_IP_STATIC, "10.1.2.3",
		  "10.1.2.1", "eth0", 23 },
		{ "ip=10.1.2.3:10.1.2.9:10.1.2.1:24", CMDLINE_IP_STATIC, "10.1.2.3", "10.1.2.1",
		  NULL, 24 },
		{ "ip=192.168.0.7", CMDLINE_IP_STATIC, "192.168.0.7", NULL, NULL, 24 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cmdline *c = parse(rows[i].text);
		struct in_addr a = { 0 };

		assert_int_equal(c->n_warnings, 0);
		assert_int_equal(c->ip, rows[i].ip);
		if (rows[i].address) {
			assert_int_equal(ipv4_parse(rows[i].address, &a), 0);
			assert_int_equal(c->addr.address.v4.s_addr, a.s_addr);
			assert_int_equal(c->addr.prefix, rows[i].prefix);
		}
		if (rows[i].gateway) {
			assert_int_equal(ipv4_parse(rows[i].gateway, &a), 0);
			assert_int_equal(c->addr.gateway.v4.s_addr, a.s_addr);
		}
		if (rows[i].device)
			assert_string_equal(c->device, rows[i].device);
		else
			assert_null(c->device);
		free(c);
	}
}

static void ip_has_addresses_of_both_families(void **state)
{
	struct cmdline *c = parse("ip=[fd00::7]::[fd00::1]:64:n7:eth0:none:[fd00::53]:10.0.0.53 "
				  "nameserver=10.0.0.1 nameserver=[fd00::2] nameserver=fd00::3");
	char text[IP_STR_MAX];

	assert_int_equal(c->n_warnings, 0);
	assert_int_equal(c->ip, CMDLINE_IP_STATIC);
	assert_string_equal(ip_format(&c->addr.address, text), "fd00::7");
	assert_string_equal(ip_format(&c->addr.gateway, text), "fd00::1");
	assert_int_equal(c->addr.prefix, 64);
	assert_string_equal(c->addr.hostname, "n7");
	assert_string_equal(ip_format(&c->addr.dns[0], text), "fd00::53");
	assert_string_equal(ip_format(&c->addr.dns[1], text), "10.0.0.53");
	assert_int_equal(c->n_nameservers, 3);
	assert_string_equal(ip_format(&c->nameservers[1], text), "fd00::2");
	free(c);
}

static void links_made_of_others(void **state)
{
	struct cmdline *c = parse("vlan=eth0.0005:bond7 "
				  "bond=bond7:eth0,eth1:mode=active-backup,miimon=100:9000");

	assert_int_equal(c->n_warnings, 0);
	assert_string_equal(c->vlan.name, "eth0.0005");
	assert_string_equal(c->vlan.under, "bond7");
	assert_int_equal(c->vlan.id, 5);
	assert_string_equal(c->bond.name, "bond7");
	assert_int_equal(c->bond.n_slaves, 2);
	assert_string_equal(c->bond.slaves[1], "eth1");
	assert_int_equal(c->bond.n_options, 2);
	assert_string_equal(c->bond.options[1], "miimon=100");
	assert_int_equal(c->bond.mtu, 9000);
	free(c);
	c = parse("bond=bond0 vlan=vlan4094:eth1");
	assert_int_equal(c->n_warnings, 0);
	assert_string_equal(c->bond.slaves[0], "eth0");
	assert_int_equal(c->bond.n_slaves, 2);
	assert_int_equal(c->vlan.id, 4094);
	free(c);
}

static void nonsense_is_ignored_with_a_warning(void **state)
{
	static const char *const texts[] = {
		"ip=10.0.0.999",    "ip=a:b:c",	      "ip=10.0.0.1:::255.0.255.0", "BOOTIF=hello",
		"ip=[fd00::1]::10.0.0.1", "ip=eth0:dhcp:9:9", "ip=10.0.0.1:::::a/b", "ip=eth0:x",
		"nameserver=ns1", "vlan=vlan5", "vlan=x:eth0", "vlan=v4095:eth0", "vlan=v0:eth0",
		"bond=b:eth0:mode", "bond=b/c:eth0", "bond=b:eth0:mode=1:9:9", "bpboot.arp=-1",
		"bpboot.retry=9-1", "bpboot.retry=x", "bpboot.master=host",	   "bpboot.link=0",
		"panic=soon",	    "root=",	      "bpboot.nothing=1", "bpboot.node-key=tpm",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct cmdline *c = parse(texts[i]);

		assert_int_equal(c->n_warnings, 1);
		assert_non_null(strstr(c->warnings[0], "ignoring"));
		assert_int_equal(c->ip, CMDLINE_IP_UNSAID);
		assert_true(c->n_nameservers == 0 && !c->vlan.name && !c->bond.name);
		free(c);
	}
}

static void blacklist_takes_lists_and_dashes(void **state)
{
	struct cmdline *c =
		parse("rd.driver.blacklist=a-b,c modprobe.blacklist=d module_blacklist=e,f "
		      "virtio_net.napi_tx=0");

	assert_true(cmdline_blacklisted(c, "a_b"));
	assert_true(cmdline_blacklisted(c, "c"));
	assert_true(cmdline_blacklisted(c, "d"));
	assert_true(cmdline_blacklisted(c, "e") && cmdline_blacklisted(c, "f"));
	assert_false(cmdline_blacklisted(c, "a"));
	assert_false(cmdline_blacklisted(c, "a_bc"));
	assert_int_equal(c->n_module_words, 1);
	assert_string_equal(c->module_words[0], "virtio_net.napi_tx=0");
	free(c);
}

static void more_than_fits_is_cut_with_a_warning(void **state)
{
	char *text = malloc(3 * CMDLINE_BYTES_MAX);
	struct cmdline *c;

	memset(text, 'x', 3 * CMDLINE_BYTES_MAX);
	text[3 * CMDLINE_BYTES_MAX - 1] = 0;
	c = parse(text);
	assert_int_equal(c->n_warnings, 1);
	free(c);
	for (size_t i = 0; i + 3 < 3 * CMDLINE_BYTES_MAX; i += 3)
		memcpy(text + i, "a.=", 3);
	for (size_t i = 2; i < 3 * CMDLINE_BYTES_MAX - 1; i += 3)
		text[i] = ' ';
	c = parse(text);
	free(c);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_sensible),
		cmocka_unit_test(words_are_taken),
		cmocka_unit_test(the_ram_disk_is_of_a_known_kind),
		cmocka_unit_test(later_words_win_and_two_dashes_end),
		cmocka_unit_test(ip_has_the_kernels_syntax),
		cmocka_unit_test(ip_has_addresses_of_both_families),
		cmocka_unit_test(links_made_of_others),
		cmocka_unit_test(nonsense_is_ignored_with_a_warning),
		cmocka_unit_test(blacklist_takes_lists_and_dashes),
		cmocka_unit_test(more_than_fits_is_cut_with_a_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

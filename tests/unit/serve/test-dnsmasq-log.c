/*
 * test-dnsmasq-log.c - lines of dnsmasq 2.90, and what they tell
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/dnsmasq_log.h"

static void lines_tell_what_happened(void **state)
{
	static const struct {
		const char *line;
		enum dnsmasq_event event;
		const char *mac, *address, *text;
	} rows[] = {
		{ "dnsmasq[17]: started, version 2.90 DNS disabled", DNSMASQ_STARTED, "", "", "" },
		{ "dnsmasq-dhcp[17]: 31 DHCPACK(br0) 10.1.1.0 52:54:00:12:34:56 n0", DNSMASQ_LEASED,
		  "52:54:00:12:34:56", "10.1.1.0", "" },
		{ "dnsmasq-dhcp: DHCPACK(br0) 10.1.1.0 52:54:00:12:34:56", DNSMASQ_LEASED,
		  "52:54:00:12:34:56", "10.1.1.0", "" },
		{ "dnsmasq-dhcp[17]: 31 DHCPDISCOVER(br0) 52:54:00:00:00:02 ignored",
		  DNSMASQ_REFUSED, "52:54:00:00:00:02", "", "not in the node table" },
		{ "dnsmasq-dhcp[17]: 31 DHCPDISCOVER(br0) 52:54:00:00:00:02 no address available",
		  DNSMASQ_REFUSED, "52:54:00:00:00:02", "", "no address is left" },
		{ "dnsmasq-dhcp[17]: 31 DHCPDISCOVER(br0) 52:54:00:00:00:02", DNSMASQ_NOTHING, "",
		  "", "" },
		{ "dnsmasq-tftp[17]: sent /srv/bpboot/vmlinuz to 10.1.1.0", DNSMASQ_SENT, "",
		  "10.1.1.0", "/srv/bpboot/vmlinuz" },
		{ "dnsmasq-tftp[17]: sent /srv/a to b/x to 10.1.1.0", DNSMASQ_SENT, "", "10.1.1.0",
		  "/srv/a to b/x" },
		{ "dnsmasq-tftp[17]: failed sending /srv/x to 10.1.1.0", DNSMASQ_BROKEN, "",
		  "10.1.1.0", "/srv/x" },
		{ "dnsmasq-tftp[17]: file /srv/x\x1b[2J not found for 10.1.1.0", DNSMASQ_MISSING,
		  "", "10.1.1.0", "/srv/x?[2J" },
		{ "dnsmasq[17]: failed to bind DHCP server socket: Permission denied",
		  DNSMASQ_TROUBLE, "", "", "failed to bind" },
		{ "dnsmasq[17]: TFTP directory /srv/x inaccessible: Permission denied",
		  DNSMASQ_TROUBLE, "", "", "TFTP directory /srv/x inaccessible: Permission" },
		{ "dnsmasq[17]: FAILED to start up", DNSMASQ_NOTHING, "", "", "" },
		{ "dnsmasq-tftp[17]: cannot access /srv/x: Permission denied", DNSMASQ_TROUBLE, "",
		  "", "cannot access /srv/x: Permission denied" },
		{ "dnsmasq-tftp[17]: cannot read /srv/x: Is a directory", DNSMASQ_TROUBLE, "", "",
		  "cannot read /srv/x: Is a directory" },
		{ "dnsmasq-dhcp[17]: 31 DHCPACK(br0) x y", DNSMASQ_NOTHING, "", "", "" },
		{ "dnsmasq-dhcp[17]: 31 DHCPACK(", DNSMASQ_NOTHING, "", "", "" },
		{ "dnsmasq-tftp[17]: sent ", DNSMASQ_NOTHING, "", "", "" },
		{ "dnsmasq-tftp[17]: sent x to y", DNSMASQ_NOTHING, "", "", "" },
		{ "somebody: DHCPACK(br0) 10.1.1.0 52:54:00:12:34:56", DNSMASQ_NOTHING, "", "",
		  "" },
		{ "", DNSMASQ_NOTHING, "", "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dnsmasq_log l = { 0 };
		char *line = strdup(rows[i].line), mac[MAC_STR_MAX], address[INET_ADDRSTRLEN];

		print_message("# %zu\n", i);
		assert_int_equal(dnsmasq_log_take(&l, line), rows[i].event);
		if (*rows[i].mac)
			assert_string_equal(mac_format(&l.mac, mac), rows[i].mac);
		if (*rows[i].address)
			assert_string_equal(ipv4_format(l.address, address), rows[i].address);
		if (!strstr(l.text, rows[i].text))
			fail_msg("'%s' does not say '%s'", l.text, rows[i].text);
		free(line);
	}
}

static void tags_tell_who_asks(void **state)
{
	static const struct {
		const char *line;
		enum dnsmasq_client client;
	} rows[] = {
		{ "dnsmasq-dhcp[1]: 9 tags: bios, known, eth1", DNSMASQ_FIRMWARE },
		{ "dnsmasq-dhcp[1]: 9 tags: bios, ipxe, known, eth1", DNSMASQ_IPXE },
		{ "dnsmasq-dhcp[1]: 9 tags: known, bpboot, eth1", DNSMASQ_INIT },
	};
	struct dnsmasq_log l = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(dnsmasq_log_take(&l, rows[i].line), DNSMASQ_NOTHING);
		assert_int_equal(l.client, rows[i].client);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_tell_what_happened),
		cmocka_unit_test(tags_tell_who_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

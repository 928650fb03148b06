/*
 * test-host.c - bpboot-root: what a distribution's scripts say, and its modprobe
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../scratch.h"
#include "base/file.h"
#include "init/drivers_internal.h"
#include "init/host_options.h"

static struct boot boot; /* too large for a stack */

static int apply(void *options, int argc, char **argv)
{
	boot = (struct boot){ 0 };
	host_options_apply(options, &boot);
	boot.target = argv[0];
	return 0;
}

static char *kept[40]; /* the words of the last call, which the boot points to */

static void forget(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		free(kept[i]);
		kept[i] = NULL;
	}
}

static int call(const char *const *words)
{
	static const struct command command = {
		.name = "bpboot-root",
		.args = "TARGET",
		.summary = "test",
		.options = host_options_rows,
		.options_size = sizeof(struct host_options),
		.args_min = 1,
		.args_max = 1,
		.run = apply,
	};
	char *argv[ARRAY_SIZE(kept) + 1];
	int n = 0;

	forget();
	for (; words[n]; n++)
		argv[n] = kept[n] = strdup(words[n]);
	argv[n] = NULL;
	return command_run(&command, "", n, argv);
}

#define CALL(...) call((const char *const[]){ __VA_ARGS__, NULL })

static void what_dhcp_said_lies_where_our_client_would_leave_it(void **state)
{
	const struct dhcp_lease *l = &boot.lease;
	char a[INET_ADDRSTRLEN];

	assert_int_equal(CALL("--root", "tftp://10.0.0.1/a.index", "--interface", "eth1",
			      "--boot-server", "10.0.0.2", "--root-path", "/r", "--boot-file", "b",
			      "--dhcp-server", "10.0.0.3", "--gateway", "10.0.0.4", "--hostname",
			      "n1", "--dns", "10.0.0.5", "--dns", "10.0.0.6", "--lease", "3600",
			      "--obtained", "12", "/root"),
			 0);
	assert_string_equal(boot.cmdline.root, "tftp://10.0.0.1/a.index");
	assert_string_equal(boot.cmdline.device, "eth1");
	assert_string_equal(ipv4_format(l->next_server, a), "10.0.0.2");
	assert_string_equal(ipv4_format(l->server_id, a), "10.0.0.3");
	assert_int_equal(l->n_routers, 1);
	assert_string_equal(ipv4_format(l->routers[0], a), "10.0.0.4");
	assert_int_equal(l->n_dns, 2);
	assert_string_equal(ipv4_format(l->dns[1], a), "10.0.0.6");
	assert_string_equal(l->root_path, "/r");
	assert_string_equal(l->boot_file, "b");
	assert_string_equal(l->hostname, "n1");
	assert_true(boot.have_lease);
	assert_int_equal(l->lease_s, 3600);
	assert_int_equal(l->renew_s, 1800);
	assert_int_equal(l->rebind_s, 3150);
	assert_int_equal(boot.obtained_ms, 12000);
}

static void what_scripts_do_not_know_is_no_error(void **state)
{
	assert_int_equal(CALL("--root", "", "--interface", "", "--boot-server", "", "--gateway",
			      "0.0.0.0", "--dhcp-server", "0.0.0.0", "--dns", "", "--dns",
			      "0.0.0.0", "--lease", "0", "--obtained", "0", "/root"),
			 0);
	assert_null(boot.cmdline.root);
	assert_null(boot.cmdline.device);
	assert_int_equal(boot.lease.next_server.s_addr, 0);
	assert_int_equal(boot.lease.n_routers, 0);
	assert_int_equal(boot.lease.n_dns, 0);
	assert_false(boot.have_lease);
}

static void roots(void **state)
{
	static const struct {
		const char *said, *want;
	} rows[] = {
		{ "bpboot:http://h/x.index", "http://h/x.index" },
		{ "http://h/x.index", "http://h/x.index" },
		{ "bpboot:", NULL }, /* DHCP says */
		{ "bpboot:dhcp", NULL },
		{ "dhcp", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(CALL("--root", rows[i].said, "/root"), 0);
		if (rows[i].want)
			assert_string_equal(boot.cmdline.root, rows[i].want);
		else
			assert_null(boot.cmdline.root);
	}
}

static void what_cannot_be_is_refused(void **state)
{
	assert_int_equal(CALL("--boot-server", "boot.example.org", "/root"), COMMAND_USAGE);
	assert_int_equal(CALL("--dns", "10.0.0.256", "/root"), COMMAND_USAGE);
	assert_int_equal(CALL("--gateway", "fd00::1", "/root"), COMMAND_USAGE);
	assert_int_equal(CALL("--lease", "-1", "/root"), COMMAND_USAGE);
	assert_int_equal(CALL("--lease", "4294967296", "/root"), COMMAND_USAGE);
	assert_int_equal(CALL("--root", "x"), COMMAND_USAGE);
	assert_int_equal(CALL("/root", "/again"), COMMAND_USAGE);
}

static void more_name_servers_than_are_taken(void **state)
{
	const char *words[2 * (DHCP_SERVERS_MAX + 2) + 2] = { NULL };
	size_t n = 0;

	while (n < ARRAY_SIZE(words) - 2) {
		words[n++] = "--dns";
		words[n++] = "10.0.0.9";
	}
	words[n] = "/root";
	assert_int_equal(call(words), 0);
	assert_int_equal(boot.lease.n_dns, DHCP_SERVERS_MAX);
}

/* --- the distribution's modprobe --- */

static char dir[SCRATCH_PATH_MAX];

/* A modprobe that writes down what it is told and refuses the module "absent". */
static int a_modprobe(void **state)
{
	static const char script[] =
		"#!/bin/sh\n"
		"echo \"$*\" >>\"${0%/*}/told\"\n"
		"[ \"$2\" != absent ] || { echo 'FATAL: not found' >&2; exit 1; }\n";
	char path[SCRATCH_PATH_MAX + 32];

	if (scratch_make(dir) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/modprobe", dir);
	return file_write(AT_FDCWD, path, script, strlen(script), 0755) < 0 ||
			       setenv("PATH", dir, 1) < 0
		       ? -1
		       : 0;
}

static int no_modprobe(void **state)
{
	forget();
	return scratch_remove(dir);
}

static void modules_come_by_modprobe(void **state)
{
	_cleanup_buffer_ struct buffer told = BUFFER(4096);
	char path[SCRATCH_PATH_MAX + 32];
	struct drivers *d = NULL;

	assert_int_equal(drivers_new_host(&d), 0);
	assert_int_equal(drivers_load(d, "squashfs", ""), 0);
	assert_int_equal(drivers_load(d, "bpboot_none", "size=1  many=2"), 0);
	assert_int_equal(drivers_load(d, "absent", ""), -ENOENT);
	drivers_free(d);
	snprintf(path, sizeof(path), "%s/told", dir);
	assert_int_equal(file_read(AT_FDCWD, path, &told), 0);
	assert_string_equal(buffer_str(&told), "-b squashfs\n-b bpboot_none size=1 many=2\n"
					       "-b absent\n");
}

static void no_modprobe_at_all_is_told(void **state)
{
	struct drivers *d = NULL;

	assert_int_equal(setenv("PATH", "/nowhere", 1), 0);
	assert_int_equal(drivers_new_host(&d), 0);
	/* the machine may have one in /sbin, which is asked then and knows no such module */
	assert_int_not_equal(drivers_load(d, "bpboot_no_such_module", ""), 0);
	drivers_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_dhcp_said_lies_where_our_client_would_leave_it),
		cmocka_unit_test(what_scripts_do_not_know_is_no_error),
		cmocka_unit_test(roots),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(more_name_servers_than_are_taken),
		cmocka_unit_test(modules_come_by_modprobe),
		cmocka_unit_test(no_modprobe_at_all_is_told),
	};

	return cmocka_run_group_tests_name("host", tests, a_modprobe, no_modprobe);
}

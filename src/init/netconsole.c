/*
 * netconsole.c - netconsole= of the kernel command line, for a kernel that has it as a module
 *
 * The kernel's own words then do nothing, since the module is not there when they are read. It is
 * loaded when there is an address, with the same value; a device that is left out is the one that
 * has the address. What the kernel says goes on being sent when the root runs. A node without it
 * boots as well.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "init/boot.h"

#define PARAMS_MAX 256

/* "@/,514@10.0.0.1/" becomes "@/eth0,514@10.0.0.1/". Return: 0, -E2BIG. */
static int complete(const char *value, const char *device, char ret[static PARAMS_MAX])
{
	const char *at = strchr(value, '@'), *slash = at ? strchr(at, '/') : NULL;
	const char *rest = slash ? slash + 1 : "";
	int head = slash ? (int)(rest - value) : 0, n;

	if (slash && (*rest == ',' || !*rest))
		n = snprintf(ret, PARAMS_MAX, "netconsole=%.*s%s%s", head, value, device, rest);
	else
		n = snprintf(ret, PARAMS_MAX, "netconsole=%s", value);
	return n < 0 || n >= PARAMS_MAX ? -E2BIG : 0;
}

int netconsole_stage(struct boot *b)
{
	const char *value = b->cmdline.netconsole;
	char params[PARAMS_MAX];
	int r;

	if (!value || b->netconsole)
		return 0;
	r = complete(value, b->link.name, params);
	if (r == 0)
		r = drivers_load(b->drivers, "netconsole", params);
	b->netconsole = r == 0;
	if (r == -ENOENT)
		stage_warn(b, REPORT_DHCP,
			   "netconsole=: this initrd has no such module; build it with "
			   "--modules ...,netconsole");
	else if (r < 0)
		stage_warn(b, REPORT_DHCP, "cannot set up the console on the network (%s): %s",
			   params, strerror(-r));
	else
		stage_ok(b, REPORT_DHCP, "kernel messages go to %s", params);
	return 0;
}

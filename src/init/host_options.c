/*
 * host_options.c - what the scripts of a distribution's initramfs tell bpboot-root
 *
 * They pass on whatever their DHCP client gave them: an empty word or 0.0.0.0 stands for what they
 * do not know, and is no error.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "init/host_options.h"

#define SECONDS_MAX UINT32_MAX
#define ROOT_PREFIX "bpboot:" /* as dracut's root= has it */

static int take_address(const char *option, const char *value, struct in_addr *ret)
{
	if (!*value || !strcmp(value, "0.0.0.0")) /* what scripts have when they know nothing */
		return 0;
	if (ipv4_parse(value, ret) < 0)
		return log_err(0, "--%s '%s': expected an IPv4 address", option, value), -EINVAL;
	return 0;
}

static int take_boot_server(void *options, const char *value)
{
	return take_address("boot-server", value,
			    &((struct host_options *)options)->lease.next_server);
}

static int take_dhcp_server(void *options, const char *value)
{
	return take_address("dhcp-server", value,
			    &((struct host_options *)options)->lease.server_id);
}

static int take_gateway(void *options, const char *value)
{
	struct dhcp_lease *l = &((struct host_options *)options)->lease;
	int r = take_address("gateway", value, &l->routers[0]);

	l->n_routers = r == 0 && l->routers[0].s_addr;
	return r;
}

static int take_dns(void *options, const char *value)
{
	struct dhcp_lease *l = &((struct host_options *)options)->lease;
	struct in_addr a = { 0 };
	int r = take_address("dns", value, &a);

	if (r == 0 && a.s_addr && l->n_dns < DHCP_SERVERS_MAX)
		l->dns[l->n_dns++] = a;
	return r;
}

#define ROW(member) offsetof(struct host_options, member)
const struct option_row host_options_rows[] = {
	{ "root", 'r', OPTION_STRING, "URL", "where the index is; without it DHCP says",
	  ROW(root) },
	{ "interface", 'i', OPTION_STRING, "NAME",
	  "the interface that is up; else the first with an address", ROW(interface) },
	{ "boot-server", 0, OPTION_CALL, "ADDRESS", "boot server that DHCP named (next-server)",
	  .call = take_boot_server },
	{ "root-path", 0, OPTION_STRING, "TEXT", "root-path of DHCP", ROW(root_path) },
	{ "boot-file", 0, OPTION_STRING, "NAME", "boot file of DHCP", ROW(boot_file) },
	{ "dhcp-server", 0, OPTION_CALL, "ADDRESS", "who leased the address",
	  .call = take_dhcp_server },
	{ "gateway", 0, OPTION_CALL, "ADDRESS", "default router", .call = take_gateway },
	{ "dns", 0, OPTION_CALL, "ADDRESS", "name server; may be given again", .call = take_dns },
	{ "hostname", 0, OPTION_STRING, "NAME", "the node's name", ROW(hostname) },
	{ "lease", 0, OPTION_U64, "SECONDS", "how long the address is leased; 0: not by DHCP",
	  ROW(lease_s), 0, SECONDS_MAX },
	{ "obtained", 0, OPTION_U64, "SECONDS", "uptime at which it was leased", ROW(obtained_s), 0,
	  SECONDS_MAX },
	{ NULL },
};

void host_options_apply(const struct host_options *o, struct boot *b)
{
	struct dhcp_lease *l = &b->lease;
	const char *root = o->root;

	*l = o->lease;
	snprintf(l->root_path, sizeof(l->root_path), "%s", o->root_path ? o->root_path : "");
	snprintf(l->boot_file, sizeof(l->boot_file), "%s", o->boot_file ? o->boot_file : "");
	snprintf(l->hostname, sizeof(l->hostname), "%s", o->hostname ? o->hostname : "");
	b->have_lease = o->lease_s > 0;
	l->lease_s = (uint32_t)o->lease_s;
	l->renew_s = l->lease_s / 2;
	l->rebind_s = (uint32_t)((uint64_t)l->lease_s * 7 / 8);
	b->obtained_ms = o->obtained_s * 1000;

	if (root && !strncmp(root, ROOT_PREFIX, strlen(ROOT_PREFIX)))
		root += strlen(ROOT_PREFIX);
	b->cmdline.root = root && *root && strcmp(root, "dhcp") != 0 ? root : NULL;
	b->cmdline.device = o->interface && *o->interface ? o->interface : NULL;
}

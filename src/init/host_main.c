/*
 * host_main.c - bpboot-root: the stages from the index to the mounted root, as a program of the
 * initramfs of a distribution
 *
 * The initramfs is somebody else's: its own drivers, its own network, its own switch_root. What
 * they cannot do is fetch, verify and mount an image; that is done here by the very stages of init,
 * once. What failed is said as init says it (console, kernel log, network, /run/bpboot/events) and,
 * in one line on standard error, to the script that called, which has its own way to give up.
 *
 * docs/distribution-initrds.md has the scripts and what they tell us.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/command.h"
#include "base/log.h"
#include "base/parse.h"
#include "init/boot.h"

#define SECONDS_MAX UINT32_MAX
#define ROOT_PREFIX "bpboot:" /* as dracut's root= has it */

static const struct boot_stage sequence[] = {
	{ "network", adopt_stage },	{ "root", root_stage },	  { "index", index_stage },
	{ "memory", memory_stage },	{ "fetch", fetch_stage }, { "mount", mount_stage },
	{ "handover", handover_stage },
};

struct host_options {
	const char *root, *interface, *root_path, *boot_file, *hostname;
	uint64_t lease_s, obtained_s;
	struct dhcp_lease lease; /* the addresses */
};

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
static const struct option_row options[] = {
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

/* What the scripts know, into the places where our own DHCP client would have left it. */
static void take_options(struct boot *b, const struct host_options *o)
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

/* The last words of a failure, for who called us. */
static void tell_caller(const struct boot *b)
{
	const struct reporter *r = &b->reporter;

	for (size_t i = r->n_kept; i-- > 0;) {
		if (r->kept[i].e.state == REPORT_FAIL) {
			fprintf(stderr, "%s: %s\n", report_stage_name(r->kept[i].e.stage),
				r->kept[i].e.words);
			return;
		}
	}
}

/* Where initrds move what they have mounted. An image may lack them: init makes them too. */
static void make_places(const char *target)
{
	static const char *const places[] = { "dev", "proc", "sys", "run" };
	char path[256];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), "%s/%s", target, places[i]);
		(void)mkdir(path, 0755); /* there already, or the root is read-only without it */
	}
}

static int run(void *arg, int argc, char **argv)
{
	static struct boot boot; /* too large for a stack */
	struct boot *b = &boot;
	int r = boot_init(b, argv, NULL);

	if (r == 0)
		r = drivers_new_host(&b->drivers);
	if (r < 0)
		return log_err(r, "cannot begin");
	b->target = argv[0];
	b->attempt = 1;
	b->adopted = true;
	(void)mkdir(BOOT_RUN_DIR, 0755); /* the hand-over says what is wrong */
	stage_open(b);
	boot_read_cmdline(b);
	take_options(b, arg);
	stage_sample_memory(b);
	stage_ok(b, REPORT_START, "bpboot-root %s", BPBOOT_VERSION);
	r = boot_run(b, sequence, ARRAY_SIZE(sequence), NULL);
	if (r == 0) {
		make_places(b->target);
		stage_say_root(b, "mounted for");
		return COMMAND_OK;
	}
	tell_caller(b);
	reporter_again(&b->reporter);
	mount_undo(b); /* the network is not ours to undo */
	ramdisk_undo(b);
	return COMMAND_FAILED;
}

static const struct command command = {
	.name = "bpboot-root",
	.args = "TARGET",
	.summary = "fetch, verify and mount the root, in the initramfs of a distribution",
	.options = options,
	.options_size = sizeof(struct host_options),
	.args_min = 1,
	.args_max = 1,
	.run = run,
};

int main(int argc, char **argv)
{
	log_setup("bpboot-root", LOG_LEVEL_INFO);
	return command_run(&command, "", argc - 1, argv + 1);
}

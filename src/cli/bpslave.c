/*
 * bpslave.c - the program `bpslave`: a node of the process space, as a daemon or as the node's init
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/program.h"
#include "space/cache.h"
#include "space/copy.h"
#include "space/handover.h"
#include "space/node.h"

#define KEY_DEFAULT "/etc/bpboot/master.pub"

struct options {
	const char *boot_file, *events, *key, *node_key, *lease, *cache;
	uint64_t cache_size;
	bool renew;
	struct ipaddr master;
	uint16_t port;
};

static int take_master(void *options, const char *value)
{
	struct options *o = options;

	if (handover_endpoint(value, &o->master, &o->port) < 0)
		return log_err(0, "--master '%s' is not ADDRESS[:PORT]", value), -EINVAL;
	return 0;
}

static void defaults(void *options)
{
	struct options *o = options;

	o->boot_file = HANDOVER_BOOT;
	o->events = HANDOVER_EVENTS;
	o->key = KEY_DEFAULT;
	o->lease = HANDOVER_LEASE;
}

static const struct command cmd_bpslave;

/* Process 1 is passed the kernel's own words: iPXE on UEFI begins the command line with "vmlinuz".
 */
static int run(void *options, int argc, char **argv)
{
	const struct options *o = options;
	const struct node_config c = {
		.boot_file = o->boot_file,
		.events = o->events,
		.key = o->key,
		.node_key = o->node_key,
		.master = o->master,
		.port = o->port,
		.cache = o->cache,
		.cache_bytes = o->cache_size,
		.lease = o->renew || getpid() == 1 ? o->lease : NULL,
		.first = getpid() == 1,
	};

	if (argc > 0 && !c.first)
		return command_usage(&cmd_bpslave, "");
	return node_run(&c);
}

#define AT(field) offsetof(struct options, field)
static const struct option_row rows[] = {
	{ "boot-file", 0, OPTION_STRING, "FILE",
	  "what init left: MAC, boot and master (" HANDOVER_BOOT ")", AT(boot_file) },
	{ "events", 0, OPTION_STRING, "FILE", "init's record of the boot (" HANDOVER_EVENTS ")",
	  AT(events) },
	{ "master", 0, OPTION_CALL, "ADDRESS[:PORT]",
	  "bpmaster, in place of what the boot file says", .call = take_master },
	{ "key", 0, OPTION_STRING, "FILE", "public key of bpmaster (" KEY_DEFAULT ")", AT(key) },
	{ "node-key", 0, OPTION_STRING, "FILE",
	  "key of this node, made when missing: a file, or efi (one for each boot)", AT(node_key) },
	{ "lease", 0, OPTION_STRING, "FILE", "the DHCP lease that init left (" HANDOVER_LEASE ")",
	  AT(lease) },
	{ "renew", 0, OPTION_FLAG, NULL,
	  "renew that lease, as the node's init does: nothing else on this node does", AT(renew) },
	{ "cache", 0, OPTION_STRING, "DIR",
	  "keep programs of the front end there (" CACHE_DIR ", or below /dev/shm or /tmp)",
	  AT(cache) },
	{ "cache-size", 0, OPTION_SIZE, "BYTES",
	  "keep at most so much of them (a quarter of the memory)", AT(cache_size), 1, UINT64_MAX },
	{ 0 },
};

static const struct command cmd_bpslave = {
	.name = "bpslave",
	.args = "",
	.summary = "run programs of the front end on this node",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.run = run,
	.args_max = -1,
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], COPY_AGENT) && getpid() != 1)
		return copy_agent(argc - 2, argv + 2);
	return program_main(&cmd_bpslave, 'V', argc, argv);
}

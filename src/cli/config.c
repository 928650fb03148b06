/*
 * config.c - bpboot config: print the configuration of a stock part
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/commands.h"
#include "serve/cluster.h"
#include "serve/dnsmasq.h"
#include "serve/ipxe.h"
#include "serve/nodes.h"

#define CLUSTER_FILE "/etc/bpboot/cluster.conf"

struct config_options {
	const char *cluster;
};

static int format_dnsmasq(const struct cluster *c, struct buffer *to)
{
	_cleanup_nodes_ struct nodes t = { 0 };
	int r = nodes_load(c->nodes, &t);

	return r < 0 ? r : dnsmasq_format(c, &t, to);
}

/* Every part that we write configuration for. */
static const struct {
	const char *name;
	int (*format)(const struct cluster *c, struct buffer *to);
} kinds[] = {
	{ "dnsmasq", format_dnsmasq },
	{ "ipxe", ipxe_format },
};

static int config_run(void *options, int argc, char **argv)
{
	const struct config_options *o = options;
	_cleanup_cluster_ struct cluster c = { 0 };
	_cleanup_buffer_ struct buffer text = BUFFER(DNSMASQ_BYTES_MAX);
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(argv[0], kinds[i].name))
			continue;
		r = cluster_load(o->cluster, &c);
		if (r == 0)
			r = kinds[i].format(&c, &text);
		if (r == -E2BIG || r == -ENOMEM)
			log_err(r, "cannot write the configuration of %s", kinds[i].name);
		if (r < 0)
			return r;
		r = fd_write_all(STDOUT_FILENO, buffer_str(&text), text.len);
		return r < 0 ? log_err(r, "cannot write to standard output") : COMMAND_OK;
	}
	log_err(0, "unknown kind of configuration '%s'; expected dnsmasq or ipxe", argv[0]);
	return COMMAND_USAGE;
}

static void config_defaults(void *options)
{
	((struct config_options *)options)->cluster = CLUSTER_FILE;
}

static const struct option_row config_options[] = {
	{ "cluster", 'c', OPTION_STRING, "FILE", "cluster file (default " CLUSTER_FILE ")",
	  offsetof(struct config_options, cluster) },
	{ 0 },
};

const struct command cmd_config = {
	.name = "config",
	.args = "KIND",
	.summary = "print the configuration of a stock part: dnsmasq, ipxe",
	.details = "Kinds:\n"
		   "  dnsmasq   DHCP and TFTP server for the cluster's nodes\n"
		   "  ipxe      boot.ipxe, the script that loads kernel and initrd; put it into "
		   "the boot directory\n",
	.options = config_options,
	.options_size = sizeof(struct config_options),
	.defaults = config_defaults,
	.args_min = 1,
	.args_max = 1,
	.run = config_run,
};

/*
 * bpmaster.c - the program `bpmaster`: reads the cluster file and the list of nodes, and runs the
 * master
 *
 * Options override the cluster file, so that a master can also run without one. In the background
 * it says what keeps it from starting before the command returns, and logs to syslog from then on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/program.h"
#include "cli/where.h"
#include "serve/cluster.h"
#include "serve/nodes.h"
#include "serve/sets.h"
#include "space/master.h"

#define CONFIG_DEFAULT "/etc/bpboot/cluster.conf"
#define STATE_DEFAULT  "/var/lib/bpboot"
#define KEY_DEFAULT    "/etc/bpboot/master.key"

struct options {
	const char *config, *address, *state, *socket, *key, *unknown, *enrol;
	uint64_t port, log_port, keepalive, orphan_limit;
	bool foreground;
	struct master_nodes nodes; /* of --node */
};

/* What runs: the options, the cluster file when there is one, and the way to say that all is open.
 */
struct running {
	struct options *o;
	struct cluster cluster;
	bool has_cluster;
	int ready_fd; /* in the background: told when all is open */
};

/* NUMBER,MAC[,ADDRESS[,NAME]] */
static int node_parse(char *text, struct master_node *ret)
{
	char *number = strsep(&text, ","), *mac = strsep(&text, ","), *address = strsep(&text, ",");
	struct master_node n = { 0 };

	if (!mac || parse_u32(number, 0, MASTER_NUMBER_MAX, &n.number) < 0 ||
	    mac_parse(mac, &n.mac) < 0)
		return -EINVAL;
	if (address && *address && ipv4_parse(address, &n.address) < 0)
		return -EINVAL;
	if (text && (strlen(text) >= sizeof(n.name) || strchr(text, ',')))
		return -EINVAL;
	snprintf(n.name, sizeof(n.name), "%s", text ? text : "");
	*ret = n;
	return 0;
}

static int nodes_append(struct master_nodes *nodes, const struct master_node *node)
{
	struct master_node *list = reallocarray(nodes->list, nodes->n + 1, sizeof(*list));

	if (!list)
		return log_err(-ENOMEM, "cannot keep %zu nodes", nodes->n);
	list[nodes->n++] = *node;
	nodes->list = list;
	return 0;
}

static int take_node(void *options, const char *value)
{
	struct options *o = options;
	_cleanup_free_ char *text = strdup(value);
	struct master_node n;

	if (!text || node_parse(text, &n) < 0)
		return log_err(0, "--node '%s' is not NUMBER,MAC[,ADDRESS[,NAME]]", value), -EINVAL;
	return nodes_append(&o->nodes, &n);
}

struct gathering {
	const struct cluster *cluster;
	struct master_nodes *to; /* with room for all groups */
};

static int take_group(void *ctx, const struct cluster_group *g, const struct nodeset *nodes,
		      const char *why)
{
	struct gathering *in = ctx;
	struct master_group *to = &in->to->groups[in->to->n_groups];
	int r = 0;

	if (!nodes) {
		log_warn(0, "%s:%u: ignoring group %s: %s", in->cluster->file, g->line, g->name,
			 why);
		return 0;
	}
	snprintf(to->name, sizeof(to->name), "%s", g->name);
	in->to->n_groups++;
	for (size_t i = 0; r == 0 && i < nodes->n; i++)
		r = nodeset_add(&to->nodes, nodes->numbers[i]);
	return r;
}

/* What the groups of the cluster file are now; a node that is gone takes none but its groups. */
static int groups_gather(const struct cluster *c, const struct nodes *table,
			 struct master_nodes *nodes)
{
	struct gathering in = { c, nodes };
	int r = -ENOMEM;

	nodes->groups = calloc(c->n_groups + 1, sizeof(*nodes->groups));
	if (nodes->groups)
		r = sets_groups(c, table, take_group, &in);
	return r < 0 ? log_err(r, "cannot keep %zu groups", c->n_groups) : 0;
}

/* Nodes of the options and of the node table; groups of the cluster file. */
static int nodes_gather(struct running *run, const struct cluster *c, struct master_nodes *ret)
{
	struct master_nodes nodes = { 0 };
	_cleanup_nodes_ struct nodes table = { 0 };
	int r = 0;

	if (c)
		r = nodes_load(c->nodes, &table);
	if (r == 0 && c)
		r = groups_gather(c, &table, &nodes);
	for (size_t i = 0; r == 0 && i < run->o->nodes.n; i++)
		r = nodes_append(&nodes, &run->o->nodes.list[i]);
	for (size_t i = 0; r == 0 && i < table.n; i++) {
		const struct node *from = &table.list[i];
		struct master_node n = { .number = from->number,
					 .mac = from->mac,
					 .address = from->address };

		snprintf(n.name, sizeof(n.name), "%s", from->name);
		r = nodes_append(&nodes, &n);
	}
	if (r < 0) {
		master_nodes_clear(&nodes);
		return r;
	}
	*ret = nodes;
	return 0;
}

/* Of the cluster file the groups, and which table it names, are read anew; the rest stays. */
static int reload(void *owner, struct master_nodes *ret)
{
	struct running *run = owner;
	_cleanup_cluster_ struct cluster now = { 0 };
	int r;

	if (!run->has_cluster)
		return nodes_gather(run, NULL, ret);
	r = cluster_load(run->cluster.file, &now);
	return r < 0 ? r : nodes_gather(run, &now, ret);
}

static void sink_syslog(enum log_level level, const char *line)
{
	static const int priorities[LOG_LEVEL_MAX_] = {
		[LOG_LEVEL_ERR] = LOG_ERR,
		[LOG_LEVEL_WARN] = LOG_WARNING,
		[LOG_LEVEL_INFO] = LOG_INFO,
		[LOG_LEVEL_DEBUG] = LOG_DEBUG,
	};

	syslog(priorities[level], "%s", line);
}

static int ready(void *owner)
{
	struct running *run = owner;
	int null;

	log_info("ready");
	if (run->o->foreground)
		return 0;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3 && null >= 0; i++)
		(void)dup2(null, i); /* cannot fail for descriptors that are open */
	fd_close(null);
	openlog("bpmaster", LOG_PID, LOG_DAEMON);
	log_set_sink(sink_syslog);
	(void)!write(run->ready_fd, "", 1); /* the one who waits reads our end too */
	run->ready_fd = fd_close(run->ready_fd);
	return 0;
}

/* Fork. Return: 0 in the child; in the parent 1 when the child is ready, or -ECANCELED when it
 * ended (it said why). */
static int into_background(struct running *run)
{
	int p[2];
	char byte;
	pid_t pid;
	ssize_t n;

	if (pipe2(p, O_CLOEXEC) < 0)
		return log_err(-errno, "cannot go into the background");
	pid = fork();
	if (pid < 0)
		return log_err(-errno, "cannot go into the background");
	if (pid == 0) {
		close(p[0]);
		run->ready_fd = p[1];
		(void)setsid(); /* a fresh child leads nothing */
		(void)!chdir("/");
		return 0;
	}
	close(p[1]);
	do
		n = read(p[0], &byte, 1);
	while (n < 0 && errno == EINTR);
	close(p[0]);
	return n == 1 ? 1 : -ECANCELED;
}

static int configure(struct running *run, struct master_config *c)
{
	struct options *o = run->o;
	const char *config = o->config ? o->config : CONFIG_DEFAULT;

	/*
	 * Without any option it is the site's, and one that has no cluster file would serve nobody.
	 */
	if (o->config || (!o->nodes.n && !o->state && (!o->unknown || access(config, F_OK) == 0))) {
		int r = cluster_load(config, &run->cluster);

		if (r < 0)
			return r;
		run->has_cluster = true;
		c->address = ip_from_v4(run->cluster.master_address);
		c->port = (uint16_t)run->cluster.master_port;
		c->log_port = (uint16_t)run->cluster.master_log_port;
		c->state = run->cluster.master_state;
		c->socket = run->cluster.master_socket;
		c->key = run->cluster.master_key;
		c->watched[0] = run->cluster.file;
		c->watched[1] = run->cluster.nodes;
		c->enrol = run->cluster.unknown == CLUSTER_ACCEPT ? MASTER_ENROL_FIRST
								  : MASTER_ENROL_KNOWN;
		if (run->cluster.enrol != CLUSTER_ENROL_UNSAID)
			c->enrol = (enum master_enrol)(run->cluster.enrol - CLUSTER_ENROL_KNOWN);
	}
	if (o->address && ip_parse(o->address, &c->address) < 0)
		return log_err(-EINVAL, "--address '%s': expected an address, like 10.0.0.1 or ::",
			       o->address);
	if (o->unknown && strcmp(o->unknown, "accept") && strcmp(o->unknown, "refuse"))
		return log_err(-EINVAL, "--unknown '%s': expected refuse or accept", o->unknown);
	if (o->unknown)
		c->enrol = !strcmp(o->unknown, "accept") ? MASTER_ENROL_FIRST : MASTER_ENROL_KNOWN;
	if (o->enrol && cluster_enrol_find(o->enrol) == CLUSTER_ENROL_UNSAID)
		return log_err(-EINVAL, "--enrol '%s': expected known, first or accept", o->enrol);
	if (o->enrol)
		c->enrol = (enum master_enrol)(cluster_enrol_find(o->enrol) - CLUSTER_ENROL_KNOWN);
	c->port = o->port ? (uint16_t)o->port : c->port;
	c->log_port = o->log_port ? (uint16_t)o->log_port : c->log_port;
	c->state = o->state ? o->state : c->state;
	c->socket = o->socket ? o->socket : c->socket;
	c->key = o->key ? o->key : c->key;
	if (o->orphan_limit)
		c->orphan_s = (uint32_t)o->orphan_limit;
	if (o->keepalive)
		c->keepalive_ms = (uint32_t)o->keepalive * 1000;
	return 0;
}

/* The working directory is given up in the background: paths must not depend on it. */
static int make_absolute(const char **path)
{
	char *s;

	if (**path == '/')
		return 0;
	if (asprintf(&s, "%s/%s", getenv("PWD") ? getenv("PWD") : "", *path) < 0)
		return -ENOMEM;
	*path = s; /* lives as long as the process */
	return 0;
}

static int run_master(void *options, int argc, char **argv)
{
	struct running run = { .o = options, .ready_fd = FD_NONE };
	struct master_config c = {
		.port = MASTER_PORT,
		.log_port = MASTER_LOG_PORT,
		.state = STATE_DEFAULT,
		.socket = where_socket(),
		.key = KEY_DEFAULT,
		.keepalive_ms = MASTER_KEEPALIVE_MS,
		.orphan_s = MASTER_ORPHAN_S,
		.reload = reload,
		.ready = ready,
		.owner = &run,
	};
	int r = configure(&run, &c);

	if (r == 0)
		r = nodes_gather(&run, run.has_cluster ? &run.cluster : NULL, &c.nodes);
	if (r == 0 && !run.o->foreground) {
		r = make_absolute(&c.state);
		r = r < 0 ? r : make_absolute(&c.socket);
		r = r < 0 ? r : make_absolute(&c.key);
		r = r < 0 ? r : into_background(&run);
	}
	if (r == 0)
		r = master_run(&c);
	master_nodes_clear(&c.nodes);
	free(run.o->nodes.list);
	if (run.has_cluster)
		cluster_clear(&run.cluster);
	return r > 0 ? COMMAND_OK : r;
}

#define AT(field) offsetof(struct options, field)
static const struct option_row rows[] = {
	{ "config", 'c', OPTION_STRING, "FILE", "cluster file (" CONFIG_DEFAULT ")", AT(config) },
	{ "foreground", 'f', OPTION_FLAG, NULL, "stay in the foreground and log to standard error",
	  AT(foreground) },
	{ "address", 0, OPTION_STRING, "ADDRESS", "address to listen on (all)", AT(address) },
	{ "port", 0, OPTION_U64, "PORT", "TCP port for nodes (2223)", AT(port), 1, 65535 },
	{ "log-port", 0, OPTION_U64, "PORT", "UDP port for boot events (514)", AT(log_port), 1,
	  65535 },
	{ "state", 0, OPTION_STRING, "DIRECTORY", "where boot logs are kept (" STATE_DEFAULT ")",
	  AT(state) },
	{ "socket", 0, OPTION_STRING, "PATH", "where local programs come in (" WHERE_SOCKET ")",
	  AT(socket) },
	{ "key", 0, OPTION_STRING, "FILE", "secret key of bpmaster (" KEY_DEFAULT ")", AT(key) },
	{ "node", 0, OPTION_CALL, "NUMBER,MAC[,ADDRESS[,NAME]]", "list a node; may be given again",
	  .call = take_node },
	{ "unknown", 0, OPTION_STRING, "POLICY",
	  "machines that are not listed: refuse, or accept with a free number", AT(unknown) },
	{ "enrol", 0, OPTION_STRING, "POLICY",
	  "which machines become nodes: known, first, or accept", AT(enrol) },
	{ "keepalive", 0, OPTION_U64, "SECONDS",
	  "between two pings; after three without an answer a node is down (5)", AT(keepalive), 1,
	  3600 },
	{ "orphan-limit", 0, OPTION_U64, "SECONDS",
	  "a node that is cut off for longer has lost its processes (60)", AT(orphan_limit), 1,
	  86400 },
	{ 0 },
};

static const struct command cmd_bpmaster = {
	.name = "bpmaster",
	.args = "",
	.summary = "serve the process space on the front end",
	.details = "The node table is read anew when it changes, and at SIGHUP.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.run = run_master,
};

int main(int argc, char **argv)
{
	return program_main(&cmd_bpmaster, 'V', argc, argv);
}

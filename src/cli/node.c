/*
 * node.c - bpboot node: the node table from the command line
 *
 * list, add, set and remove take sets of nodes. For more than one node an address is the first of
 * a row that counts upward with them. Only the lines that change are touched
 * (serve/nodes_edit.h), and what would make a table that no reader takes is refused.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/commands.h"
#include "cli/node.h"
#include "serve/sets.h"

#define CLUSTER_FILE "/etc/bpboot/cluster.conf"

struct site {
	const struct node_options *o;
	struct cluster cluster;
	struct nodes_edit edit;
};

static void site_clear(struct site *s)
{
	nodes_edit_close(&s->edit);
	cluster_clear(&s->cluster);
}

static int list_json(const struct nodes *t, const struct nodeset *set)
{
	json_t *list = json_array();
	int r;

	for (size_t i = 0; i < t->n; i++) {
		const struct node *n = &t->list[i];
		char mac[MAC_STR_MAX], address[INET_ADDRSTRLEN], name[NODES_NAME_MAX];

		if (!nodeset_has(set, n->number))
			continue;
		json_array_append_new(
			list,
			json_pack("{s:i, s:s, s:s, s:s?, s:s?}", "number", (int)n->number, "name",
				  node_name(n, name), "mac", mac_format(&n->mac, mac), "address",
				  n->address.s_addr ? ipv4_format(n->address, address) : NULL,
				  "image", n->image[0] ? n->image : NULL));
	}
	r = json_dumpf(list, stdout, JSON_INDENT(2));
	json_decref(list);
	putchar('\n');
	return r < 0 ? log_err(-ENOMEM, "cannot write the list") : 0;
}

static void list_text(const struct cluster *c, const struct nodes *t, const struct nodeset *set)
{
	printf("%6s  %-17s  %-15s  %-16s  %s\n", "NUMBER", "MAC", "ADDRESS", "IMAGE", "NAME");
	for (size_t i = 0; i < t->n; i++) {
		const struct node *n = &t->list[i];
		char mac[MAC_STR_MAX], address[INET_ADDRSTRLEN], name[NODES_NAME_MAX];

		if (nodeset_has(set, n->number))
			printf("%6u  %-17s  %-15s  %-16s  %s\n", n->number,
			       mac_format(&n->mac, mac),
			       n->address.s_addr ? ipv4_format(n->address, address) : "-",
			       n->image[0] ? n->image : c->image, node_name(n, name));
	}
}

/* The nodes that @text names, each of which must be there. */
static int take_set(const struct cluster *c, const struct nodes *t, const char *text,
		    struct nodeset *ret)
{
	int r = sets_take(c, t, text, ret);

	for (size_t i = 0; r == 0 && i < ret->n; i++) {
		if (!nodes_by_number(t, ret->numbers[i]))
			r = (log_err(0, "there is no node %u in '%s'", ret->numbers[i], c->nodes),
			     -ENOENT);
	}
	if (r == 0 && ret->n == 0)
		r = (log_err(0, "'%s' names no node of '%s'", text, c->nodes), -ENOENT);
	return r;
}

static int list(struct site *s, int argc, char **argv)
{
	_cleanup_nodes_ struct nodes t = { 0 };
	_cleanup_nodeset_ struct nodeset set = NODESET();
	int r = nodes_load(s->cluster.nodes, &t);

	if (r == 0 && argc > 0)
		r = take_set(&s->cluster, &t, argv[0], &set);
	else if (r == 0)
		r = sets_take(&s->cluster, &t, "all", &set);
	if (r < 0)
		return r;
	if (s->o->json)
		return list_json(&t, &set);
	list_text(&s->cluster, &t, &set);
	return 0;
}

/* The @i-th address from the one that @word names. */
static const char *count_address(const char *word, uint32_t i, char ret[static INET_ADDRSTRLEN])
{
	struct in_addr a;

	if (ipv4_parse(word, &a) < 0) /* "-", or what node_set_address() will complain of */
		return word;
	a.s_addr = htonl(ntohl(a.s_addr) + i);
	return ipv4_format(a, ret);
}

int node_take_options(const struct node_options *o, const struct cluster *c, uint32_t i,
		      struct node *n)
{
	char why[256], text[INET_ADDRSTRLEN];
	const char *address = o->address ? count_address(o->address, i, text) : NULL;

	if (address && node_set_address(n, address, why) < 0)
		return log_err(0, "node %u: %s", n->number, why), -EINVAL;
	if (address && n->address.s_addr &&
	    (!cluster_holds(c, n->address) || n->address.s_addr == c->address.s_addr))
		return log_err(0,
			       "node %u: address %s is not one for a node in the cluster's network",
			       n->number, address),
		       -EINVAL;
	if ((o->image && node_set_image(n, o->image, why) < 0) ||
	    (o->name && node_set_name(n, o->name, why) < 0))
		return log_err(0, "node %u: %s", n->number, why), -EINVAL;
	return 0;
}

void node_say(const struct node *n, const char *what)
{
	char mac[MAC_STR_MAX], address[INET_ADDRSTRLEN], name[NODES_NAME_MAX];

	printf("node %u (%s) %s: %s %s %s\n", n->number, node_name(n, name), what,
	       mac_format(&n->mac, mac), n->address.s_addr ? ipv4_format(n->address, address) : "-",
	       n->image[0] ? n->image : "-");
}

/* "n7" stands for a node that is to be. */
static int future_number(const void *ctx, const char *name, uint32_t *ret)
{
	return name[0] == 'n' ? parse_u32(name + 1, 0, NODES_NUMBER_MAX, ret) : -ENOENT;
}

static int add(struct site *s, int argc, char **argv)
{
	const struct nodeset_space space = { .node = future_number };
	_cleanup_nodeset_ struct nodeset set = NODESET();
	char why[NODESET_WHY_MAX] = "out of memory", words[256];
	int r = nodeset_parse(argv[0], &space, &set, why);

	if (r < 0)
		return log_err(0, "'%s' is not a set of new nodes: %s", argv[0], why), r;
	if (set.n != (size_t)argc - 1)
		return log_err(0, "'%s' is %zu nodes, but %d MACs are given", argv[0], set.n,
			       argc - 1),
		       -EINVAL;
	if (s->o->name && set.n > 1)
		return log_err(0, "--name is for one node, and '%s' is %zu", argv[0], set.n),
		       -EINVAL;
	for (size_t i = 0; r == 0 && i < set.n; i++) {
		struct node n = { .number = set.numbers[i] };

		if (node_set_mac(&n, argv[1 + i], words) < 0)
			return log_err(0, "node %u: %s", n.number, words), -EINVAL;
		r = node_take_options(s->o, &s->cluster, (uint32_t)i, &n);
		if (r == 0)
			r = nodes_edit_put(&s->edit, NULL, &n);
	}
	return r;
}

static int set_nodes(struct site *s, int argc, char **argv)
{
	const struct node_options *o = s->o;
	_cleanup_nodeset_ struct nodeset set = NODESET();
	char words[256];
	int r = 0;

	if (!(o->mac || o->address || o->image || o->name))
		return log_err(-EINVAL,
			       "nothing to set: expected --mac, --address, --image or --name");
	r = take_set(&s->cluster, &s->edit.nodes, argv[0], &set);
	if (r == 0 && (o->name || o->mac) && set.n > 1)
		r = (log_err(0, "--name and --mac are for one node, but '%s' is %zu", argv[0],
			     set.n),
		     -EINVAL);
	for (size_t i = 0; r == 0 && i < set.n; i++) {
		const struct node *old = nodes_by_number(&s->edit.nodes, set.numbers[i]);
		struct node n = *old;

		if (o->mac && node_set_mac(&n, o->mac, words) < 0)
			return log_err(0, "node %u: %s", n.number, words), -EINVAL;
		r = node_take_options(o, &s->cluster, (uint32_t)i, &n);
		if (r == 0)
			r = nodes_edit_put(&s->edit, old, &n);
	}
	return r;
}

static int remove_nodes(struct site *s, int argc, char **argv)
{
	_cleanup_nodeset_ struct nodeset set = NODESET();
	int r = take_set(&s->cluster, &s->edit.nodes, argv[0], &set);

	for (size_t i = 0; r == 0 && i < set.n; i++)
		nodes_edit_remove(&s->edit, nodes_by_number(&s->edit.nodes, set.numbers[i]));
	return r;
}

static int discover(struct site *s, int argc, char **argv)
{
	return node_discover(s->o, &s->cluster);
}

static const struct action {
	const char *name;
	int (*run)(struct site *s, int argc, char **argv);
	int args_min, args_max; /* -1: any */
	const char *args;
	const char *done; /* of what edits the table */
} actions[] = {
	{ "list", list, 0, 1, "[NODES]", NULL },
	{ "add", add, 2, -1, "NODES and a MAC for each", "added" },
	{ "set", set_nodes, 1, 1, "NODES", "set" },
	{ "remove", remove_nodes, 1, 1, "NODES", "removed" },
	{ "discover", discover, 0, 0, "no argument", NULL },
};

/* What differs between the tables, node by node. */
static void say_changes(const struct nodes *before, const struct nodes *after, const char *done)
{
	for (size_t i = 0; i < before->n; i++) {
		if (!nodes_by_number(after, before->list[i].number))
			node_say(&before->list[i], done);
	}
	for (size_t i = 0; i < after->n; i++) {
		const struct node *n = &after->list[i];
		const struct node *old = nodes_by_number(before, n->number);

		if (!old || !mac_equal(&old->mac, &n->mac) ||
		    old->address.s_addr != n->address.s_addr || strcmp(old->image, n->image) ||
		    strcmp(old->name, n->name))
			node_say(n, done);
	}
}

static int edit(struct site *s, const struct action *a, int argc, char **argv)
{
	_cleanup_nodes_ struct nodes after = { 0 };
	int r = nodes_edit_open(s->cluster.nodes, &s->edit);

	if (r == 0)
		r = a->run(s, argc, argv);
	if (r == 0)
		r = nodes_edit_commit(&s->edit, &after);
	if (r == 0)
		say_changes(&s->edit.nodes, &after, a->done);
	return r;
}

static int run(void *options, int argc, char **argv)
{
	const struct node_options *o = options;
	_cleanup_(site_clear) struct site s = { .o = o, .edit = NODES_EDIT() };
	const struct action *a = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!strcmp(argv[0], actions[i].name))
			a = &actions[i];
	}
	if (!a) {
		log_err(0, "unknown action '%s'; expected list, add, set, remove or discover",
			argv[0]);
		return COMMAND_USAGE;
	}
	if (argc - 1 < a->args_min || (a->args_max >= 0 && argc - 1 > a->args_max)) {
		log_err(0, "bpboot node %s: expected %s", a->name, a->args);
		return COMMAND_USAGE;
	}
	r = cluster_load(o->cluster, &s.cluster);
	if (r < 0)
		return r;
	if (!s.cluster.nodes)
		return log_err(0, "%s names no node table: expected nodes= in [cluster]",
			       o->cluster),
		       -ENOENT;
	return a->done ? edit(&s, a, argc - 1, argv + 1) : a->run(&s, argc - 1, argv + 1);
}

static void defaults(void *options)
{
	struct node_options *o = options;

	o->cluster = CLUSTER_FILE;
	o->first = UINT64_MAX;
}

static const struct option_row rows[] = {
#define AT(field) offsetof(struct node_options, field)
	{ "cluster", 'c', OPTION_STRING, "FILE", "cluster file (" CLUSTER_FILE ")", AT(cluster) },
	{ "address", 'a', OPTION_STRING, "ADDRESS",
	  "of the first node, the others count on; - for none", AT(address) },
	{ "image", 'i', OPTION_STRING, "NAME", "what they boot; - for the cluster's image",
	  AT(image) },
	{ "name", 'n', OPTION_STRING, "NAME", "host name of one node; - for nNUMBER", AT(name) },
	{ "mac", 'm', OPTION_STRING, "MAC", "set: new MAC of one node", AT(mac) },
	{ "json", 0, OPTION_FLAG, NULL, "list: for programs", AT(json) },
	{ "accept", 0, OPTION_FLAG, NULL, "discover: add each machine as it comes", AT(accept) },
	{ "first", 0, OPTION_U64, "NUMBER", "discover: number of the first (the next that is free)",
	  AT(first), 0, NODES_NUMBER_MAX },
	{ "count", 0, OPTION_U64, "N", "discover: end after so many machines (go on)", AT(count), 1,
	  NODES_MAX },
	{ "timeout", 0, OPTION_U64, "SECONDS", "discover: end after so long (go on)", AT(timeout_s),
	  1, 86400 },
	{ 0 },
#undef AT
};

const struct command cmd_node = {
	.name = "node",
	.args = "ACTION [ARGUMENT...]",
	.summary = "the node table: list, add, set, remove, discover",
	.details = "Actions:\n"
		   "  list [NODES]      the nodes\n"
		   "  add NODES MAC...  new nodes, as n[1-4], and a MAC for each\n"
		   "  set NODES         change MAC, address, image or name\n"
		   "  remove NODES      take them out\n"
		   "  discover          show machines that ask for DHCP and are not known\n"
		   "bpboot-nodes(7) says what NODES may be.\n",
	.options = rows,
	.options_size = sizeof(struct node_options),
	.defaults = defaults,
	.args_min = 1,
	.args_max = -1,
	.run = run,
};

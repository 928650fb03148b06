/*
 * bpstat.c - the program `bpstat`: what the nodes are doing
 */
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "cli/bpstat_ghosts.h"
#include "cli/program.h"
#include "cli/where.h"
#include "space/caller.h"
#include "space/cipher.h"

#define SINCE_MAX  32
#define NAME_SHOWN 33 /* bytes of a user's or group's name, with NUL */

struct options {
	bool compact, longer, addresses, states, numbers, total, attributes, json;
	bool only_up, by_number, by_state, reverse, as_given;
	bool processes, annotate, update, lock;
	const char *host, *socket;
};

static void defaults(void *options)
{
	((struct options *)options)->socket = where_socket();
}

static const char *mode_text(uint32_t mode, char ret[static 11])
{
	snprintf(ret, 11, "---%c--%c--%c", mode & 0100 ? 'x' : '-', mode & 0010 ? 'x' : '-',
		 mode & 0001 ? 'x' : '-');
	return ret;
}

static const char *user_of(uint32_t id, char ret[static NAME_SHOWN])
{
	const struct passwd *p = getpwuid(id);

	if (p)
		snprintf(ret, NAME_SHOWN, "%s", p->pw_name);
	else
		snprintf(ret, NAME_SHOWN, "%u", id);
	return ret;
}

static const char *group_of(uint32_t id, char ret[static NAME_SHOWN])
{
	const struct group *g = getgrgid(id);

	if (g)
		snprintf(ret, NAME_SHOWN, "%s", g->gr_name);
	else
		snprintf(ret, NAME_SHOWN, "%u", id);
	return ret;
}

static const char *since_text(uint64_t ms, char ret[static SINCE_MAX])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(ret, SINCE_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(ret, SINCE_MAX, "?");
	return ret;
}

static bool same(const struct message_node *a, const struct message_node *b)
{
	return !strcmp(a->state, b->state) && a->mode == b->mode && a->uid == b->uid &&
	       a->gid == b->gid;
}

/* One row for all nodes that are alike, in the order of the first of each. */
static int print_compact(const struct caller_nodes *known, const struct nodeset *chosen)
{
	printf("%-20s %-15s %-10s %-8s %s\n", "Node(s)", "Status", "Mode", "User", "Group");
	for (size_t i = 0; i < chosen->n; i++) {
		const struct message_node *node = caller_node(known, chosen->numbers[i]);
		_cleanup_buffer_ struct buffer text = BUFFER(NODESET_TEXT_MAX);
		_cleanup_nodeset_ struct nodeset alike = NODESET();
		char mode[11], user[NAME_SHOWN], group[NAME_SHOWN];
		bool shown = false;

		for (size_t k = 0; k < chosen->n; k++) {
			const struct message_node *other = caller_node(known, chosen->numbers[k]);

			if (!same(node, other))
				continue;
			shown = shown || k < i;
			if (nodeset_add(&alike, other->number) < 0)
				return log_err(-ENOMEM, "cannot list the nodes");
		}
		if (shown)
			continue;
		if (nodeset_format(&alike, &text) < 0)
			return log_err(-ENOMEM, "cannot list the nodes");
		printf("%-20s %-15s %-10s %-8s %s\n", buffer_str(&text), node->state,
		       mode_text(node->mode, mode), user_of(node->uid, user),
		       group_of(node->gid, group));
	}
	return 0;
}

static int print_long(const struct caller_nodes *known, const struct nodeset *chosen)
{
	printf("%-6s %-8s %-15s %-17s %-15s %-19s %-10s %4s %s\n", "Node", "Status", "Name", "MAC",
	       "Address", "Since", "Mode", "Jobs", "Kernel");
	for (size_t i = 0; i < chosen->n; i++) {
		const struct message_node *n = caller_node(known, chosen->numbers[i]);
		char mode[11], mac[MAC_STR_MAX], address[IP_STR_MAX], since[SINCE_MAX];

		printf("%-6u %-8s %-15s %-17s %-15s %-19s %-10s %4u %s\n", n->number, n->state,
		       *n->name ? n->name : "-", mac_format(&n->mac, mac),
		       ip_is_set(&n->address) ? ip_format(&n->address, address) : "-",
		       since_text(n->since_ms, since), mode_text(n->mode, mode), n->jobs,
		       *n->release ? n->release : "-");
		if (*n->words)
			printf("       %s\n", n->words);
	}
	return 0;
}

/* A machine that waits to be accepted, or was refused for its key, and is no node. */
static int print_stranger(void *owner, struct reader *body)
{
	const struct caller_nodes *known = owner;
	char mac[MAC_STR_MAX], fingerprint[CIPHER_FINGERPRINT];
	struct message_pin k;
	int r = message_pin_read(body, &k);

	if (r < 0)
		return log_err(r, "bpmaster sent something else than a key");
	for (size_t i = 0; i < known->n; i++) {
		if (mac_equal(&known->list[i].mac, &k.mac))
			return 0;
	}
	if (k.state == MESSAGE_PIN_PINNED)
		return 0;
	mac_format(&k.mac, mac);
	cipher_fingerprint(k.key, fingerprint);
	printf("%-6s %-8s %-15s %-17s %s\n", "-", "waits", "-", mac, k.words);
	if (k.state == MESSAGE_PIN_WAITS)
		printf("       with key %s: 'bpctl --accept %s' takes it\n", fingerprint, mac);
	else
		printf("       refused with key %s: another one is pinned\n", fingerprint);
	return 0;
}

static int print_json(const struct caller_nodes *known, const struct nodeset *chosen)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; list && i < chosen->n; i++) {
		const struct message_node *n = caller_node(known, chosen->numbers[i]);
		char mac[MAC_STR_MAX], address[IP_STR_MAX], boot[9];

		snprintf(boot, sizeof(boot), "%08x", n->boot);
		if (json_array_append_new(
			    list,
			    json_pack("{si ss ss ss ss ss si si si si sI ss ss sb}", "node",
				      (int)n->number, "status", n->state, "name", n->name, "mac",
				      mac_format(&n->mac, mac), "address",
				      ip_format(&n->address, address),
				      "boot", boot, "mode", (int)n->mode, "user", (int)n->uid,
				      "group", (int)n->gid, "jobs", (int)n->jobs, "since_ms",
				      (json_int_t)n->since_ms, "kernel", n->release, "words",
				      n->words, "connected", (int)n->connected)) < 0)
			r = -ENOMEM;
	}
	if (!list || r < 0 || json_dumpf(list, stdout, JSON_INDENT(1)) < 0)
		r = log_err(-ENOMEM, "cannot write the list of nodes");
	else
		printf("\n");
	json_decref(list);
	return r;
}

/* Is it one of these? */
static bool has_address(const struct message_node *n, const struct addrinfo *found)
{
	for (; found && ip_is_set(&n->address); found = found->ai_next) {
		struct ipaddr a = ip_sock_host((const union ip_sock *)(const void *)found->ai_addr);

		if (ip_equal(&a, &n->address))
			return true;
	}
	return false;
}

static int print_attributes(void *owner, struct reader *body)
{
	const struct nodeset *chosen = owner;
	struct message_attribute a;
	int r = message_attribute_read(body, &a);

	if (r < 0 || !nodeset_has(chosen, a.number))
		return r;
	for (const char *p = a.text, *end; (end = strchr(p, '\n')); p = end + 1)
		printf("%u: %.*s\n", a.number, (int)(end - p), p);
	return 0;
}

/* The node at @host: a number, a node's name, or a host's address. */
static int print_address(const struct caller_nodes *known, const char *host)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char text[IP_STR_MAX];
	uint32_t number = UINT32_MAX;
	size_t i;
	int r = 0;

	(void)!parse_u32(host, 0, NODE_NUMBER_MAX, &number); /* then it is a name */
	if (number == UINT32_MAX && getaddrinfo(host, NULL, &hints, &found) != 0)
		found = NULL;
	for (i = 0; i < known->n; i++) {
		const struct message_node *n = &known->list[i];

		if (n->number != number && strcmp(n->name, host) != 0 && !has_address(n, found))
			continue;
		if (ip_is_set(&n->address))
			printf("%s\n", ip_format(&n->address, text));
		else
			r = log_err(-ENODATA, "the address of node %u is not known", n->number);
		break;
	}
	if (found)
		freeaddrinfo(found);
	if (i < known->n)
		return r;
	return log_err(0, "'%s' is no node", host), -ENODEV;
}

static int print_chosen(const struct options *o, const struct caller_nodes *known,
			const struct nodeset *chosen)
{
	for (size_t i = 0; i < chosen->n && (o->addresses || o->states || o->numbers); i++) {
		const struct message_node *n = caller_node(known, chosen->numbers[i]);
		char address[IP_STR_MAX];

		if (o->addresses)
			printf("%s\n",
			       ip_is_set(&n->address) ? ip_format(&n->address, address) : "-");
		else if (o->states)
			printf("%s\n", n->state);
		else
			printf("%u\n", n->number);
	}
	if (o->addresses || o->states || o->numbers)
		return 0;
	if (o->total) {
		printf("%zu\n", chosen->n);
		return 0;
	}
	if (o->json)
		return print_json(known, chosen);
	return o->longer ? print_long(known, chosen) : print_compact(known, chosen);
}

/* In the order of the options. qsort_r() wants three arguments. */
static int compare(const void *a, const void *b, void *owner)
{
	const struct caller_nodes *known = owner;
	const uint32_t *x = a, *y = b;
	int r = strcmp(caller_node(known, *x)->state, caller_node(known, *y)->state);

	return r != 0 ? r : *x < *y ? -1 : *x > *y;
}

/*
 * The nodes asked for, in the order in which they are named: the parts of the set between commas
 * one after the other, each node once. What a part excludes is gone from the whole @asked.
 */
static int order_as_given(const struct caller_nodes *known, const struct nodeset *asked, char *text,
			  uint32_t *order)
{
	_cleanup_nodeset_ struct nodeset seen = NODESET();
	size_t n = 0;
	char *part;

	while ((part = strsep(&text, ","))) {
		_cleanup_nodeset_ struct nodeset set = NODESET();

		if (*part == '!')
			continue;
		if (caller_nodeset(known, part, &set) < 0)
			return -EINVAL;
		for (size_t i = 0; i < set.n; i++) {
			if (!nodeset_has(asked, set.numbers[i]) ||
			    nodeset_has(&seen, set.numbers[i]))
				continue;
			if (nodeset_add(&seen, set.numbers[i]) < 0)
				return log_err(-ENOMEM, "cannot list the nodes");
			order[n++] = set.numbers[i];
		}
	}
	return n == asked->n ? 0 : 1; /* only exclusions: there is no order in them */
}

/* From here on @chosen is a list, no longer a sorted set. */
static int sort(const struct options *o, const struct caller_nodes *known, const char *text,
		struct nodeset *chosen)
{
	_cleanup_free_ char *copy = strdup(text);
	_cleanup_free_ uint32_t *order = calloc(chosen->n + 1, sizeof(*order));
	int r = 0;

	if (!copy || !order)
		return log_err(-ENOMEM, "cannot list the nodes");
	if (o->as_given)
		r = order_as_given(known, chosen, copy, order);
	if (r < 0)
		return r;
	if (o->as_given && r == 0)
		memcpy(chosen->numbers, order, chosen->n * sizeof(*order));
	if (o->by_state && chosen->n > 0)
		qsort_r(chosen->numbers, chosen->n, sizeof(*chosen->numbers), compare,
			(void *)known);
	for (size_t i = 0; o->reverse && i < chosen->n / 2; i++) {
		uint32_t number = chosen->numbers[i];

		chosen->numbers[i] = chosen->numbers[chosen->n - 1 - i];
		chosen->numbers[chosen->n - 1 - i] = number;
	}
	return 0;
}

/* What is asked for, once. */
static int show(const struct options *o, int argc, char **argv)
{
	_cleanup_caller_ struct caller c = CALLER();
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	_cleanup_nodeset_ struct nodeset asked = NODESET(), chosen = NODESET();
	int r;

	r = caller_open(&c, o->socket);
	if (r == 0 && o->annotate)
		return ghosts_annotate(&c);
	if (r == 0)
		r = caller_list(&c, false, &known);
	if (r == 0 && o->host)
		return print_address(&known, o->host);
	if (r == 0)
		r = caller_nodeset(&known, argc > 0 ? argv[0] : "all", &asked);
	for (size_t i = 0; r == 0 && i < asked.n; i++) {
		const struct message_node *n = caller_node(&known, asked.numbers[i]);

		if (!n)
			r = (log_err(0, "there is no node %u", asked.numbers[i]), -ENODEV);
		else if (!o->only_up || nodeset_has(&known.up, n->number))
			r = nodeset_add(&chosen, n->number);
	}
	if (r == 0 && o->processes)
		return ghosts_print(&c, &chosen);
	if (r == 0 && o->attributes)
		return caller_each(&c, MESSAGE_ATTRIBUTES, MESSAGE_ATTRIBUTE, print_attributes,
				   &chosen);
	if (r == 0)
		r = sort(o, &known, argc > 0 ? argv[0] : "all", &chosen);
	if (r == 0)
		r = print_chosen(o, &known, &chosen);
	if (r == 0 && o->longer && argc == 0 && !o->json)
		r = caller_each(&c, MESSAGE_PINS, MESSAGE_PIN, print_stranger, &known);
	return r;
}

/* Again whenever a node changes, until we are ended. */
static int show_on(const struct options *o, int argc, char **argv)
{
	_cleanup_caller_ struct caller c = CALLER();
	const uint8_t watch = MESSAGE_WATCH;
	bool terminal = isatty(STDOUT_FILENO) == 1;
	int r = caller_open(&c, o->socket);

	if (r == 0)
		r = caller_send(&c, &watch, 1);
	if (r == 0)
		r = caller_done(&c);
	for (bool first = true; r == 0; first = false) {
		if (terminal)
			printf("\033[H\033[2J"); /* the cursor home, and what was there gone */
		else if (!first)
			printf("\n");
		r = show(o, argc, argv);
		if (r == 0 && fflush(stdout) == EOF)
			return -EPIPE; /* nobody reads any more */
		if (r == 0)
			r = caller_receive(&c);
	}
	return r;
}

static int run(void *options, int argc, char **argv)
{
	const struct options *o = options;

	if (o->by_number + o->by_state + o->as_given > 1) {
		log_err(0, "-N, -S and -O exclude each other");
		return COMMAND_USAGE;
	}
	if (o->update && (o->annotate || o->json)) {
		log_err(0, "-U shows a table again and again: no -P, and no --json");
		return COMMAND_USAGE;
	}
	if (o->lock && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		log_warn(-errno, "cannot stay in memory");
	return o->update ? show_on(o, argc, argv) : show(o, argc, argv);
}

#define AT(field) offsetof(struct options, field)
static const struct option_row rows[] = {
	{ "compact", 'c', OPTION_FLAG, NULL, "one row for nodes that are alike (as without it)",
	  AT(compact) },
	{ "long", 'l', OPTION_FLAG, NULL,
	  "one row a node, with name, MAC, address, since when, kernel", AT(longer) },
	{ "address", 'a', OPTION_FLAG, NULL, "only the addresses, one a line", AT(addresses) },
	{ "status", 's', OPTION_FLAG, NULL, "only the states, one a line", AT(states) },
	{ "number", 'n', OPTION_FLAG, NULL, "only the numbers, one a line", AT(numbers) },
	{ "total", 't', OPTION_FLAG, NULL, "only how many nodes", AT(total) },
	{ "attributes", 0, OPTION_FLAG, NULL, "only the attributes, \"NODE: NAME=VALUE\" a line",
	  AT(attributes) },
	{ "sort-number", 'N', OPTION_FLAG, NULL, "sort by number (as without it)", AT(by_number) },
	{ "sort-status", 'S', OPTION_FLAG, NULL, "sort by state, then by number", AT(by_state) },
	{ "sort-reverse", 'R', OPTION_FLAG, NULL, "sort the other way round", AT(reverse) },
	{ "keep-order", 'O', OPTION_FLAG, NULL, "in the order of NODES", AT(as_given) },
	{ "up", 0, OPTION_FLAG, NULL, "of the nodes, those that are up", AT(only_up) },
	{ "update", 'U', OPTION_FLAG, NULL, "show them again whenever one changes", AT(update) },
	{ "lock", 'L', OPTION_FLAG, NULL, "stay in memory meanwhile", AT(lock) },
	{ "host", 'A', OPTION_STRING, "HOST",
	  "address of the node with this number, name or address", AT(host) },
	{ "processes", 'p', OPTION_FLAG, NULL,
	  "the ghosts here: their number, node, number there, user", AT(processes) },
	{ "annotate", 'P', OPTION_FLAG, NULL,
	  "copy the output of ps from standard input, with each ghost's node", AT(annotate) },
	{ "json", 0, OPTION_FLAG, NULL, "everything, as JSON", AT(json) },
	{ "socket", 0, OPTION_STRING, "PATH", "bpmaster's socket (" WHERE_SOCKET ")", AT(socket) },
	{ 0 },
};

static const struct command cmd_bpstat = {
	.name = "bpstat",
	.args = "[NODES]",
	.summary = "show the nodes and their states",
	.details = "A node is down, boot (it has begun to), up, error ('bpstat -l' says why), or "
		   "what bpctl has set.\nNODES are written as for bpsh; without them all are "
		   "shown.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.args_max = 1,
	.run = run,
};

int main(int argc, char **argv)
{
	return program_main(&cmd_bpstat, 'v', argc, argv);
}

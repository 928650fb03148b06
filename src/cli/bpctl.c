/*
 * bpctl.c - the program `bpctl`: change the state and the permissions of nodes, and send them down
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "cli/enrol.h"
#include "cli/program.h"
#include "cli/where.h"
#include "space/caller.h"

struct options {
	const char *nodes, *state, *mode, *user, *group, *attribute, *accept, *forget, *socket;
	const char *reconnect, *root;
	bool master, reboot, halt, poweroff, keys;
};

#define CHANGES_MAX 8

/* One change: what, and to which value. */
struct change {
	enum message_set what;
	uint32_t value;
	const char *word;
};

static void defaults(void *options)
{
	((struct options *)options)->socket = where_socket();
}

static int user_id(const char *name, uint32_t *ret)
{
	const struct passwd *p;

	if (parse_u32(name, 0, UINT32_MAX - 1, ret) == 0)
		return 0;
	p = getpwnam(name);
	if (!p)
		return log_err(0, "there is no user '%s'", name), -ENOENT;
	*ret = p->pw_uid;
	return 0;
}

static int group_id(const char *name, uint32_t *ret)
{
	const struct group *g;

	if (parse_u32(name, 0, UINT32_MAX - 1, ret) == 0)
		return 0;
	g = getgrnam(name);
	if (!g)
		return log_err(0, "there is no group '%s'", name), -ENOENT;
	*ret = g->gr_gid;
	return 0;
}

/* What is about keys: of machines that need be no nodes. */
static int run_keys(const struct options *o)
{
	_cleanup_caller_ struct caller c = CALLER();
	int r;

	if (o->nodes || (o->accept != NULL) + (o->forget != NULL) + o->keys > 1) {
		log_err(0, "--accept, --forget-key and --keys stand alone");
		return COMMAND_USAGE;
	}
	r = caller_open(&c, o->socket);
	if (r == 0 && o->keys)
		return enrol_list(&c);
	return r < 0 ? r : enrol_set(&c, o->forget != NULL, o->forget ? o->forget : o->accept);
}

/* The changes that the options ask for. Return: number of them, or negative errno (logged). */
static int changes_of(const struct options *o, struct change ret[static CHANGES_MAX])
{
	int n = 0, r = 0;

	if (o->state) {
		if (!message_state_valid(o->state))
			return log_err(
				-EINVAL,
				"the state '%s': expected 1 to 15 letters, digits, '-', '_' or '.'",
				o->state);
		ret[n++] = (struct change){ .what = MESSAGE_SET_STATE, .word = o->state };
	}
	if (o->mode) {
		ret[n] = (struct change){ .what = MESSAGE_SET_MODE };
		if (parse_mode(o->mode, &ret[n++].value) < 0)
			return log_err(-EINVAL, "the mode '%s': expected an octal number like 111",
				       o->mode);
	}
	if (o->user) {
		ret[n] = (struct change){ .what = MESSAGE_SET_USER };
		r = user_id(o->user, &ret[n++].value);
	}
	if (o->group && r == 0) {
		ret[n] = (struct change){ .what = MESSAGE_SET_GROUP };
		r = group_id(o->group, &ret[n++].value);
	}
	if (o->attribute) {
		if (strlen(o->attribute) >= MESSAGE_ATTRIBUTE_MAX)
			return log_err(-EINVAL, "the attribute '%.40s...' is too long",
				       o->attribute);
		ret[n++] = (struct change){ .what = MESSAGE_SET_ATTRIBUTE, .word = o->attribute };
	}
	if ((o->root && strlen(o->root) >= MESSAGE_WORD_MAX) ||
	    (o->reconnect && strlen(o->reconnect) >= MESSAGE_WORD_MAX))
		return log_err(-ENAMETOOLONG, "at most %u characters", MESSAGE_WORD_MAX - 1);
	if (o->root)
		ret[n++] = (struct change){ .what = MESSAGE_SET_CHROOT, .word = o->root };
	if (o->reconnect)
		ret[n++] = (struct change){ .what = MESSAGE_SET_RECONNECT, .word = o->reconnect };
	if (o->reboot || o->halt || o->poweroff)
		ret[n++] = (struct change){ .what = MESSAGE_SET_POWER,
					    .value = o->reboot ? MESSAGE_REBOOT
						     : o->halt ? MESSAGE_HALT
							       : MESSAGE_POWEROFF };
	return r < 0 ? r : n;
}

static int run(void *options, int argc, char **argv)
{
	const struct options *o = options;
	_cleanup_caller_ struct caller c = CALLER();
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	_cleanup_nodeset_ struct nodeset nodes = NODESET();
	struct change changes[CHANGES_MAX];
	int n = changes_of(o, changes), r;

	if (o->accept || o->forget || o->keys)
		return run_keys(o);
	if (n < 0)
		return n;
	if (o->master) {
		log_err(0, "the front end is always up, runs nothing as a node, and is rebooted as "
			   "any machine: there is nothing to set with -M");
		return COMMAND_USAGE;
	}
	if (!o->nodes || n == 0 || o->reboot + o->halt + o->poweroff > 1) {
		log_err(0, "%s",
			!o->nodes ? "which nodes? -S NODES"
			: n == 0  ? "nothing to change; see 'bpctl --help'"
				  : "-R, -H and -P exclude each other");
		return COMMAND_USAGE;
	}
	r = caller_open(&c, o->socket);
	if (r == 0)
		r = caller_list(&c, true, &known);
	if (r == 0)
		r = caller_nodeset(&known, o->nodes, &nodes);
	if (r == 0 && nodes.n == 0)
		r = (log_err(0, "no node is in '%s'", o->nodes), -ENODEV);
	for (int i = 0; r == 0 && i < n; i++)
		r = caller_set(&c, changes[i].what, changes[i].value,
			       changes[i].word ? changes[i].word : "", nodes.numbers, nodes.n);
	return r;
}

#define AT(field) offsetof(struct options, field)
static const struct option_row rows[] = {
	{ "nodes", 'S', OPTION_STRING, "NODES", "which nodes", AT(nodes) },
	{ "master", 'M', OPTION_FLAG, NULL, "the front end, of which nothing can be set",
	  AT(master) },
	{ "state", 's', OPTION_STRING, "STATE", "set the state: any word of up to 15 characters",
	  AT(state) },
	{ "mode", 'm', OPTION_STRING, "MODE",
	  "who may run there: execute bits of user, group and others", AT(mode) },
	{ "user", 'u', OPTION_STRING, "USER", "set the user of the nodes", AT(user) },
	{ "group", 'g', OPTION_STRING, "GROUP", "set the group of the nodes", AT(group) },
	{ "attribute", 'a', OPTION_STRING, "NAME=VALUE",
	  "note something about the nodes; NAME alone takes it away", AT(attribute) },
	{ "root", 'r', OPTION_STRING, "DIR", "folder that is / for what is started there",
	  AT(root) },
	{ "reconnect", 0, OPTION_STRING, "MASTER[:PORT]", "connect to another bpmaster",
	  AT(reconnect) },
	{ "reboot", 'R', OPTION_FLAG, NULL, "reboot", AT(reboot) },
	{ "halt", 'H', OPTION_FLAG, NULL, "halt", AT(halt) },
	{ "poweroff", 'P', OPTION_FLAG, NULL, "power off", AT(poweroff) },
	{ "accept", 0, OPTION_STRING, "NODES|MAC[=FINGERPRINT]",
	  "accept the key of machines that wait for it", AT(accept) },
	{ "forget-key", 0, OPTION_STRING, "NODES|MAC", "believe the next key that they show",
	  AT(forget) },
	{ "keys", 0, OPTION_FLAG, NULL, "show the keys of nodes, and of machines that wait",
	  AT(keys) },
	{ "socket", 0, OPTION_STRING, "PATH", "bpmaster's socket (" WHERE_SOCKET ")", AT(socket) },
	{ 0 },
};

static const struct command cmd_bpctl = {
	.name = "bpctl",
	.args = "",
	.summary = "control nodes",
	.details = "For root and the user that bpmaster runs as. 'bpctl -S 4-7 -R' reboots, "
		   "'bpctl -S 4-7 -s drained'\nsets a state, 'bpctl -S all -m 110 -g users' lets "
		   "root and that group run there.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.run = run,
};

int main(int argc, char **argv)
{
	return program_main(&cmd_bpctl, 'v', argc, argv);
}

/*
 * bpsh.c - the program `bpsh`: run a command on nodes
 *
 * Options are those of BProc's bpsh; the engine is space/shell.c. What the command inherits is what
 * a child of ours would: arguments, environment, working directory, umask and limits. Who it runs
 * as is not ours to say: bpmaster asks the kernel.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "cli/carried.h"
#include "cli/program.h"
#include "cli/where.h"
#include "space/ghosts_wire.h"
#include "space/ghost.h"
#include "space/shell.h"

#define ENV_NODES "BPROC_NODES"	 /* all nodes of the command */
#define ENV_RANKS "BPROC_NRANKS" /* how many they are */

#define GHOSTS_ALL  "all"
#define GHOSTS_EACH "each"
#define GHOSTS_NONE "none"

struct options {
	bool all_up, all, no_stdin, no_io, line_buffer, prefix, sequential, divider, time, image;
	bool terminal, fold, diff;
	const char *files[2], *input_to;
	uint64_t start;
	uint64_t buffer, timeout;
	const char *io[3], *socket, *ghosts;
};

static void defaults(void *options)
{
	struct options *o = options;

	o->buffer = MESSAGE_WINDOW;
	o->socket = where_socket();
	o->ghosts = GHOSTS_EACH;
}

static void fill_limits(struct message_spec *s)
{
	_Static_assert(RLIM_NLIMITS <= MESSAGE_LIMITS_MAX, "every limit has a place");

	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		struct rlimit l = { RLIM_INFINITY, RLIM_INFINITY };

		(void)getrlimit((__rlimit_resource_t)i, &l); /* unknown ones stay without a limit */
		s->limits[i].current = l.rlim_cur;
		s->limits[i].maximum = l.rlim_max;
	}
	s->n_limits = RLIM_NLIMITS;
}

/* What each process is told of all. The rank is added where it runs. */
static int tell_ranks(const struct nodeset *nodes)
{
	_cleanup_buffer_ struct buffer text = BUFFER(NODESET_TEXT_MAX);
	char count[24];

	snprintf(count, sizeof(count), "%zu", nodes->n);
	if (nodeset_format(nodes, &text) < 0 || setenv(ENV_NODES, buffer_str(&text), 1) < 0 ||
	    setenv(ENV_RANKS, count, 1) < 0)
		return log_err(-ENOMEM, "cannot set the environment");
	return 0;
}

static int fill_spec(const struct options *o, int argc, char **argv, char cwd[static PATH_MAX],
		     struct message_spec *ret)
{
	struct message_spec s = {
		.flags = MESSAGE_RANKED,
		.argv = argv,
		.n_argv = (size_t)argc,
		.env = environ,
		.cwd = cwd,
	};
	mode_t mask = umask(0);

	umask(mask);
	if (!getcwd(cwd, PATH_MAX)) {
		log_warn(0, "the working directory is gone (%s): running in '/'", strerror(errno));
		snprintf(cwd, PATH_MAX, "/");
	}
	s.umask = (uint16_t)mask;
	if (o->no_stdin || o->no_io)
		s.flags |= MESSAGE_STDIN_NULL;
	if (o->no_io)
		s.flags |= MESSAGE_OUTPUT_NULL;
	while (environ[s.n_env])
		s.n_env++;
	for (size_t i = 0; i < ARRAY_SIZE(s.io); i++) {
		s.io[i] = o->io[i] ? o->io[i] : "";
		if (strlen(s.io[i]) >= PATH_MAX)
			return log_err(-ENAMETOOLONG, "the file name '%.40s...'", s.io[i]);
	}
	fill_limits(&s);
	*ret = s;
	return 0;
}

/* One node by its number: whatever other nodes there are, that is the one. */
static bool is_number(const char *text, uint32_t *ret)
{
	return text && parse_u32(text, 0, NODE_NUMBER_MAX, ret) == 0;
}

/* Which nodes. Takes the argument for it, unless an option says it. bpmaster is asked for its list
 * where the answer depends on it; the words of a start say what is wrong with a node. */
static int choose(const struct options *o, struct caller *c, struct caller_nodes *known,
		  const char *text, struct nodeset *ret)
{
	const struct nodeset *from = o->all_up ? &known->up : &known->not_down;
	uint32_t number;
	int r;

	if (is_number(text, &number) && !o->input_to)
		return nodeset_add(ret, number);
	r = caller_list(c, true, known);
	if (r == 0 && text)
		r = caller_nodeset(known, text, ret);
	for (size_t i = 0; r == 0 && !text && i < from->n; i++)
		r = nodeset_add(ret, from->numbers[i]);
	if (r < 0)
		return r;
	if (ret->n == 0)
		return log_err(0, "%s",
			       text ? "no node is in that set"
				    : "no node is up; bpstat shows them"),
		       -ENODEV;
	return 0;
}

/* What excludes what. Return: 0 or COMMAND_USAGE (said). */
static int check(const struct options *o)
{
	bool shaped = o->line_buffer || o->prefix || o->sequential || o->divider;

	if ((o->fold || o->diff) && (shaped || o->terminal || o->files[0])) {
		log_err(0, "-b and --diff show output at the end: none of -L -p -s -d -t --output "
			   "go with them");
		return COMMAND_USAGE;
	}
	if (o->input_to && (o->no_stdin || o->no_io || o->io[0])) {
		log_err(0,
			"--stdin-to says who gets standard input: -n, -N and -I that nobody does");
		return COMMAND_USAGE;
	}
	if (o->terminal && (o->no_stdin || o->no_io || shaped || o->io[0] || o->io[1] || o->io[2] ||
			    o->files[0] || o->files[1] || o->input_to)) {
		log_err(0, "-t lends the whole terminal: none of -n -N -L -p -s -d -I -O -E "
			   "--output --error --stdin-to go with it");
		return COMMAND_USAGE;
	}
	if (strcmp(o->ghosts, GHOSTS_EACH) != 0 && strcmp(o->ghosts, GHOSTS_NONE) != 0 &&
	    strcmp(o->ghosts, GHOSTS_ALL) != 0) {
		log_err(0, "--ghosts %s: expected 'each', 'all' or 'none'", o->ghosts);
		return COMMAND_USAGE;
	}
	return 0;
}

/* What can be said only when the nodes are known. Return: 0, COMMAND_USAGE (said), or negative
 * errno (logged). */
static int check_nodes(const struct options *o, const struct caller_nodes *known,
		       const struct nodeset *nodes, struct nodeset *ret_input)
{
	char name[PATH_MAX], other[PATH_MAX];
	int r;

	if (o->terminal && nodes->n > 1) {
		log_err(0, "-t lends the terminal to one process: name one node");
		return COMMAND_USAGE;
	}
	for (int i = 0; i < 2 && nodes->n > 1; i++) {
		if (o->files[i] && shell_file_name(o->files[i], 1, name, sizeof(name)) == 0 &&
		    shell_file_name(o->files[i], 2, other, sizeof(other)) == 0 &&
		    !strcmp(name, other)) {
			log_err(0,
				"'%s' is the same file for all nodes: %%n stands for a node's "
				"number",
				o->files[i]);
			return COMMAND_USAGE;
		}
	}
	if (!o->input_to)
		return 0;
	r = caller_nodeset(known, o->input_to, ret_input);
	for (size_t i = 0; r == 0 && i < ret_input->n; i++) {
		if (nodeset_has(nodes, ret_input->numbers[i]))
			continue;
		log_err(0, "--stdin-to: node %u is none of the command's", ret_input->numbers[i]);
		return COMMAND_USAGE;
	}
	return r;
}

static int run(void *options, int argc, char **argv)
{
	const struct options *o = options;
	_cleanup_nodeset_ struct nodeset input_to = NODESET();
	/* A ghost's title takes the place of our arguments. */
	_cleanup_free_ char *socket = strdup(o->socket),
			    *out = o->files[0] ? strdup(o->files[0]) : NULL,
			    *err = o->files[1] ? strdup(o->files[1]) : NULL;
	const char *const files[2] = { out, err };
	struct shell_options shell = {
		.by_line = o->line_buffer || o->prefix,
		.prefix = o->prefix,
		.sequential = o->sequential || o->divider,
		.divider = o->divider,
		.time = o->time,
		.terminal = o->terminal,
		.fold = o->fold,
		.diff = o->diff,
		.files = { files[0], files[1] },
		.input_to = o->input_to ? &input_to : NULL,
		.start_s = (uint32_t)o->start,
		.line_max = (uint32_t)o->buffer,
		.timeout_s = (uint32_t)o->timeout,
		.no_input = o->no_stdin || o->no_io || o->io[0],
		.socket = socket,
	};
	const char *text = o->all_up || o->all ? NULL : argv[0];
	_cleanup_caller_ struct caller c = CALLER();
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	_cleanup_nodeset_ struct nodeset nodes = NODESET();
	_cleanup_free_ char *ghosts = NULL;
	_cleanup_carried_ struct carried carried = { 0 };
	char cwd[PATH_MAX];
	struct message_spec spec;
	int r;

	if (text)
		argc--, argv++;
	if (argc < 1) {
		log_err(0, "which command? bpsh NODES COMMAND [ARGUMENT...]");
		return COMMAND_USAGE;
	}
	if (check(o) != 0)
		return COMMAND_USAGE;
	if (!socket || (o->files[0] && !out) || (o->files[1] && !err))
		return log_err(-ENOMEM, "cannot run");
	r = caller_begin(&c, o->socket);
	if (r == 0)
		r = choose(o, &c, &known, text, &nodes);
	if (r == 0)
		r = tell_ranks(&nodes);
	if (r == 0)
		r = fill_spec(o, argc, argv, cwd, &spec);
	if (r == 0)
		r = check_nodes(o, &known, &nodes, &input_to);
	if (r > 0)
		return r;
	if (r == 0 && !o->image && carried_find(argv[0], &carried) < 0)
		return SHELL_NOT_RUN;
	shell.follow = !strcmp(o->ghosts, GHOSTS_ALL);
	if (r == 0 && (shell.follow || (nodes.n > 1 && !strcmp(o->ghosts, GHOSTS_EACH))) &&
	    where_program(GHOSTS_PROGRAM, &ghosts) == 0)
		shell.ghosts = ghosts;
	spec.flags |= shell.follow ? MESSAGE_FOLLOW : 0;
	spec.files = carried.files;
	spec.n_files = carried.n;
	if (r == 0)
		r = caller_opened(&c);
	return r < 0 ? r : shell_run(&c, &nodes, &spec, &shell);
}

#define AT(field) offsetof(struct options, field)
static const struct option_row rows[] = {
	{ "all-up", 'a', OPTION_FLAG, NULL, "on all nodes that are up", AT(all_up) },
	{ "all", 'A', OPTION_FLAG, NULL, "on all nodes that are not down", AT(all) },
	{ "no-stdin", 'n', OPTION_FLAG, NULL, "standard input of the command is empty",
	  AT(no_stdin) },
	{ "no-io", 'N', OPTION_FLAG, NULL, "standard input is empty, output is thrown away",
	  AT(no_io) },
	{ "line-buffer", 'L', OPTION_FLAG, NULL, "write output by whole lines", AT(line_buffer) },
	{ "prefix", 'p', OPTION_FLAG, NULL, "begin each line with its node's number (implies -L)",
	  AT(prefix) },
	{ "sequential", 's', OPTION_FLAG, NULL, "write output node by node", AT(sequential) },
	{ "divider", 'd', OPTION_FLAG, NULL, "write a line before each node's output (implies -s)",
	  AT(divider) },
	{ "fold", 'b', OPTION_FLAG, NULL,
	  "show equal outputs once, with their nodes, when all have ended", AT(fold) },
	{ "diff", 0, OPTION_FLAG, NULL,
	  "show the output of most nodes, and how that of others differs", AT(diff) },
	{ "output", 0, OPTION_STRING, "PATTERN",
	  "write each node's output to a file here; %n is its number", AT(files[0]) },
	{ "error", 0, OPTION_STRING, "PATTERN", "the same for standard error", AT(files[1]) },
	{ "stdin-to", 0, OPTION_STRING, "NODES", "only these get our standard input",
	  AT(input_to) },
	{ "buffer", 0, OPTION_SIZE, "BYTES", "longest line that is waited for (128K)", AT(buffer),
	  1, MESSAGE_WINDOW },
	{ "stdin", 'I', OPTION_STRING, "FILE", "standard input is this file on the node",
	  AT(io[0]) },
	{ "stdout", 'O', OPTION_STRING, "FILE", "standard output goes to this file on the node",
	  AT(io[1]) },
	{ "stderr", 'E', OPTION_STRING, "FILE", "standard error goes to this file on the node",
	  AT(io[2]) },
	{ "terminal", 't', OPTION_FLAG, NULL,
	  "the command on the one node gets a terminal, and has ours", AT(terminal) },
	{ "time", 0, OPTION_FLAG, NULL, "say how long the command took on each node", AT(time) },
	{ "timeout", 0, OPTION_U64, "SECONDS", "end what still runs after this time", AT(timeout),
	  1, 31536000 },
	{ "connect-timeout", 0, OPTION_U64, "SECONDS",
	  "give up on nodes that have not started it by then", AT(start), 1, 86400 },
	{ "image", 0, OPTION_FLAG, NULL, "run what the nodes have; no file goes to them",
	  AT(image) },
	{ "ghosts", 0, OPTION_STRING, "WHICH",
	  "of several processes: \"each\" has its own here, \"all\" they fork, or \"none\" (each)",
	  AT(ghosts) },
	{ "socket", 0, OPTION_STRING, "PATH", "bpmaster's socket (" WHERE_SOCKET ")", AT(socket) },
	{ 0 },
};

static const struct command cmd_bpsh = {
	.name = "bpsh",
	.args = "NODES COMMAND [ARGUMENT...]",
	.summary = "run a command on nodes",
	.details = "NODES is 4, 5-8, n[1-8], @group, all, allup, !3, or several with commas "
		   "between; "
		   "-a and -A stand in its\n"
		   "place. Exit status: the largest of the commands; 127 or 126 where a node has "
		   "no such command or\n"
		   "cannot run it; 255 when one was ended by a signal or its node was lost; 1 when "
		   "a node was not up.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.args_min = 1,
	.args_max = -1,
	.first_arg_ends = true,
	.run = run,
};

int main(int argc, char **argv)
{
	/* What we are told is needed longer than ps shows it: a start may have to be said again. */
	return program_main(&cmd_bpsh, 'v', argc, ghost_arguments(argc, argv));
}

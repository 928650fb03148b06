/*
 * bpcp.c - the program `bpcp`: copy files to nodes, from nodes, and from node to node
 *
 * A copy is two processes and a pipe: one end sends, the other one receives (space/copy.h). An end
 * on this machine is a child of ours; one on nodes is bpslave's own executable, which a child of
 * ours runs there as bpsh would. Who copies is thus the caller at both ends, with the rights that
 * he has there. At a terminal we stand between the two and count.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/progress.h"
#include "cli/program.h"
#include "cli/where.h"
#include "space/copy.h"
#include "space/shell.h"
#include "wire/copy.h"

#define PUMP_BYTES 65536u

struct options {
	bool recursive, preserve;
	const char *socket;
};

/* Where something is: a path here, or on nodes. */
struct place {
	bool remote;
	struct nodeset nodes; /* owned; when it is remote */
	char *path;	      /* owned */
};

/* One copy: sources that lie beside each other, and where they go. */
struct copy {
	const struct options *options;
	const struct place *from; /* where the first source is */
	uint32_t node;		  /* of it, when it is remote */
	char **paths;		  /* NULL at the end */
	size_t n_paths;
	const struct place *to;
	struct copy_options how;
};

static void defaults(void *options)
{
	((struct options *)options)->socket = where_socket();
}

/* A path on a node is taken from the caller's working directory, as a command's there would be. */
static int remote_path(const char *path, char **ret)
{
	char cwd[PATH_MAX];

	if (*path == '/') {
		*ret = strdup(path);
		return *ret ? 0 : -ENOMEM;
	}
	if (!getcwd(cwd, sizeof(cwd)))
		return -errno;
	return path_join(cwd, *path ? path : ".", ret);
}

/* As rcp: what stands before a ':' that no slash comes before names nodes. */
static int place_parse(const struct caller_nodes *known, const char *text, struct place *ret)
{
	const char *colon = strchr(text, ':'), *slash = strchr(text, '/');
	_cleanup_free_ char *nodes = NULL;
	int r;

	ret->remote = colon && colon != text && (!slash || colon < slash);
	if (!ret->remote) {
		ret->path = strdup(text);
		return ret->path ? 0 : log_err(-ENOMEM, "cannot copy");
	}
	nodes = strndup(text, (size_t)(colon - text));
	if (!nodes)
		return log_err(-ENOMEM, "cannot copy");
	r = caller_nodeset(known, nodes, &ret->nodes);
	if (r == 0 && ret->nodes.n == 0)
		return log_err(0, "no node is in '%s'", nodes), -ENODEV;
	if (r == 0 && (r = remote_path(colon + 1, &ret->path)) < 0)
		return log_err(r, "cannot copy '%s'", text);
	return r;
}

/* One end on nodes: bpslave there, with its streams on ours. Return: an exit status. */
static int run_agents(const struct copy *c, const struct nodeset *nodes, bool sends)
{
	char letters[COPY_LETTERS_MAX], name[] = "bpslave", agent[] = COPY_AGENT, from[] = "from",
					to[] = "to";
	const struct shell_options how = { .agent = true,
					   .line_max = MESSAGE_WINDOW,
					   .no_input = sends,
					   .socket = c->options->socket };
	_cleanup_free_ char **argv = calloc(c->n_paths + 6, sizeof(*argv));
	_cleanup_caller_ struct caller door = CALLER();
	mode_t mask = umask(0);
	struct message_spec spec = { .flags = MESSAGE_AGENT | (sends ? MESSAGE_STDIN_NULL : 0),
				     .umask = (uint16_t)mask,
				     .cwd = "/",
				     .io = { "", "", "" },
				     .argv = argv,
				     .env = environ };
	int r;

	umask(mask);
	if (!argv)
		return 1;
	copy_letters(&c->how, letters);
	argv[spec.n_argv++] = name;
	argv[spec.n_argv++] = agent;
	argv[spec.n_argv++] = sends ? from : to;
	argv[spec.n_argv++] = letters;
	if (!sends)
		argv[spec.n_argv++] = c->to->path;
	for (size_t i = 0; i < c->n_paths; i++)
		argv[spec.n_argv++] = c->paths[i];
	r = caller_open(&door, c->options->socket);
	if (r == 0)
		r = shell_run(&door, nodes, &spec, &how);
	return r == 0 ? 0 : 1;
}

static int send_end(const struct copy *c)
{
	_cleanup_nodeset_ struct nodeset node = NODESET();

	if (!c->from->remote)
		return copy_send(STDOUT_FILENO, c->paths, c->n_paths, &c->how) < 0;
	if (nodeset_add(&node, c->node) < 0)
		return 1;
	return run_agents(c, &node, true);
}

static int receive_end(const struct copy *c)
{
	if (c->to->remote)
		return run_agents(c, &c->to->nodes, false);
	return copy_receive(STDIN_FILENO, c->paths, c->n_paths, c->to->path, &c->how) < 0;
}

/* Start one end with @fd as descriptor @as. */
static pid_t start(const struct copy *c, int fd, int as, int (*end)(const struct copy *c))
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail */
	if (dup2(fd, as) < 0)
		_exit(1);
	(void)close_range(STDERR_FILENO + 1, ~0u, 0); /* ends of pipes that others wait for */
	_exit(end(c));
}

/* How much comes, as the first record says. */
static uint64_t total_of(const uint8_t *p, size_t n)
{
	struct copy_record c = { 0 };
	enum copy_type type;
	size_t body;

	if (n < COPY_HEAD_BYTES || copy_head_read(p, &type, &body) < 0 || type != COPY_HELLO ||
	    n < COPY_HEAD_BYTES + body || copy_body_read(type, p + COPY_HEAD_BYTES, body, &c) < 0)
		return 0;
	return c.bytes;
}

/* Pass on all of @from to @to, and show how far it is. */
static void pump(int from, int to)
{
	static uint8_t data[PUMP_BYTES];
	struct progress shown = { 0 };
	uint64_t done = 0;
	bool begun = false;

	for (;;) {
		ssize_t n = read(from, data, sizeof(data));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (!begun)
			progress_start(&shown, "copying", total_of(data, (size_t)n));
		begun = true;
		if (fd_write_all(to, data, (size_t)n) < 0)
			break; /* the receiver says why */
		done += (uint64_t)n;
		progress_update(&shown, done);
	}
	if (begun)
		progress_end(&shown);
}

static bool went_well(pid_t pid, bool *ret_broken)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	*ret_broken = WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Return: 0, or -EIO (said by one of the ends). */
static int copy_one(const struct copy *c)
{
	int first[2], second[2] = { FD_NONE, FD_NONE };
	pid_t sender, receiver;
	bool broken, sent, received;

	if (pipe2(first, O_CLOEXEC) < 0)
		return log_err(-errno, "cannot copy");
	if (c->how.count && pipe2(second, O_CLOEXEC) < 0)
		return log_err(-errno, "cannot copy"); /* the program ends: first goes with it */
	sender = start(c, first[1], STDOUT_FILENO, send_end);
	fd_close(first[1]);
	receiver = start(c, c->how.count ? second[0] : first[0], STDIN_FILENO, receive_end);
	(void)signal(SIGPIPE, SIG_IGN); /* from here on, of ours alone */
	if (c->how.count) {
		fd_close(second[0]);
		if (receiver > 0)
			pump(first[0], second[1]);
		fd_close(second[1]);
	}
	fd_close(first[0]);
	if (sender < 0 || receiver < 0)
		return log_err(-EAGAIN, "cannot copy"); /* the one that runs loses its pipe */
	received = went_well(receiver, &broken);
	sent = went_well(sender, &broken);
	(void)signal(SIGPIPE, SIG_DFL);
	return received && (sent || broken) ? 0 : -EIO;
}

/* The sources @from[0..n), all of one origin, to @to. */
static int copy_group(const struct options *o, struct place *from, size_t n, const struct place *to,
		      bool many)
{
	_cleanup_free_ char **paths = calloc(n + 1, sizeof(*paths));
	size_t rounds = from[0].remote ? from[0].nodes.n : 1;
	char suffix[16];
	struct copy c = { .options = o,
			  .from = &from[0],
			  .paths = paths,
			  .n_paths = n,
			  .to = to,
			  .how = { .recursive = o->recursive,
				   .preserve = o->preserve,
				   .count = isatty(STDERR_FILENO) == 1,
				   .in_folder = many || rounds > 1 } };
	int r = 0;

	if (!paths)
		return log_err(-ENOMEM, "cannot copy");
	for (size_t i = 0; i < n; i++)
		paths[i] = from[i].path;
	for (size_t i = 0; i < rounds; i++) {
		int one;

		c.node = from[0].remote ? from[0].nodes.numbers[i] : 0;
		snprintf(suffix, sizeof(suffix), ".%u", c.node);
		if (rounds > 1)
			c.how.suffix = suffix;
		one = copy_one(&c);
		r = r < 0 ? r : one;
	}
	return r;
}

static bool same_origin(const struct place *a, const struct place *b)
{
	return a->remote == b->remote && a->nodes.n == b->nodes.n &&
	       (a->nodes.n == 0 || memcmp(a->nodes.numbers, b->nodes.numbers,
					  a->nodes.n * sizeof(*a->nodes.numbers)) == 0);
}

static int copy_all(const struct options *o, struct place *places, size_t n)
{
	const struct place *to = &places[n - 1];
	int r = 0;

	for (size_t i = 0, next; i < n - 1; i = next) {
		int one;

		for (next = i + 1; next < n - 1 && same_origin(&places[i], &places[next]);)
			next++;
		if (places[i].nodes.n > 1 && to->remote)
			one = (log_err(0, "from several nodes files go to this machine only"),
			       -EINVAL);
		else
			one = copy_group(o, &places[i], next - i, to, n > 2);
		r = r < 0 ? r : one;
	}
	return r;
}

static int run(void *options, int argc, char **argv)
{
	const struct options *o = options;
	_cleanup_caller_ struct caller c = CALLER();
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	struct place *places = calloc((size_t)argc, sizeof(*places));
	int r = places ? caller_open(&c, o->socket) : log_err(-ENOMEM, "cannot copy");

	if (r == 0)
		r = caller_list(&c, true, &known);
	for (int i = 0; r == 0 && i < argc; i++)
		r = place_parse(&known, argv[i], &places[i]);
	caller_close(&c);
	if (r == 0)
		r = copy_all(o, places, (size_t)argc);
	for (int i = 0; places && i < argc; i++) {
		nodeset_clear(&places[i].nodes);
		free(places[i].path);
	}
	free(places);
	return r;
}

#define AT(field) offsetof(struct options, field)
static const struct option_row rows[] = {
	{ "recursive", 'r', OPTION_FLAG, NULL, "copy folders and what is in them", AT(recursive) },
	{ "preserve", 'p', OPTION_FLAG, NULL,
	  "keep times, modes, access lists, attributes and, as root, owners", AT(preserve) },
	{ "socket", 0, OPTION_STRING, "PATH", "bpmaster's socket (" WHERE_SOCKET ")", AT(socket) },
	{ 0 },
};

static const struct command cmd_bpcp = {
	.name = "bpcp",
	.args = "SOURCE... DESTINATION",
	.summary = "copy files to nodes, from nodes, and from node to node",
	.details = "SOURCE and DESTINATION are a path, or NODES:PATH. What comes from several "
		   "nodes goes into a folder\n"
		   "here, each name with its node's number behind it.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.args_min = 2,
	.args_max = -1,
	.run = run,
};

int main(int argc, char **argv)
{
	return program_main(&cmd_bpcp, 'v', argc, argv);
}

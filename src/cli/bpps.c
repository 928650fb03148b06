/*
 * bpps.c - the program `bpps`: the processes of the space, as ps shows those of one machine
 *
 * Each node answers for itself, at the moment of the question; rows come in the order of the nodes
 * and, on each, of the process numbers. Columns and selections have the names that ps has for them.
 */
#include <errno.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/program.h"
#include "cli/where.h"
#include "space/caller.h"

#define COLUMNS_MAX 32
#define TEXT_MAX    (MESSAGE_ARGS_MAX + 1) /* of a column */
#define NAME_SHOWN  33
#define USUAL	    "node,pid,user,state,time,rss,args"
#define FULL	    "node,pid,ppid,pgid,user,state,pcpu,etime,time,vsz,rss,args"

/* A process and where it runs; the strings are owned. */
struct row {
	uint32_t node;
	struct message_process p;
};

struct table {
	struct row *rows; /* owned */
	size_t n, cap;
	struct nodeset lost; /* nodes that were not there */
};

struct options {
	bool every, full, json, no_headers;
	const char *nodes, *users, *pids, *names, *groups, *columns, *socket;
};

static void defaults(void *options)
{
	((struct options *)options)->socket = where_socket();
}

/* --- columns --- */

static void show_time(uint64_t s, bool always_hours, char *to)
{
	unsigned days = (unsigned)(s / 86400), hours = (unsigned)(s / 3600 % 24);
	unsigned minutes = (unsigned)(s / 60 % 60), seconds = (unsigned)(s % 60);

	if (days > 0)
		snprintf(to, TEXT_MAX, "%u-%02u:%02u:%02u", days, hours, minutes, seconds);
	else if (hours > 0 || always_hours)
		snprintf(to, TEXT_MAX, "%02u:%02u:%02u", hours, minutes, seconds);
	else
		snprintf(to, TEXT_MAX, "%02u:%02u", minutes, seconds);
}

static void user_name(uint32_t uid, char *to)
{
	const struct passwd *p = getpwuid(uid);

	if (p)
		snprintf(to, NAME_SHOWN, "%s", p->pw_name);
	else
		snprintf(to, NAME_SHOWN, "%u", uid);
}

#define NUMBER(name, expr)                                    \
	static void show_##name(const struct row *r, char *to) \
	{                                                      \
		snprintf(to, TEXT_MAX, "%llu",                 \
			 (unsigned long long)(expr));          \
	}
NUMBER(node, r->node)
NUMBER(pid, r->p.pid)
NUMBER(ppid, r->p.parent)
NUMBER(pgid, r->p.group)
NUMBER(sid, r->p.session)
NUMBER(uid, r->p.uid)
NUMBER(threads, r->p.threads)
NUMBER(rss, r->p.rss_kib)
NUMBER(vsz, r->p.vsz_kib)
NUMBER(times, r->p.cpu_ms / 1000)
NUMBER(etimes, r->p.elapsed_ms / 1000)

static void show_user(const struct row *r, char *to)
{
	user_name(r->p.uid, to);
}

static void show_state(const struct row *r, char *to)
{
	snprintf(to, TEXT_MAX, "%c", r->p.state);
}

static void show_nice(const struct row *r, char *to)
{
	snprintf(to, TEXT_MAX, "%d", r->p.nice);
}

static void show_cputime(const struct row *r, char *to)
{
	show_time(r->p.cpu_ms / 1000, true, to);
}

static void show_etime(const struct row *r, char *to)
{
	show_time(r->p.elapsed_ms / 1000, false, to);
}

static void show_pcpu(const struct row *r, char *to)
{
	double share = r->p.elapsed_ms ? (double)r->p.cpu_ms * 100 / (double)r->p.elapsed_ms : 0;

	snprintf(to, TEXT_MAX, "%.1f", share);
}

static void show_comm(const struct row *r, char *to)
{
	snprintf(to, TEXT_MAX, "%s", r->p.name);
}

/* As ps: the name in brackets where there are no arguments. */
static void show_args(const struct row *r, char *to)
{
	if (*r->p.args)
		snprintf(to, TEXT_MAX, "%s", r->p.args);
	else
		snprintf(to, TEXT_MAX, "[%s]", r->p.name);
}

static const struct column {
	const char *name, *other, *head;
	bool left; /* its text stands at the left */
	void (*show)(const struct row *r, char *to);
} columns[] = {
	{ "node", NULL, "NODE", false, show_node },
	{ "pid", NULL, "PID", false, show_pid },
	{ "ppid", NULL, "PPID", false, show_ppid },
	{ "pgid", "pgrp", "PGID", false, show_pgid },
	{ "sid", "sess", "SID", false, show_sid },
	{ "user", "euser", "USER", true, show_user },
	{ "uid", "euid", "UID", false, show_uid },
	{ "state", "s", "S", true, show_state },
	{ "nice", "ni", "NI", false, show_nice },
	{ "nlwp", "thcount", "NLWP", false, show_threads },
	{ "pcpu", "%cpu", "%CPU", false, show_pcpu },
	{ "time", "cputime", "TIME", false, show_cputime },
	{ "times", "cputimes", "TIME", false, show_times },
	{ "etime", NULL, "ELAPSED", false, show_etime },
	{ "etimes", NULL, "ELAPSED", false, show_etimes },
	{ "rss", "rssize", "RSS", false, show_rss },
	{ "vsz", "vsize", "VSZ", false, show_vsz },
	{ "comm", "ucmd", "COMMAND", true, show_comm },
	{ "args", "cmd", "COMMAND", true, show_args },
};

/* Return: 0 or -EINVAL (logged). */
static int choose_columns(const char *text, const struct column **ret, size_t *ret_n)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *name;
	size_t n = 0, i;

	while (copy && (name = strsep(&rest, ", "))) {
		if (!*name)
			continue;
		for (i = 0; i < ARRAY_SIZE(columns); i++) {
			if (!strcmp(name, columns[i].name) ||
			    (columns[i].other && !strcmp(name, columns[i].other)))
				break;
		}
		if (i == ARRAY_SIZE(columns) || n == COLUMNS_MAX)
			return log_err(0,
				       "there is no column '%s'; bpps --help names them (at most "
				       "%d)",
				       name, COLUMNS_MAX),
			       -EINVAL;
		ret[n++] = &columns[i];
	}
	*ret_n = n;
	return copy && n > 0 ? 0 : log_err(-EINVAL, "no column is named");
}

/* --- selection --- */

/* Whether @word is one of those in @list between commas or blanks; a list that is not there has
 * all. */
static bool is_listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p && *p; p += *p != 0) {
		size_t len = strcspn(p, ", ");

		if (len == n && !strncmp(p, word, n))
			return true;
		p += len;
	}
	return !list;
}

static bool number_listed(const char *list, uint32_t n)
{
	char text[12];

	snprintf(text, sizeof(text), "%u", n);
	return is_listed(list, text);
}

static bool is_chosen(const struct options *o, const struct message_process *p)
{
	char user[NAME_SHOWN];

	user_name(p->uid, user);
	return (is_listed(o->users, user) || number_listed(o->users, p->uid)) &&
	       number_listed(o->pids, p->pid) && number_listed(o->groups, p->group) &&
	       is_listed(o->names, p->name);
}

static int add(struct table *t, uint32_t node, const struct message_process *p)
{
	struct row *r;

	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;

		r = reallocarray(t->rows, cap, sizeof(*r));
		if (!r)
			return -ENOMEM;
		t->rows = r;
		t->cap = cap;
	}
	r = &t->rows[t->n];
	*r = (struct row){ .node = node, .p = *p };
	r->p.name = strdup(p->name);
	r->p.args = strdup(p->args);
	t->n++;
	return r->p.name && r->p.args ? 0 : -ENOMEM;
}

static int take(const struct options *o, struct table *t, struct reader *body)
{
	enum message_going_on how;
	uint32_t node;
	int r = message_proclist_read(body, &node, &how);

	while (r == 0 && body->left > 0) {
		struct message_process p;

		r = message_process_read(body, &p);
		if (r == 0 && is_chosen(o, &p))
			r = add(t, node, &p);
	}
	if (r == 0 && how == MESSAGE_NODE_LOST)
		r = nodeset_add(&t->lost, node);
	return r;
}

static int ask(const struct options *o, struct caller *c, const struct nodeset *nodes,
	       struct table *t)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	const uint8_t type = MESSAGE_PROCESSES;
	int r = buffer_append(&b, &type, 1);

	if (r == 0)
		r = message_nodes_write(&b, nodes->numbers, nodes->n);
	if (r == 0)
		r = caller_send(c, b.data, b.len);
	while (r == 0) {
		struct reader body;

		r = caller_receive(c);
		if (r < 0 || c->in.data[0] == MESSAGE_DONE)
			break;
		body = READER(c->in.data + 1, c->in.len - 1);
		r = c->in.data[0] == MESSAGE_PROCLIST ? take(o, t, &body) : -EBADMSG;
		if (r < 0)
			return log_err(r, "cannot take what bpmaster answers");
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->p.pid < y->p.pid ? -1 : x->p.pid > y->p.pid;
}

/* --- output --- */

static void print_table(const struct table *t, const struct column *const *cols, size_t n,
			bool heads)
{
	char text[TEXT_MAX];
	size_t widths[COLUMNS_MAX];

	for (size_t k = 0; k < n; k++) {
		widths[k] = strlen(cols[k]->head);
		for (size_t i = 0; i < t->n; i++) {
			cols[k]->show(&t->rows[i], text);
			widths[k] = MAX(widths[k], strlen(text));
		}
	}
	for (size_t i = heads ? 0 : 1; i <= t->n; i++) {
		for (size_t k = 0; k < n; k++) {
			bool last = k + 1 == n;

			snprintf(text, sizeof(text), "%s", cols[k]->head);
			if (i > 0)
				cols[k]->show(&t->rows[i - 1], text);
			if (cols[k]->left && last)
				printf("%s\n", text);
			else
				printf("%*s%c", (int)widths[k] * (cols[k]->left ? -1 : 1), text,
				       last ? '\n' : ' ');
		}
	}
}

static int print_json(const struct table *t)
{
	json_t *list = json_array();
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < t->n; i++) {
		const struct row *row = &t->rows[i];
		const struct message_process *p = &row->p;
		const char state[2] = { p->state, 0 };
		char user[NAME_SHOWN];
		json_t *one;

		user_name(p->uid, user);
		one = json_pack("{sI sI sI sI sI sI ss ss si sI sI sI sI sI ss ss}", "node",
				(json_int_t)row->node, "pid", (json_int_t)p->pid, "ppid",
				(json_int_t)p->parent, "pgid", (json_int_t)p->group, "sid",
				(json_int_t)p->session, "uid", (json_int_t)p->uid, "user", user,
				"state", state, "nice", (int)p->nice, "threads",
				(json_int_t)p->threads, "cpu_ms", (json_int_t)p->cpu_ms,
				"elapsed_ms", (json_int_t)p->elapsed_ms, "rss_kib",
				(json_int_t)p->rss_kib, "vsz_kib", (json_int_t)p->vsz_kib, "comm",
				p->name, "args", p->args);
		if (!one || json_array_append_new(list, one) < 0)
			r = -ENOMEM;
	}
	if (r < 0 || json_dumpf(list, stdout, JSON_INDENT(1)) < 0)
		r = log_err(-ENOMEM, "cannot write the list of processes");
	else
		printf("\n");
	json_decref(list);
	return r;
}

static void table_clear(struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free((char *)t->rows[i].p.name);
		free((char *)t->rows[i].p.args);
	}
	free(t->rows);
	nodeset_clear(&t->lost);
}

/* The nodes to be asked: those that are up, unless they are named. */
static int choose_nodes(const struct options *o, struct caller *c, struct nodeset *ret)
{
	_cleanup_caller_nodes_ struct caller_nodes known = { 0 };
	int r = caller_list(c, &known);

	if (r == 0 && o->nodes)
		return caller_nodeset(&known, o->nodes, ret);
	for (size_t i = 0; r == 0 && i < known.n; i++) {
		if (known.list[i].connected)
			r = nodeset_add(ret, known.list[i].number);
	}
	return r;
}

static int run(void *options, int argc, char **argv)
{
	const struct options *o = options;
	const char *names = o->columns ? o->columns : o->full ? FULL : USUAL;
	_cleanup_caller_ struct caller c = CALLER();
	_cleanup_(table_clear) struct table t = { .lost = NODESET() };
	_cleanup_nodeset_ struct nodeset nodes = NODESET();
	_cleanup_buffer_ struct buffer text = BUFFER(NODESET_TEXT_MAX);
	const struct column *cols[COLUMNS_MAX];
	size_t n = 0;
	int r;

	if (choose_columns(names, cols, &n) < 0)
		return COMMAND_USAGE;
	r = caller_open(&c, o->socket);
	if (r == 0)
		r = choose_nodes(o, &c, &nodes);
	if (r == 0 && nodes.n > 0)
		r = ask(o, &c, &nodes, &t);
	if (r < 0)
		return r;
	if (t.n > 0)
		qsort(t.rows, t.n, sizeof(*t.rows), compare);
	if (o->json)
		r = print_json(&t);
	else
		print_table(&t, cols, n, !o->no_headers);
	if (t.lost.n > 0)
		r = log_err(-EHOSTDOWN, "not there to be asked: node%s %s",
			    t.lost.n == 1 ? "" : "s",
			    nodeset_format(&t.lost, &text) < 0 ? "of this set" : buffer_str(&text));
	return r < 0 ? r : t.n > 0 || o->json ? COMMAND_OK : COMMAND_FAILED;
}

#define AT(field) offsetof(struct options, field)
static const struct option_row rows[] = {
	{ "every", 'e', OPTION_FLAG, NULL, "every process (as without it)", AT(every) },
	{ "full", 'f', OPTION_FLAG, NULL, "more columns", AT(full) },
	{ "format", 'o', OPTION_STRING, "COLUMNS", "these columns, with commas between",
	  AT(columns) },
	{ "nodes", 'n', OPTION_STRING, "NODES", "on these nodes (those that are up)", AT(nodes) },
	{ "user", 'u', OPTION_STRING, "USERS", "of these users, names or numbers", AT(users) },
	{ "pid", 'p', OPTION_STRING, "PIDS", "with these process numbers", AT(pids) },
	{ "pgroup", 'g', OPTION_STRING, "PGIDS", "of these process groups", AT(groups) },
	{ "command", 'C', OPTION_STRING, "NAMES", "with these names", AT(names) },
	{ "no-headers", 0, OPTION_FLAG, NULL, "no line with the columns' names", AT(no_headers) },
	{ "json", 0, OPTION_FLAG, NULL, "everything, as JSON", AT(json) },
	{ "socket", 0, OPTION_STRING, "PATH", "bpmaster's socket (" WHERE_SOCKET ")", AT(socket) },
	{ 0 },
};

static const struct command cmd_bpps = {
	.name = "bpps",
	.args = "",
	.summary = "show the processes of the space",
	.details = "COLUMNS are node, pid, ppid, pgid, sid, user, uid, state, nice, nlwp, pcpu, "
		   "time, times, etime,\netimes, rss, vsz, comm, args. Selections that are given "
		   "together must all hold.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.run = run,
};

int main(int argc, char **argv)
{
	return program_main(&cmd_bpps, 'V', argc, argv);
}

/*
 * bpps.c - the program `bpps`: the processes of the space, as ps shows those of one machine
 *
 * Each node answers for itself, at the moment of the question; rows come in the order of the nodes
 * and, on each, of the process numbers. Options are those of ps: what several of them select is put
 * together, and columns and their heads have its names (bpps_columns.c). Nodes are ours: -n leaves
 * out all others.
 */
#include <errno.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "cli/bpps_columns.h"
#include "cli/bpps_ghosts.h"
#include "cli/program.h"
#include "cli/where.h"
#include "space/caller.h"

#define PARTS_MAX 64 /* lists of one kind */
#define USUAL	  "node,pid,user,state,time,rss,args"
#define FULL	  "node,user=UID,pid,ppid,c,stime,tname,time,args=CMD"
#define EXTRA	  "node,user=UID,pid,ppid,c,sz,rss,stime,tname,time,args=CMD"
#define LONG	  "node,s,uid,pid,ppid,c,ni,sz,tname,time,comm=CMD"
#define JOBS	  "node,pid,pgid,sid,tname,time,comm=CMD"
#define BSD	  "node,user,pid,%cpu,%mem,vsz,rss,tname,stat,stime=START,bsdtime,args"
#define BSD_SHORT "node,pid,tname,stat,bsdtime,args"

struct table {
	struct bpps_row *rows; /* owned */
	size_t n, cap;
	struct nodeset lost; /* nodes that were not there */
};

/* What options of one kind name, each some between commas or blanks. */
struct list {
	const char *parts[PARTS_MAX];
	size_t n;
};

struct options {
	bool every, full, extra, longer, jobs, wide, deselect, json, no_headers;
	const char *nodes, *sort, *socket;
	struct list users, real_users, ttys, pids, parents, groups, sessions, names;
	struct columns columns;
};

static void defaults(void *options)
{
	((struct options *)options)->socket = where_socket();
}

static int list_add(struct list *l, const char *value)
{
	if (l->n == PARTS_MAX)
		return log_err(-E2BIG, "at most %d of one kind", PARTS_MAX);
	l->parts[l->n++] = value;
	return 0;
}

/* Numbers, or nothing is selected by mistake. */
static int list_add_numbers(struct list *l, const char *value)
{
	if (!*value || value[strspn(value, "0123456789, ")])
		return log_err(0, "'%s': expected numbers with commas between", value), -EINVAL;
	return list_add(l, value);
}

static int add_columns(void *options, const char *value)
{
	return columns_add(&((struct options *)options)->columns, value);
}

#define LIST(field, how)                                                \
	static int add_##field(void *options, const char *value)        \
	{                                                               \
		return how(&((struct options *)options)->field, value); \
	}
LIST(pids, list_add_numbers)
LIST(parents, list_add_numbers)
LIST(groups, list_add_numbers)
LIST(sessions, list_add_numbers)
LIST(names, list_add)
LIST(ttys, list_add)

/* A user that there is not is a mistake, unless it is a number. */
static int list_add_users(struct list *l, const char *value)
{
	char name[COLUMN_NAME];

	for (const char *p = value; *p; p += strspn(p, ", ")) {
		size_t n = strcspn(p, ", ");

		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		if (n > 0 && name[strspn(name, "0123456789")] && !getpwnam(name))
			return log_err(0, "there is no user '%s'", name), -EINVAL;
		p += n;
	}
	return list_add(l, value);
}

LIST(users, list_add_users)
LIST(real_users, list_add_users)

/* --- selection --- */

static bool is_listed(const struct list *l, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < l->n; i++) {
		for (const char *p = l->parts[i]; *p; p += *p != 0) {
			size_t len = strcspn(p, ", ");

			if (len == n && !strncmp(p, word, n))
				return true;
			p += len;
		}
	}
	return false;
}

static bool number_listed(const struct list *l, uint32_t n)
{
	char text[12];

	snprintf(text, sizeof(text), "%u", n);
	return is_listed(l, text);
}

static bool is_user_listed(const struct list *l, uint32_t uid)
{
	char user[COLUMN_NAME];

	if (l->n == 0)
		return false;
	columns_user(uid, user);
	return is_listed(l, user) || number_listed(l, uid);
}

/* As pts/0, /dev/pts/0, or, of those without, as ? or -. */
static bool is_tty_listed(const struct list *l, uint32_t tty)
{
	char name[COLUMN_NAME], path[COLUMN_NAME + sizeof("/dev/")];

	if (l->n == 0)
		return false;
	columns_tty(tty, name);
	snprintf(path, sizeof(path), "/dev/%s", name);
	return is_listed(l, name) || is_listed(l, path) || (tty == 0 && is_listed(l, "-"));
}

static bool is_chosen(const struct options *o, const struct message_process *p)
{
	bool any = o->users.n + o->real_users.n + o->ttys.n + o->pids.n + o->parents.n +
			   o->groups.n + o->sessions.n + o->names.n ==
		   0;

	any = any || o->every || is_user_listed(&o->users, p->uid) ||
	      is_user_listed(&o->real_users, p->real_uid) || is_tty_listed(&o->ttys, p->tty) ||
	      number_listed(&o->pids, p->pid) || number_listed(&o->parents, p->parent) ||
	      number_listed(&o->groups, p->group) || number_listed(&o->groups, p->session) ||
	      number_listed(&o->sessions, p->session) || is_listed(&o->names, p->name);
	return any != o->deselect;
}

static int add(struct table *t, const struct message_proclist *from,
	       const struct message_process *p)
{
	struct bpps_row *r;

	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;

		r = reallocarray(t->rows, cap, sizeof(*r));
		if (!r)
			return -ENOMEM;
		t->rows = r;
		t->cap = cap;
	}
	r = &t->rows[t->n];
	*r = (struct bpps_row){ .node = from->number, .memory_kib = from->memory_kib, .p = *p };
	r->p.name = strdup(p->name);
	r->p.args = strdup(p->args);
	t->n++;
	return r->p.name && r->p.args ? 0 : -ENOMEM;
}

static int take(const struct options *o, struct table *t, struct reader *body)
{
	struct message_proclist from;
	int r = message_proclist_read(body, &from);

	while (r == 0 && body->left > 0) {
		struct message_process p;

		r = message_process_read(body, &p);
		if (r == 0 && is_chosen(o, &p))
			r = add(t, &from, &p);
	}
	if (r == 0 && from.how == MESSAGE_NODE_LOST)
		r = nodeset_add(&t->lost, from.number);
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

/* A process as an object; NULL when there is no memory. */
static json_t *json_of(const struct bpps_row *row)
{
	const struct message_process *p = &row->p;
	const char state[2] = { p->state, 0 };
	char user[COLUMN_NAME], tty[COLUMN_NAME];
	json_t *one = json_object();
	int r = 0;

	columns_user(p->uid, user);
	columns_tty(p->tty, tty);
	const struct {
		const char *name;
		json_t *value;
	} fields[] = {
		{ "node", json_integer(row->node) },
		{ "pid", json_integer(p->pid) },
		{ "ppid", json_integer(p->parent) },
		{ "pgid", json_integer(p->group) },
		{ "sid", json_integer(p->session) },
		{ "ghost", json_integer(row->ghost) },
		{ "gpgid", json_integer(row->ghost_group) },
		{ "gsid", json_integer(row->ghost_session) },
		{ "uid", json_integer(p->uid) },
		{ "user", json_string(user) },
		{ "ruid", json_integer(p->real_uid) },
		{ "gid", json_integer(p->gid) },
		{ "tty", p->tty ? json_string(tty) : json_null() },
		{ "tpgid", json_integer(p->foreground) },
		{ "state", json_string(state) },
		{ "nice", json_integer(p->nice) },
		{ "threads", json_integer(p->threads) },
		{ "cpu_ms", json_integer((json_int_t)p->cpu_ms) },
		{ "elapsed_ms", json_integer((json_int_t)p->elapsed_ms) },
		{ "pmem", json_real((double)columns_memory(row) / 10) },
		{ "rss_kib", json_integer((json_int_t)p->rss_kib) },
		{ "vsz_kib", json_integer((json_int_t)p->vsz_kib) },
		{ "comm", json_string(p->name) },
		{ "args", json_string(p->args) },
	};
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) { /* each value is taken, or freed */
		if (json_object_set_new(one, fields[i].name, fields[i].value) < 0)
			r = -ENOMEM;
	}
	if (r < 0) {
		json_decref(one);
		return NULL;
	}
	return one;
}

static int print_json(const struct table *t)
{
	json_t *list = json_array();
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < t->n; i++)
		r = json_array_append_new(list, json_of(&t->rows[i])) < 0 ? -ENOMEM : 0;
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
	int r = caller_list(c, true, &known);

	if (r == 0 && o->nodes)
		return caller_nodeset(&known, o->nodes, ret);
	for (size_t i = 0; r == 0 && i < known.n; i++) {
		if (known.list[i].connected)
			r = nodeset_add(ret, known.list[i].number);
	}
	return r;
}

/* Arguments without a dash: numbers of processes, or options as BSD's ps has them, without -. */
static int take_arguments(struct options *o, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (argv[i][0] >= '0' && argv[i][0] <= '9') {
			if (list_add_numbers(&o->pids, argv[i]) < 0)
				return -EINVAL;
		} else if (argv[i][0] && !argv[i][strspn(argv[i], "aguwxh")]) {
			o->no_headers = o->no_headers || strchr(argv[i], 'h');
			if (o->columns.n == 0 &&
			    columns_add(&o->columns, strchr(argv[i], 'u') ? BSD : BSD_SHORT) < 0)
				return -EINVAL;
		} else {
			return log_err(0,
				       "'%s' is no process number, and no letters of BSD's ps "
				       "that are known here (aux)",
				       argv[i]),
			       -EINVAL;
		}
	}
	return 0;
}

/* The columns and the order that are asked for. Return: 0 or -EINVAL (logged). */
static int choose_columns(struct options *o, struct columns *ret_keys)
{
	int r = 0;

	if (o->columns.n == 0)
		r = columns_add(&o->columns, o->extra	 ? EXTRA
					     : o->full	 ? FULL
					     : o->longer ? LONG
					     : o->jobs	 ? JOBS
							 : USUAL);
	return r == 0 && o->sort ? columns_add_keys(ret_keys, o->sort) : r;
}

static int run(void *options, int argc, char **argv)
{
	struct options *o = options;
	_cleanup_caller_ struct caller c = CALLER();
	_cleanup_(table_clear) struct table t = { .lost = NODESET() };
	_cleanup_nodeset_ struct nodeset nodes = NODESET();
	_cleanup_buffer_ struct buffer text = BUFFER(NODESET_TEXT_MAX);
	struct columns keys = { .n = 0 };
	int r;

	if (take_arguments(o, argc, argv) < 0 || choose_columns(o, &keys) < 0)
		return COMMAND_USAGE;
	r = caller_open(&c, o->socket);
	if (r == 0)
		r = choose_nodes(o, &c, &nodes);
	if (r == 0 && nodes.n > 0)
		r = ask(o, &c, &nodes, &t);
	if (r < 0)
		return r;
	if (o->json || columns_want_ghosts(&o->columns) || columns_want_ghosts(&keys))
		r = bpps_ghosts(&c, t.rows, t.n);
	if (r < 0)
		return r;
	columns_sort(&keys, t.rows, t.n);
	if (o->json)
		r = print_json(&t);
	else
		columns_print(&o->columns, t.rows, t.n, !o->no_headers);
	if (t.lost.n > 0)
		r = log_err(-EHOSTDOWN, "not there to be asked: node%s %s",
			    t.lost.n == 1 ? "" : "s",
			    nodeset_format(&t.lost, &text) < 0 ? "of this set" : buffer_str(&text));
	return r < 0 ? r : t.n > 0 || o->json ? COMMAND_OK : COMMAND_FAILED;
}

#define AT(field) offsetof(struct options, field)
static const struct option_row rows[] = {
	{ "every", 'e', OPTION_FLAG, NULL, "every process (as without a selection)", AT(every) },
	{ "all", 'A', OPTION_FLAG, NULL, "the same", AT(every) },
	{ "nodes", 'n', OPTION_STRING, "NODES", "on these nodes only (those that are up)",
	  AT(nodes) },
	{ "user", 'u', OPTION_CALL, "USERS", "of these users, names or numbers",
	  .call = add_users },
	{ "User", 'U', OPTION_CALL, "USERS", "the same, by who has started them",
	  .call = add_real_users },
	{ "tty", 't', OPTION_CALL, "TTYS", "with these terminals there; '?': with none",
	  .call = add_ttys },
	{ "pid", 'p', OPTION_CALL, "PIDS", "with these process numbers", .call = add_pids },
	{ "ppid", 0, OPTION_CALL, "PIDS", "whose parent is one of these", .call = add_parents },
	{ "group", 'g', OPTION_CALL, "NUMBERS", "of these process groups or sessions",
	  .call = add_groups },
	{ "sid", 's', OPTION_CALL, "SIDS", "of these sessions", .call = add_sessions },
	{ "command", 'C', OPTION_CALL, "NAMES", "with these names", .call = add_names },
	{ "deselect", 'N', OPTION_FLAG, NULL, "all but those that are selected", AT(deselect) },
	{ "full", 'f', OPTION_FLAG, NULL, "the columns of ps -f", AT(full) },
	{ "extra-full", 'F', OPTION_FLAG, NULL, "the columns of ps -F", AT(extra) },
	{ "long", 'l', OPTION_FLAG, NULL, "the columns of ps -l", AT(longer) },
	{ "jobs", 'j', OPTION_FLAG, NULL, "the columns of ps -j", AT(jobs) },
	{ "format", 'o', OPTION_CALL, "COLUMNS", "these columns, NAME or NAME=HEAD",
	  .call = add_columns },
	{ "sort", 0, OPTION_STRING, "KEYS", "sort by these columns, the largest first after '-'",
	  AT(sort) },
	{ "wide", 'w', OPTION_FLAG, NULL, "lines of any length (as without it)", AT(wide) },
	{ "no-headers", 0, OPTION_FLAG, NULL, "no line with the columns' names", AT(no_headers) },
	{ "json", 0, OPTION_FLAG, NULL, "everything, as JSON", AT(json) },
	{ "socket", 0, OPTION_STRING, "PATH", "bpmaster's socket (" WHERE_SOCKET ")", AT(socket) },
	{ 0 },
};

static const struct command cmd_bpps = {
	.name = "bpps",
	.args = "[PID...|aux]",
	.summary = "show the processes of the space",
	.details = "COLUMNS and KEYS are node, pid, ppid, pgid, sid, ghost, gpgid, gsid, user, "
		   "uid, ruser,\nruid, group, gid, tty, tpgid, state, stat, nice, nlwp, pcpu, "
		   "pmem, c, time,\ntimes, bsdtime, etime, etimes, stime, lstart, rss, vsz, sz, "
		   "comm, args. As with\nps, what several options select is put together; "
		   "-n leaves out all other nodes.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.defaults = defaults,
	.args_max = -1,
	.run = run,
};

int main(int argc, char **argv)
{
	return program_main(&cmd_bpps, 'V', argc, argv);
}

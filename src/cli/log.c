/*
 * log.c - bpboot log: the last boot of a node as stages with times, and why it failed
 *
 * Reads files only: bpmaster's record of boots and, where the site keeps one, the node's console
 * capture. So it also tells of a node that has no network, and works when bpmaster does not run.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/commands.h"
#include "cli/timeline.h"
#include "lab/place.h"
#include "serve/cluster.h"
#include "serve/nodes.h"

#define CLUSTER_FILE "/etc/bpboot/cluster.conf"
#define STATE_DIR    "/var/lib/bpboot"

enum {
	CONSOLE_LINES = 8, /* of the capture that are shown when there is nothing better */
};

struct log_options {
	const char *cluster, *state, *consoles, *lab;
	bool json;
};

/* The node that is asked for, as far as it is known. */
struct subject {
	const char *asked; /* as it was typed */
	bool known;	   /* node is set */
	struct node node;
	char name[NODES_NAME_MAX]; /* of the node, or what was typed */
	char *events, *console;	   /* files; owned; console may be NULL */
};

static void subject_clear(struct subject *s)
{
	free(s->events);
	free(s->console);
}

/* "@dir/@name@suffix" */
static int make_path(char **ret, const char *dir, const char *name, const char *suffix)
{
	if (asprintf(ret, "%s/%s%s", dir, name, suffix) >= 0)
		return 0;
	*ret = NULL;
	return -ENOMEM;
}

/* NAME.log, else NUMBER.log: what there is. */
static int find_console(struct subject *s, const char *dir)
{
	char number[16];

	if (!dir)
		return 0;
	if (make_path(&s->console, dir, s->name, ".log") < 0)
		return -ENOMEM;
	if (access(s->console, F_OK) == 0 || !s->known)
		return 0;
	free(s->console);
	snprintf(number, sizeof(number), "%u", s->node.number);
	return make_path(&s->console, dir, number, ".log");
}

/* bpmaster names files by MAC, with links by number. */
static int find_events(struct subject *s, const char *state)
{
	char key[MAC_STR_MAX];
	struct mac mac;

	if (s->known)
		mac_format(&s->node.mac, key);
	else if (mac_parse(s->asked, &mac) == 0)
		mac_format(&mac, key);
	else if (strlen(s->asked) < sizeof(key) &&
		 strspn(s->asked, "0123456789") == strlen(s->asked))
		snprintf(key, sizeof(key), "%s", s->asked);
	else
		return log_err(0, "no node '%s' in the node table; expected a number, name or MAC",
			       s->asked),
		       -ENOENT;
	if (asprintf(&s->events, "%s/boots/%s.events", state, key) >= 0)
		return 0;
	s->events = NULL;
	return -ENOMEM;
}

/* Which cluster file: of the lab, as told, or the usual one when it is there. Return: 0 with NULL
 * when there is none. */
static int cluster_file(const struct log_options *o, char **ret)
{
	_cleanup_place_ struct place p = PLACE();
	int r;

	*ret = NULL;
	if (o->lab) {
		r = place_open(o->lab, &p);
		return r < 0 ? r : make_path(ret, p.path, "cluster", ".conf");
	}
	if (!o->cluster && access(CLUSTER_FILE, F_OK) < 0)
		return 0;
	*ret = strdup(o->cluster ? o->cluster : CLUSTER_FILE);
	return *ret ? 0 : -ENOMEM;
}

static int find_subject(const struct log_options *o, const char *asked, struct subject *ret)
{
	_cleanup_cluster_ struct cluster c = { 0 };
	_cleanup_nodes_ struct nodes t = { 0 };
	_cleanup_free_ char *file = NULL;
	_cleanup_(subject_clear) struct subject s = { .asked = asked };
	const struct node *n;
	int r = cluster_file(o, &file);

	if (r == 0 && file)
		r = cluster_load(file, &c);
	if (r == 0 && file)
		r = nodes_load(c.nodes, &t);
	if (r < 0)
		return r;
	n = nodes_find(&t, asked);
	s.known = n != NULL;
	if (n)
		s.node = *n;
	if (n)
		node_name(n, s.name);
	else
		snprintf(s.name, sizeof(s.name), "%s", asked);
	if (!n && strchr(s.name, '/'))
		return log_err(0, "node '%s': expected a number, name or MAC", asked), -EINVAL;
	if (!file && !o->state && access(STATE_DIR, F_OK) < 0)
		return log_err(0, "no cluster file '" CLUSTER_FILE "' and no record in '" STATE_DIR
				  "': name one with --cluster, --state or --lab"),
		       -ENOENT;
	r = find_events(&s, o->state ? o->state : file ? c.master_state : STATE_DIR);
	if (r == 0)
		r = find_console(&s, o->consoles ? o->consoles : file ? c.master_consoles : NULL);
	if (r < 0)
		return r;
	*ret = s;
	s = (struct subject){ 0 };
	return 0;
}

static void print_head(const struct subject *s, const struct timeline *t)
{
	char mac[MAC_STR_MAX], when[40] = "";
	uint64_t wall_ms = 0;

	if (s->known)
		printf("node %u, %s, %s", s->node.number, s->name, mac_format(&s->node.mac, mac));
	else
		printf("node %s", s->asked);
	if (t->boot)
		printf(", boot %08" PRIx32, t->boot);
	for (size_t i = 0; i < t->n && !wall_ms; i++)
		wall_ms = t->events[i].wall_ms;
	if (wall_ms) {
		time_t sec = (time_t)(wall_ms / 1000);
		struct tm tm;

		if (gmtime_r(&sec, &tm) &&
		    strftime(when, sizeof(when), ", %Y-%m-%d %H:%M:%S UTC", &tm) > 0)
			printf("%s", when);
	}
	printf("\n");
}

/* Milliseconds from the begin of event @i's stage, or from the event before it, to the event. */
static uint64_t took(const struct timeline *t, size_t i)
{
	const struct report *e = &t->events[i].report;

	for (size_t k = i; k-- > 0;) {
		const struct report *b = &t->events[k].report;

		if (b->stage == e->stage && b->state == REPORT_BEGIN)
			return e->ms - b->ms;
		if (b->stage != e->stage)
			break;
	}
	for (size_t k = i; k-- > 0;) {
		const struct report *b = &t->events[k].report;

		if (b->state != REPORT_BEGIN && b->state != REPORT_PROGRESS)
			return e->ms - b->ms;
	}
	return e->ms; /* the first: the kernel alone */
}

static bool is_row(const struct timeline *t, size_t i)
{
	const struct report *e = &t->events[i].report;

	if (e->stage == REPORT_RETRY || e->stage == REPORT_SHELL)
		return true;
	return (e->state != REPORT_BEGIN && e->state != REPORT_PROGRESS) || i + 1 == t->n;
}

static void print_rows(const struct timeline *t)
{
	static const char *const marks[REPORT_STATE_MAX_] = {
		[REPORT_BEGIN] = "...", [REPORT_PROGRESS] = "...", [REPORT_OK] = "ok",
		[REPORT_WARN] = "warn", [REPORT_FAIL] = "FAIL",
	};

	printf("\n   at        took   stage    state  words\n");
	for (size_t i = 0; i < t->n; i++) {
		const struct report *e = &t->events[i].report;

		if (!is_row(t, i))
			continue;
		printf("%7.3f s %7.3f s  %-8s %-5s  %s\n", (double)e->ms / 1000,
		       (double)took(t, i) / 1000, report_stage_name(e->stage), marks[e->state],
		       e->words);
	}
	printf("\n");
}

/* Escape sequences of firmware and whatever else a serial line yields are left out. */
static void print_plain(const char *line)
{
	printf("  | ");
	for (const char *p = line; *p; p++) {
		if (*p == '\033' && p[1] == '[') {
			p += 2;
			while (*p && (*p < 0x40 || *p > 0x7e))
				p++;
			if (!*p)
				break;
		} else if (*p >= 0x20 && *p < 0x7f) {
			putchar(*p);
		}
	}
	putchar('\n');
}

static void print_console_end(const struct timeline *t)
{
	const char *text = buffer_str(&t->console), *p = text + strlen(text);
	_cleanup_free_ char *copy = NULL;

	for (int lines = 0; p > text && lines <= CONSOLE_LINES; p--)
		lines += p[-1] == '\n';
	copy = strdup(p > text ? p + 2 : p);
	if (!copy)
		return;
	for (char *rest = copy, *line; rest && (line = strsep(&rest, "\n"));) {
		if (line[strspn(line, " \r\t")])
			print_plain(line);
	}
}

static int print_text(const struct subject *s, const struct timeline *t)
{
	const struct report *e = t->n > 0 ? &t->events[t->last].report : NULL;

	print_head(s, t);
	if (e)
		print_rows(t);
	switch (t->result) {
	case TIMELINE_UP:
		printf("up %.3f s after its kernel started\n", (double)e->ms / 1000);
		return COMMAND_OK;
	case TIMELINE_ROOT:
		printf("executed the root's init %.3f s after its kernel started\n",
		       (double)e->ms / 1000);
		return COMMAND_OK;
	case TIMELINE_FAILED:
		printf("failed at %s: %s\n", report_stage_name(e->stage), e->words);
		return COMMAND_OK;
	case TIMELINE_UNDERWAY:
		printf("underway, or stopped without a word; last heard of at %s\n",
		       report_stage_name(e->stage));
		break;
	default:
		printf("nothing was heard of its init: firmware, DHCP server or kernel come before "
		       "it\n");
		break;
	}
	if (t->console.len > 0) {
		printf("its console ends with:\n");
		print_console_end(t);
	} else {
		printf("there is no console capture%s%s\n",
		       s->console ? ": " : "; see consoles= in bpboot-cluster.conf(5)",
		       s->console ? s->console : "");
	}
	return t->n > 0 || t->console.len > 0 ? COMMAND_OK : COMMAND_FAILED;
}

static json_t *json_event(const struct timeline_event *e)
{
	json_t *j = json_pack("{s:I, s:s, s:s, s:s, s:s}", "ms", (json_int_t)e->report.ms, "stage",
			      report_stage_name(e->report.stage), "state",
			      report_state_name(e->report.state), "words", e->report.words,
			      "source", e->console ? "console" : "network");

	if (j && e->report.state == REPORT_PROGRESS) {
		json_object_set_new(j, "done", json_integer((json_int_t)e->report.done));
		json_object_set_new(j, "total", json_integer((json_int_t)e->report.total));
	}
	return j;
}

static int print_json(const struct subject *s, const struct timeline *t)
{
	char mac[MAC_STR_MAX], boot[16];
	json_t *j = json_object(), *events = json_array();

	snprintf(boot, sizeof(boot), "%08" PRIx32, t->boot);
	for (size_t i = 0; i < t->n; i++)
		json_array_append_new(events, json_event(&t->events[i]));
	json_object_set_new(j, "node", s->known ? json_integer(s->node.number) : json_null());
	json_object_set_new(j, "name", json_string(s->name));
	json_object_set_new(j, "mac",
			    s->known ? json_string(mac_format(&s->node.mac, mac)) : json_null());
	json_object_set_new(j, "boot", t->boot ? json_string(boot) : json_null());
	json_object_set_new(j, "result", json_string(timeline_result_name(t->result)));
	json_object_set_new(j, "ms",
			    t->n > 0 ? json_integer((json_int_t)t->events[t->last].report.ms)
				     : json_null());
	json_object_set_new(j, "events", events);
	if (json_dumpf(j, stdout, JSON_INDENT(2)) < 0) {
		json_decref(j);
		return log_err(-EIO, "cannot write to standard output");
	}
	json_decref(j);
	putchar('\n');
	return t->n > 0 ? COMMAND_OK : COMMAND_FAILED;
}

static int log_run(void *options, int argc, char **argv)
{
	const struct log_options *o = options;
	_cleanup_(subject_clear) struct subject s = { 0 };
	_cleanup_timeline_ struct timeline t = TIMELINE();
	int r = find_subject(o, argv[0], &s);

	if (r == 0)
		r = timeline_read(s.events, s.console, &t);
	if (r < 0)
		return r;
	return o->json ? print_json(&s, &t) : print_text(&s, &t);
}

static const struct option_row log_options[] = {
#define AT(field) offsetof(struct log_options, field)
	{ "cluster", 'c', OPTION_STRING, "FILE", "cluster file (" CLUSTER_FILE ")", AT(cluster) },
	{ "state", 's', OPTION_STRING, "DIR", "bpmaster's state directory (the cluster file's)",
	  AT(state) },
	{ "consoles", 0, OPTION_STRING, "DIR", "directory of console captures (the cluster file's)",
	  AT(consoles) },
	{ "lab", 'l', OPTION_STRING, "NAME", "a node of the lab of that name", AT(lab) },
	{ "json", 'j', OPTION_FLAG, NULL, "all events as JSON", AT(json) },
	{ 0 },
#undef AT
};

const struct command cmd_log = {
	.name = "log",
	.args = "NODE",
	.summary = "the last boot of a node: stages with times, and why it failed",
	.details = "NODE is a node's number, name or MAC address.\n",
	.options = log_options,
	.options_size = sizeof(struct log_options),
	.args_min = 1,
	.args_max = 1,
	.run = log_run,
};

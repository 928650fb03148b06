/*
 * bpps_columns.c - the columns of bpps: what they are called, hold, and are sorted by
 *
 * Names, heads and contents are those of ps(1) from procps; widths are those of what is shown, so
 * that nothing is cut.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/bpps_columns.h"

#define PTS_FIRST  136u /* major numbers of terminals */
#define PTS_LAST   143u
#define TTY	   4u
#define TTY_SERIAL 64u /* the first one of ttyS */

struct column {
	const char *names; /* the first is ours, the others are ps's for it */
	const char *head;
	bool left;				/* its text stands at the left */
	uint64_t (*number)(const struct bpps_row *r); /* what it is sorted by; NULL: its text */
	void (*show)(const struct bpps_row *r, char *to); /* NULL: the number */
};

#define NUMBER(name, expr)                                    \
	static uint64_t name(const struct bpps_row *r) \
	{                                               \
		return (uint64_t)(expr);                \
	}
NUMBER(node, r->node)
NUMBER(pid, r->p.pid)
NUMBER(ppid, r->p.parent)
NUMBER(pgid, r->p.group)
NUMBER(sid, r->p.session)
NUMBER(ghost, r->ghost)
NUMBER(ghost_pgid, r->ghost_group)
NUMBER(ghost_sid, r->ghost_session)
NUMBER(uid, r->p.uid)
NUMBER(ruid, r->p.real_uid)
NUMBER(gid, r->p.gid)
NUMBER(foreground, r->p.foreground)
NUMBER(threads, r->p.threads)
NUMBER(rss, r->p.rss_kib)
NUMBER(vsz, r->p.vsz_kib)
NUMBER(size, r->p.vsz_kib * 1024 / (uint64_t)sysconf(_SC_PAGESIZE))
NUMBER(times, r->p.cpu_ms / 1000)
NUMBER(cpu_ms, r->p.cpu_ms)
NUMBER(etimes, r->p.elapsed_ms / 1000)
NUMBER(elapsed_ms, r->p.elapsed_ms)
NUMBER(started, UINT64_MAX - r->p.elapsed_ms)
NUMBER(nice_value, r->p.nice + 128)
NUMBER(pcpu, r->p.elapsed_ms ? r->p.cpu_ms * 1000 / r->p.elapsed_ms : 0) /* in thousandths */

uint64_t columns_memory(const struct bpps_row *r)
{
	return r->memory_kib ? MIN(r->p.rss_kib, r->memory_kib) * 1000 / r->memory_kib : 0;
}

void columns_user(uint32_t id, char ret[static COLUMN_NAME])
{
	static char last[COLUMN_NAME]; /* most rows are of the same one */
	static uint32_t last_id;
	const struct passwd *p = *last && id == last_id ? NULL : getpwuid(id);

	if (p)
		snprintf(last, sizeof(last), "%s", p->pw_name);
	else if (!*last || id != last_id)
		snprintf(last, sizeof(last), "%u", id);
	last_id = id;
	memcpy(ret, last, COLUMN_NAME);
}

/* Numbers of terminals as the kernel's Documentation/admin-guide/devices.txt has them. */
void columns_tty(uint32_t tty, char ret[static COLUMN_NAME])
{
	const uint32_t kind = tty >> 8 & 0xfff, unit = (tty & 0xff) | (tty >> 12 & 0xfff00);

	if (tty == 0)
		snprintf(ret, COLUMN_NAME, "?");
	else if (kind >= PTS_FIRST && kind <= PTS_LAST)
		snprintf(ret, COLUMN_NAME, "pts/%u", ((kind - PTS_FIRST) << 8) + unit);
	else if (kind == TTY)
		snprintf(ret, COLUMN_NAME, unit < TTY_SERIAL ? "tty%u" : "ttyS%u",
			 unit < TTY_SERIAL ? unit : unit - TTY_SERIAL);
	else
		snprintf(ret, COLUMN_NAME, "%u:%u", kind, unit);
}

static void show_tty(const struct bpps_row *r, char *to)
{
	columns_tty(r->p.tty, to);
}

static void show_real_user(const struct bpps_row *r, char *to)
{
	columns_user(r->p.real_uid, to);
}

static void show_group(const struct bpps_row *r, char *to)
{
	const struct group *g = getgrgid(r->p.gid);

	if (g)
		snprintf(to, COLUMN_TEXT, "%.*s", COLUMN_NAME - 1, g->gr_name);
	else
		snprintf(to, COLUMN_TEXT, "%u", r->p.gid);
}

/* As ps: -1 where there is no terminal. */
static void show_foreground(const struct bpps_row *r, char *to)
{
	snprintf(to, COLUMN_TEXT, r->p.foreground > 0 ? "%u" : "-1", r->p.foreground);
}

static void show_user(const struct bpps_row *r, char *to)
{
	columns_user(r->p.uid, to);
}

static void show_state(const struct bpps_row *r, char *to)
{
	snprintf(to, COLUMN_TEXT, "%c", r->p.state);
}

/* As ps, but for what locked pages add. */
static void show_stat(const struct bpps_row *r, char *to)
{
	snprintf(to, COLUMN_TEXT, "%c%s%s%s%s", r->p.state,
		 r->p.nice < 0	 ? "<"
		 : r->p.nice > 0 ? "N"
				 : "",
		 r->p.session == r->p.pid ? "s" : "", r->p.threads > 1 ? "l" : "",
		 r->p.foreground > 0 && r->p.foreground == r->p.group ? "+" : "");
}

static void show_nice(const struct bpps_row *r, char *to)
{
	snprintf(to, COLUMN_TEXT, "%d", r->p.nice);
}

static void show_duration(uint64_t s, bool always_hours, char *to)
{
	unsigned days = (unsigned)(s / 86400), hours = (unsigned)(s / 3600 % 24);
	unsigned minutes = (unsigned)(s / 60 % 60), seconds = (unsigned)(s % 60);

	if (days > 0)
		snprintf(to, COLUMN_TEXT, "%u-%02u:%02u:%02u", days, hours, minutes, seconds);
	else if (hours > 0 || always_hours)
		snprintf(to, COLUMN_TEXT, "%02u:%02u:%02u", hours, minutes, seconds);
	else
		snprintf(to, COLUMN_TEXT, "%02u:%02u", minutes, seconds);
}

static void show_time(const struct bpps_row *r, char *to)
{
	show_duration(times(r), true, to);
}

static void show_bsdtime(const struct bpps_row *r, char *to)
{
	snprintf(to, COLUMN_TEXT, "%llu:%02llu", (unsigned long long)(times(r) / 60),
		 (unsigned long long)(times(r) % 60));
}

static void show_etime(const struct bpps_row *r, char *to)
{
	show_duration(etimes(r), false, to);
}

/* When it was started, by this machine's clock. */
static struct tm start_of(const struct bpps_row *r)
{
	time_t start = time(NULL) - (time_t)etimes(r);
	struct tm tm = { 0 };

	(void)localtime_r(&start, &tm); /* fails for years that no process is from */
	return tm;
}

static void show_stime(const struct bpps_row *r, char *to)
{
	struct tm tm = start_of(r);

	if (etimes(r) < 86400)
		(void)strftime(to, COLUMN_TEXT, "%H:%M", &tm);
	else
		(void)strftime(to, COLUMN_TEXT, "%b%d", &tm);
}

static void show_lstart(const struct bpps_row *r, char *to)
{
	struct tm tm = start_of(r);

	(void)strftime(to, COLUMN_TEXT, "%a %b %e %H:%M:%S %Y", &tm);
}

static void show_pcpu(const struct bpps_row *r, char *to)
{
	snprintf(to, COLUMN_TEXT, "%u.%u", (unsigned)(pcpu(r) / 10), (unsigned)(pcpu(r) % 10));
}

static void show_pmem(const struct bpps_row *r, char *to)
{
	snprintf(to, COLUMN_TEXT, "%u.%u", (unsigned)(columns_memory(r) / 10),
		 (unsigned)(columns_memory(r) % 10));
}

static void show_c(const struct bpps_row *r, char *to)
{
	snprintf(to, COLUMN_TEXT, "%u", (unsigned)(pcpu(r) / 10));
}

static void show_comm(const struct bpps_row *r, char *to)
{
	snprintf(to, COLUMN_TEXT, "%s", r->p.name);
}

/* As ps: the name in brackets where there are no arguments. */
static void show_args(const struct bpps_row *r, char *to)
{
	if (*r->p.args)
		snprintf(to, COLUMN_TEXT, "%s", r->p.args);
	else
		snprintf(to, COLUMN_TEXT, "[%s]", r->p.name);
}

static void show_known(uint64_t number, char *to)
{
	snprintf(to, COLUMN_TEXT, number > 0 ? "%llu" : "-", (unsigned long long)number);
}

static void show_ghost(const struct bpps_row *r, char *to)
{
	show_known(r->ghost, to);
}

static void show_ghost_pgid(const struct bpps_row *r, char *to)
{
	show_known(r->ghost_group, to);
}

static void show_ghost_sid(const struct bpps_row *r, char *to)
{
	show_known(r->ghost_session, to);
}

static const struct column columns[] = {
	{ "node", "NODE", false, node, NULL },
	{ "pid", "PID", false, pid, NULL },
	{ "ppid", "PPID", false, ppid, NULL },
	{ "pgid pgrp", "PGID", false, pgid, NULL },
	{ "sid sess session", "SID", false, sid, NULL },
	{ "ghost", "GHOST", false, ghost, show_ghost },
	{ "gpgid", "GPGID", false, ghost_pgid, show_ghost_pgid },
	{ "gsid", "GSID", false, ghost_sid, show_ghost_sid },
	{ "user euser uname", "USER", true, NULL, show_user },
	{ "uid euid", "UID", false, uid, NULL },
	{ "ruser", "RUSER", true, NULL, show_real_user },
	{ "ruid", "RUID", false, ruid, NULL },
	{ "group egroup", "GROUP", true, NULL, show_group },
	{ "gid egid", "GID", false, gid, NULL },
	{ "tty tt", "TT", true, NULL, show_tty },
	{ "tname", "TTY", true, NULL, show_tty },
	{ "tpgid", "TPGID", false, foreground, show_foreground },
	{ "state s", "S", true, NULL, show_state },
	{ "stat", "STAT", true, NULL, show_stat },
	{ "nice ni", "NI", false, nice_value, show_nice },
	{ "nlwp thcount", "NLWP", false, threads, NULL },
	{ "pcpu %cpu", "%CPU", false, pcpu, show_pcpu },
	{ "pmem %mem", "%MEM", false, columns_memory, show_pmem },
	{ "c", "C", false, pcpu, show_c },
	{ "time cputime", "TIME", false, cpu_ms, show_time },
	{ "times cputimes", "TIME", false, times, NULL },
	{ "bsdtime", "TIME", false, cpu_ms, show_bsdtime },
	{ "etime", "ELAPSED", false, elapsed_ms, show_etime },
	{ "etimes", "ELAPSED", false, etimes, NULL },
	{ "stime start_time bsdstart start", "STIME", false, started, show_stime },
	{ "lstart", "STARTED", false, started, show_lstart },
	{ "rss rssize rsz", "RSS", false, rss, NULL },
	{ "vsz vsize", "VSZ", false, vsz, NULL },
	{ "sz", "SZ", false, size, NULL },
	{ "comm ucmd ucomm fname", "COMMAND", true, NULL, show_comm },
	{ "args cmd command", "COMMAND", true, NULL, show_args },
};

bool columns_want_ghosts(const struct columns *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct column *k = c->list[i].column;

		if (k->number == ghost || k->number == ghost_pgid || k->number == ghost_sid)
			return true;
	}
	return false;
}

static bool is_called(const struct column *c, const char *name, size_t n)
{
	for (const char *p = c->names; *p; p += *p == ' ') {
		size_t len = strcspn(p, " ");

		if (len == n && !strncmp(p, name, n))
			return true;
		p += len;
	}
	return false;
}

static int add(struct columns *c, const char *name, size_t n, const char *head)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(columns) && !is_called(&columns[i], name, n); i++)
		;
	if (i == ARRAY_SIZE(columns) || c->n == COLUMNS_MAX)
		return log_err(0, "there is no column '%.*s'; bpps --help names them (at most %d)",
			       (int)n, name, COLUMNS_MAX),
		       -EINVAL;
	c->list[c->n].column = &columns[i];
	snprintf(c->list[c->n].head, sizeof(c->list[0].head), "%s", head ? head : columns[i].head);
	c->n++;
	return 0;
}

int columns_add(struct columns *c, const char *text)
{
	size_t before = c->n;

	for (const char *p = text; *p;) {
		size_t word = strcspn(p, ", "), name = strcspn(p, ",= ");
		char head[64];
		int r;

		snprintf(head, sizeof(head), "%.*s", name < word ? (int)(word - name - 1) : 0,
			 p + name + (name < word));
		r = name > 0 ? add(c, p, name, name < word ? head : NULL) : 0;
		if (r < 0)
			return r;
		p += word;
		p += strspn(p, ", ");
	}
	return c->n > before ? 0 : (log_err(0, "no column is named in '%s'", text), -EINVAL);
}

int columns_add_keys(struct columns *c, const char *text)
{
	for (const char *p = text; *p; p += strspn(p, ", ")) {
		bool down = *p == '-';
		size_t n;
		int r;

		p += *p == '-' || *p == '+';
		n = strcspn(p, ", ");
		r = add(c, p, n, NULL);
		if (r < 0)
			return r;
		c->list[c->n - 1].down = down;
		p += n;
	}
	return 0;
}

static int compare_by(const struct column *c, const struct bpps_row *a, const struct bpps_row *b)
{
	char x[COLUMN_TEXT], y[COLUMN_TEXT];

	if (c->number)
		return c->number(a) < c->number(b) ? -1 : c->number(a) > c->number(b);
	c->show(a, x);
	c->show(b, y);
	return strcmp(x, y);
}

static int compare(const void *a, const void *b, void *owner)
{
	const struct bpps_row *x = a, *y = b;
	const struct columns *keys = owner;

	for (size_t i = 0; i < keys->n; i++) {
		int r = compare_by(keys->list[i].column, x, y);

		if (r != 0)
			return keys->list[i].down ? -r : r;
	}
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->p.pid < y->p.pid ? -1 : x->p.pid > y->p.pid;
}

void columns_sort(const struct columns *keys, struct bpps_row *rows, size_t n)
{
	if (n > 0)
		qsort_r(rows, n, sizeof(*rows), compare, (void *)keys);
}

static void text_of(const struct column *c, const struct bpps_row *r, char *to)
{
	if (c->show)
		c->show(r, to);
	else
		snprintf(to, COLUMN_TEXT, "%llu", (unsigned long long)c->number(r));
}

void columns_print(const struct columns *c, const struct bpps_row *rows, size_t n, bool heads)
{
	char text[COLUMN_TEXT];
	size_t widths[COLUMNS_MAX];
	bool headed = false;

	for (size_t k = 0; k < c->n; k++) {
		widths[k] = strlen(c->list[k].head);
		headed = headed || widths[k] > 0;
		for (size_t i = 0; i < n; i++) {
			text_of(c->list[k].column, &rows[i], text);
			widths[k] = MAX(widths[k], strlen(text));
		}
	}
	for (size_t i = heads && headed ? 0 : 1; i <= n; i++) {
		for (size_t k = 0; k < c->n; k++) {
			bool last = k + 1 == c->n, left = c->list[k].column->left;

			snprintf(text, sizeof(text), "%s", c->list[k].head);
			if (i > 0)
				text_of(c->list[k].column, &rows[i - 1], text);
			if (left && last)
				printf("%s\n", text);
			else
				printf("%*s%c", (int)widths[k] * (left ? -1 : 1), text,
				       last ? '\n' : ' ');
		}
	}
}

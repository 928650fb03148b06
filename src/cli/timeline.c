/*
 * timeline.c - the last boot of one node: events from bpmaster's files and from its console
 * capture, merged
 *
 * The same event comes on both ways in the same words, so that equal ones are one. The console
 * alone has what a node without a network says; and when its last boot has nothing in common with
 * the one that bpmaster knows, the one that was heard of last is shown. A boot on the console
 * begins with its start event.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/timeline.h"
#include "wire/bootlog.h"

struct list {
	struct timeline_event *at; /* owned */
	size_t n, cap;
	uint64_t heard_ms; /* when the source was last written, since 1970 */
};

void timeline_clear(struct timeline *t)
{
	free(t->events);
	buffer_clear(&t->console);
	*t = TIMELINE();
}

const char *timeline_result_name(enum timeline_result r)
{
	static const char *const names[] = { "nothing", "underway", "failed", "root", "up" };

	return r < TIMELINE_RESULT_MAX_ ? names[r] : "?";
}

static int append(struct list *l, const struct timeline_event *e)
{
	if (l->n == TIMELINE_EVENTS_MAX)
		return 0; /* far more than one boot has: the rest is not shown */
	if (l->n == l->cap) {
		size_t want = l->cap ? 2 * l->cap : 64;
		struct timeline_event *more = reallocarray(l->at, want, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->at = more;
		l->cap = want;
	}
	l->at[l->n++] = *e;
	return 0;
}

static void list_clear(struct list *l)
{
	free(l->at);
}

/* The end of a file, at most what @to takes. A missing file is empty. */
static int read_end(const char *path, struct buffer *to, uint64_t *ret_heard_ms)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t n;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	n = MIN((size_t)st.st_size, to->max - 1);
	if (lseek(fd, st.st_size - (off_t)n, SEEK_SET) < 0)
		return -errno;
	r = buffer_reserve(to, n + 1);
	if (r == 0)
		r = fd_read_full(fd, to->data, n, &n);
	if (r < 0)
		return r;
	to->len = n;
	to->data[n] = 0;
	*ret_heard_ms = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
	return 0;
}

/* Call @take for each line of @text, which is cut up. NUL bytes, which a serial line may yield,
 * become blanks. */
static int each_line(char *text, size_t n, int (*take)(struct list *l, const char *line),
		     struct list *l)
{
	int r = 0;

	for (char *p = memchr(text, 0, n); p; p = memchr(text, 0, n))
		*p = ' ';
	for (char *rest = text, *line; r == 0 && rest && (line = strsep(&rest, "\n"));)
		r = take(l, line);
	return r;
}

static int take_bootlog(struct list *l, const char *line)
{
	struct bootlog_entry entry;
	struct timeline_event e = { 0 };

	if (bootlog_parse(line, &entry) < 0)
		return 0;
	e.report = entry.report;
	e.wall_ms = entry.wall_ms;
	l->heard_ms = MAX(l->heard_ms, entry.wall_ms);
	return append(l, &e);
}

static int take_console(struct list *l, const char *line)
{
	struct timeline_event e = { .console = true };

	if (report_line_parse(line, &e.report) < 0)
		return 0;
	if (l->n > 0 && e.report.stage == REPORT_START &&
	    l->at[l->n - 1].report.stage != REPORT_START)
		l->n = 0; /* another boot */
	return append(l, &e);
}

static bool same(const struct report *a, const struct report *b)
{
	return a->ms == b->ms && a->stage == b->stage && a->state == b->state &&
	       !strcmp(a->words, b->words);
}

static bool holds(const struct list *l, const struct report *e)
{
	for (size_t i = 0; i < l->n; i++) {
		if (same(&l->at[i].report, e))
			return true;
	}
	return false;
}

static int by_time(const void *a, const void *b)
{
	const struct timeline_event *x = a, *y = b;

	if (x->report.ms != y->report.ms)
		return x->report.ms < y->report.ms ? -1 : 1;
	if (x->report.seq && y->report.seq && x->report.seq != y->report.seq)
		return x->report.seq < y->report.seq ? -1 : 1;
	return 0;
}

/* One list of both. @master and @console are of one boot, or one of them is dropped. */
static int merge(struct list *master, const struct list *console)
{
	struct list only = { 0 };
	size_t common = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < console->n; i++) {
		if (holds(master, &console->at[i].report))
			common++;
		else
			r = append(&only, &console->at[i]);
	}
	if (common == 0 && console->n > 0 && master->n > 0) {
		if (console->heard_ms > master->heard_ms)
			master->n = 0;
		else
			only.n = 0;
	}
	for (size_t i = 0; r == 0 && i < only.n; i++)
		r = append(master, &only.at[i]);
	list_clear(&only);
	if (master->n > 1)
		qsort(master->at, master->n, sizeof(*master->at), by_time);
	return r;
}

/* What it came to: the last thing that counts. */
static void judge(struct timeline *t)
{
	t->result = t->n > 0 ? TIMELINE_UNDERWAY : TIMELINE_NOTHING;
	for (size_t i = 0; i < t->n; i++) {
		const struct report *e = &t->events[i].report;

		if (t->result != TIMELINE_FAILED || e->state == REPORT_FAIL ||
		    e->state == REPORT_OK)
			t->last = i;
		if (e->state == REPORT_FAIL)
			t->result = TIMELINE_FAILED;
		else if (e->stage == REPORT_UP)
			t->result = TIMELINE_UP;
		else if (e->stage == REPORT_ROOT && e->state == REPORT_OK &&
			 t->result != TIMELINE_UP)
			t->result = TIMELINE_ROOT;
		else if (e->state == REPORT_OK && t->result == TIMELINE_FAILED)
			t->result = TIMELINE_UNDERWAY;
		if (t->events[i].report.boot)
			t->boot = t->events[i].report.boot;
	}
}

int timeline_read(const char *events, const char *console, struct timeline *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(BOOTLOG_FILE_MAX + 2),
				       copy = BUFFER(TIMELINE_CONSOLE_MAX + 1);
	_cleanup_(list_clear) struct list heard = { 0 }, said = { 0 };
	struct timeline t = TIMELINE();
	uint64_t ignored;
	int r = events ? read_end(events, &text, &ignored) : 0;

	if (r < 0)
		return log_err(r, "cannot read '%s'", events);
	r = console ? read_end(console, &t.console, &said.heard_ms) : 0;
	if (r < 0)
		return log_err(r, "cannot read '%s'", console);
	r = buffer_append(&copy, buffer_str(&t.console), t.console.len);
	if (r == 0 && text.len > 0)
		r = each_line((char *)text.data, text.len, take_bootlog, &heard);
	if (r == 0 && copy.len > 0)
		r = each_line((char *)copy.data, copy.len, take_console, &said);
	if (r == 0)
		r = merge(&heard, &said);
	if (r < 0) {
		timeline_clear(&t);
		return log_err(r, "cannot read the events of a boot");
	}
	t.events = TAKE_PTR(heard.at);
	t.n = heard.n;
	judge(&t);
	*ret = t;
	return 0;
}

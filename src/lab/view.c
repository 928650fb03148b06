/*
 * view.c - the lab's nodes coming up, one line each
 *
 * On a terminal the lines stand still and change; with more nodes than lines the first ones are
 * shown. In a log each stage that a node reaches is one line, once.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "lab/view.h"

#define GREEN "\033[32m"
#define RED   "\033[31m"
#define PLAIN "\033[0m"

void view_init(struct view *v, FILE *to)
{
	const char *term = getenv("TERM");

	*v = (struct view){ .to = to };
	v->terminal = isatty(fileno(to)) && term && strcmp(term, "dumb");
}

static double seconds(const struct watch_node *n)
{
	bool still = n->stage == WATCH_UP || n->stage == WATCH_OFF || n->failed;
	uint64_t end = still ? n->reached_ms : clock_boot_ms();

	return n->started_ms && end > n->started_ms ? (double)(end - n->started_ms) / 1000 : 0;
}

static void describe(const struct watch_node *n, char *ret, size_t size)
{
	const char *name = watch_stage_name(n->stage);
	char rate[FORMAT_SIZE_MAX];

	if (n->failed)
		snprintf(ret, size, "failed: %s", n->words);
	else if (n->stage == WATCH_FETCH && n->total > 0 && n->rate > 0)
		snprintf(ret, size, "%s %u %% (%s/s)", name, (unsigned)(n->done * 100 / n->total),
			 format_size((uint64_t)n->rate, rate));
	else if (n->stage == WATCH_OFF || n->stage == WATCH_UP || !n->words[0])
		snprintf(ret, size, "%s", name);
	else
		snprintf(ret, size, "%-9s %s", name, n->words);
}

const char *view_line(const struct watch *w, size_t i, char ret[static VIEW_LINE_MAX])
{
	const struct watch_node *n = &w->nodes[i];
	char words[VIEW_LINE_MAX - 64];

	describe(n, words, sizeof(words));
	snprintf(ret, VIEW_LINE_MAX, "n%-3zu %6.1f s  %s", i, seconds(n), words);
	return ret;
}

static void size_of(const struct view *v, size_t *ret_lines, size_t *ret_columns)
{
	struct winsize ws = { 0 };

	(void)ioctl(fileno(v->to), TIOCGWINSZ, &ws); /* a terminal that does not say has 24 by 80 */
	*ret_lines = ws.ws_row > 2 ? ws.ws_row - 2u : 22;
	*ret_columns = ws.ws_col > 20 ? ws.ws_col - 1u : 79;
}

static void draw_terminal(struct view *v, const struct watch *w)
{
	size_t lines, columns, n;
	char line[VIEW_LINE_MAX];

	size_of(v, &lines, &columns);
	n = MIN(w->n, lines);
	if (v->drawn > 0)
		fprintf(v->to, "\033[%zuA", v->drawn);
	for (size_t i = 0; i < n; i++) {
		const char *color = w->nodes[i].failed		    ? RED
				    : w->nodes[i].stage == WATCH_UP ? GREEN
								    : "";

		view_line(w, i, line);
		fprintf(v->to, "\r\033[K  %s%.*s%s\n", color, (int)columns - 2, line,
			*color ? PLAIN : "");
	}
	v->drawn = n;
	fflush(v->to);
}

static void write_changes(struct view *v, const struct watch *w)
{
	char line[VIEW_LINE_MAX];

	for (size_t i = 0; i < w->n; i++) {
		const struct watch_node *n = &w->nodes[i];

		if (n->retries > v->shown_retries[i]) {
			v->shown_retries[i] = n->retries;
			fprintf(v->to, "  n%-3zu failed: %s\n", i, n->words);
		}
		if (n->stage == v->shown[i] || (n->stage == WATCH_FETCH && n->rate == 0))
			continue;
		v->shown[i] = n->stage;
		fprintf(v->to, "  %s\n", view_line(w, i, line));
	}
	fflush(v->to);
}

void view_draw(struct view *v, const struct watch *w)
{
	if (v->terminal)
		draw_terminal(v, w);
	else
		write_changes(v, w);
}

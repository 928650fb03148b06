/*
 * bpstat_ghosts.c - which processes here stand for which on the nodes
 *
 * In the output of ps, the process number stands in the column that its first line calls PID;
 * without such a line, it is the first number of each.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "cli/bpstat_ghosts.h"
#include "cli/ghost_list.h"

#define NODE_WIDTH 6
#define BLANKS	   " \t\n"

static int compare(const void *a, const void *b)
{
	const struct message_ghost *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static int ask(struct caller *c, struct ghost_list *ret)
{
	int r = ghost_list_ask(c, ret);

	if (r == 0 && ret->n > 0)
		qsort(ret->ghosts, ret->n, sizeof(*ret->ghosts), compare);
	return r;
}

int ghosts_print(struct caller *c, const struct nodeset *chosen)
{
	_cleanup_ghost_list_ struct ghost_list l = { 0 };
	int r = ask(c, &l);

	if (r < 0)
		return r;
	printf("%-8s %-*s %-8s %s\n", "PID", NODE_WIDTH, "Node", "Remote", "User");
	for (size_t i = 0; i < l.n; i++) {
		const struct message_ghost *g = &l.ghosts[i];
		const struct passwd *p = getpwuid(g->uid);
		char remote[12] = "-"; /* not started */

		if (!nodeset_has(chosen, g->node))
			continue;
		if (g->remote != 0)
			snprintf(remote, sizeof(remote), "%u", g->remote);
		printf("%-8u %-*u %-8s ", g->pid, NODE_WIDTH, g->node, remote);
		if (p)
			printf("%s\n", p->pw_name);
		else
			printf("%u\n", g->uid);
	}
	return 0;
}

/* Where the first line has the word PID: the how manieth word it is, and where it ends. */
struct head {
	int column; /* -1: this is no line of heads */
	size_t end;
};

/*
 * The number of a line's process: a number that ends where the head does, since ps puts them
 * below each other; where wide words have moved it, the one of that column.
 */
static uint32_t number_at(const char *line, const struct head *head)
{
	uint32_t found = 0;
	const char *p = line;

	for (int i = 0; *(p += strspn(p, BLANKS)); i++) {
		size_t n = strcspn(p, BLANKS);
		char word[12];
		uint32_t number;

		snprintf(word, sizeof(word), "%.*s", (int)MIN(n, sizeof(word) - 1), p);
		p += n;
		if (n >= sizeof(word) || parse_u32(word, 1, INT32_MAX, &number) < 0)
			continue;
		if (head->column < 0 || (size_t)(p - line) == head->end)
			return number;
		if (i == head->column)
			found = number;
	}
	return found;
}

/* Where ps puts the number. */
static struct head find_head(const char *line)
{
	const char *p = line;

	for (int i = 0; *(p += strspn(p, BLANKS)); i++) {
		size_t n = strcspn(p, BLANKS);

		p += n;
		if (n == 3 && !strncmp(p - n, "PID", n))
			return (struct head){ .column = i, .end = (size_t)(p - line) };
	}
	return (struct head){ .column = -1 };
}

/* What stands in front of a line: a node, with a '+' when there are more. */
static void print_node(const struct ghost_list *l, uint32_t pid)
{
	char text[16] = "";
	size_t from = 0, to = l->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (l->ghosts[mid].pid < pid)
			from = mid + 1;
		else
			to = mid;
	}
	if (pid > 0 && from < l->n && l->ghosts[from].pid == pid) {
		bool more = from + 1 < l->n && l->ghosts[from + 1].pid == pid;

		snprintf(text, sizeof(text), "%u%s", l->ghosts[from].node, more ? "+" : "");
	}
	printf("%-*s ", NODE_WIDTH, text);
}

int ghosts_annotate(struct caller *c)
{
	_cleanup_ghost_list_ struct ghost_list l = { 0 };
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	struct head head = { .column = -1 };
	int r = ask(c, &l);

	for (bool first = true; r == 0 && getline(&line, &size, stdin) >= 0; first = false) {
		if (first)
			head = find_head(line);
		if (first && head.column >= 0)
			printf("%-*s ", NODE_WIDTH, "NODE");
		else
			print_node(&l, number_at(line, &head));
		fputs(line, stdout);
	}
	if (r == 0 && ferror(stdin))
		r = log_err(-EIO, "cannot read standard input");
	return r;
}

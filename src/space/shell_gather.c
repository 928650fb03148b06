/*
 * shell_gather.c - output of nodes that is not written as it comes: folded, compared, or into files
 *
 * Folding waits for all, so what is kept has a limit; what is more than that does not fold, and the
 * command ends. A file a node is opened for each piece, so that thousands of nodes need no more
 * descriptors than one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/textdiff.h"
#include "space/shell_internal.h"

#define RULE "----------------\n"

/* Nodes whose output is the same. */
struct group {
	const struct buffer *text; /* borrowed */
	struct nodeset nodes;
};

static struct shell *shown; /* whose progress stands on the terminal */

static void wipe(void)
{
	fputs("\r\033[K", stderr);
}

void shell_progress(struct shell *s)
{
	if (!s->shows_progress)
		return;
	if (!shown)
		log_set_wipe(wipe);
	shown = s;
	fprintf(stderr, "\r%zu of %zu nodes have ended\033[K", s->n_over, s->n);
}

void shell_progress_end(struct shell *s)
{
	if (shown != s || !s->shows_progress)
		return;
	wipe();
	log_set_wipe(NULL);
	shown = NULL;
	s->shows_progress = false;
}

int shell_file_name(const char *pattern, uint32_t node, char *ret, size_t size)
{
	struct writer w = WRITER(ret, size);
	size_t n;

	for (const char *p = pattern; *p; p++) {
		if (*p == '%' && p[1] == 'n')
			writer_printf(&w, "%u", node);
		else
			writer_u8(&w, (uint8_t)*p);
		p += *p == '%' && (p[1] == 'n' || p[1] == '%');
	}
	writer_u8(&w, 0);
	return writer_end(&w, &n) < 0 ? -ENAMETOOLONG : 0;
}

static int keep(struct output *o, size_t source, const void *p, size_t n)
{
	struct shell *s = o->owner;

	s->kept_bytes += n;
	if (s->kept_bytes > SHELL_FOLD_MAX)
		return log_err(0,
			       "more than %u MiB of output cannot be folded; --output writes a "
			       "file a node",
			       SHELL_FOLD_MAX >> 20),
		       -E2BIG;
	return buffer_append(&s->remotes[source].kept[o == &s->output[1]], p, n);
}

static int open_file(const struct shell *s, size_t source, int i, int flags, int *ret)
{
	char name[PATH_MAX];
	int r = shell_file_name(s->options->files[i], s->remotes[source].node, name, sizeof(name));
	int fd;

	if (r < 0)
		return log_err(r, "the file name '%.40s...'", s->options->files[i]);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | flags, 0666);
	if (fd < 0)
		return log_err(-errno, "cannot write '%s'", name);
	*ret = fd;
	return 0;
}

static int append(struct output *o, size_t source, const void *p, size_t n)
{
	struct shell *s = o->owner;
	_cleanup_close_ int fd = FD_NONE;
	int r = open_file(s, source, o == &s->output[1], O_APPEND, &fd);

	return r < 0 ? r : fd_write_all(fd, p, n);
}

int shell_gather_open(struct shell *s)
{
	const struct shell_options *o = s->options;

	s->shows_progress = s->n > 1 && !o->agent && isatty(STDERR_FILENO) == 1 &&
			    (o->fold || o->diff || o->files[0]);
	for (size_t i = 0; i < s->n; i++)
		s->remotes[i].kept[0] = s->remotes[i].kept[1] = BUFFER(SHELL_FOLD_MAX);
	for (int k = 0; k < 2; k++) {
		if (o->fold || o->diff)
			s->output[k].take = keep;
		if (!o->files[k])
			continue;
		s->output[k].take = append;
		for (size_t i = 0; i < s->n; i++) {
			_cleanup_close_ int fd = FD_NONE;
			int r = open_file(s, i, k, O_TRUNC, &fd);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static bool same(const struct buffer *a, const struct buffer *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Return: groups, or negative errno. Caller clears each and frees the list. */
static ssize_t make_groups(const struct shell *s, int k, struct group **ret)
{
	struct group *groups = calloc(s->n, sizeof(*groups));
	size_t n = 0;
	int r = groups ? 0 : -ENOMEM;

	for (size_t i = 0; i < s->n && r == 0; i++) {
		const struct buffer *text = &s->remotes[i].kept[k];
		size_t g = 0;

		while (g < n && !same(groups[g].text, text))
			g++;
		n += g == n;
		groups[g].text = text;
		r = nodeset_add(&groups[g].nodes, s->remotes[i].node);
	}
	*ret = groups;
	return r < 0 ? r : (ssize_t)n;
}

/* "0-3,7" */
static int put_nodes(struct buffer *to, const char *before, const struct nodeset *nodes,
		     const char *behind)
{
	int r = buffer_printf(to, "%s", before);

	if (r == 0)
		r = nodeset_format(nodes, to);
	return r == 0 ? buffer_printf(to, "%s", behind) : r;
}

static int put_group(struct buffer *to, const struct group *g)
{
	char count[32];
	int r;

	snprintf(count, sizeof(count), " (%zu)\n" RULE, g->nodes.n);
	r = put_nodes(to, RULE, &g->nodes, count);
	if (r == 0)
		r = buffer_append(to, buffer_str(g->text), g->text->len);
	if (r == 0 && g->text->len > 0 && g->text->data[g->text->len - 1] != '\n')
		r = buffer_printf(to, "\n");
	return r;
}

static int put_diff(struct buffer *to, const struct group *most, const struct group *g)
{
	int r = put_nodes(to, "--- ", &most->nodes, "\n");

	if (r == 0)
		r = put_nodes(to, "+++ ", &g->nodes, "\n");
	return r == 0 ? textdiff(most->text->data, most->text->len, g->text->data, g->text->len, to)
		      : r;
}

/* All groups, or the largest one and how the others differ. */
static int put_groups(struct buffer *to, const struct group *groups, size_t n, bool diff)
{
	const struct group *most = &groups[0];
	int r = 0;

	for (size_t g = 1; g < n; g++)
		most = groups[g].nodes.n > most->nodes.n ? &groups[g] : most;
	if (diff)
		r = put_group(to, most);
	for (size_t g = 0; g < n && r == 0; g++) {
		if (diff && &groups[g] != most)
			r = put_diff(to, most, &groups[g]);
		else if (!diff && groups[g].text->len > 0)
			r = put_group(to, &groups[g]);
	}
	return r;
}

void shell_fold(struct shell *s)
{
	s->folded = true;
	shell_progress_end(s);
	for (int k = 0; k < 2; k++) {
		struct group *groups = NULL;
		struct buffer text = BUFFER(4 * (size_t)SHELL_FOLD_MAX);
		ssize_t n = s->options->files[k] ? 0 : make_groups(s, k, &groups);
		int r = n < 0 ? (int)n : 0;

		if (n > 0)
			r = put_groups(&text, groups, (size_t)n, s->options->diff && k == 0);
		for (ssize_t g = 0; groups && g < (ssize_t)s->n; g++)
			nodeset_clear(&groups[g].nodes);
		free(groups);
		/* From here on it goes out as what the first node writes. */
		buffer_clear(&s->remotes[0].source[k].text);
		s->remotes[0].source[k].text = text;
		s->output[k].take = NULL;
		if (r < 0)
			s->output[k].err = r;
	}
}

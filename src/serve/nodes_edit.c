/*
 * nodes_edit.c - changing the node table, and nothing of it but the lines that change
 *
 * The file is kept as lines; a node knows the number of its own. What was made is parsed as any
 * reader will before it takes the file's place, so that no edit makes a table that is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "serve/nodes_edit.h"

void nodes_edit_close(struct nodes_edit *e)
{
	for (size_t i = 0; i < e->n_lines; i++)
		free(e->lines[i]);
	free(e->lines);
	free(e->file);
	fd_close(e->dirfd);
	nodes_clear(&e->nodes);
	*e = NODES_EDIT();
}

/* Wait for another writer, and say so. */
static int lock(int fd, const char *file)
{
	uint64_t until = clock_ms() + NODES_EDIT_WAIT_MS;
	bool said = false;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return log_err(-errno, "cannot lock the folder of '%s'", file);
		if (clock_ms() >= until)
			return log_err(-EBUSY, "another command has been changing '%s' for %d s",
				       file, NODES_EDIT_WAIT_MS / 1000);
		if (!said)
			log_info("waiting for another command that changes '%s'", file);
		said = true;
		(void)poll(NULL, 0, 50);
	}
	return 0;
}

/* The file itself, and its folder. */
static int find(const char *file, struct nodes_edit *e)
{
	_cleanup_free_ char *dir = NULL;

	e->file = realpath(file, NULL);
	if (!e->file && errno == ENOENT)
		e->file = strdup(file);
	if (!e->file)
		return log_err(-errno, "cannot find node table '%s'", file);
	dir = strndup(e->file, (size_t)(path_base(e->file) - e->file));
	if (!dir)
		return log_err(-ENOMEM, "cannot find node table '%s'", file);
	e->dirfd = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return e->dirfd < 0 ? log_err(-errno, "cannot open folder '%s'", *dir ? dir : ".") : 0;
}

static int add_line(struct nodes_edit *e, char *line)
{
	char **more = reallocarray(e->lines, e->n_lines + 1, sizeof(*more));

	if (!line || !more) {
		e->lines = more ? more : e->lines;
		free(line);
		return log_err(-ENOMEM, "cannot keep node table '%s'", e->file);
	}
	more[e->n_lines++] = line;
	e->lines = more;
	return 0;
}

static int read_lines(struct nodes_edit *e)
{
	_cleanup_buffer_ struct buffer text = BUFFER(NODES_BYTES_MAX);
	unsigned line = 0;
	char why[256];
	struct stat st;
	int r = file_read(e->dirfd, path_base(e->file), &text);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return log_err(r, "cannot read node table '%s'", e->file);
	r = nodes_parse(text.data, text.len, &e->nodes, &line, why);
	if (r == -EBADMSG)
		return log_err(0, "%s:%u: %s", e->file, line, why), r;
	if (r == 0 && fstatat(e->dirfd, path_base(e->file), &st, 0) == 0)
		e->mode = st.st_mode & 0777;
	for (const char *p = buffer_str(&text), *nl; r == 0 && *p; p = nl + (*nl == '\n')) {
		nl = strchrnul(p, '\n');
		r = add_line(e, strndup(p, (size_t)(nl - p)));
	}
	return r;
}

int nodes_edit_open(const char *file, struct nodes_edit *ret)
{
	_cleanup_nodes_edit_ struct nodes_edit e = NODES_EDIT();
	int r = find(file, &e);

	if (r == 0)
		r = lock(e.dirfd, file);
	if (r == 0)
		r = read_lines(&e);
	if (r < 0)
		return r;
	*ret = e;
	e = NODES_EDIT();
	return 0;
}

/* What follows the words of a line: "  # in rack 3". Words of a node hold no '#'. */
static const char *comment_of(const char *line)
{
	const char *p = strchr(line, '#');

	if (!p)
		return "";
	while (p > line && (p[-1] == ' ' || p[-1] == '\t'))
		p--;
	return p;
}

int nodes_edit_put(struct nodes_edit *e, const struct node *old, const struct node *n)
{
	_cleanup_buffer_ struct buffer text = BUFFER(LINE_MAX);
	struct node copy = *n;
	const struct nodes one = { .list = &copy, .n = 1 };
	const char *comment = old ? comment_of(e->lines[old->line - 1]) : "";
	char *line;
	size_t len;

	if (nodes_format(&one, &text) < 0)
		return log_err(-ENOMEM, "cannot keep node table '%s'", e->file);
	len = text.len - 1;					 /* its newline */
	while (len > 2 && !memcmp(text.data + len - 2, " -", 2)) /* what is not given, at the end */
		len -= 2;
	if (asprintf(&line, "%.*s%s", (int)len, buffer_str(&text), comment) < 0)
		return log_err(-ENOMEM, "cannot keep node table '%s'", e->file);
	if (!old)
		return add_line(e, line);
	free(e->lines[old->line - 1]);
	e->lines[old->line - 1] = line;
	return 0;
}

void nodes_edit_remove(struct nodes_edit *e, const struct node *old)
{
	free(e->lines[old->line - 1]);
	e->lines[old->line - 1] = NULL;
}

int nodes_edit_commit(struct nodes_edit *e, struct nodes *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(NODES_BYTES_MAX);
	_cleanup_nodes_ struct nodes made = { 0 };
	unsigned line = 0;
	char why[256];
	int r = 0;

	for (size_t i = 0; r == 0 && i < e->n_lines; i++) {
		if (e->lines[i])
			r = buffer_printf(&text, "%s\n", e->lines[i]);
	}
	if (r == 0)
		r = nodes_parse(buffer_str(&text), text.len, &made, &line, why);
	if (r == -EBADMSG)
		return log_err(0, "'%s' stays as it is: in line %u of the new one, %s", e->file,
			       line, why),
		       r;
	if (r == 0)
		r = file_write(e->dirfd, path_base(e->file), buffer_str(&text), text.len, e->mode);
	if (r < 0)
		return log_err(r, "cannot write node table '%s'", e->file);
	*ret = made;
	made = (struct nodes){ 0 };
	return 0;
}

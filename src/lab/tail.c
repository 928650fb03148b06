/*
 * tail.c - the lines of a file that others append to, as they come
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "lab/tail.h"

void tail_init(struct tail *t, int dir, const char *path)
{
	*t = (struct tail){ .dir = dir, .fd = FD_NONE, .held = BUFFER(2 * TAIL_LINE_MAX) };
	snprintf(t->path, sizeof(t->path), "%s", path);
}

void tail_deinit(struct tail *t)
{
	t->fd = fd_close(t->fd);
	buffer_clear(&t->held);
}

/* Open the file, anew when another took its place. Return: whether a new one was opened. */
static bool follow(struct tail *t)
{
	struct stat st;

	if (fstatat(t->dir, t->path, &st, 0) < 0 || (t->fd >= 0 && st.st_ino == t->ino))
		return false;
	t->fd = fd_close(t->fd);
	t->fd = openat(t->dir, t->path, O_RDONLY | O_CLOEXEC);
	t->ino = st.st_ino;
	t->held.len = t->given = 0;
	return t->fd >= 0;
}

/* Hand out what stands before the first newline. */
static char *take(struct tail *t)
{
	char *line, *nl;

	buffer_consume(&t->held, t->given);
	t->given = 0;
	if (t->held.len == 0)
		return NULL;
	line = (char *)t->held.data;
	nl = memchr(line, '\n', t->held.len);
	if (!nl && t->held.len < TAIL_LINE_MAX)
		return NULL;
	if (!nl)
		nl = line + TAIL_LINE_MAX - 1;
	*nl = 0;
	t->given = (size_t)(nl - line) + 1;
	return line;
}

char *tail_next(struct tail *t, bool *ret_new)
{
	char *line = take(t);
	size_t n;

	*ret_new = false;
	if (line)
		return line;
	if (follow(t))
		*ret_new = true;
	if (t->fd < 0 || buffer_reserve(&t->held, TAIL_LINE_MAX) < 0 ||
	    fd_read_full(t->fd, t->held.data + t->held.len, TAIL_LINE_MAX, &n) < 0 || n == 0)
		return NULL;
	t->held.len += n;
	return take(t);
}

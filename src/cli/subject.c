/*
 * subject.c - what a command is to look into: a file, or an image that is published
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "cli/subject.h"
#include "cli/where.h"
#include "image/publish.h"
#include "image/unpack.h"

#define LOOK_BYTES  4096 /* of a file, to see what it is */
#define INDEX_MAGIC "bpboot-index "
#define CPIO_MAGIC  "0707"

int subject_split(const char *arg, char **ret_dir, char **ret_name)
{
	_cleanup_free_ char *dir = NULL;
	const char *base = path_base(arg);
	size_t n = strlen(base), k = strlen(PUBLISHED_SUFFIX);
	char *name;

	if (n > k && !strcmp(base + n - k, PUBLISHED_SUFFIX))
		n -= k;
	if (base != arg && !(dir = strndup(arg, (size_t)(base - arg))))
		return -ENOMEM;
	name = strndup(base, n);
	if (!name)
		return -ENOMEM;
	*ret_name = name;
	*ret_dir = TAKE_PTR(dir);
	return 0;
}

static int open_published(struct subject *s, const char *dir, const char *name)
{
	int r;

	s->boot_dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->boot_dirfd < 0)
		return log_err(-errno, "cannot open boot directory '%s'", dir);
	r = published_open(s->boot_dirfd, name, &s->published);
	if (r < 0)
		return r;
	s->medium = published_medium(s->published);
	return 0;
}

/* The file is an index: read the image that it names. */
static int open_index(struct subject *s, const char *arg)
{
	_cleanup_free_ char *dir = NULL, *name = NULL;
	int r = subject_split(arg, &dir, &name);

	if (r < 0)
		return r;
	if (!strcmp(path_base(arg), name))
		return log_err(-EINVAL,
			       "'%s' is the index of an image; it has to be called 'NAME%s', with "
			       "'%s' beside it",
			       arg, PUBLISHED_SUFFIX, PUBLISH_PARTS_DIR);
	return open_published(s, dir ? dir : ".", name);
}

/* There is no such file: perhaps it is the name of an image. */
static int open_name(struct subject *s, const char *arg)
{
	_cleanup_free_ char *path = NULL;

	if (!publish_name_ok(arg))
		return log_err(-ENOENT, "cannot read '%s'", arg);
	if (asprintf(&path, "%s/%s" PUBLISHED_SUFFIX, where_boot_dir(), arg) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (access(path, F_OK) < 0)
		return log_err(-errno, "cannot read '%s', neither as a file nor as '%s'", arg,
			       path);
	return open_published(s, where_boot_dir(), arg);
}

static int open_file(struct subject *s, const char *arg)
{
	char start[LOOK_BYTES];
	size_t n = 0;
	int r = medium_of_file(s->fd, &s->file);

	if (r == 0)
		r = s->file.read(&s->file, 0, start, sizeof(start), &n);
	if (r < 0)
		return log_err(r, "cannot read '%s'", arg);
	if (n >= strlen(INDEX_MAGIC) && !memcmp(start, INDEX_MAGIC, strlen(INDEX_MAGIC)))
		return open_index(s, arg);
	s->text = !memchr(start, 0, n) &&
		  unpack_detect((const uint8_t *)start, n) == UNPACK_PLAIN &&
		  (n < strlen(CPIO_MAGIC) || memcmp(start, CPIO_MAGIC, strlen(CPIO_MAGIC)));
	s->medium = &s->file;
	return 0;
}

int subject_open(const char *arg, struct subject *s)
{
	s->fd = open(arg, O_RDONLY | O_CLOEXEC);
	if (s->fd >= 0)
		return open_file(s, arg);
	return errno == ENOENT ? open_name(s, arg) : log_err(-errno, "cannot read '%s'", arg);
}

void subject_close(struct subject *s)
{
	published_free(s->published);
	s->published = NULL;
	s->fd = fd_close(s->fd);
	s->boot_dirfd = fd_close(s->boot_dirfd);
}

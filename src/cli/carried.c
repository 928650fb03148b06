/*
 * carried.c - the files of a command that go to the nodes with it
 *
 * The program, its interpreter when it is a script, its loader, and the libraries that the loader
 * would load. To find and hash them takes milliseconds, so that what was found is kept: one file a
 * program (carried_memory.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/carried.h"
#include "cli/carried_internal.h"
#include "image/closure.h"
#include "net/file_hash.h"

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

void carried_clear(struct carried *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->paths[i]);
	free(c->paths);
	free(c->files);
	*c = (struct carried){ 0 };
}

int carried_add(struct carried *c, const char *path, const struct message_file *file)
{
	struct message_file *files = reallocarray(c->files, c->n + 1, sizeof(*files));
	char **paths = NULL, *copy = strdup(path);

	if (files)
		c->files = files;
	paths = files ? reallocarray(c->paths, c->n + 1, sizeof(*paths)) : NULL;
	if (paths)
		c->paths = paths;
	if (!paths || !copy) {
		free(copy);
		return -ENOMEM;
	}
	c->paths[c->n] = copy;
	c->files[c->n] = *file;
	c->files[c->n].path = copy;
	c->n++;
	return 0;
}

static bool runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The program as execvp() would find it, absolute. Return: 0 or -ENOENT. */
static int find_program(const char *command, char ret[static PATH_MAX])
{
	const char *path = getenv("PATH");
	char name[PATH_MAX];

	if (strchr(command, '/')) {
		if (!runnable(command))
			return -ENOENT;
		if (command[0] == '/' && !strstr(command, "//") && !strstr(command, "/./") &&
		    !strstr(command, "/../") && strlen(command) < PATH_MAX)
			return snprintf(ret, PATH_MAX, "%s", command), 0;
		return realpath(command, ret) ? 0 : -ENOENT;
	}
	for (const char *p = path ? path : PATH_DEFAULT;; p++) {
		size_t n = strcspn(p, ":");

		if ((size_t)snprintf(name, sizeof(name), "%.*s/%s", n ? (int)n : 1, n ? p : ".",
				     command) < sizeof(name) &&
		    runnable(name)) {
			if (name[0] == '/' && p[n - 1] != '/')
				return snprintf(ret, PATH_MAX, "%s", name), 0;
			return realpath(name, ret) ? 0 : -ENOENT;
		}
		p += n;
		if (!*p)
			return -ENOENT;
	}
}

/* Whether there is somebody who may not read the file at @real. */
static bool is_private(const char *real, const struct stat *st)
{
	char dir[PATH_MAX];
	struct stat above;
	char *slash;

	if (!(st->st_mode & S_IROTH) || strlen(real) >= sizeof(dir))
		return true;
	snprintf(dir, sizeof(dir), "%s", real);
	while ((slash = strrchr(dir, '/')) && slash != dir) {
		*slash = 0;
		if (stat(dir, &above) < 0 || !(above.st_mode & S_IXOTH))
			return true;
	}
	return false;
}

/* Hash a file and add it as @path. Return: 0, -EPERM for one that does not travel, another errno.
 */
static int add_file(struct carried *c, enum message_file_kind kind, const char *path,
		    const char *real)
{
	_cleanup_close_ int fd = open(real, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct message_file f = { .kind = (uint8_t)kind };
	_cleanup_free_ char *plain = NULL;
	struct stat st;
	int r = path_normalize(path, &plain);

	if (r < 0)
		return r;
	for (size_t i = 0; i < c->n; i++) {
		if (!strcmp(c->paths[i], plain))
			return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_mode & (S_ISUID | S_ISGID))
		return -EPERM;
	f.bytes = (uint64_t)st.st_size;
	f.is_private = is_private(real, &st);
	if (f.bytes > MESSAGE_FILE_MAX || c->n >= MESSAGE_FILES_MAX)
		return -EFBIG;
	r = file_hash_fd(fd, f.bytes, f.hash);
	return r < 0 ? r : carried_add(c, plain, &f);
}

/* Does it look for libraries from where it lies? */
static bool has_origin(const struct elf *e)
{
	return e && ((e->rpath && strstr(e->rpath, "ORIGIN")) ||
		     (e->runpath && strstr(e->runpath, "ORIGIN")));
}

static enum message_file_kind kind_of(const struct closure_item *item, const char *origin)
{
	size_t n = origin ? strlen(origin) : 0;

	if (n > 0 && !strncmp(item->path, origin, n) && item->path[n] == '/')
		return MESSAGE_BESIDE;
	return strstr(item->name, ".so") && strncmp(item->name, "ld", 2) != 0 ? MESSAGE_LIBRARY
									      : MESSAGE_LOADER;
}

/* @ret_lasts: as long as its files do; else it depends on what else there is. */
static int collect(const char *program, struct carried *c, bool *ret_lasts)
{
	_cleanup_root_ struct root root = ROOT();
	_cleanup_closure_ struct closure *closure = NULL;
	const struct closure_item *items;
	char real[PATH_MAX], origin[PATH_MAX];
	bool beside;
	size_t n;
	int r = sodium_init() < 0 ? -EIO : root_open(&root, "/");

	if (!realpath(program, real))
		return -errno;
	if (r == 0)
		r = closure_new(&root, &closure);
	if (r == 0) {
		closure_set_path(closure, getenv("PATH"));
		r = closure_add(closure, program);
	}
	if (r == -ENOEXEC || r == -EACCES)
		return -EPERM; /* a text that the shell would run, or nothing to be read */
	if (r < 0)
		return log_err(0, "cannot take '%s' to the nodes: %s (--image runs what they have)",
			       program, closure ? closure_error(closure) : strerror(-r)),
		       -EALREADY;
	beside = has_origin(closure_elf(closure, real));
	snprintf(origin, sizeof(origin), "%s", real);
	*strrchr(origin, '/') = 0;
	r = add_file(c, MESSAGE_PROGRAM, beside ? real : program, real);
	items = closure_items(closure, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_file(c, kind_of(&items[i], beside ? origin : NULL), items[i].path,
			     items[i].real);
	*ret_lasts = !closure_used_path(closure);
	return r;
}

int carried_find(const char *command, struct carried *ret)
{
	_cleanup_carried_ struct carried c = { 0 };
	char program[PATH_MAX];
	bool lasts = false;
	int r = find_program(command, program);

	if (r < 0)
		return 0; /* the nodes may have it */
	if (carried_recall(program, &c) < 0) {
		carried_clear(&c);
		r = collect(program, &c, &lasts);
		if (r == -EPERM || r == -EACCES)
			return 0;
		if (r < 0)
			return r == -EALREADY ? -ENOEXEC
					      : log_err(r,
							"cannot take '%s' to the nodes "
							"(--image runs what they have)",
							program);
		if (lasts)
			carried_remember(program, &c);
	}
	*ret = c;
	c = (struct carried){ 0 };
	return 0;
}

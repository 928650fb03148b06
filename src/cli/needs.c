/*
 * needs.c - bpboot needs: the files that programs need besides themselves
 *
 * One absolute path a line and nothing else, so that it can feed cpio, tar or rsync.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/sources.h"
#include "image/closure.h"

struct options {
	const char *root;
};

static const struct option_row options[] = {
	SOURCES_ROW_ROOT(struct options),
	{ 0 },
};

/*
 * A file named relative to @dir, or the working directory, as an absolute path. Caller frees *ret.
 */
static int absolute(const char *name, const char *dir, char **ret)
{
	char cwd[PATH_MAX];

	if (name[0] == '/') {
		*ret = strdup(name);
		return *ret ? 0 : -ENOMEM;
	}
	if (dir)
		return path_join(dir, name, ret);
	if (!getcwd(cwd, sizeof(cwd)))
		return -errno;
	return path_join(cwd, name, ret);
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	_cleanup_root_ struct root root = ROOT();
	_cleanup_closure_ struct closure *c = NULL;
	const struct closure_item *items;
	size_t n;
	int r = root_open(&root, o->root ? o->root : "/");

	if (r == 0)
		r = closure_new(&root, &c);
	if (r < 0)
		return log_err(r, "cannot look at the files of '%s'", o->root ? o->root : "/");
	for (int i = 0; i < argc; i++) {
		_cleanup_free_ char *path = NULL;

		r = absolute(argv[i], o->root ? "/" : NULL, &path);
		if (r < 0)
			return log_err(r, "cannot find '%s'", argv[i]);
		r = closure_add(c, path);
		if (r < 0)
			return log_err(r == -ENOEXEC ? 0 : r, "%s", closure_error(c)), r;
	}
	items = closure_items(c, &n);
	for (size_t i = 0; i < n; i++)
		puts(items[i].path);
	return fflush(stdout) == 0 ? COMMAND_OK : log_err(-errno, "cannot write");
}

const struct command cmd_needs = {
	.name = "needs",
	.args = "FILE...",
	.summary = "name the libraries and interpreters that programs need",
	.options = options,
	.options_size = sizeof(struct options),
	.args_min = 1,
	.args_max = -1,
	.run = run,
};

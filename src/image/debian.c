/*
 * debian.c - a tree of Debian packages, made by mmdebstrap
 *
 * mmdebstrap knows mirrors, keys, dependencies and maintainer scripts, and needs no root: as a
 * plain user it works in a user namespace. It writes its archive into a file that is ours; its
 * words on what goes wrong are on standard error. No shell is between.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "image/debian.h"

#define ARGUMENTS_MAX 12

static int run(const char *const *argv, int fd, int *ret_status)
{
	struct process p = PROCESS(argv);
	pid_t pid;
	int r;

	p.out = fd;
	p.err = STDERR_FILENO;
	r = process_spawn(&p, &pid);
	return r < 0 ? r : process_wait(pid, -1, ret_status);
}

int debian_packages(const struct manifest_entry *e, int64_t time_s, int fd, const char *file)
{
	_cleanup_free_ char *program = NULL, *epoch = NULL, *variant = NULL, *include = NULL;
	const char *argv[ARGUMENTS_MAX] = { "env" };
	size_t n = 1;
	int status = 0, r = process_find("mmdebstrap", &program);

	if (r < 0) {
		(void)log_err(0,
			      "%s:%u: 'packages' needs mmdebstrap, which is not installed; "
			      "'apt install mmdebstrap' brings it",
			      file, e->line);
		return r;
	}
	if (asprintf(&epoch, "SOURCE_DATE_EPOCH=%lld", (long long)time_s) < 0)
		epoch = NULL;
	if (asprintf(&variant, "--variant=%s", e->variant ? e->variant : DEBIAN_VARIANT) < 0)
		variant = NULL;
	if (asprintf(&include, "--include=%s", e->packages ? e->packages : "") < 0)
		include = NULL;
	if (!epoch || !variant || !include)
		return log_err(-ENOMEM, "cannot start mmdebstrap");
	argv[n++] = epoch;
	argv[n++] = program;
	argv[n++] = "--quiet";
	argv[n++] = "--format=tar";
	argv[n++] = variant;
	if (e->packages)
		argv[n++] = include;
	argv[n++] = "--";
	argv[n++] = e->source;
	argv[n++] = "-";
	if (e->mirror)
		argv[n++] = e->mirror;
	argv[n] = NULL;
	r = run(argv, fd, &status);
	if (r < 0)
		return log_err(r, "cannot run '%s'", program);
	if (status == 0)
		return 0;
	(void)log_err(0, "%s:%u: mmdebstrap could not make a tree of '%s' (exit status %d)", file,
		      e->line, e->source, status);
	return -EIO;
}

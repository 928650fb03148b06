/*
 * bpghost.c - the program that stands for a remote process which libbproc has started
 *
 * Nobody calls it by hand: its arguments are the remote program's, so that ps shows them, and what
 * it is to do is in its environment (job.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "lib/job.h"
#include "lib/lib.h"

#define USAGE "bpghost: stands for a process that libbproc starts on a node; see bproc(3)\n"

static void silent(enum log_level level, const char *line)
{
}

/* The next number of the text. */
static int number(char **text, int *ret)
{
	const char *s = strsep(text, ":");
	uint32_t n;

	if (!s || parse_u32(s, 0, INT32_MAX, &n) < 0)
		return -EINVAL;
	*ret = (int)n;
	return 0;
}

static void report(int fd, int index, int err)
{
	const int32_t words[2] = { index, err };

	(void)!write(fd, words, sizeof(words)); /* whoever waits sees our end as well */
}

/* Read the order at @fd into @text, where it stays. Return: 0 or negative errno. */
static int read_order(int fd, struct buffer *text, struct job_order *ret)
{
	struct reader r;
	char path[32];
	int e;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	e = file_read(AT_FDCWD, path, text);
	fd_close(fd);
	if (e < 0)
		return e;
	r = READER(text->data, text->len);
	return job_order_read(&r, ret);
}

/* Have the order done. Return: 0 with the process running, or negative errno. */
static int begin(const struct job_order *o, struct caller *c)
{
	int fds[3], e = job_streams_open(o->streams, fds);

	if (e == 0)
		e = job_streams_place(fds);
	if (e == 0)
		e = caller_open(c, o->socket);
	return e < 0 ? e : job_begin(c, o);
}

int main(int argc, char **argv)
{
	struct buffer order = BUFFER(JOB_ORDER_MAX); /* as long as we live */
	struct caller c = CALLER();
	struct job_order o;
	char *text = getenv(JOB_VARIABLE), *what = text ? strsep(&text, ":") : NULL;
	int fd = FD_NONE, other = FD_NONE, index = 0, r = -EINVAL;
	size_t bytes = argc > 0 ? (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0])
				: 0;

	log_set_sink(silent);
	fd_open_standard();
	if (argc > 0)
		(void)prctl(PR_SET_NAME, basename(argv[0]), 0, 0, 0); /* as ps shows it */
	if (what && !strcmp(what, "started") && number(&text, &fd) == 0 &&
	    number(&text, &other) == 0) {
		r = read_order(other, &order, &o);
		c.fd = fd;
		if (r == 0 && number(&text, &index) == 0)
			ghost_run(&c, &o, index, argv[0], bytes);
		return 255;
	}
	if (what && !strcmp(what, "run") && number(&text, &fd) == 0 && number(&text, &other) == 0 &&
	    number(&text, &index) == 0) {
		r = read_order(fd, &order, &o);
		if (r == 0)
			r = begin(&o, &c);
		report(other, index, -lib_errno(r));
		fd_close(other);
		if (r == 0)
			ghost_run(&c, &o, o.streams[0].kind != JOB_ELSEWHERE, argv[0],
				  bytes);
		return 255;
	}
	fputs(USAGE, stderr);
	return 2;
}

/*
 * copy_agent.c - one end of bpcp on a node: bpslave's executable, started as the user who copies
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "space/copy.h"
#include "wire/copy.h"

int copy_base(const char *path, char *ret)
{
	size_t n = strlen(path), start;

	while (n > 0 && path[n - 1] == '/')
		n--;
	for (start = n; start > 0 && path[start - 1] != '/';)
		start--;
	if (n - start >= COPY_NAME_MAX)
		return -EINVAL;
	memcpy(ret, path + start, n - start);
	ret[n - start] = 0;
	return copy_name_valid(ret) ? 0 : -EINVAL;
}

void copy_letters(const struct copy_options *o, char ret[static COPY_LETTERS_MAX])
{
	snprintf(ret, COPY_LETTERS_MAX, "-%s%s%s%s", o->recursive ? "r" : "",
		 o->preserve ? "p" : "", o->count ? "c" : "", o->in_folder ? "d" : "");
}

int copy_agent(int argc, char **argv)
{
	bool from = argc > 2 && !strcmp(argv[0], "from"), to = argc > 3 && !strcmp(argv[0], "to");
	struct copy_options o = { 0 };
	int r;

	log_setup("bpcp", LOG_LEVEL_INFO);
	(void)prctl(PR_SET_NAME, "bpcp"); /* for ps alone */
	if (!from && !to) {
		log_err(0, "this is one end of bpcp, and for nobody else");
		return 2;
	}
	o.recursive = strchr(argv[1], 'r');
	o.preserve = strchr(argv[1], 'p');
	o.count = strchr(argv[1], 'c');
	o.in_folder = strchr(argv[1], 'd');
	if (from)
		r = copy_send(STDOUT_FILENO, argv + 2, (size_t)argc - 2, &o);
	else
		r = copy_receive(STDIN_FILENO, argv + 3, (size_t)argc - 3, argv[2], &o);
	return r < 0 ? 1 : 0;
}

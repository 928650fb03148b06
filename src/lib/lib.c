/*
 * lib.c - the way from a function of libbproc to bpmaster, and errors on the way back
 *
 * A library is silent: what space/caller.c would log is dropped, and errno says it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "lib/lib.h"

static void silent(enum log_level level, const char *line)
{
}

__attribute__((constructor)) static void be_silent(void)
{
	log_set_sink(silent); /* of our own copy of base/, whose symbols are hidden */
}

const char *lib_socket(void)
{
	const char *s = secure_getenv("BPBOOT_SOCKET");

	return s && *s ? s : LIB_SOCKET;
}

int lib_open(struct caller *c)
{
	int r = caller_open(c, lib_socket());

	return r == -ENOENT ? -ECONNREFUSED : r; /* there is no bpmaster either way */
}

int lib_result(int r)
{
	if (r >= 0)
		return r;
	errno = -lib_errno(r);
	return -1;
}

int lib_nodes(struct caller_nodes *ret)
{
	_cleanup_caller_ struct caller c = CALLER();
	int r = lib_open(&c);

	return r < 0 ? r : caller_list(&c, false, ret);
}

int lib_node(int node, struct caller_nodes *known, const struct message_node **ret)
{
	int r;

	if (node == BPROC_NODE_SELF)
		node = bproc_currnode();
	if (node < 0)
		return -BE_INVALIDNODE;
	r = lib_nodes(known);
	if (r < 0)
		return r;
	*ret = caller_node(known, (uint32_t)node);
	return *ret ? 0 : -BE_INVALIDNODE;
}

int lib_set(int node, enum message_set what, uint32_t value, const char *word)
{
	_cleanup_caller_ struct caller c = CALLER();
	uint32_t number = (uint32_t)node;
	int r;

	if (node < 0)
		return -BE_INVALIDNODE;
	r = lib_open(&c);
	return r < 0 ? r : caller_set(&c, what, value, word, &number, 1);
}

const char *bproc_strerror(int err)
{
	static const char *const words[] = {
		"no such node",
		"node is not up",
		"process is on that node already",
		"node was lost",
		"no such process in the process space",
	};
	static _Thread_local char text[128]; /* of the calling thread */
	/* Of a vector start they are negative. */
	unsigned n = err < 0 ? -(unsigned)err : (unsigned)err;

	if (n >= BE_BASE && n - BE_BASE < ARRAY_SIZE(words))
		return words[n - BE_BASE];
	return strerror_r((int)n, text, sizeof(text));
}

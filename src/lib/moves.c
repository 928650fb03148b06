/*
 * moves.c - libbproc: what would move a running process, change a node's root or its master
 *
 * None of it can be done yet; programs that ask are told so, ENOSYS, and may do without.
 */
#include <errno.h>

#include "lib/lib.h"

int bproc_move(int node)
{
	return lib_result(-ENOSYS);
}

int bproc_move_io(int node, struct bproc_io_t *io, int iolen)
{
	return lib_result(-ENOSYS);
}

int bproc_rfork(int node)
{
	return lib_result(-ENOSYS);
}

int bproc_rfork_io(int node, struct bproc_io_t *io, int iolen)
{
	return lib_result(-ENOSYS);
}

int bproc_vrfork(int nnodes, int *nodes, int *pids)
{
	return lib_result(-ENOSYS);
}

int bproc_vrfork_io(int nnodes, int *nodes, int *pids, struct bproc_io_t *io, int iolen)
{
	return lib_result(-ENOSYS);
}

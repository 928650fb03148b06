/*
 * moves.c - libbproc: what would move a running process, or keep one in a file
 *
 * None of it can be done; programs that ask are told so, ENOSYS, and may do without.
 */
#include <errno.h>
#include <sys/vmadump.h>

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

int _bproc_move(int node, int flags)
{
	return lib_result(-ENOSYS);
}

int _bproc_move_io(int node, struct bproc_io_t *io, int iolen, int flags)
{
	return lib_result(-ENOSYS);
}

int _bproc_rfork(int node, int flags)
{
	return lib_result(-ENOSYS);
}

int _bproc_rfork_io(int node, struct bproc_io_t *io, int iolen, int flags)
{
	return lib_result(-ENOSYS);
}

int _bproc_vrfork(int nnodes, int *nodes, int *pids, int flags)
{
	return lib_result(-ENOSYS);
}

int _bproc_vrfork_io(int nnodes, int *nodes, int *pids, struct bproc_io_t *io, int iolen,
		     int flags)
{
	return lib_result(-ENOSYS);
}

int bproc_dump(int fd, int flags)
{
	return lib_result(-ENOSYS);
}

int bproc_undump(int fd)
{
	return lib_result(-ENOSYS);
}

int bproc_execdump(int fd, int flags, const char *cmd, char *const argv[], char *const envp[])
{
	return lib_result(-ENOSYS);
}

int bproc_libclear(void)
{
	return lib_result(-ENOSYS);
}

int bproc_libadd(const char *libname)
{
	return lib_result(-ENOSYS);
}

int bproc_libdel(const char *libname)
{
	return lib_result(-ENOSYS);
}

int bproc_liblist(char **list)
{
	return lib_result(-ENOSYS);
}

int vmadump_dump(int fd, int flags)
{
	return lib_result(-ENOSYS);
}

int vmadump_undump(int fd)
{
	return lib_result(-ENOSYS);
}

int vmadump_execdump(int fd, int flags, const char *cmd, char *const argv[], char *const envp[])
{
	return lib_result(-ENOSYS);
}

int vmadump_libclear(void)
{
	return lib_result(-ENOSYS);
}

int vmadump_libadd(const char *libname)
{
	return lib_result(-ENOSYS);
}

int vmadump_libdel(const char *libname)
{
	return lib_result(-ENOSYS);
}

int vmadump_liblist(char **list)
{
	return lib_result(-ENOSYS);
}

/*
 * lib_errno.c - bpmaster's errors under the names that users of libbproc know; of bpghost too
 */
#include <errno.h>

#include "lib/lib.h"

int lib_errno(int r)
{
	switch (r) {
	case -ENODEV:
		return -BE_INVALIDNODE;
	case -EHOSTDOWN:
		return -BE_NODEDOWN;
	default:
		return r;
	}
}

/*
 * scratch.h - a folder for one test's files, below $TMPDIR, and its end
 */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRATCH_PATH_MAX 200

/* Make a folder; @ret gets its path. Return: 0 or -1. */
static inline int scratch_make(char ret[static SCRATCH_PATH_MAX])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(ret, SCRATCH_PATH_MAX, "%s/bpboot-test.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(ret) ? 0 : -1;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int kind,
				     struct FTW *at)
{
	return remove(path);
}

/* Remove the folder with all that is in it. Return: 0 or -1. */
static inline int scratch_remove(const char *dir)
{
	return nftw(dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

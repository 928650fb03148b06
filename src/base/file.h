/*
 * file.h - whole files in, whole files out
 *
 * A file is never seen half-written: it is written without a name (O_TMPFILE), synced, and linked
 * to its name, or, where one has it already, to a name of its own that is renamed over the old one
 * at once. So nothing stays when the program is killed. File systems without such files get one
 * under a name of its own from the beginning. Paths are relative to a directory descriptor
 * (AT_FDCWD for the current one).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/lang.h"

/*
 * Append the file to @to. Return: 0, -E2BIG when it does not fit below @to's maximum, or another
 * errno.
 */
_must_check_ int file_read(int dirfd, const char *path, struct buffer *to);

/*
 * Write @n bytes aside and rename to @path with exactly @mode. On an error the old file is
 * untouched.
 */
_must_check_ int file_write(int dirfd, const char *path, const void *data, size_t n, mode_t mode);

/* A file on its way: write to fd, then newfile_commit(). */
struct newfile {
	int fd;	    /* open for reading and writing; owned */
	int dirfd;  /* borrowed */
	char *path; /* where it will be; owned */
	char *temp; /* where it is now; owned; NULL while it has no name */
};

#define NEWFILE()	  ((struct newfile){ .fd = FD_NONE, .dirfd = FD_NONE })
#define _cleanup_newfile_ _cleanup_(newfile_drop)

/* Return: 0; -EISDIR or -EOPNOTSUPP when @path is there and not a regular file; another errno. */
_must_check_ int newfile_open(struct newfile *f, int dirfd, const char *path, mode_t mode);

/* Sync, rename, sync the directory. The file is dropped on an error. */
_must_check_ int newfile_commit(struct newfile *f);

/* The same without syncing anything, for many files that are synced together later. */
_must_check_ int newfile_commit_unsynced(struct newfile *f);

/* Forget the file and remove what was written; nothing to do after a commit. */
void newfile_drop(struct newfile *f);

/*
 * Remove every half-written file of newfile_open() that has a name. For a signal handler just
 * before the process ends, in whichever thread: from then on newfile_open() waits for ever. At most
 * NEWFILE_OPEN_MAX are known at a time.
 */
#define NEWFILE_OPEN_MAX 16
void newfile_drop_all(void);

/*
 * fuzz-extract.c - whatever an archive or image says, nothing is written outside the folder, and
 * what is inside are files, folders and symlinks without set-id bits
 *
 * The folder "in" lies beside "out", to which "..", absolute links through /proc/self/cwd and links
 * to links may point: "out" has to stay empty, and nothing else may appear. Packed input is left to
 * fuzz-inspect: a few bytes of it may be gigabytes to write.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/extract.h"
#include "image/unpack.h"

#define JAIL_FD	       100	  /* the folder of both, so that seeds can name it */
#define FILE_BYTES_MAX (1u << 20) /* an ext2 image may claim holes of terabytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char jail[] = "/dev/shm/fuzz-extract.XXXXXX"; /* in memory, where it is quick */
static char in[sizeof(jail) + 3];

static void say_nothing(enum log_level level, const char *line)
{
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return ftw->level == 0 ? 0 : remove(path);
}

static int open_up(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type == FTW_D || type == FTW_DNR)
		(void)chmod(path, 0700); /* of a folder that is to be emptied */
	return 0;
}

static int check_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode))
		abort();
	if (!S_ISLNK(st->st_mode) && st->st_mode & (S_ISUID | S_ISGID))
		abort();
	return 0;
}

static int count_names(const char *name)
{
	int fd = openat(JAIL_FD, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		abort();
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void leave(void)
{
	(void)rmdir(in);
	(void)unlinkat(JAIL_FD, "out", AT_REMOVEDIR);
	(void)rmdir(jail);
}

static void enter(void)
{
	static int entered;
	int fd;

	if (entered++)
		return;
	if (!mkdtemp(jail) || (fd = open(jail, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    dup3(fd, JAIL_FD, O_CLOEXEC) < 0 || mkdirat(JAIL_FD, "in", 0700) < 0 ||
	    mkdirat(JAIL_FD, "out", 0700) < 0)
		abort();
	close(fd);
	stpcpy(stpcpy(in, jail), "/in");
	atexit(leave);
}

static int entry(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	return e->size > FILE_BYTES_MAX ? -E2BIG : extract_entry(user, e, data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC), dir = FD_NONE;
	_cleanup_extract_ struct extract *x = NULL;
	struct inspect_visitor v = { NULL, entry, NULL };

	enter();
	log_set_sink(say_nothing);
	if (unpack_detect(data, size) != UNPACK_PLAIN)
		return 0;
	dir = open(in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || dir < 0 || fd_write_all(fd, data, size) < 0 || extract_new(dir, &x) < 0)
		abort();
	v.user = x;
	if (inspect_file(fd, "fuzz", &v) == 0 && extract_finish(x) < 0)
		abort();
	if (chmod(in, 0700) < 0 || count_names("out") != 2 || count_names(".") != 4)
		abort();
	(void)nftw(in, open_up, 16, FTW_PHYS);
	if (nftw(in, check_one, 16, FTW_PHYS) < 0 && errno != ENOENT)
		abort();
	(void)nftw(in, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

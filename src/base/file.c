/*
 * file.c - whole files in, whole files out
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

/*
 * Files on their way, so that an interrupted program leaves none behind. A file is made and known
 * in one step under a lock that a signal handler can take: who holds it has its signals blocked, so
 * that the handler never waits for the thread that it interrupted.
 */
static struct {
	int dirfd;
	const char *temp;
} newfile_known[NEWFILE_OPEN_MAX];
static atomic_flag newfile_lock = ATOMIC_FLAG_INIT;

static void known_lock(sigset_t *ret_before)
{
	sigset_t all;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all,
			      ret_before); /* fails only for a wrong first argument */
	while (atomic_flag_test_and_set(&newfile_lock))
		sched_yield();
}

static void known_unlock(const sigset_t *before)
{
	atomic_flag_clear(&newfile_lock);
	(void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* The file by its descriptor, for linkat(2). */
static int link_fd(int fd, int dirfd, const char *path)
{
	char proc[sizeof("/proc/self/fd/-2147483648")];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, dirfd, path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/*
 * Give the file the name @f->temp and know it from then on: make it, or link f->fd when that is
 * open. Return: a descriptor, 0 for a link, or a negative errno.
 */
static int newfile_create(const struct newfile *f)
{
	sigset_t before;
	int r = -EMFILE;

	known_lock(&before);
	for (size_t i = 0; i < NEWFILE_OPEN_MAX; i++) {
		if (newfile_known[i].temp)
			continue;
		if (f->fd >= 0) {
			r = link_fd(f->fd, f->dirfd, f->temp);
		} else {
			r = openat(f->dirfd, f->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
			r = r < 0 ? -errno : r;
		}
		if (r >= 0) {
			newfile_known[i].dirfd = f->dirfd;
			newfile_known[i].temp = f->temp;
		}
		break;
	}
	known_unlock(&before);
	return r;
}

static void newfile_forget(const struct newfile *f)
{
	sigset_t before;

	known_lock(&before);
	for (size_t i = 0; i < NEWFILE_OPEN_MAX; i++) {
		if (newfile_known[i].temp == f->temp)
			newfile_known[i].temp = NULL;
	}
	known_unlock(&before);
}

void newfile_drop_all(void)
{
	sigset_t before;

	known_lock(&before); /* and never let go: no other thread makes one more */
	for (size_t i = 0; i < NEWFILE_OPEN_MAX; i++) {
		if (newfile_known[i].temp)
			(void)unlinkat(newfile_known[i].dirfd, newfile_known[i].temp,
				       0); /* best effort */
	}
}

int file_read(int dirfd, const char *path, struct buffer *to)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		size_t want = MIN(to->max - to->len, (size_t)64 << 10);
		uint8_t over;
		int r;

		if (want == 0) { /* full: was that all? */
			r = fd_read_full(fd, &over, 1, &n);
			return r < 0 ? r : n > 0 ? -E2BIG : 0;
		}
		r = buffer_reserve(to, want);
		if (r < 0)
			return r;
		r = fd_read_full(fd, to->data + to->len, want, &n);
		if (r < 0)
			return r;
		to->len += n;
		to->data[to->len] = 0;
		if (n < want)
			return 0;
	}
}

/* The directory of @path. Caller frees. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* A file without a name. Return: a descriptor, or a negative errno where there is no such thing. */
static int open_unnamed(const struct newfile *f)
{
	_cleanup_free_ char *dir = parent_of(f->path);
	int fd = -1;

	if (dir && access("/proc/self/fd", X_OK) == 0) /* it takes that to get a name */
		fd = openat(f->dirfd, dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 ? -EOPNOTSUPP : fd;
}

/* A name of its own for the file. Return: as newfile_create(). */
static int newfile_name(struct newfile *f)
{
	uint32_t rnd;
	int r = -ENOMEM;

	for (int tries = 0; tries < 16; tries++) {
		if (getrandom(&rnd, sizeof(rnd), GRND_INSECURE) != sizeof(rnd))
			rnd = (uint32_t)getpid();
		free(TAKE_PTR(f->temp));
		if (asprintf(&f->temp, "%s.%08x.new", f->path, rnd) < 0) {
			f->temp = NULL;
			return -ENOMEM;
		}
		r = newfile_create(f);
		if (r != -EEXIST)
			break;
	}
	if (r < 0)
		free(TAKE_PTR(f->temp)); /* it is not ours */
	return r;
}

int newfile_open(struct newfile *f, int dirfd, const char *path, mode_t mode)
{
	struct stat st;
	int r;

	*f = NEWFILE();
	if (fstatat(dirfd, path, &st, 0) == 0 &&
	    !S_ISREG(st.st_mode)) /* never rename over /dev/null */
		return S_ISDIR(st.st_mode) ? -EISDIR : -EOPNOTSUPP;
	f->dirfd = dirfd;
	f->path = strdup(path);
	if (!f->path)
		return -ENOMEM;
	r = open_unnamed(f);
	if (r < 0)
		r = newfile_name(f);
	if (r < 0) {
		newfile_drop(f);
		return r;
	}
	f->fd = r;
	r = fchmod(f->fd, mode) < 0 ? -errno : 0;
	if (r < 0)
		newfile_drop(f);
	return r;
}

/* Make a rename in the directory of @path last. File systems that cannot say so with EINVAL. */
static int sync_parent(int dirfd, const char *path)
{
	_cleanup_free_ char *dir = parent_of(path);
	_cleanup_close_ int fd = FD_NONE;

	if (!dir)
		return -ENOMEM;
	fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

/* Under its name at last, whatever had that before. */
static int newfile_place(struct newfile *f)
{
	int r = 0;

	if (!f->temp) {
		r = link_fd(f->fd, f->dirfd, f->path);
		if (r != -EEXIST)
			return r;
		r = newfile_name(f);
	}
	if (r >= 0)
		r = renameat(f->dirfd, f->temp, f->dirfd, f->path) < 0 ? -errno : 0;
	if (r == 0) {
		newfile_forget(f);
		free(TAKE_PTR(f->temp));
	}
	return r;
}

int newfile_commit(struct newfile *f)
{
	int r = fsync(f->fd) < 0 && errno != EINVAL ? -errno : 0;

	if (r == 0)
		r = newfile_place(f);
	if (r == 0)
		r = sync_parent(f->dirfd, f->path);
	newfile_drop(f);
	return r;
}

int newfile_commit_unsynced(struct newfile *f)
{
	int r = newfile_place(f);

	newfile_drop(f);
	return r;
}

void newfile_drop(struct newfile *f)
{
	f->fd = fd_close(f->fd);
	if (f->temp) {
		(void)unlinkat(f->dirfd, f->temp, 0); /* it may be gone with its directory */
		newfile_forget(f);
	}
	free(f->temp);
	free(f->path);
	*f = NEWFILE();
}

int file_write(int dirfd, const char *path, const void *data, size_t n, mode_t mode)
{
	_cleanup_newfile_ struct newfile f = NEWFILE();
	int r = newfile_open(&f, dirfd, path, mode);

	if (r == 0)
		r = fd_write_all(f.fd, data, n);
	if (r == 0)
		r = newfile_commit(&f);
	return r;
}

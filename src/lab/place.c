/*
 * place.c - the directory of one lab: who owns the name, and what lies where
 *
 * In /tmp anyone could have made a directory of our name before us: one that is not ours, is a link
 * or lets others in is refused. A directory whose lock is free belonged to a lab that was killed,
 * and is removed. The lock file is unlinked last; whoever waited for it finds a file that is not in
 * its place any more and begins again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "lab/place.h"

enum {
	TAKE_TRIES = 16,
	DEPTH_MAX = 8, /* of directories below ours */
};

void place_close(struct place *p)
{
	p->dir = fd_close(p->dir);
	p->lock = fd_close(p->lock);
}

static int name_path(const char *name, struct place *p)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	size_t n = strlen(name);

	if (n == 0 || n >= PLACE_NAME_MAX || name[0] == '.' ||
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != n)
		return log_err(-EINVAL,
			       "lab name '%s': expected up to %d letters, digits, '.', '_', '-'",
			       name, PLACE_NAME_MAX - 1);
	if (!runtime || runtime[0] != '/' || access(runtime, W_OK) < 0)
		runtime = "/tmp";
	snprintf(p->name, sizeof(p->name), "%s", name);
	if (snprintf(p->path, sizeof(p->path), "%s/bpboot-lab-%u-%s", runtime, geteuid(), name) >=
	    (int)sizeof(p->path))
		return log_err(-ENAMETOOLONG,
			       "the path of a lab below '%s' would be too long for a socket",
			       runtime);
	return 0;
}

/* Open the directory when it is ours alone. */
static int open_dir(struct place *p)
{
	struct stat st;

	p->dir = fd_close(p->dir);
	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p->dir < 0) {
		p->dir = FD_NONE;
		return -errno;
	}
	if (fstat(p->dir, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return log_err(
			-EPERM,
			"'%s' is not a directory of yours alone; remove it, or take another --name",
			p->path);
	return 0;
}

/* Remove what is in a directory, but not `lock` at its top. */
static int remove_inside(int dir, int depth)
{
	_cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!d)
		return -errno;
	fd = FD_NONE;
	while (r == 0) {
		const struct dirent *e = readdir(d);
		_cleanup_close_ int sub = FD_NONE;

		if (!e)
			break;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    (depth == 0 && !strcmp(e->d_name, "lock")))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			r = -errno;
			break;
		}
		sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			r = -errno;
		else
			r = depth < DEPTH_MAX ? remove_inside(sub, depth + 1) : -ELOOP;
		if (r == 0 && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0)
			r = -errno;
	}
	closedir(d);
	return r;
}

int place_remove(struct place *p)
{
	int r = remove_inside(p->dir, 0);

	if (r == 0 && unlinkat(p->dir, "lock", 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0 && rmdir(p->path) < 0 && errno != ENOENT)
		r = -errno;
	if (r < 0)
		(void)log_err(r, "cannot remove '%s'", p->path);
	place_close(p);
	return r;
}

/*
 * Lock the directory that there is now.
 * Return: 0, -EAGAIN when it went away meanwhile, -EBUSY, or another errno.
 */
static int try_lock(struct place *p)
{
	struct stat mine, there;

	p->lock = openat(p->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (p->lock < 0) {
		p->lock = FD_NONE;
		return errno == ENOENT ? -EAGAIN : -errno;
	}
	if (flock(p->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fstat(p->lock, &mine) < 0)
		return -errno;
	if (fstatat(p->dir, "lock", &there, 0) < 0 || mine.st_ino != there.st_ino)
		return -EAGAIN;
	return 0;
}

int place_take(const char *name, struct place *ret)
{
	struct place p = PLACE();
	int r = name_path(name, &p);

	if (r < 0)
		return r;
	for (int tries = 0; tries < TAKE_TRIES; tries++) {
		if (mkdir(p.path, 0700) < 0 && errno != EEXIST) {
			r = log_err(-errno, "cannot make directory '%s'", p.path);
			break;
		}
		r = open_dir(&p);
		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = try_lock(&p);
		if (r == 0)
			r = remove_inside(p.dir, 0);
		if (r != -EAGAIN)
			break;
		place_close(&p);
	}
	if (r == -EBUSY)
		(void)log_err(0,
			      "a lab named '%s' runs already; 'bpboot lab down --name %s' ends it, "
			      "or take another --name",
			      name, name);
	else if (r < 0 && r != -EPERM)
		(void)log_err(r, "cannot take the lab directory '%s'", p.path);
	if (r < 0) {
		place_close(&p);
		return r;
	}
	*ret = p;
	return 0;
}

bool place_is_running(const struct place *p)
{
	_cleanup_close_ int fd = openat(p->dir, "lock", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

int place_open(const char *name, struct place *ret)
{
	struct place p = PLACE();
	int r = name_path(name, &p);

	if (r < 0)
		return r;
	r = open_dir(&p);
	if (r == -ENOENT || (r == 0 && !place_is_running(&p))) {
		place_close(&p);
		(void)log_err(0, "no lab named '%s' runs; 'bpboot lab up --name %s' starts it",
			      name, name);
		return -ENOENT;
	}
	if (r < 0) {
		place_close(&p);
		return r == -EPERM ? r : log_err(r, "cannot open the lab directory '%s'", p.path);
	}
	*ret = p;
	return 0;
}

/*
 * place.c - a program's loader and libraries at their own paths, for that program alone
 *
 * The loader is named by its absolute path in the program, and finds libraries in folders that are
 * built into it. So files that the node lacks are mounted at their paths, in a mount namespace of
 * the process. Where there is a file of that name, it is covered. Where the folder has no such
 * name, a tmpfs is laid over it that shows what the folder holds and the new name; a folder that is
 * missing is made, empty, or, on a root that cannot be written, is made in a tmpfs over the folder
 * above it. What is covered by a tmpfs is there in ".node".
 *
 * Only loaders and libraries are treated so: nothing is laid over the folder of a program, where it
 * may write its results.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "space/place.h"

#define ORIGINAL ".node" /* in a tmpfs over a folder: that folder */

struct shadows {
	const char *stage;
	dev_t of[PLACE_SHADOWS_MAX];
	size_t n;
};

static int tmpfs_at(struct shadows *s, const char *path)
{
	struct stat st;

	if (s->n == PLACE_SHADOWS_MAX)
		return -E2BIG;
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0 ||
	    stat(path, &st) < 0)
		return -errno;
	s->of[s->n++] = st.st_dev;
	return 0;
}

static bool is_shadow(const struct shadows *s, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	for (size_t i = 0; i < s->n; i++) {
		if (s->of[i] == st.st_dev)
			return true;
	}
	return false;
}

/* Show one name of the folder: folders and what is mounted there as they are, files by a link. */
static int show_name(int stage, const char *stage_path, const char *name)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct stat st;
	ssize_t n;

	if ((size_t)snprintf(from, sizeof(from), "%s/" ORIGINAL "/%s", stage_path, name) >=
		    sizeof(from) ||
	    (size_t)snprintf(to, sizeof(to), "%s/%s", stage_path, name) >= sizeof(to))
		return -ENAMETOOLONG;
	if (lstat(from, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode)) {
		if (mkdirat(stage, name, 0755) < 0)
			return -errno;
		return mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
	}
	if (!S_ISLNK(st.st_mode)) {
		(void)snprintf(from, sizeof(from), ORIGINAL "/%s", name);
		return symlinkat(from, stage, name) < 0 ? -errno : 0;
	}
	n = readlink(from, to, sizeof(to) - 1);
	if (n < 0)
		return -errno;
	to[n] = 0;
	return symlinkat(to, stage, name) < 0 ? -errno : 0;
}

static int show_all(const char *stage_path)
{
	_cleanup_close_ int stage = open(stage_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = stage < 0 ? -1 : openat(stage, ORIGINAL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int r = d ? 0 : -errno;

	while (r == 0 && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = show_name(stage, stage_path, e->d_name);
	}
	if (d)
		closedir(d);
	return r;
}

/* Lay a tmpfs over the folder @dir that shows what the folder does, and can be added to. */
static int shadow(struct shadows *s, const char *dir)
{
	char original[PATH_MAX];
	int r = tmpfs_at(s, s->stage);

	if (r < 0)
		return r;
	if ((size_t)snprintf(original, sizeof(original), "%s/" ORIGINAL, s->stage) >=
	    sizeof(original))
		return -ENAMETOOLONG;
	if (mkdir(original, 0755) < 0 || mount(dir, original, NULL, MS_BIND | MS_REC, NULL) < 0)
		return -errno;
	r = show_all(s->stage);
	if (r < 0)
		return r;
	if (strcmp(dir, "/") != 0)
		return mount(s->stage, dir, NULL, MS_MOVE, NULL) < 0 ? -errno : 0;
	if (chdir(s->stage) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -errno;
	return 0;
}

/* The folder @path is to be there, and take new names. */
static int open_folder(struct shadows *s, const char *path)
{
	char above[PATH_MAX];
	struct stat st;
	char *slash;

	if (is_shadow(s, path))
		return 0;
	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? shadow(s, path) : -ENOTDIR;
	if (errno != ENOENT)
		return -errno;
	if (path_mkdirs(AT_FDCWD, path, 0755) == 0) /* a new folder has nothing to show */
		return is_shadow(s, path) ? 0 : tmpfs_at(s, path);
	snprintf(above, sizeof(above), "%s", path);
	do {
		slash = strrchr(above, '/');
		*slash = 0;
	} while (slash != above && stat(above, &st) < 0);
	if (!is_shadow(s, *above ? above : "/")) {
		int r = shadow(s, *above ? above : "/");

		if (r < 0)
			return r;
	}
	return path_mkdirs(AT_FDCWD, path, 0755);
}

static int place_one(struct shadows *s, const char *view, const char *path)
{
	char from[PATH_MAX], folder[PATH_MAX];
	_cleanup_close_ int fd = FD_NONE;
	struct stat st;
	char *slash;
	int r;

	if ((size_t)snprintf(from, sizeof(from), "%s%s", view, path) >= sizeof(from))
		return -ENAMETOOLONG;
	if (stat(path, &st) < 0) {
		snprintf(folder, sizeof(folder), "%s", path);
		slash = strrchr(folder, '/');
		*slash = 0;
		r = open_folder(s, slash == folder ? "/" : folder);
		if (r < 0)
			return r;
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
		if (fd < 0)
			return -errno;
	}
	return mount(from, path, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

int place_files(const struct place *p, char ret_words[static MESSAGE_WORDS_MAX])
{
	struct shadows s = { .stage = p->stage };
	bool apart = false;

	for (size_t i = 1; i < p->n; i++) {
		int r = 0;

		if (!p->travelled[i] || (p->files[i].kind == MESSAGE_BESIDE && p->travelled[0]))
			continue;
		if (!apart && (unshare(CLONE_NEWNS) < 0 ||
			       mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0))
			r = -errno;
		apart = true;
		if (r == 0)
			r = place_one(&s, p->view, p->files[i].path);
		if (r < 0) {
			snprintf(ret_words, MESSAGE_WORDS_MAX,
				 "the node cannot put the library '%.300s' in place",
				 p->files[i].path);
			return r;
		}
	}
	return 0;
}

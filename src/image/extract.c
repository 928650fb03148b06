/*
 * extract.c - files of an inspected image, written below a folder and nowhere else
 *
 * Each name is opened below the folder by openat2(RESOLVE_IN_ROOT): "..", absolute links and links
 * to links end inside, whatever the image did before and whoever changes the folder meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/extract.h"

#define EXTRACT_COPY_BYTES  (64u << 10)
#define EXTRACT_LINKS_MAX   (1u << 20)	 /* files with several names, and folders */
#define EXTRACT_NAMES_BYTES (256u << 20) /* of all their names, which are kept */
#define EXTRACT_FILE_MODE   0777u
#define EXTRACT_FOLDER_MODE 01777u

/* A file that may get another name. */
struct seen {
	uint32_t archive, dev_major, dev_minor;
	uint64_t ino;
	char path[]; /* first name */
};

struct folder {
	char *path; /* owned */
	uint32_t mode;
	int64_t mtime;
};

struct extract {
	int root;
	void *seen; /* tsearch(3) */
	size_t n_seen;
	struct folder *folders;
	size_t n_folders, cap_folders, names_bytes;
	uint64_t left_out;
	bool told; /* that the image cannot be read; its reader did */
	uint8_t copy[EXTRACT_COPY_BYTES];
};

int extract_new(int dirfd, struct extract **ret)
{
	struct extract *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->root = dirfd;
	*ret = x;
	return 0;
}

void extract_free(struct extract *x)
{
	if (!x)
		return;
	tdestroy(x->seen, free);
	for (size_t i = 0; i < x->n_folders; i++)
		free(x->folders[i].path);
	free(x->folders);
	free(x);
}

void extract_freep(struct extract **x)
{
	extract_free(*x);
}

uint64_t extract_left_out(const struct extract *x)
{
	return x->left_out;
}

static int open_in(const struct extract *x, const char *path, int flags, mode_t mode, int *ret)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, x->root, *path ? path : ".", &how, sizeof(how));

	if (fd < 0)
		return -errno;
	*ret = (int)fd;
	return 0;
}

/* Open the folder above @path, making what is missing, and say the last name. */
static int open_parent(const struct extract *x, const char *path, int *ret, const char **ret_name)
{
	_cleanup_free_ char *dir = strdup(path);
	const char *name = strrchr(path, '/');
	int r;

	if (!dir)
		return -ENOMEM;
	dir[name ? name - path : 0] = 0;
	r = open_in(x, dir, O_DIRECTORY | O_PATH, 0, ret);
	if (r == -ENOENT && *dir) {
		_cleanup_close_ int above = FD_NONE;
		const char *last;

		r = open_parent(x, dir, &above, &last);
		if (r == 0 && mkdirat(above, last, 0755) < 0 && errno != EEXIST)
			r = -errno;
		if (r == 0)
			r = open_in(x, dir, O_DIRECTORY | O_PATH, 0, ret);
	}
	*ret_name = name ? name + 1 : path;
	return r;
}

/* Is each name of the path one that may be made? */
static bool harmless(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && !strncmp(path, "..", 2))
			return false;
		path += n + strspn(path + n, "/");
	}
	return true;
}

static int seen_compare(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->archive != y->archive)
		return x->archive < y->archive ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->dev_major != y->dev_major)
		return x->dev_major < y->dev_major ? -1 : 1;
	return x->dev_minor < y->dev_minor ? -1 : x->dev_minor > y->dev_minor;
}

/* Count a name that is kept. */
static int count_name(struct extract *x, const char *path)
{
	size_t n = strlen(path) + 1;

	if (n > EXTRACT_NAMES_BYTES - x->names_bytes)
		return -E2BIG;
	x->names_bytes += n;
	return 0;
}

/* The file's first name, which is @e's own when it was not met before. */
static int first_name(struct extract *x, const struct inspect_entry *e, const char **ret)
{
	size_t n = strlen(e->path) + 1;
	struct seen *s = malloc(sizeof(*s) + n), **found;

	if (!s)
		return -ENOMEM;
	*s = (struct seen){ e->archive, e->dev_major, e->dev_minor, e->ino };
	memcpy(s->path, e->path, n);
	found = tsearch(s, &x->seen, seen_compare);
	if (!found || *found != s)
		free(s);
	if (!found)
		return -ENOMEM;
	*ret = (*found)->path;
	if (*found != s)
		return 0;
	return ++x->n_seen > EXTRACT_LINKS_MAX ? -E2BIG : count_name(x, e->path);
}

/* Take away what has the name, but no folder that holds something. */
static int clear_name(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if ((errno == EISDIR || errno == EPERM) && unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return 0;
	return -errno;
}

/* Zeros become a hole, so that a small image cannot fill the disk with them. */
static int copy_data(struct extract *x, struct inspect_data *data, int fd)
{
	off_t size = 0;
	size_t n;
	int r;

	do {
		r = data->read(data, x->copy, sizeof(x->copy), &n);
		x->told = r < 0;
		if (r < 0)
			return r;
		if (n > 0 && !x->copy[0] && !memcmp(x->copy, x->copy + 1, n - 1))
			r = lseek(fd, (off_t)n, SEEK_CUR) < 0 ? -errno : 0;
		else
			r = fd_write_all(fd, x->copy, n);
		size += (off_t)n;
	} while (r == 0 && n > 0);
	return r == 0 && ftruncate(fd, size) < 0 ? -errno : r;
}

static int set_times(int fd, int64_t mtime)
{
	struct timespec t[2] = { { .tv_sec = mtime }, { .tv_sec = mtime } };

	return futimens(fd, t) < 0 ? -errno : 0;
}

/*
 * A further name of a file that was made: link it. Return: 1 when there is no such file any more.
 */
static int make_link(const struct extract *x, const char *first, int dir, const char *name)
{
	_cleanup_close_ int from = FD_NONE;
	const char *from_name;
	int r = open_parent(x, first, &from, &from_name);

	if (r == 0)
		r = clear_name(dir, name);
	if (r == 0 && linkat(from, from_name, dir, name, 0) < 0)
		r = errno == ENOENT ? 1 : -errno;
	return r;
}

static int make_file(struct extract *x, const struct inspect_entry *e, struct inspect_data *data,
		     int dir, const char *name)
{
	const char *first = e->path;
	_cleanup_close_ int fd = FD_NONE;
	int r = e->nlink > 1 ? first_name(x, e, &first) : 0;

	if (r == 0 && strcmp(first, e->path)) {
		r = make_link(x, first, dir, name);
		if (r == 0 && e->size == 0)
			return 0;
		if (r == 0)
			fd = openat(dir, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	} else if (r == 0) {
		r = clear_name(dir, name);
	}
	if (r < 0)
		return r;
	if (fd < 0)
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = copy_data(x, data, fd);
	if (r == 0 && fchmod(fd, e->mode & EXTRACT_FILE_MODE) < 0)
		r = -errno;
	return r == 0 ? set_times(fd, e->mtime) : r;
}

static int make_folder(struct extract *x, const struct inspect_entry *e, int dir, const char *name)
{
	struct stat st;

	if (*name && mkdirat(dir, name, 0700) < 0) {
		if (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (S_ISLNK(st.st_mode)) /* to a folder, as where /bin is in /usr; it stays */
			return 0;
		if (!S_ISDIR(st.st_mode))
			return -EEXIST;
	}
	if (x->n_folders == EXTRACT_LINKS_MAX || count_name(x, e->path) < 0)
		return -E2BIG;
	if (x->n_folders == x->cap_folders) {
		size_t cap = x->cap_folders ? 2 * x->cap_folders : 64;
		struct folder *grown = reallocarray(x->folders, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		x->folders = grown;
		x->cap_folders = cap;
	}
	x->folders[x->n_folders] =
		(struct folder){ strdup(e->path), e->mode & EXTRACT_FOLDER_MODE, e->mtime };
	return x->folders[x->n_folders++].path ? 0 : -ENOMEM;
}

static int make_symlink(const struct inspect_entry *e, int dir, const char *name)
{
	struct timespec t[2] = { { .tv_sec = e->mtime }, { .tv_sec = e->mtime } };
	int r = clear_name(dir, name);

	if (r == 0 && symlinkat(e->target, dir, name) < 0)
		r = -errno;
	if (r == 0)
		(void)utimensat(dir, name, t,
				AT_SYMLINK_NOFOLLOW); /* of a symlink nobody looks at it */
	return r;
}

int extract_entry(struct extract *x, const struct inspect_entry *e, struct inspect_data *data)
{
	_cleanup_close_ int dir = FD_NONE;
	const char *name = "";
	int r = harmless(e->path) ? 0 : -EXDEV;

	if (!*e->path && !S_ISDIR(e->mode))
		r = -EINVAL;
	if (r == 0)
		r = open_parent(x, e->path, &dir, &name);
	if (r == 0 && S_ISREG(e->mode))
		r = make_file(x, e, data, dir, name);
	else if (r == 0 && S_ISDIR(e->mode))
		r = make_folder(x, e, dir, name);
	else if (r == 0 && S_ISLNK(e->mode))
		r = make_symlink(e, dir, name);
	else if (r == 0)
		x->left_out++;
	if (r == -EXDEV)
		return log_err(r, "'%s' leads out of the image, so nothing more is extracted",
			       e->path);
	if (r == -E2BIG)
		return log_err(r,
			       "'%s': more than %u folders or files with several names, or %u MiB "
			       "of their names",
			       e->path, EXTRACT_LINKS_MAX, EXTRACT_NAMES_BYTES >> 20);
	return r < 0 && !x->told ? log_err(r, "cannot extract '%s'", e->path) : r;
}

int extract_finish(struct extract *x)
{
	for (size_t i = x->n_folders; i-- > 0;) {
		const struct folder *f = &x->folders[i];
		_cleanup_close_ int fd = FD_NONE;
		int r = open_in(x, f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd);

		if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
			continue; /* a later entry replaced it */
		if (r == 0)
			r = set_times(fd, f->mtime);
		if (r == 0 && fchmod(fd, (mode_t)f->mode) < 0)
			r = -errno;
		if (r < 0)
			return log_err(r, "cannot set mode and time of '%s'", f->path);
	}
	return 0;
}

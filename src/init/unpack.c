/*
 * unpack.c - a cpio archive becomes files, as its bytes arrive
 *
 * Folders come before what is in them and all of a folder together (docs/formats.md), so that the
 * folder of the last entry is that of the next, mostly, and a folder's time can be set when it is
 * left. All entries of an image have one time.
 *
 * Pages of zeros are not written: they would take memory in a tmpfs, and read the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/unpack.h"

#define PAGE_BYTES  4096u
#define HELD_MAX    (UNPACK_XATTRS_MAX + NEWC_HEADER_BYTES + NEWC_NAME_MAX + NEWC_ALIGN)
#define LINKS_FIRST 64u
#define WAY_MAX	    (NEWC_NAME_MAX + 32) /* of a path through /proc */

static _printf_(3, 4) int fail(struct unpack *u, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(u->why, sizeof(u->why), fmt, ap);
	va_end(ap);
	return err;
}

static int fail_at(struct unpack *u, int err)
{
	return fail(u, err, "cannot make /%.200s: %s", u->name, strerror(-err));
}

void unpack_init(struct unpack *u, int root)
{
	*u = (struct unpack){ .root = root,
			      .held = BUFFER(HELD_MAX),
			      .want = NEWC_HEADER_BYTES,
			      .file = FD_NONE,
			      .parent = FD_NONE };
}

void unpack_deinit(struct unpack *u)
{
	buffer_clear(&u->held);
	fd_close(u->file);
	fd_close(u->parent);
	for (size_t i = 0; i < u->n_links; i++)
		free(u->links[i].name);
	free(u->links);
	unpack_init(u, FD_NONE);
}

/* --- names and folders --- */

/* A plain relative path: no empty component, "." or "..". */
static bool name_ok(const char *name)
{
	for (const char *p = name;; p++) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.'))))
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

/* Where paths begin: the root, or the folder of the last entry. */
static int folder_fd(const struct unpack *u)
{
	return u->parent == FD_NONE ? u->root : u->parent;
}

static void set_time(struct unpack *u, int dirfd, const char *name)
{
	struct timespec t[2] = { { .tv_sec = u->mtime }, { .tv_sec = u->mtime } };

	(void)utimensat(dirfd, name, t,
			AT_SYMLINK_NOFOLLOW); /* a wrong time does not stop a boot */
}

/* Set the times of the folders that are left when the next entry is in @next. */
static void leave(struct unpack *u, const char *next)
{
	size_t n = strlen(u->folder);

	while (n > 0 && (strncmp(u->folder, next, n) || (next[n] && next[n] != '/'))) {
		u->folder[n] = 0;
		set_time(u, u->root, u->folder);
		while (n > 0 && u->folder[n - 1] != '/')
			n--;
		n -= n > 0;
	}
}

/* Open the folder of the entry @u->name, and make u->last its name there. */
static int enter(struct unpack *u)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	char *slash = strrchr(u->name, '/');
	size_t n = slash ? (size_t)(slash - u->name) : 0;
	int fd;

	memcpy(u->last, u->name + (slash ? n + 1 : 0), strlen(u->name) - n + !slash);
	if (strlen(u->folder) == n && !strncmp(u->folder, u->name, n))
		return 0;
	if (slash)
		*slash = 0;
	leave(u, slash ? u->name : "");
	u->parent = fd_close(u->parent);
	u->folder[0] = 0;
	if (slash) {
		fd = (int)syscall(SYS_openat2, u->root, u->name, &how, sizeof(how));
		if (fd < 0)
			return fail(u, -errno, "its folder /%.200s: %s", u->name, strerror(errno));
		u->parent = fd;
		memcpy(u->folder, u->name, n + 1);
		*slash = '/';
	}
	return 0;
}

/* --- hard links --- */

static struct unpack_link *find_link(const struct unpack *u, uint32_t ino)
{
	size_t low = 0, high = u->n_links;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (u->links[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return low < u->n_links && u->links[low].ino == ino ? &u->links[low] : NULL;
}

/* Numbers rise in the order of the first names. */
static int keep_link(struct unpack *u)
{
	struct unpack_link *more = u->links;

	if (u->n_links == UNPACK_LINKS_MAX ||
	    (u->n_links > 0 && u->links[u->n_links - 1].ino >= u->e.ino))
		return fail(u, -EBADMSG, "/%.200s: hard links are not in order", u->name);
	if (u->n_links == 0 || (u->n_links >= LINKS_FIRST && !(u->n_links & (u->n_links - 1))))
		more = reallocarray(u->links, MAX(2 * u->n_links, (size_t)LINKS_FIRST),
				    sizeof(*more));
	if (!more)
		return fail_at(u, -ENOMEM);
	u->links = more;
	more[u->n_links] = (struct unpack_link){ .ino = u->e.ino, .name = strdup(u->name) };
	if (!more[u->n_links].name)
		return fail_at(u, -ENOMEM);
	u->n_links++;
	return 0;
}

/* --- making --- */

/* Owner first: a change of owner takes set-user-id bits and capabilities away. */
static int dress(struct unpack *u)
{
	const struct newc *e = &u->e;
	int dirfd = folder_fd(u);

	if (fchownat(dirfd, u->last, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(e->mode) && fchmodat(dirfd, u->last, e->mode & 07777, 0) < 0))
		return fail_at(u, -errno);
	set_time(u, dirfd, u->last);
	return 0;
}

static int make_root(struct unpack *u)
{
	if (!S_ISDIR(u->e.mode) || u->files != 1)
		return fail(u, -EBADMSG, "the root is no folder, or not the first");
	snprintf(u->last, sizeof(u->last), ".");
	return dress(u);
}

static int make_file(struct unpack *u)
{
	const struct unpack_link *l = u->e.nlink > 1 ? find_link(u, u->e.ino) : NULL;

	if (l && u->e.size > 0)
		return fail(u, -EBADMSG, "/%.200s: a hard link with data of its own", u->name);
	if (l)
		return linkat(u->root, l->name, folder_fd(u), u->last, 0) < 0 ? fail_at(u, -errno)
									      : 0;
	u->file = openat(folder_fd(u), u->last,
			 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (u->file < 0) {
		int r = -errno;

		u->file = FD_NONE;
		return fail_at(u, r);
	}
	return u->e.nlink > 1 ? keep_link(u) : 0;
}

/* Begin what the header says; the data of files, targets and attributes comes next. */
static int begin(struct unpack *u)
{
	const struct newc *e = &u->e;
	int r;

	u->name = !strncmp(e->name, "./", 2) ? e->name + 2 : e->name;
	if (!strcmp(e->name, NEWC_METADATA)) {
		if (u->files == 0 || e->size > UNPACK_XATTRS_MAX)
			return fail(u, -EBADMSG, "attributes of no file");
		return 0;
	}
	u->files++;
	u->mtime = e->mtime;
	if (!strcmp(e->name, "."))
		return make_root(u);
	if (!name_ok(u->name))
		return fail(u, -EBADMSG, "'%.200s' is no plain name", e->name);
	if (!S_ISREG(e->mode) && !S_ISLNK(e->mode) && e->size > 0)
		return fail(u, -EBADMSG, "/%.200s has data", u->name);
	r = enter(u);
	if (r < 0 || S_ISLNK(e->mode))
		return r < 0 || (e->size > 0 && e->size <= UNPACK_TARGET_MAX)
			       ? r
			       : fail(u, -EBADMSG, "/%.200s leads nowhere", u->name);
	if (S_ISREG(e->mode))
		return make_file(u);
	if (S_ISDIR(e->mode))
		r = mkdirat(folder_fd(u), u->last, 0700);
	else if (S_ISCHR(e->mode) || S_ISBLK(e->mode) || S_ISFIFO(e->mode) || S_ISSOCK(e->mode))
		r = mknodat(folder_fd(u), u->last, (e->mode & S_IFMT) | 0600,
			    makedev(e->rdev_major, e->rdev_minor));
	else
		return fail(u, -EBADMSG, "/%.200s is of no known kind (mode %o)", u->name, e->mode);
	return r < 0 ? fail_at(u, -errno) : dress(u);
}

/* --- data --- */

static bool is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && !memcmp(p, p + 1, n - 1);
}

/* Bytes from @at up to the end of a page. */
static size_t in_page(uint32_t at, size_t n)
{
	return MIN(n, (size_t)(PAGE_BYTES - at % PAGE_BYTES));
}

/* Bytes up to what of a page is zeros, or all. */
static size_t until_zeros(uint32_t at, const uint8_t *p, size_t n)
{
	size_t k = 0;

	while (k < n && !is_zero(p + k, in_page(at + (uint32_t)k, n - k)))
		k += in_page(at + (uint32_t)k, n - k);
	return k;
}

static int write_file(struct unpack *u, const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t k = until_zeros(u->done, p, n);
		ssize_t w = k ? pwrite(u->file, p, k, u->done) : (ssize_t)in_page(u->done, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return fail_at(u, w < 0 ? -errno : -EIO);
		u->done += (uint32_t)w;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static int end_file(struct unpack *u)
{
	int r = 0;

	if (u->file == FD_NONE)
		return 0; /* a hard link */
	if (ftruncate(u->file, u->e.size) < 0)
		r = fail_at(u, -errno);
	u->file = fd_close(u->file);
	return r < 0 ? r : dress(u);
}

static int end_link(struct unpack *u)
{
	if (strlen(buffer_str(&u->held)) != u->held.len)
		return fail(u, -EBADMSG, "/%.200s leads to a name with a NUL", u->name);
	if (symlinkat(buffer_str(&u->held), folder_fd(u), u->last) < 0)
		return fail_at(u, -errno);
	return dress(u);
}

/* There is no call that takes folder and name of any kind of file. */
static int end_attributes(struct unpack *u)
{
	struct reader r = READER(u->held.data, u->held.len);
	char path[WAY_MAX];
	struct newc_xattr x;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", folder_fd(u), u->last);
	while (r.left > 0) {
		if (newc_xattr_parse(&r, &x) < 0)
			return fail(u, -EBADMSG, "attributes of %.200s are damaged", u->last);
		if (lsetxattr(path, x.name, x.value, x.bytes, 0) == 0)
			continue;
		if (errno != EOPNOTSUPP)
			return fail(u, -errno, "cannot set %.64s of %.200s: %s", x.name, u->last,
				    strerror(errno));
		u->no_attributes = true;
	}
	return 0;
}

/* --- the archive --- */

static bool is_held(const struct unpack *u)
{
	return S_ISLNK(u->e.mode) || !strcmp(u->e.name, NEWC_METADATA);
}

static int end_entry(struct unpack *u)
{
	int r = 0;

	if (!strcmp(u->e.name, NEWC_METADATA))
		r = end_attributes(u);
	else if (S_ISREG(u->e.mode))
		r = end_file(u);
	else if (S_ISLNK(u->e.mode))
		r = end_link(u);
	u->held.len = 0;
	u->state = UNPACK_PAD;
	return r;
}

/* The header, or header and name, are complete. */
static int take_head(struct unpack *u)
{
	struct reader r = READER(u->held.data, u->held.len);
	uint32_t n;

	if (u->state == UNPACK_HEAD) {
		if (newc_name_bytes(u->held.data, &n) < 0)
			return fail(u, -EBADMSG, "no entry of an archive at its byte %llu",
				    (unsigned long long)u->at);
		u->want += n;
		u->state = UNPACK_NAME;
		return 0;
	}
	if (newc_parse(&r, &u->e) < 0 || u->e.has_check)
		return fail(u, -EBADMSG, "no entry of an archive before its byte %llu",
			    (unsigned long long)u->at);
	u->held.len = 0;
	u->want = NEWC_HEADER_BYTES;
	u->done = 0;
	u->state = UNPACK_DATA;
	if (!strcmp(u->e.name, NEWC_TRAILER)) {
		u->state = UNPACK_DONE;
		return 0;
	}
	return begin(u);
}

static int take_data(struct unpack *u, const uint8_t *p, size_t n)
{
	int r = is_held(u) ? buffer_append(&u->held, p, n) : 0;

	if (r < 0)
		return fail_at(u, r);
	if (!is_held(u))
		return write_file(u, p, n);
	u->done += (uint32_t)n;
	return 0;
}

int unpack_feed(struct unpack *u, const void *data, size_t n)
{
	const uint8_t *p = data;
	int r = 0;

	while (r == 0 && (n > 0 || (u->state == UNPACK_DATA && u->done == u->e.size))) {
		size_t k = 0;

		switch (u->state) {
		case UNPACK_HEAD:
		case UNPACK_NAME:
			k = MIN(n, u->want - u->held.len);
			r = buffer_append(&u->held, p, k);
			u->at += k;
			if (r == 0 && u->held.len == u->want)
				r = take_head(u);
			break;
		case UNPACK_DATA:
			k = MIN(n, (size_t)(u->e.size - u->done));
			r = k ? take_data(u, p, k) : 0;
			u->at += k;
			if (r == 0 && u->done == u->e.size)
				r = end_entry(u);
			break;
		case UNPACK_PAD:
			k = MIN(n, (size_t)(-u->at % NEWC_ALIGN));
			u->at += k;
			if (u->at % NEWC_ALIGN == 0)
				u->state = UNPACK_HEAD;
			break;
		case UNPACK_DONE:
			k = n; /* what fills the archive up */
			break;
		}
		p += k;
		n -= k;
	}
	return r;
}

int unpack_end(struct unpack *u)
{
	if (u->state != UNPACK_DONE)
		return fail(u, -EBADMSG, "the archive is cut off at its byte %llu",
			    (unsigned long long)u->at);
	leave(u, "");
	set_time(u, u->root, ".");
	return 0;
}

/*
 * copy_send.c - files to a stream
 *
 * Folders are walked by descriptors, so that a name that is exchanged on the way leads nowhere
 * else; what a path of the user's leads to is followed, what lies in folders is not. Holes are
 * asked for and not sent. A file that shrinks while it is read is said to be incomplete, and the
 * receiver keeps nothing of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/writer.h"
#include "space/copy_internal.h"

struct sender {
	const struct copy_options *options;
	int fd;
	struct buffer out;
	uint32_t errors;
	int depth;
	bool said;			/* that attributes are not kept */
	crypto_generichash_state *hash; /* of the file that is sent, or NULL */
	/* Files with several names that were sent: the i-th has number i + 1. */
	struct {
		dev_t dev;
		ino_t ino;
	} * links; /* owned */
	size_t n_links, links_cap;
	char path[PATH_MAX]; /* for words */
};

/* Something is not sent; the rest is. */
static int failed(struct sender *s, int err, const char *what)
{
	log_err(err, "%s '%s'", what, s->path);
	s->errors++;
	return 0;
}

static int flush(struct sender *s)
{
	int r = fd_write_all(s->fd, s->out.data, s->out.len);

	s->out.len = 0;
	return r;
}

static int put(struct sender *s, const struct copy_record *c)
{
	int r = copy_write(&s->out, c);

	return r == 0 && s->out.len >= COPY_DATA_MAX ? flush(s) : r;
}

static struct copy_meta meta_of(const struct stat *st, uint32_t mode)
{
	return (struct copy_meta){
		.mode = mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.accessed = { st->st_atim.tv_sec, (uint32_t)st->st_atim.tv_nsec },
		.modified = { st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec },
	};
}

/* The number of a file that was sent already, else 0 and *ret_new its own. */
static int link_number(struct sender *s, const struct stat *st, uint32_t *ret, uint32_t *ret_new)
{
	*ret = *ret_new = 0;
	if (st->st_nlink < 2 || !s->options->recursive)
		return 0;
	for (size_t i = s->n_links; i > 0; i--) {
		if (s->links[i - 1].ino == st->st_ino && s->links[i - 1].dev == st->st_dev)
			return *ret = (uint32_t)i, 0;
	}
	if (s->n_links == COPY_LINKS_MAX)
		return 0; /* from here on each name is a file of its own */
	if (s->n_links == s->links_cap) {
		size_t cap = s->links_cap ? 2 * s->links_cap : 64;
		void *p = reallocarray(s->links, cap, sizeof(*s->links));

		if (!p)
			return -ENOMEM;
		s->links = p;
		s->links_cap = cap;
	}
	s->links[s->n_links].dev = st->st_dev;
	s->links[s->n_links].ino = st->st_ino;
	*ret_new = (uint32_t)++s->n_links;
	return 0;
}

/* Send bytes from @at up to @end. Return: 0, -ENODATA when the file ends before, another errno. */
static int send_data(struct sender *s, int fd, uint64_t at, uint64_t end,
		     crypto_generichash_state *hash)
{
	static uint8_t data[8 + COPY_DATA_MAX];

	while (at < end) {
		struct copy_record c = { .type = COPY_DATA, .bytes = at, .data = data + 8 };
		struct writer w = WRITER(data, 8);
		ssize_t n = pread(fd, data + 8, MIN(end - at, (uint64_t)COPY_DATA_MAX), (off_t)at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		writer_be64(&w, at);
		c.data_n = (size_t)n;
		crypto_generichash_update(hash, data, 8 + (size_t)n);
		r = put(s, &c);
		if (r < 0) {
			s->fd = FD_NONE; /* it is the stream that failed */
			return r;
		}
		at += (uint64_t)n;
	}
	return 0;
}

static int send_contents(struct sender *s, int fd, uint64_t bytes, crypto_generichash_state *hash)
{
	off_t at = 0, end = (off_t)bytes;
	int r = 0;

	while (r == 0 && at < end) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break; /* the rest is a hole */
		if (data < 0)
			data = at; /* a file system that does not know of holes */
		hole = lseek(fd, data, SEEK_HOLE);
		hole = hole < 0 ? end : MIN(hole, end);
		if (data >= end)
			break;
		r = send_data(s, fd, (uint64_t)data, (uint64_t)hole, hash);
		at = hole;
	}
	return r;
}

static int put_attribute(void *owner, const char *name, const void *value, size_t n)
{
	const struct copy_record c = {
		.type = COPY_ATTRIBUTE, .name = name, .data = value, .data_n = n
	};
	struct sender *s = owner;

	if (s->hash) {
		crypto_generichash_update(s->hash, (const uint8_t *)name, strlen(name) + 1);
		crypto_generichash_update(s->hash, value, n);
	}
	return put(s, &c);
}

/* What else belongs to it. Return: 0 or what the stream failed with. */
static int send_attributes(struct sender *s, int fd, crypto_generichash_state *hash)
{
	s->hash = hash;
	return s->options->preserve ? copy_attributes_each(fd, s->path, &s->said, put_attribute, s)
				    : 0;
}

static int send_file(struct sender *s, int fd, const char *name, const struct stat *st)
{
	struct copy_record c = { .type = COPY_FILE,
				 .name = name,
				 .meta = meta_of(st, st->st_mode & 07777),
				 .bytes = (uint64_t)st->st_size };
	struct copy_record end = { .type = COPY_FILE_END };
	crypto_generichash_state hash;
	struct stat now;
	uint32_t earlier;
	int r = link_number(s, st, &earlier, &c.link);

	if (r < 0)
		return r;
	if (earlier > 0) {
		c = (struct copy_record){ .type = COPY_LINK, .name = name, .link = earlier };
		return put(s, &c);
	}
	r = put(s, &c);
	if (r < 0)
		return r;
	crypto_generichash_init(&hash, NULL, 0, COPY_HASH_BYTES);
	r = send_contents(s, fd, c.bytes, &hash);
	if (s->fd < 0)
		return r;
	if (r == 0 && (r = send_attributes(s, fd, &hash)) < 0)
		return r;
	if (r == 0 && (fstat(fd, &now) < 0 || now.st_size < st->st_size))
		r = -ENODATA;
	if (r == -ENODATA)
		(void)failed(s, 0, "it became shorter while it was read:");
	else if (r < 0)
		(void)failed(s, r, "cannot read");
	end.complete = r == 0;
	crypto_generichash_final(&hash, end.hash, COPY_HASH_BYTES);
	return put(s, &end);
}

static int send_symlink(struct sender *s, int dirfd, const char *name, const struct stat *st)
{
	char target[COPY_TARGET_MAX];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target));
	struct copy_record c = {
		.type = COPY_SYMLINK, .name = name, .target = target, .meta = meta_of(st, 0777)
	};

	if (n <= 0 || n == sizeof(target))
		return failed(s, n < 0 ? -errno : -ENAMETOOLONG, "cannot read the link");
	target[n] = 0;
	return put(s, &c);
}

static int send_any(struct sender *s, int dirfd, const char *name, const char *as, bool follow);

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of a folder, sorted. Takes @fd. Caller frees each and the list. */
static int read_names(int fd, char ***ret, size_t *ret_n)
{
	DIR *d = fdopendir(fd);
	char **names = NULL;
	size_t n = 0, cap = 0;
	int r = 0;

	if (!d) {
		r = -errno;
		fd_close(fd);
		return r;
	}
	for (const struct dirent *e; r == 0 && (errno = 0, e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (n == cap) {
			char **p = reallocarray(names, cap ? 2 * cap : 64, sizeof(*p));

			if (!p) {
				r = -ENOMEM;
				break;
			}
			names = p;
			cap = cap ? 2 * cap : 64;
		}
		names[n] = strdup(e->d_name);
		r = names[n] ? 0 : -ENOMEM;
		n += r == 0;
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(d);
	if (n > 0)
		qsort(names, n, sizeof(*names), by_name);
	*ret = names;
	*ret_n = n;
	return r;
}

static int send_folder(struct sender *s, int fd, const char *name, const struct stat *st)
{
	struct copy_record c = { .type = COPY_FOLDER,
				 .name = name,
				 .meta = meta_of(st, st->st_mode & 07777) };
	struct copy_record up = { .type = COPY_UP };
	size_t n = 0, length = strlen(s->path);
	char **names = NULL;
	int list, r;

	if (!s->options->recursive)
		return failed(s, 0, "not copied, since it is a folder and there is no -r:");
	if (s->depth == COPY_DEPTH_MAX)
		return failed(s, 0, "too many folders within each other:");
	list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = list < 0 ? -errno : read_names(list, &names, &n);
	if (r < 0)
		(void)failed(s, r, "cannot read the folder"); /* what there is of it goes */
	r = put(s, &c);
	s->depth++;
	for (size_t i = 0; i < n; i++) {
		snprintf(s->path + length, sizeof(s->path) - length, "/%s", names[i]);
		if (r == 0)
			r = send_any(s, fd, names[i], names[i], false);
		s->path[length] = 0;
		free(names[i]);
	}
	free(names);
	s->depth--;
	if (r == 0)
		r = send_attributes(s, fd, NULL);
	return r == 0 ? put(s, &up) : r;
}

static int send_special(struct sender *s, const char *name, const struct stat *st)
{
	struct copy_record c = { .type = COPY_SPECIAL,
				 .name = name,
				 .meta = meta_of(st, st->st_mode),
				 .major = major(st->st_rdev),
				 .minor = minor(st->st_rdev) };

	if (S_ISSOCK(st->st_mode)) {
		log_warn(0, "not copied, since it is a socket: '%s'", s->path);
		return 0;
	}
	if (!s->options->recursive)
		return failed(s, 0, "not copied, since it is no file and there is no -r:");
	return put(s, &c);
}

/* Send what @name is, called @as. */
static int send_any(struct sender *s, int dirfd, const char *name, const char *as, bool follow)
{
	int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
	_cleanup_close_ int fd = FD_NONE;
	struct stat st;

	if (fstatat(dirfd, name, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return failed(s, -errno, "cannot read");
	if (!copy_name_valid(as))
		return failed(s, 0, "a name that cannot be copied:");
	if (S_ISLNK(st.st_mode))
		return send_symlink(s, dirfd, name, &st);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return send_special(s, as, &st);
	fd = openat(dirfd, name, flags);
	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(s, -errno, "cannot read");
	if (S_ISDIR(st.st_mode))
		return send_folder(s, fd, as, &st);
	if (S_ISREG(st.st_mode))
		return send_file(s, fd, as, &st);
	return failed(s, 0, "it became something else while it was read:");
}

/* Bytes that will be sent of what @name is, as far as it can be looked at. */
static uint64_t count(int dirfd, const char *name, bool follow, bool recursive, int depth)
{
	uint64_t sum = 0;
	struct stat st;
	char **names = NULL;
	size_t n = 0;
	int fd, list;

	if (fstatat(dirfd, name, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return MIN((uint64_t)st.st_size, (uint64_t)st.st_blocks * 512);
	if (!S_ISDIR(st.st_mode) || !recursive || depth == COPY_DEPTH_MAX)
		return 0;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
	list = fd < 0 ? FD_NONE : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (list >= 0)
		(void)!read_names(list, &names, &n); /* what there is */
	for (size_t i = 0; i < n; i++) {
		sum += count(fd, names[i], false, recursive, depth + 1);
		free(names[i]);
	}
	free(names);
	fd_close(fd);
	return sum;
}

int copy_send(int fd, char *const *paths, size_t n, const struct copy_options *o)
{
	_cleanup_free_ struct sender *s = calloc(1, sizeof(*s));
	struct copy_record hello = { .type = COPY_HELLO }, end = { .type = COPY_END };
	int r;

	if (!s)
		return log_err(-ENOMEM, "cannot copy");
	*s = (struct sender){ .options = o, .fd = fd, .out = BUFFER(4 * COPY_DATA_MAX) };
	for (size_t i = 0; i < n && o->count; i++)
		hello.bytes += count(AT_FDCWD, paths[i], true, o->recursive, 0);
	r = put(s, &hello);
	if (r == 0)
		r = flush(s);
	for (size_t i = 0; i < n && r == 0; i++) {
		char name[COPY_NAME_MAX];

		snprintf(s->path, sizeof(s->path), "%s", paths[i]);
		if (copy_base(paths[i], name) < 0)
			r = failed(s, 0, "name the folder itself, and not");
		else
			r = send_any(s, AT_FDCWD, paths[i], name, true);
	}
	end.errors = s->errors;
	if (r == 0)
		r = put(s, &end);
	if (r == 0)
		r = flush(s);
	buffer_clear(&s->out);
	free(s->links);
	if (r < 0)
		return r == -EPIPE ? r : log_err(r, "cannot send");
	return s->errors > 0 ? -EIO : 0;
}

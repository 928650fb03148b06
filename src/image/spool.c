/*
 * spool.c - what is not a plain file: unpacked or copied into one that nobody else sees
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/spool.h"
#include "image/unpack.h"

#define COPY_BYTES  (256u << 10)
#define HOLE_BYTES  4096u		 /* of zeros that are not written */
#define CHECK_BYTES ((uint64_t)16 << 20) /* written between two looks at the free space */

void spool_close(struct spool *s)
{
	s->fd = fd_close(s->fd);
}

/* A file without a name in @dir, also where O_TMPFILE is not known. */
static int open_in(const char *dir)
{
	char path[PATH_MAX];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if ((size_t)snprintf(path, sizeof(path), "%s/bpboot.XXXXXX", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)unlink(path); /* it was just made; it stays until it is closed */
	return fd;
}

/* /var/tmp before /tmp, which is often memory. */
static int open_spool(struct spool *s, const char *name)
{
	const char *dirs[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (!dirs[i] || !*dirs[i])
			continue;
		r = open_in(dirs[i]);
		if (r >= 0) {
			s->fd = r;
			s->dir = dirs[i];
			return 0;
		}
		if (i == 0)
			break; /* who names one means it */
	}
	return log_err(r, "cannot unpack '%s' in '%s'; TMPDIR names another folder", name,
		       dirs[0] && *dirs[0] ? dirs[0] : "/var/tmp");
}

static int full(const struct spool *s, const char *name, int err)
{
	return log_err(err, "cannot unpack '%s' in '%s'; TMPDIR names another folder", name,
		       s->dir);
}

/* Is there room for @n more bytes, with something left for others? */
static int check_room(struct spool *s, const char *name, uint64_t n)
{
	struct statvfs v;

	if (s->fd < 0) {
		int r = open_spool(s, name);

		if (r < 0)
			return r;
	} else if (s->end + n < s->checked) {
		return 0;
	}
	if (n > SPOOL_BYTES_MAX || s->end > SPOOL_BYTES_MAX - n) {
		return log_err(-E2BIG, "'%s' unpacks to more than %llu GiB", name,
			       (unsigned long long)(SPOOL_BYTES_MAX >> 30));
	}
	if (fstatvfs(s->fd, &v) == 0 &&
	    (uint64_t)v.f_bavail * v.f_frsize < SPOOL_RESERVE + CHECK_BYTES)
		return full(s, name, -ENOSPC);
	s->checked = s->end + n + CHECK_BYTES;
	return 0;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* Write at the end, past pieces that are all zeros. */
int spool_write(struct spool *s, const char *name, const void *p, size_t n)
{
	const uint8_t *from = p;
	int r = check_room(s, name, n);

	while (r == 0 && n > 0) {
		size_t data = 0;
		ssize_t k;

		while (data < n && !is_zero(from + data, MIN(n - data, (size_t)HOLE_BYTES)))
			data += MIN(n - data, (size_t)HOLE_BYTES);
		k = data ? pwrite(s->fd, from, data, (off_t)s->end)
			 : (ssize_t)MIN(n, (size_t)HOLE_BYTES);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return full(s, name, -errno);
		from += k;
		n -= (size_t)k;
		s->end += (uint64_t)k;
	}
	return r;
}

int spool_skip(struct spool *s, const char *name, uint64_t n)
{
	int r = check_room(s, name, n);

	if (r == 0)
		s->end += n;
	return r;
}

/* Holes at the end are part of the file, too. */
static int settle(struct spool *s, const char *name)
{
	int r = check_room(s, name, 0);

	if (r == 0 && ftruncate(s->fd, (off_t)s->end) < 0)
		r = full(s, name, -errno);
	return r;
}

int spool_begin(struct spool *s, const char *name)
{
	return check_room(s, name, 0);
}

int spool_took(struct spool *s, const char *name)
{
	off_t end = lseek(s->fd, 0, SEEK_END);

	if (end < 0)
		return log_err(-errno, "cannot read '%s'", name);
	s->end = (uint64_t)end;
	return 0;
}

int spool_copy(struct spool *s, const char *name, int fd, uint64_t *ret_at)
{
	_cleanup_free_ uint8_t *buf = malloc(COPY_BYTES);
	uint64_t at = s->end;
	size_t n = COPY_BYTES;
	int r = buf ? 0 : log_err(-ENOMEM, "cannot read '%s'", name);

	while (r == 0 && n == COPY_BYTES) {
		r = fd_read_full(fd, buf, COPY_BYTES, &n);
		r = r < 0 ? log_err(r, "cannot read '%s'", name) : spool_write(s, name, buf, n);
	}
	if (r == 0)
		r = settle(s, name);
	if (r == 0)
		*ret_at = at;
	return r;
}

/* The compressed stream that begins at *at; goes behind it. */
static int unpack_one(struct spool *s, const struct span *from, enum unpack_kind kind, uint8_t *buf,
		      uint64_t *at)
{
	_cleanup_unpack_ struct unpack *u = NULL;
	const char *name = from->in->name;
	uint64_t begin = s->end;
	size_t n = COPY_BYTES;
	int r = unpack_open(from->in->fd, *at, kind, &u);

	while (r == 0 && n == COPY_BYTES) {
		uint64_t packed, plain;

		r = unpack_read(u, buf, COPY_BYTES, &n);
		if (r < 0)
			break;
		r = spool_write(s, name, buf, n);
		if (r < 0)
			return r;
		packed = unpack_offset(u) - *at;
		plain = s->end - begin;
		if (plain > SPOOL_RATIO_AFTER && plain / SPOOL_RATIO_MAX > packed)
			return log_err(-E2BIG,
				       "'%s' unpacks to more than %u times its size, as "
				       "decompression bombs do",
				       name, SPOOL_RATIO_MAX);
	}
	if (r == 0 && unpack_offset(u) > from->at + from->bytes)
		r = -EBADMSG;
	if (r < 0)
		return log_err(r, "'%s' is damaged (%s stream)", name, unpack_name(kind));
	*at = unpack_offset(u);
	return 0;
}

int spool_unpack(struct spool *s, const struct span *from, uint64_t *ret_at)
{
	_cleanup_free_ uint8_t *buf = malloc(COPY_BYTES);
	uint64_t at = from->at, end = from->at + from->bytes, begin = s->end;
	int r = buf ? 0 : log_err(-ENOMEM, "cannot unpack '%s'", from->in->name);

	while (r == 0 && at < end) {
		uint8_t magic[UNPACK_MAGIC_MAX];
		size_t n = (size_t)MIN(end - at, (uint64_t)sizeof(magic));
		struct span rest = { from->in, at, end - at };
		enum unpack_kind kind;

		r = tar_read_bytes(&rest, 0, magic, n);
		if (r < 0)
			return r;
		kind = unpack_detect(magic, n);
		if (kind == UNPACK_PLAIN)
			break; /* padding behind the last stream */
		r = unpack_one(s, from, kind, buf, &at);
	}
	if (r == 0)
		r = settle(s, from->in->name);
	if (r == 0)
		*ret_at = begin;
	return r;
}

static int make_bundle(const struct spool *s, const struct bundle *like, struct bundle **ret)
{
	struct bundle *b = malloc(sizeof(*b));

	if (!b)
		return -ENOMEM;
	*b = *like;
	b->spooled = true;
	b->name = strdup(like->name);
	b->fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	if (b->fd < 0 || !b->name) {
		int r = b->fd < 0 ? -errno : -ENOMEM;

		bundle_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

int spool_span(struct spool *s, struct tree *t, const struct bundle *like, uint64_t at,
	       const struct bundle **bundle, struct span *ret)
{
	struct bundle *b = NULL;
	int r = settle(s, like->name);

	if (r < 0)
		return r;
	if (!*bundle) {
		r = make_bundle(s, like, &b);
		if (r == 0)
			r = tree_hold(t, b);
		if (r < 0)
			return log_err(r, "cannot read '%s'", like->name);
		*bundle = b;
	}
	*ret = (struct span){ .in = *bundle, .at = at, .bytes = s->end - at };
	return 0;
}

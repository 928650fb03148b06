/*
 * inspect_cpio.c - cpio archives of the kernel's format, one behind the other
 *
 * As the kernel takes them: zeros may stand between archives, an archive ends with its trailer.
 * Data passes through one buffer and is never held.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "image/inspect_internal.h"
#include "wire/newc.h"

struct cpio {
	struct inspect_data data; /* first */
	struct inspect_pass *pass;
	struct unpack *u;
	uint64_t at;   /* bytes of the unpacked stream taken */
	uint64_t left; /* bytes of the entry's data not taken yet */
	uint32_t sum;  /* of those taken */
	struct newc e;
	uint8_t head[NEWC_HEADER_BYTES + NEWC_NAME_MAX + NEWC_ALIGN];
	char target[INSPECT_PATH_MAX];
};

static int bad(const struct cpio *c, int r, const char *why)
{
	if (c->pass->medium->told)
		return r;
	if (r == -EBADMSG) {
		log_err(0, "'%s': %s, %llu bytes into segment %u", c->pass->name, why,
			(unsigned long long)c->at, c->pass->segments);
		return r;
	}
	return log_err(r, "'%s': cannot read segment %u, %llu bytes into it", c->pass->name,
		       c->pass->segments, (unsigned long long)c->at);
}

/* Take exactly @n bytes. */
static int take(struct cpio *c, void *to, size_t n)
{
	size_t got = 0;
	int r = unpack_read(c->u, to, n, &got);

	c->at += got;
	if (r < 0 || got < n)
		return bad(c, r < 0 ? r : -EBADMSG, "the archive is cut off or damaged");
	return 0;
}

static int read_data(struct inspect_data *d, void *buf, size_t n, size_t *ret)
{
	struct cpio *c = (struct cpio *)d;
	size_t k = (size_t)MIN((uint64_t)n, c->left);
	int r = take(c, buf, k);

	if (r < 0)
		return r;
	for (size_t i = 0; c->e.has_check && i < k; i++)
		c->sum += ((uint8_t *)buf)[i];
	c->left -= k;
	*ret = k;
	return 0;
}

static int skip_data(struct cpio *c)
{
	uint8_t buf[4096];
	size_t n;
	int r = 0;

	while (r == 0 && c->left > 0)
		r = read_data(&c->data, buf, sizeof(buf), &n);
	if (r == 0)
		r = take(c, buf, (size_t)(-c->at % NEWC_ALIGN));
	if (r == 0 && c->e.has_check && c->sum != c->e.check && S_ISREG(c->e.mode))
		return bad(c, -EBADMSG, "the checksum of a file is wrong");
	return r;
}

static int take_target(struct cpio *c)
{
	size_t n = 0;
	int r;

	if (c->e.size == 0 || c->e.size >= sizeof(c->target))
		return bad(c, -EBADMSG, "a symbolic link is empty or too long");
	r = read_data(&c->data, c->target, (size_t)c->e.size, &n);
	c->target[n] = 0;
	return r;
}

/* Attributes of the file before: an entry of a name of its own (docs/formats.md). */
static int take_xattrs(struct cpio *c)
{
	const struct inspect_visitor *v = c->pass->visitor;
	_cleanup_free_ struct inspect_xattr *list = calloc(INSPECT_XATTRS_MAX, sizeof(*list));
	_cleanup_free_ uint8_t *bytes = malloc(MIN(c->e.size, INSPECT_XATTR_BYTES) + 1);
	struct reader r;
	size_t n = 0, all = 0;
	int err;

	if (!list || !bytes)
		return -ENOMEM;
	if (c->e.size > INSPECT_XATTR_BYTES)
		return bad(c, -EBADMSG, "a file has more extended attributes than is possible");
	c->left = c->e.size;
	c->sum = 0;
	err = read_data(&c->data, bytes, c->e.size, &all);
	if (err < 0)
		return err;
	r = READER(bytes, all);
	while (r.left > 0) {
		struct newc_xattr x;

		if (n == INSPECT_XATTRS_MAX || newc_xattr_parse(&r, &x) < 0)
			return bad(c, -EBADMSG, "extended attributes are malformed");
		list[n++] = (struct inspect_xattr){ x.name, x.value, x.bytes };
	}
	err = v->xattrs ? v->xattrs(v->user, list, n) : 0;
	return err == 0 ? skip_data(c) : err;
}

static int take_entry(struct cpio *c)
{
	struct inspect_entry e = {
		.mode = c->e.mode,
		.uid = c->e.uid,
		.gid = c->e.gid,
		.nlink = c->e.nlink,
		.mtime = c->e.mtime,
		.size = c->e.size,
		.rdev_major = c->e.rdev_major,
		.rdev_minor = c->e.rdev_minor,
		.archive = c->pass->archives,
		.dev_major = c->e.dev_major,
		.dev_minor = c->e.dev_minor,
		.ino = c->e.ino,
	};
	const char *path = c->e.name;
	int r = 0;

	while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1])))
		path++;
	e.path = path;
	c->left = c->e.size;
	c->sum = 0;
	if (S_ISLNK(e.mode)) {
		r = take_target(c);
		e.target = c->target;
	}
	if (r == 0)
		r = inspect_tell(c->pass, &e, &c->data);
	return r == 0 ? skip_data(c) : r;
}

/* The next header and name. */
static int take_header(struct cpio *c)
{
	struct reader r;
	uint32_t n = 0;
	int e = take(c, c->head + 1, NEWC_HEADER_BYTES - 1); /* the first byte is there */

	if (e == 0 && newc_name_bytes(c->head, &n) < 0)
		e = bad(c, -EBADMSG, "this is no header of a cpio archive (newc)");
	if (e == 0)
		e = take(c, c->head + NEWC_HEADER_BYTES, n);
	if (e < 0)
		return e;
	r = READER(c->head, NEWC_HEADER_BYTES + n);
	return newc_parse(&r, &c->e) < 0
		       ? bad(c, -EBADMSG, "a header of the cpio archive is malformed")
		       : 0;
}

/*
 * Pass over zeros. Return: 0 with the first other byte in head[0]; -ENODATA at the end of the
 * stream.
 */
static int skip_zeros(struct cpio *c)
{
	size_t n = 0;
	int r;

	do {
		r = unpack_read(c->u, c->head, 1, &n);
		if (r < 0)
			return bad(c, r, "the archive is cut off or damaged");
		c->at += n;
	} while (n > 0 && c->head[0] == 0);
	return n > 0 ? 0 : -ENODATA;
}

static int one_archive(struct cpio *c)
{
	int r;

	c->pass->archives++;
	for (;;) {
		r = take_header(c);
		if (r < 0)
			return r;
		if (!strcmp(c->e.name, NEWC_TRAILER)) {
			c->left = c->e.size;
			c->e.has_check = false;
			return skip_data(c);
		}
		r = strcmp(c->e.name, NEWC_METADATA) ? take_entry(c) : take_xattrs(c);
		if (r == 0)
			r = take(c, c->head, 1);
		if (r < 0)
			return r;
	}
}

int inspect_cpio(struct inspect_pass *p, struct unpack *u, bool plain, uint64_t start,
		 uint64_t *ret_end)
{
	_cleanup_free_ struct cpio *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->data.read = read_data;
	c->pass = p;
	c->u = u;
	for (bool first = true; (r = skip_zeros(c)) == 0; first = false) {
		if (c->head[0] != '0' || (c->at - 1) % NEWC_ALIGN) {
			if (!plain || first)
				return bad(c, -EBADMSG, "this is no cpio archive");
			*ret_end = start + c->at - 1;
			return 0;
		}
		r = one_archive(c);
		if (r < 0)
			return r;
	}
	if (r == -ENODATA)
		*ret_end = unpack_offset(u);
	return r == -ENODATA ? 0 : r;
}

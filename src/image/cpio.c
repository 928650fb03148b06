/*
 * cpio.c - a newc cpio archive of a tree, which the node unpacks into a tmpfs (docs/cpio.md)
 *
 * Folders stand before what is in them, and all that is in one stands together, so that whoever
 * unpacks needs to remember the way to one file only. The data of hard links stands with the first
 * of their names. Extended attributes, for which newc has no place, follow their file as an entry
 * of a name of its own (wire/newc.h). Blocks of zeros of large files are left as holes of the
 * image, which are neither stored nor fetched.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/log.h"
#include "image/blocks.h"
#include "image/format.h"
#include "image/scan.h"
#include "image/source.h"
#include "wire/newc.h"

#define OUT_BYTES  (256u << 10)
#define HOLES_MIN  (1u << 20) /* bytes of a file that is looked through for holes */
#define HEAD_MAX   (NEWC_HEADER_BYTES + NEWC_NAME_MAX + NEWC_ALIGN)
#define XATTRS_MAX (1u << 20) /* bytes of one entry */
#define FILE_MAX   UINT32_MAX
#define ALIGN	   1024u /* of an image: docs/index.md */

/* What a file takes in a tmpfs of Linux 6.1, beside its pages. */
#define PAGE_BYTES	 4096u
#define TMPFS_INODE	 1024u /* with the name */
#define TMPFS_NAME	 256u  /* one more of the same file */
#define TMPFS_TREE_PAGES 64u   /* pages that a node of the page tree leads to */
#define TMPFS_TREE_NODE	 576u
#define TMPFS_XATTR	 128u /* beside name and value */
#define TMPFS_LINK_MAX	 128u /* bytes of a target that needs no page */

struct pass {
	const struct format_job *job;
	int fd;
	uint64_t at; /* in the archive, of the next byte */
	size_t len;  /* bytes before it that wait in @buf */
	uint8_t *buf;
	uint64_t memory_bytes;
	uint64_t done_bytes;
	uint32_t n_inodes;
};

static int fail(int err, const struct node *n, const char *what)
{
	_cleanup_free_ char *path = tree_path(n);

	return log_err(err, "'%s': %s", path ? path : n->name, what);
}

static int flush(struct pass *s)
{
	uint64_t at = s->at - s->len;
	size_t done = 0;

	while (done < s->len) {
		ssize_t k = pwrite(s->fd, s->buf + done, s->len - done, (off_t)(at + done));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return log_err(-errno, "cannot write the image");
		done += (size_t)k;
	}
	s->len = 0;
	return 0;
}

static int put(struct pass *s, const void *p, size_t n)
{
	const uint8_t *from = p;
	int r = 0;

	while (r == 0 && n > 0) {
		size_t k = MIN(n, OUT_BYTES - s->len);

		memcpy(s->buf + s->len, from, k);
		s->len += k;
		s->at += k;
		from += k;
		n -= k;
		if (s->len == OUT_BYTES)
			r = flush(s);
	}
	return r;
}

/* Leave @n bytes as zeros. */
static int skip(struct pass *s, uint64_t n)
{
	static const uint8_t zeros[ALIGN];
	int r;

	if (n <= sizeof(zeros))
		return put(s, zeros, (size_t)n);
	r = flush(s);
	s->at += r < 0 ? 0 : n;
	return r;
}

static int put_entry(struct pass *s, const struct newc *e)
{
	_cleanup_buffer_ struct buffer head = BUFFER(HEAD_MAX);
	int r = newc_format(e, &head);

	return r < 0 ? log_err(r, "cannot write the image") : put(s, head.data, head.len);
}

static int pad(struct pass *s)
{
	return skip(s, -s->at % NEWC_ALIGN);
}

/* --- data --- */

static int put_bytes(struct pass *s, const struct inode *i, int source, uint64_t from, uint64_t n)
{
	int r = 0;

	while (r == 0 && n > 0) {
		size_t k = (size_t)MIN(n, (uint64_t)(OUT_BYTES - s->len));

		r = source_read(i, source, from, s->buf + s->len, k);
		if (r < 0)
			return r;
		s->len += k;
		s->at += k;
		from += k;
		n -= k;
		if (s->len == OUT_BYTES)
			r = flush(s);
	}
	return r;
}

static void count_memory(struct pass *s, uint64_t bytes)
{
	uint64_t pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;

	s->memory_bytes += pages * PAGE_BYTES;
	if (pages > 1)
		s->memory_bytes +=
			(pages + TMPFS_TREE_PAGES - 1) / TMPFS_TREE_PAGES * TMPFS_TREE_NODE;
}

static int put_data(struct pass *s, const struct inode *i, int source)
{
	uint64_t done = 0;
	int r = 0;

	if (!i->scanned) {
		count_memory(s, i->size);
		return put_bytes(s, i, source, 0, i->size);
	}
	for (size_t k = 0; r == 0 && k < i->n_runs; k++) {
		uint64_t from = (uint64_t)i->runs[k].first * BLOCK_BYTES;
		uint64_t end = MIN(from + (uint64_t)i->runs[k].count * BLOCK_BYTES, i->size);

		count_memory(s, end - from / PAGE_BYTES * PAGE_BYTES);
		r = skip(s, from - done);
		if (r == 0)
			r = put_bytes(s, i, source, from, end - from);
		done = end;
	}
	return r < 0 ? r : skip(s, i->size - done);
}

static int put_file(struct pass *s, struct inode *i)
{
	_cleanup_close_ int source = FD_NONE;
	int r = 0;

	i->scanned = false;
	if (i->size >= HOLES_MIN)
		r = scan_inode(i);
	if (r == 0 && i->source && i->size > 0)
		r = source_open(i, &source);
	if (r == 0)
		r = put_data(s, i, source);
	if (r == 0 && source >= 0)
		r = source_check(i, source);
	if (r < 0)
		return r;
	s->done_bytes += i->size;
	if (s->job->progress)
		s->job->progress(s->job->user, s->done_bytes);
	return pad(s);
}

/* --- entries --- */

static int put_xattrs(struct pass *s, const struct node *n)
{
	_cleanup_buffer_ struct buffer b = BUFFER(XATTRS_MAX);
	const struct inode *i = n->inode;
	struct newc e = { .mode = 0100000, .nlink = 1 };
	int r = 0;

	for (size_t k = 0; r == 0 && k < i->n_xattrs; k++) {
		const struct inode_xattr *x = &i->xattrs[k];

		r = newc_xattr_format(x->name, x->value, x->bytes, &b);
		s->memory_bytes += TMPFS_XATTR + strlen(x->name) + x->bytes;
	}
	if (r < 0)
		return fail(r, n, "its extended attributes are more than 1 MiB");
	snprintf(e.name, sizeof(e.name), "%s", NEWC_METADATA);
	e.ino = s->n_inodes + 1; /* nobody's: it is a file of its own to other programs */
	e.mtime = (uint32_t)s->job->time_s;
	e.size = (uint32_t)b.len;
	r = put_entry(s, &e);
	if (r == 0)
		r = put(s, b.data, b.len);
	return r < 0 ? r : pad(s);
}

/* The name in the archive: without the leading slash, and never one that means something else. */
static int take_name(const struct node *n, char *to, size_t size)
{
	_cleanup_free_ char *path = tree_path(n);
	const char *name = path ? path + 1 : "";
	bool special = !strcmp(name, NEWC_TRAILER) || !strcmp(name, NEWC_METADATA);

	if (!path)
		return log_err(-ENOMEM, "cannot write the image");
	if (!n->parent)
		name = ".";
	if ((size_t)snprintf(to, size, "%s%s", special ? "./" : "", name) >= size)
		return fail(-ENAMETOOLONG, n, "cpio holds paths of up to 4095 bytes");
	return 0;
}

static int put_node(struct pass *s, const struct node *n)
{
	struct inode *i = n->inode;
	bool first = i->number == 0;
	struct newc e = { .mode = format_mode(i),
			  .uid = i->uid,
			  .gid = i->gid,
			  .nlink = i->links,
			  .mtime = (uint32_t)s->job->time_s,
			  .rdev_major = i->major,
			  .rdev_minor = i->minor };
	int r = take_name(n, e.name, sizeof(e.name));

	if (r < 0)
		return r;
	if (i->kind == INODE_FILE && i->size > FILE_MAX)
		return fail(-EFBIG, n,
			    "cpio holds files of less than 4 GiB; ext2 and erofs larger");
	if (first)
		i->number = ++s->n_inodes;
	e.ino = i->number;
	e.size = (i->kind == INODE_FILE && first) || i->kind == INODE_LINK ? (uint32_t)i->size : 0;
	s->memory_bytes += first ? TMPFS_INODE : TMPFS_NAME;
	r = put_entry(s, &e);
	if (r == 0 && i->kind == INODE_LINK) {
		s->memory_bytes += i->size > TMPFS_LINK_MAX ? PAGE_BYTES : 0;
		r = put(s, i->target, (size_t)i->size);
		return r < 0 ? r : pad(s);
	}
	if (r == 0 && i->kind == INODE_FILE && first)
		r = put_file(s, i);
	if (r == 0 && i->n_xattrs > 0 && first)
		r = put_xattrs(s, n);
	return r;
}

static int put_all(struct pass *s)
{
	struct newc end = { .nlink = 1, .name = NEWC_TRAILER };
	int r = 0;

	for (const struct node *n = tree_root(s->job->tree); n; n = tree_next(n))
		n->inode->number = 0;
	for (const struct node *n = tree_root(s->job->tree); r == 0 && n; n = tree_next(n))
		r = put_node(s, n);
	if (r == 0)
		r = put_entry(s, &end);
	if (r == 0)
		r = skip(s, -s->at % ALIGN);
	if (r == 0)
		r = flush(s);
	return r;
}

int cpio_write(const struct format_job *job, int fd, struct format_result *ret)
{
	struct pass s = { .job = job, .fd = fd, .buf = malloc(OUT_BYTES) };
	int r = s.buf ? 0 : log_err(-ENOMEM, "cannot write the image");

	tree_sort(job->tree);
	if (r == 0)
		r = put_all(&s);
	if (r == 0)
		*ret = (struct format_result){ .image_bytes = s.at,
					       .memory_bytes = s.memory_bytes };
	free(s.buf);
	return r;
}

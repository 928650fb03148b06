/*
 * out.c - the blocks of an image, one behind the other, into a file
 *
 * Data is read into the buffer behind what is there, and written in long pieces by a thread of its
 * own: on most file systems that takes 0.7 of the processor time of copy_file_range(), which moves
 * page by page through a pipe, and half of the clock's. Those that share blocks between files or
 * copy on the server do long runs themselves.
 */
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/out.h"
#include "image/source.h"
#include "image/writebehind.h"

static int out_error(int err)
{
	return log_err(err, "cannot write the image");
}

/* File systems whose copy_file_range() is their own. */
static bool copies_itself(int fd)
{
	static const unsigned long known[] = {
		BTRFS_SUPER_MAGIC, XFS_SUPER_MAGIC,  NFS_SUPER_MAGIC,
		CEPH_SUPER_MAGIC,  CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC
	};
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if ((unsigned long)s.f_type == known[i])
			return true;
	}
	return false;
}

int out_init(struct out *o, int fd)
{
	struct writebehind *w;
	int r = writebehind_new(fd, OUT_BYTES, &w);

	*o = (struct out){ .fd = fd };
	if (r < 0)
		return out_error(r);
	o->no_copy = !copies_itself(fd);
	o->behind = w;
	r = writebehind_take(w, &o->buf);
	return r < 0 ? out_error(r) : 0;
}

void out_deinit(struct out *o)
{
	writebehind_free(o->behind);
	*o = (struct out){ .fd = FD_NONE };
}

static uint64_t out_at(const struct out *o)
{
	return (uint64_t)o->block * BLOCK_BYTES - o->len;
}

static int out_flush(struct out *o)
{
	int r;

	if (o->len > 0)
		writebehind_put(o->behind, o->len, out_at(o));
	o->len = 0;
	r = writebehind_take(o->behind, &o->buf);
	if (r < 0)
		return out_error(r);
	if (o->progress)
		o->progress(o->user, (uint64_t)o->block * BLOCK_BYTES);
	return 0;
}

int out_block(struct out *o, uint8_t **ret)
{
	int r = o->len == OUT_BYTES ? out_flush(o) : 0;

	if (r < 0)
		return r;
	*ret = memset(o->buf + o->len, 0, BLOCK_BYTES);
	o->len += BLOCK_BYTES;
	o->block++;
	return 0;
}

int out_skip(struct out *o, uint32_t n)
{
	int r = n ? out_flush(o) : 0;

	if (r == 0)
		o->block += n;
	return r;
}

/* Bytes of @i in @count blocks from block @first. */
static uint64_t bytes_in(const struct inode *i, uint64_t first, uint32_t count)
{
	return MIN((uint64_t)count * BLOCK_BYTES, i->size - first * BLOCK_BYTES);
}

/*
 * Let the kernel copy whole blocks. *ret is how many bytes it did: less than @n when it does not
 * want to.
 */
static int copy_in_kernel(struct out *o, const struct inode *i, int source, uint64_t from,
			  uint64_t n, uint64_t *ret)
{
	off_t in = (off_t)(i->source_offset + from), to;
	uint64_t done = 0;
	int r = out_flush(o);

	if (r < 0)
		return r;
	to = (off_t)out_at(o);
	while (done < n) {
		ssize_t k = copy_file_range(source, &in, o->fd, &to, (size_t)(n - done), 0);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && (errno == ENOSPC || errno == EIO || errno == EDQUOT || errno == EFBIG))
			return out_error(-errno);
		if (k < 0) {
			o->no_copy = true;
			break;
		}
		if (k == 0)
			return source_changed(i);
		done += (uint64_t)k;
	}
	*ret = done;
	return 0;
}

/* Fill the buffer with blocks that hold @n bytes of the source at @from. */
static int copy_by_hand(struct out *o, const struct inode *i, int source, uint64_t from, uint64_t n)
{
	while (n > 0) {
		size_t want = (size_t)MIN(n, (uint64_t)(OUT_BYTES - o->len));
		size_t whole = (want + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
		int r;

		if (want == 0) {
			r = out_flush(o);
			if (r < 0)
				return r;
			continue;
		}
		r = source_read(i, source, from, o->buf + o->len, want);
		if (r < 0)
			return r;
		memset(o->buf + o->len + want, 0, whole - want);
		o->len += whole;
		o->block += (uint32_t)(whole / BLOCK_BYTES);
		from += want;
		n -= want;
	}
	return 0;
}

int out_data(struct out *o, const struct inode *i, int source, uint64_t first, uint32_t count)
{
	uint64_t n = bytes_in(i, first, count), from = first * BLOCK_BYTES, done = 0;
	int r;

	if (source >= 0 && n >= OUT_COPY_MIN && !o->no_copy) {
		r = copy_in_kernel(o, i, source, from, n / BLOCK_BYTES * BLOCK_BYTES, &done);
		if (r < 0)
			return r;
		done = done / BLOCK_BYTES * BLOCK_BYTES; /* a torn block is written again */
		o->block += (uint32_t)(done / BLOCK_BYTES);
	}
	return copy_by_hand(o, i, source, from + done, n - done);
}

int out_end(struct out *o, uint32_t blocks)
{
	int r = out_flush(o);

	if (r == 0) {
		r = writebehind_wait(o->behind);
		r = r < 0 ? out_error(r) : 0;
	}
	if (r == 0 && ftruncate(o->fd, (off_t)blocks * BLOCK_BYTES) < 0)
		r = out_error(-errno);
	return r;
}

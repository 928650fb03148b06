/*
 * ramdisk.c - write the parts of an image to a block device
 *
 * The frame's own size is compared with the signed index before anything is unpacked, and a part is
 * unpacked in one call into its buffer: zstd needs no window beside it, however large a window the
 * frame asks for.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "init/ramdisk.h"

#define ZERO_RAMDISK ((struct ramdisk){ .fd = -EBADF })

int ramdisk_init(struct ramdisk *d, int fd, const struct index *x)
{
	size_t largest = RAMDISK_ALIGN;
	void *p;

	for (size_t i = 0; i < x->n_parts; i++) {
		if (x->parts[i].stored_bytes)
			largest = MAX(largest, (size_t)x->parts[i].raw_bytes);
	}
	p = mmap(NULL, largest, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	*d = (struct ramdisk){ .fd = fd, .raw = p, .raw_size = largest, .zstd = ZSTD_createDCtx() };
	if (!d->zstd) {
		ramdisk_deinit(d);
		return -ENOMEM;
	}
	return 0;
}

void ramdisk_deinit(struct ramdisk *d)
{
	if (d->raw)
		munmap(d->raw, d->raw_size);
	ZSTD_freeDCtx(d->zstd);
	*d = ZERO_RAMDISK;
}

int ramdisk_unpack(struct ramdisk *d, const struct index_part *part, const void *stored, size_t n)
{
	size_t raw = part->raw_bytes;

	if (raw > d->raw_size || n != part->stored_bytes ||
	    ZSTD_getFrameContentSize(stored, n) != raw ||
	    ZSTD_findFrameCompressedSize(stored, n) != n ||
	    ZSTD_decompressDCtx(d->zstd, d->raw, d->raw_size, stored, n) != raw)
		return -EBADMSG;
	return 0;
}

int ramdisk_write(struct ramdisk *d, const struct index_part *part, const void *stored, size_t n)
{
	size_t raw = part->raw_bytes, done = 0;
	int r = ramdisk_unpack(d, part, stored, n);

	if (r < 0)
		return r;
	if (d->pad && raw % RAMDISK_ALIGN) { /* the last; the buffer is whole pages */
		memset(d->raw + raw, 0, RAMDISK_ALIGN - raw % RAMDISK_ALIGN);
		raw += RAMDISK_ALIGN - raw % RAMDISK_ALIGN;
	}
	while (done < raw) {
		ssize_t w = pwrite(d->fd, d->raw + done, raw - done, (off_t)(part->offset + done));

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		done += (size_t)w;
	}
	return 0;
}

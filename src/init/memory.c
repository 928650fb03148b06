/*
 * memory.c - does the image fit?
 *
 * Asked before the ram disk is made: a node that runs out of memory half-way would die without a
 * word. Needed is what `bpboot size` tells: every byte of the image, for what is a hole today is
 * written to tomorrow, with the ram disk's page tree, or the files of a cpio archive; and room for
 * init's own work, which is bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/lines.h"
#include "base/parse.h"
#include "init/boot.h"

#define MEMINFO	    "/proc/meminfo"
#define MEMINFO_MAX 16384
#define LZ4_HALVES  5
#define ZSTD_HALVES 4

static int available(uint64_t *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(MEMINFO_MAX);
	_cleanup_free_ struct lines *l = malloc(sizeof(*l));
	uint64_t kib;
	int r = l ? file_read(AT_FDCWD, MEMINFO, &text) : -ENOMEM;

	if (r < 0)
		return r;
	lines_init(l, MEMINFO, text.data, text.len);
	while ((r = lines_next(l)) > 0) {
		if (l->n_words < 2 || strcmp(l->words[0], "MemAvailable:"))
			continue;
		r = parse_u64(l->words[1], 0, UINT64_MAX >> 10, &kib);
		if (r < 0)
			return r;
		*ret = kib << 10;
		return 0;
	}
	return r < 0 ? r : -ENOENT;
}

/*
 * What a compressed RAM disk will take is known when all is in it. LZ4 packs pages of 4 KiB to
 * at most two and a half times what zstd makes of parts, zstd to twice that (docs/performance.md
 * has what a Debian root takes); more than the image it never takes.
 */
static uint64_t needed(const struct boot *b)
{
	const struct index *x = &b->index;
	uint64_t root = index_memory_bytes(x->format, x->image_bytes, x->memory_bytes);

	if (b->cmdline.zram && x->format == INDEX_EXT2)
		root = MIN(root,
			   index_stored_bytes(x) / 2 *
				   (strcmp(b->cmdline.zram, "lz4") ? ZSTD_HALVES : LZ4_HALVES));
	return root + INDEX_BOOT_BYTES;
}

int memory_stage(struct boot *b)
{
	char needs[FORMAT_SIZE_MAX], has[FORMAT_SIZE_MAX], size[FORMAT_SIZE_MAX];
	uint64_t need = needed(b), free;
	int r = available(&free);

	if (r < 0) {
		stage_warn(b, REPORT_MEMORY, "cannot tell how much memory is free, going on: %s",
			   strerror(-r));
		return 0;
	}
	b->free_memory = free;
	format_size(need, needs);
	format_size(free, has);
	format_size(b->index.image_bytes, size);
	if (need > free)
		return stage_fail(b, REPORT_MEMORY, -ENOMEM,
				  "image of %s needs %s, %s of memory are free: make the image "
				  "smaller or give "
				  "the machine more memory",
				  size, needs, has);
	stage_ok(b, REPORT_MEMORY, "image of %s needs %s, %s of memory are free", size, needs, has);
	return 0;
}

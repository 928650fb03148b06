/*
 * fetch.c - the stage that brings the image: parts from the network into a ram disk of exactly its
 * size
 *
 * The first parts are asked for before the ram disk exists, so that its module loads while they
 * travel. A part arrives verified (net/fetch.h), is unpacked, written, and forgotten.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/parse.h"
#include "init/boot.h"
#include "init/ramdisk.h"

#define PARAMS_MAX   64
#define FLIGHT_BYTES (2u << 20) /* of parts in flight, unless bpboot.sessions= says otherwise */
#define SESSIONS_MIN 4

struct transfer {
	struct boot *b;
	struct ramdisk disk;
	uint64_t start_us, done_bytes;
	int err;
	bool done;
	char why[FETCH_WHY_MAX];
};

static int on_part(void *ctx, size_t i, const void *data, size_t n)
{
	struct transfer *t = ctx;
	int r = ramdisk_write(&t->disk, &t->b->index.parts[i], data, n);

	stage_sample_memory(t->b);
	return r;
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct transfer *t = ctx;
	uint64_t us = MAX(clock_us() - t->start_us, UINT64_C(1));
	char rate[FORMAT_SIZE_MAX], words[REPORT_WORDS_MAX];

	t->done_bytes = done;
	stage_sample_memory(t->b);
	snprintf(words, sizeof(words), "%u %%, %s/s", total ? (unsigned)(done * 100 / total) : 100,
		 format_size(done * 1000000 / us, rate));
	stage_progress(t->b, REPORT_FETCH, done, total, words);
}

static void on_trouble(void *ctx, const char *words)
{
	struct transfer *t = ctx;

	stage_warn(t->b, REPORT_FETCH, "%s", words);
}

static void on_done(void *ctx, int err, const char *why)
{
	struct transfer *t = ctx;

	t->done = true;
	t->err = err;
	snprintf(t->why, sizeof(t->why), "%s", why);
	ev_break(t->b->loop, EVBREAK_ONE);
}

/* A ram disk of exactly the image's size. A brd that is built into the kernel has to be large
 * enough. */
static int make_disk(struct boot *b)
{
	char params[PARAMS_MAX];
	uint64_t size = 0;
	int r;

	snprintf(params, sizeof(params), "rd_nr=1 rd_size=%" PRIu64, b->index.image_bytes / 1024);
	r = drivers_load(b->drivers, "brd", params);
	if (r < 0 && (r != -ENOENT || access(BOOT_RAMDISK, F_OK) < 0))
		return stage_fail(b, REPORT_FETCH, r, "cannot load module brd for the ram disk: %s",
				  r == -ENOENT ? "this initrd does not hold it" : strerror(-r));
	b->ramdisk = open(BOOT_RAMDISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (b->ramdisk < 0) {
		r = -errno;
		b->ramdisk = FD_NONE;
		return stage_fail(b, REPORT_FETCH, r, "cannot open %s: %s", BOOT_RAMDISK,
				  strerror(-r));
	}
	if (ioctl(b->ramdisk, BLKGETSIZE64, &size) < 0 || size < b->index.image_bytes)
		return stage_fail(b, REPORT_FETCH, -ENOSPC,
				  "%s has %" PRIu64 " bytes, the image %" PRIu64
				  ": set ramdisk_size=KIB on the kernel command line",
				  BOOT_RAMDISK, size, b->index.image_bytes);
	return 0;
}

static int run(struct transfer *t)
{
	struct boot *b = t->b;
	int r = make_disk(b);

	if (r < 0)
		return r;
	r = ramdisk_init(&t->disk, b->ramdisk, &b->index);
	if (r < 0)
		return stage_fail(b, REPORT_FETCH, r, "no memory to unpack parts");
	while (!t->done)
		ev_run(b->loop, 0);
	if (t->err < 0)
		return stage_fail(b, REPORT_FETCH, t->err, "%s",
				  t->why[0] ? t->why : strerror(-t->err));
	return 0;
}

/* Say what came, how fast. */
static void tell(struct transfer *t)
{
	struct boot *b = t->b;
	uint64_t stored = index_stored_bytes(&b->index),
		 us = MAX(clock_us() - t->start_us, UINT64_C(1));
	char fetched[FORMAT_SIZE_MAX], image[FORMAT_SIZE_MAX], rate[FORMAT_SIZE_MAX];

	stage_ok(b, REPORT_FETCH, "%s in %" PRIu64 " ms, %s/s", format_size(stored, fetched),
		 us / 1000, format_size(stored * 1000000 / us, rate));
	stage_ok(b, REPORT_VERIFY, "%zu parts and holes verified, %s in the ram disk",
		 b->index.n_parts, format_size(b->index.image_bytes, image));
}

/*
 * As many as the command line says; else as many as keep parts in flight, and so the memory for
 * them, within bounds.
 */
static uint32_t sessions(const struct boot *b)
{
	uint32_t largest = 1;

	if (b->cmdline.sessions)
		return MIN(b->cmdline.sessions, (uint32_t)FETCH_SESSIONS_MAX);
	for (size_t i = 0; i < b->index.n_parts; i++)
		largest = MAX(largest, b->index.parts[i].stored_bytes);
	return MIN(MAX(FLIGHT_BYTES / largest, (uint32_t)SESSIONS_MIN), (uint32_t)FETCH_SESSIONS);
}

int fetch_stage(struct boot *b)
{
	static const struct fetch_parts_ops ops = {
		.part = on_part, .progress = on_progress, .trouble = on_trouble, .done = on_done
	};
	const struct cmdline *c = &b->cmdline;
	struct fetch_tuning tuning = { .blksize = (uint16_t)c->blksize,
				       .windowsize = (uint16_t)c->windowsize,
				       .sessions = sessions(b),
				       .patience_ms = c->fetch_s * 1000 };
	struct transfer t = { .b = b, .disk = { .fd = FD_NONE }, .start_us = clock_us() };
	struct fetch_parts *f = NULL;
	char size[FORMAT_SIZE_MAX];
	int r;

	stage_begin(b, REPORT_FETCH, "%s in %zu parts",
		    format_size(index_stored_bytes(&b->index), size), b->index.n_parts);
	r = fetch_parts_new(b->loop, &b->index, b->urls, b->n_urls, &tuning, &ops, &t, &f);
	if (r < 0)
		return stage_fail(b, REPORT_FETCH, r, "cannot begin to fetch: %s", strerror(-r));
	r = run(&t);
	fetch_parts_free(f);
	ramdisk_deinit(&t.disk);
	if (r == 0)
		tell(&t);
	return r;
}

void ramdisk_undo(struct boot *b)
{
	int r;

	b->ramdisk = fd_close(b->ramdisk);
	r = drivers_unload(b->drivers, "brd");
	if (r < 0)
		stage_warn(b, REPORT_FETCH, "cannot remove the ram disk of the failed attempt: %s",
			   strerror(-r));
}

/*
 * fetch.c - the stage that brings the image: parts from the network into a ram disk, or files in
 * a tmpfs
 *
 * The first parts are asked for before the ram disk exists, so that its module loads while they
 * travel. A part arrives verified (net/fetch.h), is unpacked, written, and forgotten.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "init/boot.h"
#include "init/store.h"

#define FLIGHT_BYTES (2u << 20) /* of parts in flight, unless bpboot.sessions= says otherwise */
#define SESSIONS_MIN 4

struct transfer {
	struct boot *b;
	struct store store;
	uint64_t start_us, done_bytes;
	int err;
	bool done;
	char why[FETCH_WHY_MAX];
};

static int on_part(void *ctx, size_t i, const void *data, size_t n)
{
	struct transfer *t = ctx;
	int r = store_part(&t->store, i, data, n);

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

static int run(struct transfer *t)
{
	int r = store_open(&t->store, t->b);

	if (r < 0)
		return r;
	while (!t->done)
		ev_run(t->b->loop, 0);
	if (t->err < 0 && t->store.said)
		return t->err;
	if (t->err < 0)
		return stage_fail(t->b, REPORT_FETCH, t->err, "%s",
				  t->why[0] ? t->why : strerror(-t->err));
	return store_end(&t->store);
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
	stage_ok(b, REPORT_VERIFY, "%zu parts and holes verified, %s %s", b->index.n_parts,
		 format_size(b->index.image_bytes, image),
		 b->index.format == INDEX_CPIO ? "unpacked" : "in the ram disk");
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
	return MIN(MAX(FLIGHT_BYTES / largest, (uint32_t)SESSIONS_MIN),
		   fetch_parts_sessions(b->urls, b->n_urls));
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
				       .ahead = b->index.format == INDEX_CPIO
							? STORE_AHEAD * sessions(b)
							: 0,
				       .patience_ms = c->fetch_s * 1000 };
	struct transfer t = { .b = b, .start_us = clock_us() };
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
	store_close(&t.store);
	if (r == 0)
		tell(&t);
	return r;
}

/*
 * index.c - the stage that fetches the index and its signature, and believes it or not
 *
 * Of several servers the first one whose index can be believed counts; the others serve parts (the
 * next stage). Both files are asked for at once. A node that asks while a new image is being
 * published may catch an index with the other's signature: it asks again before it gives up.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/parse.h"
#include "init/boot.h"
#include "init/verify.h"

#define SIGNATURE_SUFFIX ".minisig"
_Static_assert(FETCH_WHY_MAX >= VERIFY_WHY_MAX, "one buffer serves both");

#define TRIES	    3
#define TRY_AGAIN_S 0.4
#define SOON_MS	    1500 /* for the index of one server among several: in the first round */
#define SLOW_FACTOR 5	 /* times the patience with silence, for all of it */
#define LATER_MS    5000 /* in later ones */

struct wait {
	struct boot *b;
	int pending;
	bool over; /* nothing that is still to come would change the outcome */
	int err;
	char why[FETCH_WHY_MAX];
};

struct file {
	struct wait *w;
	bool is_index;
	struct fetch_blob *blob;
	struct buffer data;
};

/* What became of the index says more than what became of its signature, whose failure waits. */
static void on_done(void *ctx, int err, const char *why, struct buffer *data)
{
	struct file *f = ctx;
	struct wait *w = f->w;

	if (err < 0 && (w->err == 0 || f->is_index)) {
		w->err = err;
		snprintf(w->why, sizeof(w->why), "%s", why);
	}
	if (err == 0) {
		f->data = *data;
		*data = BUFFER(data->max);
	}
	w->over = --w->pending == 0 || (err < 0 && f->is_index);
	if (w->over)
		ev_break(w->b->loop, EVBREAK_ONE);
}

static void on_slow(struct ev_loop *loop, struct ev_timer *t, int events)
{
	struct wait *w = t->data;

	w->over = true;
	w->err = -ETIMEDOUT;
	snprintf(w->why, sizeof(w->why), "the server is too slow with the index");
	ev_break(loop, EVBREAK_ONE);
}

static int fetch_both(struct boot *b, const struct fetch_url *url, uint32_t patience_ms,
		      struct file *index, struct file *sig, char why[static FETCH_WHY_MAX])
{
	static const struct fetch_blob_ops ops = { .done = on_done };
	struct fetch_tuning tuning = { .blksize = (uint16_t)b->cmdline.blksize,
				       .windowsize = (uint16_t)b->cmdline.windowsize,
				       .patience_ms = patience_ms };
	struct wait w = { .b = b, .pending = 2 };
	struct ev_timer slow;
	struct fetch_url sig_url = *url;
	size_t n = strlen(sig_url.path);
	int r = 0;

	if (n + strlen(SIGNATURE_SUFFIX) >= sizeof(sig_url.path))
		r = -ENAMETOOLONG;
	else
		memcpy(sig_url.path + n, SIGNATURE_SUFFIX, sizeof(SIGNATURE_SUFFIX));
	index->w = sig->w = &w;
	index->is_index = true;
	if (r == 0)
		r = fetch_blob_new(b->loop, url, INDEX_BYTES_MAX, &tuning, &ops, index,
				   &index->blob);
	if (r == 0)
		r = fetch_blob_new(b->loop, &sig_url, MINISIGN_FILE_MAX, &tuning, &ops, sig,
				   &sig->blob);
	if (r < 0)
		snprintf(w.why, sizeof(w.why), "cannot begin to fetch the index: %s", strerror(-r));
	ev_timer_init(&slow, on_slow, patience_ms / 1e3 * SLOW_FACTOR, 0.);
	slow.data = &w;
	if (b->n_urls > 1)
		ev_timer_start(b->loop, &slow);
	while (r == 0 && !w.over)
		ev_run(b->loop, 0);
	ev_timer_stop(b->loop, &slow);
	fetch_blob_free(index->blob);
	fetch_blob_free(sig->blob);
	index->blob = sig->blob = NULL;
	r = r < 0 ? r : w.err;
	if (r < 0)
		memcpy(why, w.why, FETCH_WHY_MAX);
	return r;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *t, int events)
{
	ev_break(loop, EVBREAK_ONE);
}

static void pause_before_again(struct boot *b)
{
	struct ev_timer t;

	ev_timer_init(&t, on_timer, TRY_AGAIN_S, 0);
	ev_timer_start(b->loop, &t);
	while (ev_is_active(&t))
		ev_run(b->loop, 0);
}

static int read_min_counter(uint64_t *ret, char why[static VERIFY_WHY_MAX])
{
	_cleanup_buffer_ struct buffer t = BUFFER(64);
	int r = file_read(AT_FDCWD, BOOT_MIN_COUNTER, &t);

	if (r == -ENOENT) {
		*ret = 0;
		return 0;
	}
	while (r == 0 && t.len > 0 && t.data[t.len - 1] == '\n')
		t.data[--t.len] = 0;
	if (r < 0 || parse_u64(buffer_str(&t), 0, UINT64_MAX, ret) < 0) {
		snprintf(why, VERIFY_WHY_MAX, "%s of this initrd is not a number",
			 BOOT_MIN_COUNTER);
		return -EBADMSG;
	}
	return 0;
}

/* Both files are here: signature, text, and whether this machine may use it. */
static int believe(struct boot *b, const struct verify_keys *keys, const struct file *index,
		   const struct file *sig, char why[static VERIFY_WHY_MAX])
{
	uint64_t min_counter;
	const char *expected;
	unsigned line;
	int r = verify_signature(keys, index->data.data, index->data.len, sig->data.data,
				 sig->data.len, why);

	if (r < 0)
		return r;
	r = index_parse(index->data.data, index->data.len, &b->index, &line, &expected);
	if (r < 0) {
		snprintf(why, VERIFY_WHY_MAX, "line %u: %s", line,
			 r == -EBADMSG ? expected : strerror(-r));
		return r;
	}
	r = read_min_counter(&min_counter, why);
	if (r == 0)
		r = verify_index(&b->index, min_counter, why);
	if (r == 0 && b->index.counter < b->counter_seen) {
		snprintf(why, VERIFY_WHY_MAX,
			 "its counter is %" PRIu64 ", and one of %" PRIu64
			 " was accepted in this boot: an old image",
			 b->index.counter, b->counter_seen);
		r = -ESTALE;
	}
	return r;
}

/* Fetch what @url names and its signature, and believe it or not. *ret_came: an answer came. */
static int ask(struct boot *b, const struct verify_keys *keys, const struct fetch_url *url,
	       uint32_t patience_ms, bool *ret_came, char why[static FETCH_WHY_MAX])
{
	struct file index = { 0 }, sig = { 0 };
	char words[VERIFY_WHY_MAX];
	int r = fetch_both(b, url, patience_ms, &index, &sig, why);

	*ret_came = r == 0;
	if (r == 0) {
		r = believe(b, keys, &index, &sig, words);
		if (r < 0)
			snprintf(why, FETCH_WHY_MAX, "%.64s: %s", url->path, words);
	}
	buffer_clear(&index.data);
	buffer_clear(&sig.data);
	if (r < 0)
		index_clear(&b->index);
	else
		b->url = *url;
	return r;
}

static bool is_silence(int r)
{
	return r == -ETIMEDOUT || r == -ECONNREFUSED || r == -ENETUNREACH || r == -EHOSTUNREACH ||
	       r == -ENETDOWN;
}

/* Ask one server after the other. *ret_again: it may be otherwise soon. */
static int ask_all(struct boot *b, const struct verify_keys *keys, uint32_t patience_ms,
		   bool *ret_again, char why[static FETCH_WHY_MAX])
{
	char host[FETCH_HOST_MAX];
	int r = -EDESTADDRREQ;

	*ret_again = false;
	for (size_t i = 0; i < b->n_urls; i++) {
		bool came;

		r = ask(b, keys, &b->urls[i], patience_ms, &came, why);
		if (r == 0)
			return 0;
		*ret_again |= came || (b->n_urls > 1 && is_silence(r));
		if (i + 1 < b->n_urls)
			stage_warn(b, REPORT_INDEX, "%s; asking %s", why,
				   fetch_url_host(&b->urls[i + 1], host));
	}
	return r;
}

/* Among several servers one that is silent is soon left for the next, at first. */
static uint32_t patience_ms(const struct boot *b, unsigned round)
{
	uint32_t all = b->cmdline.fetch_s * 1000;

	return b->n_urls == 1 ? all : MIN(all, (uint32_t)(round == 1 ? SOON_MS : LATER_MS));
}

int index_stage(struct boot *b)
{
	char why[FETCH_WHY_MAX] = "", size[FORMAT_SIZE_MAX];
	uint64_t until = clock_us() + (uint64_t)b->cmdline.fetch_s * 1000000;
	struct verify_keys keys;
	int r = verify_keys_read(AT_FDCWD, BOOT_KEY_DIR, &keys, why);
	bool again;

	if (r < 0)
		return stage_fail(b, REPORT_INDEX, r, "%s", why);
	for (unsigned i = 1;; i++) {
		r = ask_all(b, &keys, patience_ms(b, i), &again, why);
		if (r == 0)
			break;
		if (!again || (is_silence(r) ? clock_us() >= until : i >= TRIES))
			return stage_fail(b, REPORT_INDEX, r, "%s", why);
		pause_before_again(b);
	}
	b->counter_seen = b->index.counter;
	stage_ok(b, REPORT_INDEX, "%s, counter %" PRIu64 ", %s in %zu parts, signature good",
		 b->index.name, b->index.counter, format_size(b->index.image_bytes, size),
		 b->index.n_parts);
	return 0;
}

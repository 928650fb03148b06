/*
 * parts-probe.c - fetch an image's parts as init does, and say how it went
 *
 * usage: parts-probe [--sessions N] [--blksize N] [--windowsize N] [--patience MS] [--tries N]
 * [--output FILE]
 *                    INDEX-URL...
 *
 * The index comes from the first URL, the parts from all. Its signature is not looked at. With
 * --output the stored bytes are written there, part behind part in the index's order. Prints "ok
 * BYTES bytes in MS ms" or "failed CODE: why" and every trouble on the way as "trouble: ...".
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "net/fetch.h"

struct probe {
	struct ev_loop *loop;
	struct index index;
	int err;
	int out;
	uint64_t bytes, last_done;
	size_t n_parts;
	char why[FETCH_WHY_MAX];
	struct buffer text;
};

static void on_blob(void *ctx, int err, const char *why, struct buffer *data)
{
	struct probe *p = ctx;

	p->err = err;
	snprintf(p->why, sizeof(p->why), "%s", why);
	p->text = *data; /* taken */
	*data = BUFFER(data->max);
	ev_break(p->loop, EVBREAK_ALL);
}

static int on_part(void *ctx, size_t i, const void *data, size_t n)
{
	struct probe *p = ctx;
	off_t at = 0;

	for (size_t k = 0; k < i; k++)
		at += p->index.parts[k].stored_bytes;
	p->bytes += n;
	p->n_parts++;
	if (p->out >= 0 && pwrite(p->out, data, n, at) != (ssize_t)n)
		return -EIO;
	return 0;
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct probe *p = ctx;

	if (done < p->last_done || done > total)
		printf("progress goes backwards\n");
	p->last_done = done;
}

static void on_trouble(void *ctx, const char *words)
{
	printf("trouble: %s\n", words);
}

static void on_done(void *ctx, int err, const char *why)
{
	struct probe *p = ctx;

	p->err = err;
	snprintf(p->why, sizeof(p->why), "%s", why);
	ev_break(p->loop, EVBREAK_ALL);
}

static int fetch_index(struct probe *p, const struct fetch_url *url, const struct fetch_tuning *t)
{
	static const struct fetch_blob_ops ops = { .done = on_blob };
	struct fetch_blob *blob;
	const char *why;
	unsigned line;
	int r = fetch_blob_new(p->loop, url, INDEX_BYTES_MAX, t, &ops, p, &blob);

	if (r < 0)
		return r;
	ev_run(p->loop, 0);
	fetch_blob_free(blob);
	if (p->err < 0)
		return p->err;
	r = index_parse(p->text.data, p->text.len, &p->index, &line, &why);
	if (r < 0)
		snprintf(p->why, sizeof(p->why), "index:%u: %s", line, why);
	return r;
}

static int parse_args(int argc, char **argv, struct fetch_tuning *t, const char **ret_output)
{
	int i = 1;

	for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		uint32_t v = 0;

		if (!strcmp(argv[i], "--output")) {
			*ret_output = argv[i + 1];
			continue;
		}
		if (parse_u32(argv[i + 1], 0, UINT32_MAX, &v) < 0)
			return -EINVAL;
		if (!strcmp(argv[i], "--sessions"))
			t->sessions = v;
		else if (!strcmp(argv[i], "--blksize"))
			t->blksize = (uint16_t)v;
		else if (!strcmp(argv[i], "--windowsize"))
			t->windowsize = (uint16_t)v;
		else if (!strcmp(argv[i], "--patience"))
			t->patience_ms = v;
		else if (!strcmp(argv[i], "--tries"))
			t->tries = v;
		else
			return -EINVAL;
	}
	return i;
}

static int fetch(struct probe *p, const struct fetch_url *urls, size_t n,
		 const struct fetch_tuning *t)
{
	static const struct fetch_parts_ops ops = {
		.part = on_part, .progress = on_progress, .trouble = on_trouble, .done = on_done
	};
	struct fetch_parts *parts;
	int r = fetch_parts_new(p->loop, &p->index, urls, n, t, &ops, p, &parts);

	if (r < 0)
		return r;
	ev_run(p->loop, 0);
	fetch_parts_free(parts);
	return p->err;
}

int main(int argc, char **argv)
{
	struct probe p = { .loop = ev_loop_new(EVFLAG_AUTO), .out = FD_NONE };
	struct fetch_url urls[FETCH_SERVERS_MAX];
	struct fetch_tuning t = { 0 };
	struct rusage u;
	const char *why, *output = NULL;
	uint64_t start;
	size_t n = 0;
	int i = parse_args(argc, argv, &t, &output), r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)mallopt(M_MMAP_THRESHOLD, 4 << 20); /* as init does */
	(void)mallopt(M_TRIM_THRESHOLD, 4 << 20);
	if (sodium_init() < 0)
		return 1;
	if (i < 0 || i == argc)
		return 2;
	for (; i < argc && n < FETCH_SERVERS_MAX; i++, n++) {
		if (fetch_url_parse(argv[i], &urls[n], &why) < 0) {
			log_err(0, "'%s': %s", argv[i], why);
			return 2;
		}
	}
	if (output)
		p.out = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	r = fetch_index(&p, &urls[0], &t);
	start = clock_us();
	if (r == 0)
		r = fetch(&p, urls, n, &t);
	if (r < 0) {
		printf("failed %s: %s\n", strerrorname_np(-r), p.why);
	} else {
		getrusage(RUSAGE_SELF, &u);
		printf("ok %llu bytes in %zu parts in %.1f ms, maxrss %ld KiB\n",
		       (unsigned long long)p.bytes, p.n_parts, (double)(clock_us() - start) / 1e3,
		       u.ru_maxrss);
	}
	index_clear(&p.index);
	buffer_clear(&p.text);
	fd_close(p.out);
	ev_loop_destroy(p.loop);
	return r < 0;
}

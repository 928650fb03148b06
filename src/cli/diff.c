/*
 * diff.c - bpboot diff: what changed between two images, or manifests
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/commands.h"
#include "cli/size.h"
#include "cli/sources.h"
#include "cli/where.h"
#include "image/build.h"
#include "image/listing.h"

#define LOOK_BYTES 4096 /* of a file, to see whether it is text */

struct options {
	const char *kernel, *root;
};

static const struct option_row options[] = {
	SOURCES_ROW_KERNEL(struct options),
	SOURCES_ROW_ROOT(struct options),
	{ 0 },
};

/* What happened to a name. */
enum change {
	CHANGE_IN,
	CHANGE_OUT,
	CHANGE_GROWN,
	CHANGE_SHRUNK,
	CHANGE_DATA,
	CHANGE_OTHER,
	CHANGE_MAX_
};

static const struct {
	char sign;
	const char *word;
} changes[CHANGE_MAX_] = {
	[CHANGE_IN] = { '+', "in" },
	[CHANGE_OUT] = { '-', "out" },
	[CHANGE_GROWN] = { '>', "grown" },
	[CHANGE_SHRUNK] = { '<', "shrunk" },
	[CHANGE_DATA] = { '~', "changed" },
	[CHANGE_OTHER] = { '*', "with another kind, mode, owner or target" },
};

struct totals {
	size_t n[CHANGE_MAX_];
	uint64_t bytes[CHANGE_MAX_];
};

static int list_manifest(const struct options *o, const char *name, struct listing *ret)
{
	_cleanup_build_ struct build b = BUILD();
	struct build_spec spec = {
		.manifest = name,
		.root = o->root,
		.kernel = o->kernel,
		.key_dir = where_key_dir(),
		.find_program = where_program,
	};
	int r = build_make(&b, &spec);

	return r < 0 ? r : listing_of_plan(&b.plan, ret);
}

/* An image has zero bytes near its start; a manifest, which is text, has none. */
static int list(const struct options *o, const char *name, struct listing *ret)
{
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
	uint8_t start[LOOK_BYTES];
	size_t n;
	int r;

	if (fd < 0)
		return log_err(-errno, "cannot read '%s'", name);
	r = fd_read_full(fd, start, sizeof(start), &n);
	if (r < 0)
		return log_err(r, "cannot read '%s'", name);
	if (!memchr(start, 0, n))
		return list_manifest(o, name, ret);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return log_err(-errno, "cannot read '%s'", name);
	return listing_of_file(fd, name, ret);
}

static int tell(struct totals *t, enum change c, const char *path, uint64_t bytes, const char *more)
{
	_cleanup_free_ char *shown = size_printable(path);
	char size[FORMAT_SIZE_MAX];

	if (!shown)
		return log_err(-ENOMEM, "cannot print the table");
	t->n[c]++;
	t->bytes[c] += bytes;
	printf("%c %9s  %s%s\n", changes[c].sign, format_size(bytes, size), shown, more);
	return 0;
}

static bool same_attributes(const struct listing_row *a, const struct listing_row *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->major == b->major &&
	       a->minor == b->minor &&
	       !strcmp(a->target ? a->target : "", b->target ? b->target : "");
}

static int tell_both(struct totals *t, const struct listing_row *a, const struct listing_row *b)
{
	bool same = same_attributes(a, b);
	char more[80] = "";

	if (a->mode != b->mode && (a->mode & S_IFMT) == (b->mode & S_IFMT))
		snprintf(more, sizeof(more), " (mode %04o, was %04o)", b->mode & 07777,
			 a->mode & 07777);
	else if (a->uid != b->uid || a->gid != b->gid)
		snprintf(more, sizeof(more), " (owner %u:%u, was %u:%u)", b->uid, b->gid, a->uid,
			 a->gid);
	if (S_ISREG(a->mode) && S_ISREG(b->mode)) {
		if (a->size != b->size)
			return tell(t, a->size < b->size ? CHANGE_GROWN : CHANGE_SHRUNK, b->path,
				    a->size < b->size ? b->size - a->size : a->size - b->size,
				    more);
		if (memcmp(a->hash, b->hash, sizeof(a->hash)))
			return tell(t, CHANGE_DATA, b->path, b->size, more);
	}
	return same ? 0 : tell(t, CHANGE_OTHER, b->path, 0, more);
}

static int compare(const struct listing *a, const struct listing *b, struct totals *t)
{
	int r = 0;

	for (size_t i = 0, k = 0; r == 0 && (i < a->n || k < b->n);) {
		int d = i == a->n ? 1 : k == b->n ? -1 : strcmp(a->rows[i].path, b->rows[k].path);

		if (d < 0) {
			r = tell(t, CHANGE_OUT, a->rows[i].path, a->rows[i].size, "");
			i++;
		} else if (d > 0) {
			r = tell(t, CHANGE_IN, b->rows[k].path, b->rows[k].size, "");
			k++;
		} else {
			r = tell_both(t, &a->rows[i++], &b->rows[k++]);
		}
	}
	return r;
}

static void print_totals(const struct listing *a, const struct listing *b, const struct totals *t)
{
	char size[FORMAT_SIZE_MAX];
	size_t all = 0;

	for (unsigned c = 0; c < CHANGE_MAX_; c++) {
		if (t->n[c] > 0)
			printf("%s%zu %s (%s)", all ? ", " : "\n", t->n[c], changes[c].word,
			       format_size(t->bytes[c], size));
		all += t->n[c];
	}
	printf("%s; %" PRIu64 " bytes, were %" PRIu64 "\n", all ? "" : "the same files",
	       b->image_bytes, a->image_bytes);
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	_cleanup_listing_ struct listing before = { 0 }, after = { 0 };
	struct totals t = { 0 };
	int r = list(o, argv[0], &before);

	if (r == 0)
		r = list(o, argv[1], &after);
	if (r == 0)
		r = compare(&before, &after, &t);
	if (r < 0)
		return r;
	print_totals(&before, &after, &t);
	return fflush(stdout) == 0 ? 0 : log_err(-errno, "cannot write");
}

const struct command cmd_diff = {
	.name = "diff",
	.args = "OLD NEW",
	.summary = "say what changed between two images or manifests",
	.options = options,
	.options_size = sizeof(struct options),
	.args_min = 2,
	.args_max = 2,
	.run = run,
};

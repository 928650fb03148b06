/*
 * diff.c - bpboot diff: what changed between two images, or manifests
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/commands.h"
#include "cli/names.h"
#include "cli/size.h"
#include "cli/sources.h"
#include "cli/subject.h"
#include "cli/where.h"
#include "image/build.h"
#include "image/listing.h"

#define MORE_BYTES (16u << 10) /* of what else changed about a file */

struct options {
	bool json;
	const char *kernel, *root;
};

static const struct option_row options[] = {
	{ "json", 0, OPTION_FLAG, NULL, "print everything as JSON",
	  offsetof(struct options, json) },
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
	const char *word; /* in the sum */
	const char *name; /* in JSON */
} changes[CHANGE_MAX_] = {
	[CHANGE_IN] = { '+', "in", "in" },
	[CHANGE_OUT] = { '-', "out", "out" },
	[CHANGE_GROWN] = { '>', "grown", "grown" },
	[CHANGE_SHRUNK] = { '<', "shrunk", "shrunk" },
	[CHANGE_DATA] = { '~', "changed", "changed" },
	[CHANGE_OTHER] = { '*', "with another kind, mode, owner, target or attributes", "other" },
};

/* The comparison: lines of a table as it goes on, or JSON at its end. */
struct comparison {
	json_t *json; /* the changes; NULL for a table */
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

static int list(const struct options *o, const char *name, struct listing *ret)
{
	_cleanup_subject_ struct subject s = SUBJECT();
	int r = subject_open(name, &s);

	if (r < 0)
		return r;
	return s.text ? list_manifest(o, name, ret) : listing_of_medium(s.medium, name, ret);
}

static bool same_target(const struct listing_row *a, const struct listing_row *b)
{
	return !strcmp(a->target ? a->target : "", b->target ? b->target : "");
}

static bool same_xattrs(const struct listing_row *a, const struct listing_row *b)
{
	return a->n_xattrs == b->n_xattrs &&
	       (a->n_xattrs == 0 || !memcmp(a->xattrs_hash, b->xattrs_hash, LISTING_HASH_BYTES));
}

/* What else changed: "mode 0644, was 0600; ..." */
static int describe(const struct listing_row *a, const struct listing_row *b, struct buffer *to)
{
	char was[NAMES_MODE_TEXT], is[NAMES_MODE_TEXT];
	int r = 0;

	if ((a->mode & S_IFMT) != (b->mode & S_IFMT)) {
		names_mode(a->mode, was);
		names_mode(b->mode, is);
		r = buffer_printf(to, "; %s, was %s", is, was);
	} else if (a->mode != b->mode) {
		r = buffer_printf(to, "; mode %04o, was %04o", b->mode & 07777, a->mode & 07777);
	}
	if (r == 0 && (a->uid != b->uid || a->gid != b->gid))
		r = buffer_printf(to, "; owner %u:%u, was %u:%u", b->uid, b->gid, a->uid, a->gid);
	if (r == 0 && (a->major != b->major || a->minor != b->minor))
		r = buffer_printf(to, "; device %u:%u, was %u:%u", b->major, b->minor, a->major,
				  a->minor);
	if (r == 0 && a->target && b->target && !same_target(a, b)) {
		_cleanup_free_ char *old = size_printable(a->target);
		_cleanup_free_ char *new = size_printable(b->target);

		r = old && new ? buffer_printf(to, "; to '%s', was '%s'", new, old) : -ENOMEM;
	}
	if (r == 0 && !same_xattrs(a, b))
		r = buffer_append(to, "; extended attributes", 21);
	return r;
}

static int tell_line(enum change c, const char *path, uint64_t bytes, struct buffer *more)
{
	_cleanup_free_ char *shown = size_printable(path);
	char size[FORMAT_SIZE_MAX];

	if (!shown)
		return -ENOMEM;
	buffer_consume(more, 2); /* "; " */
	printf("%c %9s  %s%s%s%s\n", changes[c].sign, format_size(bytes, size), shown,
	       more->len ? " (" : "", buffer_str(more), more->len ? ")" : "");
	return 0;
}

/* A file as JSON, or null. */
static json_t *json_row(const struct listing_row *row)
{
	char mode[NAMES_MODE_TEXT];
	json_t *j;

	if (!row)
		return json_null();
	names_mode(row->mode, mode);
	j = json_pack("{s:s, s:I, s:I, s:I, s:I}", "mode", mode, "uid", (json_int_t)row->uid, "gid",
		      (json_int_t)row->gid, "size", (json_int_t)row->size, "xattrs",
		      (json_int_t)row->n_xattrs);
	if (j && row->target && json_object_set_new(j, "target", names_json(row->target)) < 0)
		goto fail;
	if (j && (S_ISCHR(row->mode) || S_ISBLK(row->mode)) &&
	    (json_object_set_new(j, "major", json_integer(row->major)) < 0 ||
	     json_object_set_new(j, "minor", json_integer(row->minor)) < 0))
		goto fail;
	return j;
fail:
	json_decref(j);
	return NULL;
}

/* Tell of a name: one of @a and @b may be NULL. */
static int tell(struct comparison *t, enum change c, const struct listing_row *a,
		const struct listing_row *b, uint64_t bytes)
{
	_cleanup_buffer_ struct buffer more = BUFFER(MORE_BYTES);
	const char *path = a ? a->path : b->path;
	int r = 0;

	t->n[c]++;
	t->bytes[c] += bytes;
	if (t->json) {
		json_t *j = json_pack("{s:s, s:o, s:I, s:o, s:o}", "change", changes[c].name,
				      "path", names_json(path), "bytes", (json_int_t)bytes, "old",
				      json_row(a), "new", json_row(b));

		r = json_array_append_new(t->json, j) < 0 ? -ENOMEM : 0;
	} else {
		if (a && b)
			r = describe(a, b, &more);
		if (r == 0 || r == -E2BIG) /* too much to say all of it */
			r = tell_line(c, path, bytes, &more);
	}
	return r < 0 ? log_err(r, "cannot print the table") : 0;
}

static int tell_both(struct comparison *t, const struct listing_row *a, const struct listing_row *b)
{
	bool same = a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
		    a->major == b->major && a->minor == b->minor && same_target(a, b) &&
		    same_xattrs(a, b);

	if (S_ISREG(a->mode) && S_ISREG(b->mode)) {
		if (a->size < b->size)
			return tell(t, CHANGE_GROWN, a, b, b->size - a->size);
		if (a->size > b->size)
			return tell(t, CHANGE_SHRUNK, a, b, a->size - b->size);
		if (memcmp(a->hash, b->hash, sizeof(a->hash)))
			return tell(t, CHANGE_DATA, a, b, b->size);
	}
	return same ? 0 : tell(t, CHANGE_OTHER, a, b, 0);
}

static int compare(const struct listing *a, const struct listing *b, struct comparison *t)
{
	int r = 0;

	for (size_t i = 0, k = 0; r == 0 && (i < a->n || k < b->n);) {
		int d = i == a->n ? 1 : k == b->n ? -1 : strcmp(a->rows[i].path, b->rows[k].path);

		if (d < 0) {
			r = tell(t, CHANGE_OUT, &a->rows[i], NULL, a->rows[i].size);
			i++;
		} else if (d > 0) {
			r = tell(t, CHANGE_IN, NULL, &b->rows[k], b->rows[k].size);
			k++;
		} else {
			r = tell_both(t, &a->rows[i++], &b->rows[k++]);
		}
	}
	return r;
}

static void print_totals(const struct listing *a, const struct listing *b,
			 const struct comparison *t)
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

/* Print and free what was found. */
static int print_json(char **names, const struct listing *a, const struct listing *b,
		      struct comparison *t)
{
	json_t *sum = json_object(), *all;
	int r = 0;

	for (unsigned c = 0; r == 0 && c < CHANGE_MAX_; c++)
		r = json_object_set_new(sum, changes[c].name,
					json_pack("{s:I, s:I}", "files", (json_int_t)t->n[c],
						  "bytes", (json_int_t)t->bytes[c]));
	all = json_pack("{s:{s:o, s:I}, s:{s:o, s:I}, s:o, s:o}", "old", "name",
			names_json(names[0]), "bytes", (json_int_t)a->image_bytes, "new", "name",
			names_json(names[1]), "bytes", (json_int_t)b->image_bytes, "changes",
			t->json, "totals", sum);
	t->json = NULL;
	if (r < 0 || !all || json_dumpf(all, stdout, JSON_INDENT(1)) < 0)
		r = -ENOMEM;
	json_decref(all);
	putchar('\n');
	return r < 0 ? log_err(r, "cannot print the table") : 0;
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	_cleanup_listing_ struct listing before = { 0 }, after = { 0 };
	struct comparison t = { 0 };
	int r = list(o, argv[0], &before);

	if (r == 0)
		r = list(o, argv[1], &after);
	if (r == 0 && o->json && !(t.json = json_array()))
		r = log_err(-ENOMEM, "cannot compare");
	if (r == 0)
		r = compare(&before, &after, &t);
	if (r == 0 && t.json)
		r = print_json(argv, &before, &after, &t);
	else if (r == 0)
		print_totals(&before, &after, &t);
	json_decref(t.json);
	if (r < 0)
		return r;
	return fflush(stdout) == 0 ? 0 : log_err(-errno, "cannot write");
}

const struct command cmd_diff = {
	.name = "diff",
	.args = "OLD NEW",
	.summary = "say what changed between two images or manifests",
	.details = "OLD and NEW are manifests, images, archives, or names of published images.\n",
	.options = options,
	.options_size = sizeof(struct options),
	.args_min = 2,
	.args_max = 2,
	.run = run,
};

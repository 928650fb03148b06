/*
 * size.c - bpboot size: what an image would consist of, and why
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/commands.h"
#include "cli/size.h"
#include "cli/sources.h"
#include "cli/where.h"
#include "image/size.h"

/* Characters of a path before the reason: as the longest shown needs, within these. */
#define PATH_COLUMN_MIN 44
#define PATH_COLUMN_MAX 72

struct options {
	bool json;
	const char *kernel, *root, *format;
};

static const struct option_row options[] = {
	{ "json", 0, OPTION_FLAG, NULL, "print everything as JSON",
	  offsetof(struct options, json) },
	SOURCES_ROW_FORMAT(struct options),
	SOURCES_ROW_KERNEL(struct options),
	SOURCES_ROW_ROOT(struct options),
	{ 0 },
};

char *size_printable(const char *s)
{
	char *out = malloc(4 * strlen(s) + 1), *p = out;

	if (!out)
		return NULL;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c >= 0x7f || c == '\\')
			p += snprintf(p, 5, "\\x%02x", c);
		else
			*p++ = *s;
	}
	*p = 0;
	return out;
}

/* The archive, layer or folder that brought a file. Caller frees. Return: NULL if none did. */
static char *origin_of(const struct build *b, const struct node *n)
{
	const char *what = tree_origin(b->gathered.tree, n->origin);

	return what ? size_printable(what) : NULL;
}

/* Why a file is in. Caller frees. */
static char *why(const struct build *b, const struct node *n)
{
	_cleanup_free_ char *by = n->needed_by ? size_printable(n->needed_by) : NULL;
	_cleanup_free_ char *from = origin_of(b, n);
	char *s = NULL;
	int k;

	if (from && n->entry)
		k = asprintf(&s, "%sfrom %s (line %u)",
			     n->entry->kind <= MANIFEST_PACKAGES ? "" : "asked for, ", from,
			     n->entry->line);
	else if (n->reason == REASON_NEEDED && by)
		k = asprintf(&s, "needed by %s", by);
	else if (n->entry)
		k = asprintf(&s, "asked for (line %u)", n->entry->line);
	else
		k = asprintf(&s, "always there");
	return k < 0 ? NULL : s;
}

static int print_row(const struct build *b, const struct size_row *row, int column)
{
	_cleanup_free_ char *path = size_printable(row->path), *reason = why(b, row->node);
	char size[FORMAT_SIZE_MAX];

	if (!path || !reason)
		return -ENOMEM;
	printf("%9s  %-*s  %s\n", format_size(row->bytes, size), column, path, reason);
	return 0;
}

/* The @most largest files, and what the others come to. */
static int print_rows(const struct build *b, const struct size_table *t, size_t most)
{
	size_t n = MIN(t->n, most), column = PATH_COLUMN_MIN;
	char size[FORMAT_SIZE_MAX];
	uint64_t rest = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		column = MAX(column, strlen(t->rows[i].path));
	for (size_t i = 0; r == 0 && i < n; i++)
		r = print_row(b, &t->rows[i], (int)MIN(column, (size_t)PATH_COLUMN_MAX));
	for (size_t i = n; i < t->n; i++)
		rest += t->rows[i].bytes;
	if (r == 0 && n < t->n)
		printf("%9s  %zu smaller files, which 'bpboot size' lists\n",
		       format_size(rest, size), t->n - n);
	return r;
}

static void print_total(const char *what, uint64_t bytes, const char *more)
{
	char size[FORMAT_SIZE_MAX];

	printf("%9s  %-28s %12" PRIu64 " bytes%s\n", format_size(bytes, size), what, bytes, more);
}

static void print_counts(const struct size_table *t)
{
	char size[FORMAT_SIZE_MAX];

	printf("\n%zu files: %s asked for in %zu, ", t->n, format_size(t->asked_bytes, size),
	       t->asked);
	printf("%s needed in %zu", format_size(t->needed_bytes, size), t->needed);
	if (t->libraries > 0)
		printf("; libraries: %s in %zu", format_size(t->library_bytes, size), t->libraries);
	if (t->modules > 0)
		printf("; modules: %s in %zu", format_size(t->module_bytes, size), t->modules);
	printf("\n%zu folders, %zu symlinks, %zu others\n\n", t->folders, t->links, t->others);
}

/* What a node spends: on the root, and in all while it boots. */
static void print_memory(const struct size_table *t, enum index_format f)
{
	print_total(f == INDEX_CPIO ? "node: files in its tmpfs" : "node: RAM disk, all in use",
		    t->memory_bytes,
		    f == INDEX_SQUASHFS || f == INDEX_EROFS ? ", and what is written to its overlay"
							    : "");
	print_total("node: free memory to boot", t->boot_bytes, "");
}

static void print_parts(const struct size_table *t)
{
	char size[FORMAT_SIZE_MAX], line[160];

	snprintf(line, sizeof(line), t->hole_bytes ? ", and %s of zeros that take no room" : "%.0s",
		 format_size(t->hole_bytes, size));
	print_total("data of files", t->data_bytes, line);
	print_total("rounding to blocks", t->rounding_bytes, "");
	print_total("folders, long symlinks", t->folder_bytes, "");
	print_total("pointers of large files", t->pointer_bytes, "");
	print_total("file system", t->meta_bytes, "");
	snprintf(line, sizeof(line), ", and inodes for %" PRIu64 " more files", t->free_inodes);
	print_total("free", t->free_bytes, line);
	print_total("image", t->image_bytes, "");
	print_memory(t, INDEX_EXT2);
}

int size_print(const struct build *b, size_t most)
{
	_cleanup_size_table_ struct size_table t = { 0 };
	int r = size_table_make(&b->plan, &t);

	if (r == 0)
		r = print_rows(b, &t, most);
	if (r < 0)
		return log_err(r, "cannot make the table");
	print_counts(&t);
	print_parts(&t);
	return fflush(stdout) == 0 ? 0 : log_err(-errno, "cannot write");
}

int size_print_files(const struct build *b, size_t most)
{
	_cleanup_size_table_ struct size_table t = { 0 };
	int r = size_table_of_tree(b->gathered.tree, &t);

	if (r == 0)
		r = print_rows(b, &t, most);
	if (r < 0)
		return log_err(r, "cannot make the table");
	print_counts(&t);
	return fflush(stdout) == 0 ? 0 : log_err(-errno, "cannot write");
}

int size_print_made(const struct build *b, const struct format_result *made)
{
	struct size_table t = { 0 };
	char words[32];

	size_table_finish(&t, b->format, made);
	snprintf(words, sizeof(words), "image, %s", index_format_name(b->format));
	print_total(words, t.image_bytes, "");
	print_memory(&t, b->format);
	return fflush(stdout) == 0 ? 0 : log_err(-errno, "cannot write");
}

static json_t *json_row(const struct build *b, const struct size_row *row)
{
	_cleanup_free_ char *from = origin_of(b, row->node);
	_cleanup_free_ char *path = size_printable(row->path);
	_cleanup_free_ char *by =
		row->node->needed_by ? size_printable(row->node->needed_by) : NULL;
	bool needed = row->node->reason == REASON_NEEDED;

	if (!path)
		return NULL;
	return json_pack("{s:s, s:I, s:s, s:s*, s:s*, s:o*}", "path", path, "bytes",
			 (json_int_t)row->bytes, "why",
			 needed		    ? "needed"
			 : row->node->entry ? "asked"
					    : "always",
			 "needed_by", needed ? by : NULL, "from", from, "line",
			 row->node->entry ? json_integer(row->node->entry->line) : NULL);
}

/* The parts that add up to an ext2 image; of other formats their sum. */
static json_t *json_image(const struct size_table *t, enum index_format f)
{
	if (f != INDEX_EXT2)
		return json_pack("{s:I}", "total", (json_int_t)t->image_bytes);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "data", (json_int_t)t->data_bytes,
			 "rounding", (json_int_t)t->rounding_bytes, "folders",
			 (json_int_t)t->folder_bytes, "pointers", (json_int_t)t->pointer_bytes,
			 "metadata", (json_int_t)t->meta_bytes, "free", (json_int_t)t->free_bytes,
			 "total", (json_int_t)t->image_bytes);
}

static int print_json(const struct build *b, const struct size_table *t)
{
	json_t *files = json_array(), *all = NULL;
	int r = files ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < t->n; i++)
		r = json_array_append_new(files, json_row(b, &t->rows[i])) < 0 ? -ENOMEM : 0;
	if (r == 0)
		all = json_pack(
			"{s:s, s:s, s:o, s:o, s:{s:I, s:I}, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
			b->name, "format", index_format_name(b->format), "files", files, "image",
			json_image(t, b->format), "node", "root", (json_int_t)t->memory_bytes,
			"boot", (json_int_t)t->boot_bytes, "asked_bytes",
			(json_int_t)t->asked_bytes, "needed_bytes", (json_int_t)t->needed_bytes,
			"hole_bytes", (json_int_t)t->hole_bytes, "library_bytes",
			(json_int_t)t->library_bytes, "module_bytes", (json_int_t)t->module_bytes,
			"free_inodes", (json_int_t)t->free_inodes);
	else
		json_decref(files);
	if (!all || json_dumpf(all, stdout, JSON_INDENT(1)) < 0)
		r = -ENOMEM;
	json_decref(all);
	if (r < 0)
		return log_err(r, "cannot make the table");
	putchar('\n');
	return fflush(stdout) == 0 ? 0 : log_err(-errno, "cannot write");
}

static int open_temporary(int *ret)
{
	const char *dir = getenv("TMPDIR");

	dir = dir && *dir ? dir : "/tmp";
	*ret = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return *ret < 0 ? log_err(-errno, "cannot write in '%s'", dir) : 0;
}

/* What compresses has to be made to know its size. */
static int measure(struct build *b, struct format_result *ret)
{
	_cleanup_close_ int fd = FD_NONE;
	struct format_job job;
	int r = build_job(b, &job);

	if (r == 0)
		r = open_temporary(&fd);
	return r < 0 ? r : format_write(&job, b->format, fd, ret);
}

static int tell(const struct options *o, struct build *b)
{
	_cleanup_size_table_ struct size_table t = { 0 };
	struct format_result made;
	int r;

	if (b->format == INDEX_EXT2 && !o->json)
		return size_print(b, SIZE_MAX);
	if (b->format == INDEX_EXT2) {
		r = size_table_make(&b->plan, &t);
		return r < 0 ? log_err(r, "cannot make the table") : print_json(b, &t);
	}
	r = measure(b, &made);
	if (r < 0)
		return r;
	if (!o->json) {
		r = size_print_files(b, SIZE_MAX);
		putchar('\n');
		return r < 0 ? r : size_print_made(b, &made);
	}
	r = size_table_of_tree(b->gathered.tree, &t);
	if (r < 0)
		return log_err(r, "cannot make the table");
	size_table_finish(&t, b->format, &made);
	return print_json(b, &t);
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	_cleanup_build_ struct build b = BUILD();
	struct build_spec spec = {
		.manifest = argv[0],
		.root = o->root,
		.kernel = o->kernel,
		.key_dir = where_key_dir(),
		.find_program = where_program,
	};
	enum index_format format;
	int r = sources_format(o->format, &format, &spec.format);

	if (r < 0)
		return command_usage(&cmd_size, "bpboot ");
	r = build_gather(&b, &spec);
	if (r == 0 && b.format == INDEX_EXT2)
		r = build_plan(&b);
	return r < 0 ? r : tell(o, &b);
}

const struct command cmd_size = {
	.name = "size",
	.args = "MANIFEST",
	.summary = "say what an image would consist of, to the byte, and why",
	.options = options,
	.options_size = sizeof(struct options),
	.args_min = 1,
	.args_max = 1,
	.run = run,
};

/*
 * inspect.c - bpboot inspect: what is in an initrd or image that anyone made
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/names.h"
#include "cli/subject.h"
#include "image/extract.h"
#include "image/inspect.h"

#define COPY_BYTES (64u << 10)
#define TIME_TEXT  32

struct options {
	const char *extract, *cat;
	bool json;
};

static const struct option_row rows[] = {
	{ .name = "extract",
	  .letter = 'x',
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "write the files below DIR, which is made when it is missing",
	  .offset = offsetof(struct options, extract) },
	{ .name = "cat",
	  .letter = 'c',
	  .type = OPTION_STRING,
	  .arg = "PATH",
	  .help = "write the data of one file to standard output",
	  .offset = offsetof(struct options, cat) },
	{ .name = "json",
	  .type = OPTION_FLAG,
	  .help = "print everything as JSON",
	  .offset = offsetof(struct options, json) },
	{ 0 },
};

/* --- listing --- */

struct listing {
	json_t *last; /* the file told last, whose attributes may follow; owned */
	bool json, any;
	unsigned segments;
	uint64_t files, bytes;
};

static json_t *json_xattrs(const struct inspect_xattr *list, size_t n)
{
	json_t *all = json_object();

	for (size_t i = 0; i < n; i++) {
		const struct inspect_xattr *x = &list[i];
		_cleanup_free_ char *hex = malloc(2 * x->bytes + 1);
		json_t *name = names_json(x->name);

		if (hex && name) {
			format_hex(x->value, x->bytes, hex);
			(void)json_object_set_new(all, json_string_value(name), json_string(hex));
		}
		json_decref(name);
	}
	return all; /* when memory is short, some are left out */
}

/* Print the file told last. */
static int print_last(struct listing *l)
{
	int r = 0;

	if (l->last) {
		printf("%s\n    ", l->any ? "," : "");
		l->any = true;
		r = json_dumpf(l->last, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) < 0 ? -EIO : 0;
	}
	json_decref(l->last);
	l->last = NULL;
	return r;
}

static int list_segment(void *user, const struct inspect_segment *s)
{
	struct listing *l = user;

	l->segments++;
	if (print_last(l) < 0)
		return -EIO;
	if (!l->json) {
		printf("segment %u: %s at offset %" PRIu64 ", compression %s\n", s->number,
		       s->format, s->offset, s->packing);
		return 0;
	}
	printf("%s\n  {\"offset\": %" PRIu64
	       ", \"format\": \"%s\", \"compression\": \"%s\", \"files\": [",
	       s->number > 1 ? "]}," : "", s->offset, s->format, s->packing);
	l->any = false;
	return 0;
}

static int list_json(struct listing *l, const struct inspect_entry *e)
{
	char mode[NAMES_MODE_TEXT];
	int r = print_last(l);
	json_t *j;

	if (r < 0)
		return r;
	names_mode(e->mode, mode);
	j = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "path", names_json(e->path),
		      "mode", mode, "uid", (json_int_t)e->uid, "gid", (json_int_t)e->gid, "links",
		      (json_int_t)e->nlink, "size", (json_int_t)e->size, "mtime",
		      (json_int_t)e->mtime, "inode", (json_int_t)e->ino);
	if (!j)
		return -ENOMEM;
	if (e->target)
		(void)json_object_set_new(
			j, "target", names_json(e->target)); /* when memory is short, left out */
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode)) {
		(void)json_object_set_new(j, "major", json_integer(e->rdev_major));
		(void)json_object_set_new(j, "minor", json_integer(e->rdev_minor));
	}
	if (e->n_xattrs > 0)
		(void)json_object_set_new(j, "xattrs", json_xattrs(e->xattrs, e->n_xattrs));
	l->last = j;
	return 0;
}

static int list_xattrs(void *user, const struct inspect_xattr *list, size_t n)
{
	struct listing *l = user;

	if (l->last && n > 0)
		(void)json_object_set_new(l->last, "xattrs", json_xattrs(list, n));
	return 0;
}

/* `ls -l` marks such a file with a plus. */
static bool has_acl(const struct inspect_entry *e)
{
	for (size_t i = 0; i < e->n_xattrs; i++) {
		if (!strncmp(e->xattrs[i].name, "system.posix_acl_", 17))
			return true;
	}
	return false;
}

static int list_entry(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	struct listing *l = user;
	time_t when = (time_t)e->mtime;
	char mode[NAMES_MODE_TEXT], date[TIME_TEXT] = "?", size[64];
	struct tm tm;

	l->files++;
	l->bytes += e->size;
	if (l->json)
		return list_json(l, e);
	names_mode(e->mode, mode);
	if (gmtime_r(&when, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
	snprintf(size, sizeof(size), "%" PRIu64, e->size);
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
		snprintf(size, sizeof(size), "%u, %u", e->rdev_major, e->rdev_minor);
	printf("%s%c %3u %5u %5u %10s %s ", mode, has_acl(e) ? '+' : ' ', e->nlink, e->uid, e->gid,
	       size, date);
	names_print(*e->path ? e->path : ".");
	if (e->target) {
		printf(" -> ");
		names_print(e->target);
	}
	putchar('\n');
	return ferror(stdout) ? -EPIPE : 0;
}

/* What the index of a published image says. */
static int list_index(const struct index *x)
{
	char image[FORMAT_SIZE_MAX], stored[FORMAT_SIZE_MAX], digest[2 * INDEX_HASH_BYTES + 1];
	size_t holes = 0;

	for (size_t i = 0; i < x->n_parts; i++)
		holes += x->parts[i].stored_bytes == 0;
	format_hex(x->digest, sizeof(x->digest), digest);
	printf("index of %s: counter %" PRIu64 ", %s, %s, init %s\n"
	       "%" PRIu64 " bytes (%s) in %zu parts and %zu holes, %s stored, digest %s\n",
	       x->name, x->counter, index_arch_name(x->arch), index_format_name(x->format), x->init,
	       x->image_bytes, format_size(x->image_bytes, image), x->n_parts - holes, holes,
	       format_size(index_stored_bytes(x), stored), digest);
	return 0;
}

static json_t *json_parts(const struct index *x)
{
	json_t *all = json_array();

	for (size_t i = 0; i < x->n_parts; i++) {
		const struct index_part *p = &x->parts[i];
		char hash[2 * INDEX_HASH_BYTES + 1];

		format_hex(p->hash, sizeof(p->hash), hash);
		if (json_array_append_new(all, json_pack("{s:I, s:I, s:I, s:s*}", "offset",
							 (json_int_t)p->offset, "bytes",
							 (json_int_t)p->raw_bytes, "stored",
							 (json_int_t)p->stored_bytes, "hash",
							 p->stored_bytes ? hash : NULL)) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static int json_index(const struct index *x)
{
	char digest[2 * INDEX_HASH_BYTES + 1];
	json_t *parts = json_parts(x), *j;
	int r;

	if (!parts)
		return -ENOMEM;
	format_hex(x->digest, sizeof(x->digest), digest);
	j = json_pack("{s:s, s:I, s:s, s:s, s:I, s:s, s:s, s:o}", "name", x->name, "counter",
		      (json_int_t)x->counter, "arch", index_arch_name(x->arch), "format",
		      index_format_name(x->format), "bytes", (json_int_t)x->image_bytes, "digest",
		      digest, "init", x->init, "parts", parts);
	if (!j)
		return -ENOMEM;
	printf("\"index\": ");
	r = json_dumpf(j, stdout, JSON_INDENT(1)) < 0 ? -EIO : 0;
	printf(",\n");
	json_decref(j);
	return r;
}

static int list(const struct subject *s, const char *name, bool json)
{
	struct listing l = { .json = json };
	struct inspect_visitor v = { list_segment, list_entry, &l, list_xattrs };
	char size[FORMAT_SIZE_MAX];
	int r = 0;

	if (json)
		putchar('{');
	if (s->published)
		r = json ? json_index(published_index_of(s->published))
			 : list_index(published_index_of(s->published));
	if (json)
		printf("\"segments\": [");
	if (r == 0)
		r = inspect_medium(s->medium, name, &v);
	if (print_last(&l) < 0 && r == 0)
		r = -EIO;
	if (json)
		printf("%s\n], \"complete\": %s}\n", l.segments ? "\n  ]}" : "",
		       r == 0 ? "true" : "false");
	else if (r == 0)
		printf("%u segment%s, %" PRIu64 " files, %s\n", l.segments,
		       l.segments == 1 ? "" : "s", l.files, format_size(l.bytes, size));
	if (r == 0 && fflush(stdout) != 0)
		r = log_err(-errno, "cannot write");
	return r;
}

/* --- one file --- */

/*
 * Two passes: the last file of the name is what the kernel would leave, and of a file with several
 * names a cpio archive holds the data with one of them, mostly the last.
 */
struct finder {
	const char *path;
	uint64_t number;	     /* of the entry at hand, from 1 */
	uint64_t found;		     /* number of the one that holds the data; 0: none */
	struct inspect_entry wanted; /* its path and target are not kept */
	uint8_t copy[COPY_BYTES];
};

static int find_entry(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	struct finder *f = user;
	const struct inspect_entry *w = &f->wanted;
	bool same = f->found && w->nlink > 1 && w->archive == e->archive && w->ino == e->ino &&
		    w->dev_major == e->dev_major && w->dev_minor == e->dev_minor;

	f->number++;
	if (!strcmp(e->path, f->path)) {
		f->wanted = *e;
		f->found = f->number;
	} else if (same && e->size > 0) {
		f->found = f->number;
	}
	return 0;
}

static int write_entry(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	struct finder *f = user;
	size_t n;
	int r = 0;

	if (++f->number != f->found)
		return 0;
	do {
		r = data->read(data, f->copy, sizeof(f->copy), &n);
		if (r == 0 && fd_write_all(STDOUT_FILENO, f->copy, n) < 0)
			r = log_err(-EIO, "cannot write to standard output");
	} while (r == 0 && n > 0);
	return r < 0 ? r : -ECANCELED; /* that was it */
}

static int cat(struct medium *m, const char *name, const char *path)
{
	_cleanup_free_ struct finder *f = calloc(1, sizeof(*f));
	struct inspect_visitor v = { NULL, find_entry, f };
	int r;

	if (!f)
		return -ENOMEM;
	f->path = path + strspn(path, "/");
	r = inspect_medium(m, name, &v);
	if (r < 0)
		return r;
	if (!f->found)
		return log_err(-ENOENT, "no '%s' in '%s'", path, name);
	if (!S_ISREG(f->wanted.mode))
		return log_err(-EINVAL, "'%s' in '%s' is no regular file", path, name);
	f->number = 0;
	v.entry = write_entry;
	r = inspect_medium(m, name, &v);
	return r == -ECANCELED ? 0 : r;
}

/* --- all files --- */

static int write_file(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	return extract_entry(user, e, data);
}

static int extract(struct medium *m, const char *name, const char *dir)
{
	_cleanup_extract_ struct extract *x = NULL;
	_cleanup_close_ int to = FD_NONE;
	struct inspect_visitor v = { NULL, write_file, NULL };
	int r = path_mkdirs(AT_FDCWD, dir, 0755);

	to = r < 0 ? FD_NONE : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0)
		return log_err(r < 0 ? r : -errno, "cannot open directory '%s'", dir);
	r = extract_new(to, &x);
	v.user = x;
	if (r == 0)
		r = inspect_medium(m, name, &v);
	if (r == 0)
		r = extract_finish(x);
	if (r == 0 && extract_left_out(x))
		log_info("%" PRIu64 " device nodes, fifos and sockets were left out",
			 extract_left_out(x));
	return r;
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	_cleanup_subject_ struct subject s = SUBJECT();
	int r;

	if (!!o->extract + !!o->cat + o->json > 1) {
		log_err(0, "--extract, --cat and --json exclude each other");
		return command_usage(&cmd_inspect, "bpboot ");
	}
	r = subject_open(argv[0], &s);
	if (r < 0)
		return r;
	if (o->cat)
		return cat(s.medium, argv[0], o->cat);
	if (o->extract)
		return extract(s.medium, argv[0], o->extract);
	return list(&s, argv[0], o->json);
}

const struct command cmd_inspect = {
	.name = "inspect",
	.args = "FILE",
	.summary = "look into an initrd, cpio archive or ext2 image that anyone made",
	.details = "FILE is an initrd of any distribution, a cpio archive (newc, crc), packed or "
		   "not,\n"
		   "an ext2, ext3 or ext4 image, or the name or index of a published image.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.args_min = 1,
	.args_max = 1,
	.run = run,
};

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
#include "image/extract.h"
#include "image/inspect.h"

#define COPY_BYTES (64u << 10)
#define MODE_TEXT  11 /* "-rw-r--r--" and NUL */
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
	bool json, any;
	unsigned segments;
	uint64_t files, bytes;
};

static void mode_text(uint32_t mode, char ret[static MODE_TEXT])
{
	static const struct {
		uint32_t type;
		char letter;
	} types[] = { { S_IFDIR, 'd' }, { S_IFLNK, 'l' }, { S_IFCHR, 'c' },
		      { S_IFBLK, 'b' }, { S_IFIFO, 'p' }, { S_IFSOCK, 's' } };
	static const char bits[] = "rwxrwxrwx";

	ret[0] = S_ISREG(mode) ? '-' : '?';
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if ((mode & S_IFMT) == types[i].type)
			ret[0] = types[i].letter;
	}
	for (unsigned i = 0; i < 9; i++)
		ret[1 + i] = mode & (0400u >> i) ? bits[i] : '-';
	if (mode & S_ISUID)
		ret[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		ret[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		ret[9] = mode & S_IXOTH ? 't' : 'T';
	ret[MODE_TEXT - 1] = 0;
}

/* A hostile name must not speak to the terminal. */
static void print_name(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		if (*p < ' ' || *p == 0x7f || *p == '\\')
			printf("\\%03o", *p);
		else
			putchar(*p);
	}
}

static int list_segment(void *user, const struct inspect_segment *s)
{
	struct listing *l = user;

	l->segments++;
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

/* A string of JSON, whose bytes that are not UTF-8 are written as \xHH in it. */
static json_t *json_name(const char *s)
{
	json_t *j = json_string(s);
	_cleanup_free_ char *text = j ? NULL : malloc(4 * strlen(s) + 1);
	char *to = text;

	if (j || !text)
		return j;
	for (; *s; s++) {
		if ((unsigned char)*s < 0x80)
			*to++ = *s;
		else
			to += snprintf(to, 5, "\\x%02x", (unsigned char)*s);
	}
	*to = 0;
	return json_string(text);
}

static int list_json(struct listing *l, const struct inspect_entry *e)
{
	char mode[MODE_TEXT];
	json_t *j;
	int r;

	mode_text(e->mode, mode);
	j = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "path", json_name(e->path),
		      "mode", mode, "uid", (json_int_t)e->uid, "gid", (json_int_t)e->gid, "links",
		      (json_int_t)e->nlink, "size", (json_int_t)e->size, "mtime",
		      (json_int_t)e->mtime, "inode", (json_int_t)e->ino);
	if (!j)
		return -ENOMEM;
	if (e->target)
		(void)json_object_set_new(
			j, "target", json_name(e->target)); /* when memory is short, left out */
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode)) {
		(void)json_object_set_new(j, "major", json_integer(e->rdev_major));
		(void)json_object_set_new(j, "minor", json_integer(e->rdev_minor));
	}
	printf("%s\n    ", l->any ? "," : "");
	l->any = true;
	r = json_dumpf(j, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) < 0 ? -EIO : 0;
	json_decref(j);
	return r;
}

static int list_entry(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	struct listing *l = user;
	time_t when = (time_t)e->mtime;
	char mode[MODE_TEXT], date[TIME_TEXT] = "?", size[64];
	struct tm tm;

	l->files++;
	l->bytes += e->size;
	if (l->json)
		return list_json(l, e);
	mode_text(e->mode, mode);
	if (gmtime_r(&when, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
	snprintf(size, sizeof(size), "%" PRIu64, e->size);
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
		snprintf(size, sizeof(size), "%u, %u", e->rdev_major, e->rdev_minor);
	printf("%s %3u %5u %5u %10s %s ", mode, e->nlink, e->uid, e->gid, size, date);
	print_name(*e->path ? e->path : ".");
	if (e->target) {
		printf(" -> ");
		print_name(e->target);
	}
	putchar('\n');
	return ferror(stdout) ? -EPIPE : 0;
}

static int list(int fd, const char *name, bool json)
{
	struct listing l = { .json = json };
	struct inspect_visitor v = { list_segment, list_entry, &l };
	char size[FORMAT_SIZE_MAX];
	int r;

	if (json)
		printf("{\"segments\": [");
	r = inspect_file(fd, name, &v);
	if (json)
		printf("%s\n], \"complete\": %s}\n", l.segments ? "\n  ]}" : "",
		       r == 0 ? "true" : "false");
	else if (r == 0)
		printf("%u segment%s, %" PRIu64 " files, %s\n", l.segments,
		       l.segments == 1 ? "" : "s", l.files, format_size(l.bytes, size));
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

static int cat(int fd, const char *name, const char *path)
{
	_cleanup_free_ struct finder *f = calloc(1, sizeof(*f));
	struct inspect_visitor v = { NULL, find_entry, f };
	int r;

	if (!f)
		return -ENOMEM;
	f->path = path + strspn(path, "/");
	r = inspect_file(fd, name, &v);
	if (r < 0)
		return r;
	if (!f->found)
		return log_err(-ENOENT, "no '%s' in '%s'", path, name);
	if (!S_ISREG(f->wanted.mode))
		return log_err(-EINVAL, "'%s' in '%s' is no regular file", path, name);
	f->number = 0;
	v.entry = write_entry;
	r = inspect_file(fd, name, &v);
	return r == -ECANCELED ? 0 : r;
}

/* --- all files --- */

static int write_file(void *user, const struct inspect_entry *e, struct inspect_data *data)
{
	return extract_entry(user, e, data);
}

static int extract(int fd, const char *name, const char *dir)
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
		r = inspect_file(fd, name, &v);
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
	_cleanup_close_ int fd = open(argv[0], O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return log_err(-errno, "cannot open '%s'", argv[0]);
	if (!!o->extract + !!o->cat + o->json > 1) {
		log_err(0, "--extract, --cat and --json exclude each other");
		return command_usage(&cmd_inspect, "bpboot ");
	}
	if (o->cat)
		return cat(fd, argv[0], o->cat);
	return o->extract ? extract(fd, argv[0], o->extract) : list(fd, argv[0], o->json);
}

const struct command cmd_inspect = {
	.name = "inspect",
	.args = "FILE",
	.summary = "look into an initrd, cpio archive or ext2 image that anyone made",
	.details = "FILE is an initrd of any distribution, a cpio archive (newc, crc), packed or "
		   "not,\n"
		   "or an ext2, ext3 or ext4 image.\n",
	.options = rows,
	.options_size = sizeof(struct options),
	.args_min = 1,
	.args_max = 1,
	.run = run,
};

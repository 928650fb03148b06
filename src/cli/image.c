/*
 * image.c - bpboot image: from a manifest to a published root image
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/size.h"
#include "cli/sources.h"
#include "cli/where.h"
#include "image/format.h"
#include "image/publish.h"
#include "image/stamp.h"

/* In the boot directory, while the image is made; only where files must have a name. */
#define SCRATCH_NAME ".image"

#define ROWS_MAX 60u /* of the table; 'bpboot size' has them all */

struct options {
	const char *output, *name, *raw, *key, *kernel, *root, *format;
	bool no_sign, quiet;
	uint64_t level, part_bytes;
};

static const struct option_row options[] = {
	{ .name = "output",
	  .letter = 'o',
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "the boot directory (/srv/bpboot; BPBOOT_DIR overrides)",
	  .offset = offsetof(struct options, output) },
	{ .name = "name",
	  .letter = 'n',
	  .type = OPTION_STRING,
	  .arg = "NAME",
	  .help = "name of the image (as the manifest says, or its file's name)",
	  .offset = offsetof(struct options, name) },
	SOURCES_ROW_FORMAT(struct options),
	{ .name = "raw",
	  .letter = 'r',
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "write the bare file system there and publish nothing",
	  .offset = offsetof(struct options, raw) },
	SOURCES_ROW_KERNEL(struct options),
	SOURCES_ROW_ROOT(struct options),
	{ .name = "key",
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "secret key that signs (/etc/bpboot/sign.key; BPBOOT_KEYS names the folder)",
	  .offset = offsetof(struct options, key) },
	{ .name = "no-sign",
	  .type = OPTION_FLAG,
	  .help = "publish without a signature",
	  .offset = offsetof(struct options, no_sign) },
	{ .name = "level",
	  .letter = 'l',
	  .type = OPTION_U64,
	  .arg = "N",
	  .help = "level of zstd (15)",
	  .min = 1,
	  .max = PUBLISH_LEVEL_MAX,
	  .offset = offsetof(struct options, level) },
	{ .name = "part",
	  .letter = 'p',
	  .type = OPTION_SIZE,
	  .arg = "SIZE",
	  .help = "size of a part before compression, a multiple of 4K (256K)",
	  .min = 4096,
	  .max = INDEX_PART_RAW_MAX,
	  .offset = offsetof(struct options, part_bytes) },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = OPTION_FLAG,
	  .help = "do not print the size table",
	  .offset = offsetof(struct options, quiet) },
	{ 0 },
};

static void draw(void *user, uint64_t done)
{
	progress_update(user, done);
}

static void draw_of(void *user, uint64_t done, uint64_t total)
{
	progress_update_of(user, done, total);
}

/* The first look at all files, which begins when the image is planned. */
static void draw_scan(void *user, uint64_t done, uint64_t total)
{
	struct progress *p = user;

	if (!p->label)
		progress_start(p, "looking for zeros", total);
	progress_update(p, done);
	if (done == total)
		progress_end(p);
}

/* Write the image and say what it came to. */
static int write_image(const struct options *o, struct build *b, int fd, struct format_result *ret)
{
	struct format_job job;
	struct progress p;
	int r = build_job(b, &job);

	if (r < 0)
		return r;
	job.progress = draw;
	job.user = &p;
	progress_start(&p, "writing", format_source_bytes(&job, b->format));
	r = format_write(&job, b->format, fd, ret);
	progress_end(&p);
	return r == 0 && !o->quiet && b->format != INDEX_EXT2 ? size_print_made(b, ret) : r;
}

static void print_image(const struct build *b, const struct format_result *made)
{
	char size[FORMAT_SIZE_MAX], spare[FORMAT_SIZE_MAX];

	printf("image %s: %s, %" PRIu64 " bytes (%s)", b->name, index_format_name(b->format),
	       made->image_bytes, format_size(made->image_bytes, size));
	if (b->format == INDEX_EXT2)
		printf(", %s free",
		       format_size((uint64_t)b->plan.free_blocks * BLOCK_BYTES, spare));
	putchar('\n');
}

static int make_raw(const struct options *o, struct build *b, const char *path)
{
	_cleanup_newfile_ struct newfile f = NEWFILE();
	struct format_result made;
	int r = newfile_open(&f, AT_FDCWD, path, 0644);

	if (r < 0)
		return log_err(r, "cannot write '%s'", path);
	r = write_image(o, b, f.fd, &made);
	if (r < 0)
		return r;
	r = newfile_commit(&f);
	if (r < 0)
		return log_err(r, "cannot write '%s'", path);
	print_image(b, &made);
	printf("written to %s\n", path);
	return 0;
}

static void print_published(const struct options *o, const struct build *b, const char *dir,
			    const struct publish_result *p)
{
	char size[FORMAT_SIZE_MAX];

	if (p->changed)
		printf("published in %s: %s, counter %" PRIu64
		       ", %zu parts (%zu new), %s to fetch%s\n",
		       dir, b->name, p->counter, p->parts, p->new_parts,
		       format_size(p->stored_bytes, size), o->no_sign ? ", not signed" : "");
	else
		printf("unchanged in %s: %s, counter %" PRIu64 ", %zu parts, %s to fetch\n", dir,
		       b->name, p->counter, p->parts, format_size(p->stored_bytes, size));
}

/* Print the table and plan what was gathered, unless --quiet leaves the plan for later. */
static int show(const struct options *o, struct build *b)
{
	int r = 0;

	if (o->quiet)
		return 0;
	if (b->format == INDEX_EXT2)
		r = build_plan(b);
	if (r == 0)
		r = b->format == INDEX_EXT2 ? size_print(b, ROWS_MAX)
					    : size_print_files(b, ROWS_MAX);
	if (r == 0)
		putchar('\n');
	return r;
}

static int publish(const struct options *o, struct build *b, const char *dir, int boot_dirfd,
		   const struct sign_key *key)
{
	_cleanup_newfile_ struct newfile f = NEWFILE(); /* the image; never gets its name */
	struct publish_result result;
	struct format_result made;
	struct progress p;
	struct publish_spec spec = {
		.boot_dirfd = boot_dirfd,
		.name = b->name,
		.format = b->format,
		.arch = b->gathered.arch,
		.init = b->gathered.init,
		.key = key,
		.level = (int)o->level,
		.part_bytes = (uint32_t)o->part_bytes,
		.progress = draw_of,
		.progress_user = &p,
	};
	struct stamp_spec made_of = {
		.build = b,
		.level = (int)o->level,
		.part_bytes = (uint32_t)o->part_bytes,
		.key_id = key ? key->id : NULL,
	};
	struct stamp stamp;
	int r = stamp_make(&made_of, &stamp);

	if (r < 0)
		return log_err(r, "cannot look at what '%s' is made of", b->name);
	if (stamp_matches(boot_dirfd, b->name, key != NULL, &stamp)) {
		printf("unchanged in %s: %s; nothing that it is made of has changed\n", dir,
		       b->name);
		return 0;
	}
	r = newfile_open(&f, boot_dirfd, SCRATCH_NAME, 0600);
	if (r < 0)
		return log_err(r, "cannot write in '%s'", dir);
	r = write_image(o, b, f.fd, &made);
	if (r < 0)
		return r;
	print_image(b, &made);
	spec.memory_bytes = made.memory_bytes;
	progress_start(&p, "publishing", made.image_bytes);
	r = publish_image(&spec, f.fd, made.image_bytes, &result);
	progress_end(&p);
	if (r < 0)
		return r;
	print_published(o, b, dir, &result);
	return stamp_write(boot_dirfd, b->name, key != NULL, &stamp, &made_of);
}

static int load_key(const struct options *o, struct sign_key *ret)
{
	_cleanup_free_ char *path = NULL;
	int r = 0;

	if (o->key)
		return sign_key_load(AT_FDCWD, o->key, ret);
	r = path_join(where_key_dir(), SIGN_KEY_FILE, &path);
	return r < 0 ? r : sign_key_load(AT_FDCWD, path, ret);
}

static int make_published(const struct options *o, struct build *b)
{
	_cleanup_sign_key_ struct sign_key key = { 0 };
	_cleanup_close_ int boot_dirfd = FD_NONE;
	const char *dir = o->output ? o->output : where_boot_dir();
	int r = o->no_sign ? 0 : load_key(o, &key);

	if (r < 0)
		return r;
	r = path_mkdirs(AT_FDCWD, dir, 0755);
	if (r == 0) {
		boot_dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = boot_dirfd < 0 ? -errno : 0;
	}
	if (r < 0)
		return log_err(r, "cannot open the boot directory '%s'", dir);
	return publish(o, b, dir, boot_dirfd, o->no_sign ? NULL : &key);
}

/*
 * Is what is published made of the archives that are there now, which need not be unpacked to say
 * so? Return: 1 when that was said, 0, or negative errno.
 */
static int say_unchanged(const struct options *o, const struct build *b)
{
	_cleanup_sign_key_ struct sign_key key = { 0 };
	const char *dir = o->output ? o->output : where_boot_dir();
	_cleanup_close_ int boot_dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stamp_spec made_of = { .build = b,
				      .level = (int)o->level,
				      .part_bytes = (uint32_t)o->part_bytes };
	int r = o->no_sign ? 0 : load_key(o, &key);

	if (r < 0 || boot_dirfd < 0)
		return r;
	made_of.key_id = o->no_sign ? NULL : key.id;
	if (!stamp_seen(boot_dirfd, !o->no_sign, &made_of))
		return 0;
	printf("unchanged in %s: %s; nothing that it is made of has changed\n", dir, b->name);
	return 1;
}

static int run(void *opts, int argc, char **argv)
{
	const struct options *o = opts;
	_cleanup_build_ struct build b = BUILD();
	struct build_spec spec = {
		.manifest = argv[0],
		.root = o->root,
		.kernel = o->kernel,
		.name = o->name,
		.key_dir = where_key_dir(),
		.find_program = where_program,
	};
	struct progress scan = { 0 };
	enum index_format format;
	int r = sources_format(o->format, &format, &spec.format);

	if (r < 0)
		return command_usage(&cmd_image, "bpboot ");
	r = build_open(&b, &spec);
	if (r == 0 && !o->raw && build_unpacks(&b))
		r = say_unchanged(o, &b);
	if (r != 0)
		return r < 0 ? r : fflush(stdout) == 0 ? 0 : log_err(-errno, "cannot write");
	r = build_gather(&b, &spec);
	if (r < 0)
		return r;
	if (!o->raw && !b.gathered.has_init)
		return log_err(
			-ENOENT,
			"%s: the image has no %s; name what the node starts with 'init PATH'",
			argv[0], b.gathered.init);
	b.scanning = draw_scan;
	b.user = &scan;
	r = show(o, &b);
	if (r == 0)
		r = o->raw ? make_raw(o, &b, o->raw) : make_published(o, &b);
	progress_end(&scan);
	if (r == 0 && fflush(stdout) != 0)
		return log_err(-errno, "cannot write");
	return r;
}

const struct command cmd_image = {
	.name = "image",
	.args = "MANIFEST",
	.summary = "build a root image from a list of what a node needs, and publish it",
	.options = options,
	.options_size = sizeof(struct options),
	.args_min = 1,
	.args_max = 1,
	.run = run,
};

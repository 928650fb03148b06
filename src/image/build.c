/*
 * build.c - a manifest file and what it comes to: its tree, its plan, its name
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "image/build.h"
#include "image/publish.h"

#define MANIFEST_SUFFIX ".image"

void build_clear(struct build *b)
{
	plan_clear(&b->plan);
	gathered_clear(&b->gathered);
	manifest_clear(&b->manifest);
	root_close(&b->root);
	b->dirfd = fd_close(b->dirfd);
}

static int read_manifest(struct build *b, const struct build_spec *spec)
{
	_cleanup_buffer_ struct buffer text = BUFFER(MANIFEST_BYTES_MAX);
	char error[MANIFEST_ERROR_MAX];
	unsigned line;
	int r = file_read(AT_FDCWD, spec->manifest, &text);

	if (r < 0)
		return log_err(r, "cannot read the manifest '%s'", spec->manifest);
	r = manifest_parse(text.data, text.len, &b->manifest, &line, error);
	if (r == -EBADMSG) {
		(void)log_err(0, "%s:%u: %s", spec->manifest, line, error);
		return r;
	}
	return r < 0 ? log_err(r, "cannot read the manifest '%s'", spec->manifest) : 0;
}

/* Relative sources lie beside the manifest, wherever it was named from. */
static int open_folder(struct build *b, const char *manifest)
{
	size_t n = (size_t)(path_base(manifest) - manifest);
	_cleanup_free_ char *dir = n ? strndup(manifest, n) : strdup(".");

	if (!dir)
		return log_err(-ENOMEM, "cannot read '%s'", manifest);
	b->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->dirfd < 0 ? log_err(-errno, "cannot open the manifest's folder '%s'", dir) : 0;
}

static int take_name(struct build *b, const struct build_spec *spec)
{
	const struct manifest_entry *e = manifest_find(&b->manifest, MANIFEST_NAME);
	const char *name = spec->name ? spec->name : e ? e->source : path_base(spec->manifest);
	size_t n = strlen(name), suffix = strlen(MANIFEST_SUFFIX);

	if (!spec->name && !e && n > suffix && !strcmp(name + n - suffix, MANIFEST_SUFFIX))
		n -= suffix;
	if (n < sizeof(b->name)) {
		memcpy(b->name, name, n);
		b->name[n] = 0;
		if (publish_name_ok(b->name))
			return 0;
	}
	return log_err(
		-EINVAL,
		"'%s' cannot be the name of an image: expected up to %d letters, digits, '.', '_' "
		"and '-'; --name gives another",
		name, INDEX_NAME_MAX - 1);
}

static int take_time(const struct manifest *m, int64_t *ret)
{
	const struct manifest_entry *e = manifest_find(m, MANIFEST_TIME);
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	uint64_t t;

	if (e) {
		*ret = (int64_t)e->number;
		return 0;
	}
	if (!epoch) {
		*ret = BUILD_TIME_DEFAULT;
		return 0;
	}
	if (parse_u64(epoch, 0, INT32_MAX, &t) < 0)
		return log_err(-EINVAL, "SOURCE_DATE_EPOCH is '%s'; expected seconds since 1970",
			       epoch);
	*ret = (int64_t)t;
	return 0;
}

/* Free space is a matter of ext2; elsewhere the node says how much may be written. */
static void take_format(struct build *b, const struct build_spec *spec)
{
	const struct manifest_entry *e = manifest_find(&b->manifest, MANIFEST_FORMAT);
	const struct manifest_entry *space = manifest_find(&b->manifest, MANIFEST_FREE);

	b->format = spec->format ? *spec->format : e ? (enum index_format)e->number : INDEX_EXT2;
	if (space && b->format != INDEX_EXT2)
		log_warn(0,
			 "%s:%u: ignoring 'free', which is of ext2: what a node may write on %s "
			 "is said by %s on its kernel command line",
			 spec->manifest, space->line, index_format_name(b->format),
			 b->format == INDEX_CPIO ? "rootflags=size=" : "bpboot.overlay-size=");
}

int build_job(struct build *b, struct format_job *ret)
{
	int r = b->format == INDEX_EXT2 && !b->plan.inodes ? build_plan(b) : 0;

	if (r == 0)
		*ret = (struct format_job){ .tree = b->gathered.tree,
					    .plan = &b->plan,
					    .time_s = b->time_s,
					    .label = b->name };
	return r;
}

int build_plan(struct build *b)
{
	const struct manifest_entry *e = manifest_find(&b->manifest, MANIFEST_FREE);
	struct plan_spec spec = { .label = b->name, .scanning = b->scanning, .user = b->user };

	spec.time_s = b->time_s;
	if (e) {
		spec.free_bytes = e->number;
		spec.free_inodes =
			e->has_inodes ? e->inodes : e->number / BUILD_FREE_BYTES_PER_INODE;
	}
	return plan_make(b->gathered.tree, &spec, &b->plan);
}

int build_open(struct build *b, const struct build_spec *spec)
{
	struct timespec now;
	int r = b->dirfd < 0 ? read_manifest(b, spec) : 0;

	if (r < 0 || b->dirfd >= 0)
		return r;
	r = take_name(b, spec);
	if (r == 0)
		r = take_time(&b->manifest, &b->time_s);
	if (r < 0)
		return r;
	take_format(b, spec);
	clock_gettime(CLOCK_REALTIME, &now);
	b->started_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	r = root_open(&b->root, spec->root ? spec->root : "/");
	if (r < 0)
		return log_err(r, "cannot open the root '%s'", spec->root ? spec->root : "/");
	return open_folder(b, spec->manifest);
}

bool build_unpacks(const struct build *b)
{
	for (size_t i = 0; i < b->manifest.n; i++) {
		if (b->manifest.entries[i].kind == MANIFEST_FROM)
			return true;
	}
	return false;
}

int build_gather(struct build *b, const struct build_spec *spec)
{
	struct gather_spec g = {
		.root = &b->root,
		.foreign = spec->root && strcmp(spec->root, "/") != 0,
		.manifest = &b->manifest,
		.file = spec->manifest,
		.key_dir = spec->key_dir,
		.kernel = spec->kernel,
		.find_program = spec->find_program,
	};
	int r = build_open(b, spec);

	if (r < 0)
		return r;
	g.dirfd = b->dirfd;
	g.time_s = b->time_s;
	return gather(&g, &b->gathered);
}

int build_make(struct build *b, const struct build_spec *spec)
{
	int r = build_gather(b, spec);

	return r < 0 ? r : build_plan(b);
}

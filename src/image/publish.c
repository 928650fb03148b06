/*
 * publish.c - an image becomes parts, an index and a signature in the boot directory
 * (docs/boot-directory.md)
 *
 * The order makes it safe to be read, interrupted or out of space at any time: parts are written
 * first, under names that no published index knows; then everything is synced; then signature and
 * index are renamed, one right behind the other. A publication that fails takes the parts away that
 * it wrote. Whoever writes or prunes parts holds a lock on their directory, so that no one removes
 * a part that another has just decided to use.
 *
 * The default part is 256 KiB: small enough that lock-step TFTP servers deliver many side by side
 * and that a flipped bit costs little to fetch again, large enough that zstd loses only about 2 %
 * against one stream, and that the text of the index (about 80 bytes a part) stays far below what
 * it describes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "image/layout.h"
#include "image/publish.h"
#include "image/store.h"

#define PUBLISH_NAME_BYTES (INDEX_NAME_MAX + 32) /* of NAME.index.minisig */
#define PUBLISH_FILE_MODE  0644

bool publish_name_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < INDEX_NAME_MAX && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       n;
}

static const char *file_name(const char *name, const char *suffix,
			     char ret[static PUBLISH_NAME_BYTES])
{
	snprintf(ret, PUBLISH_NAME_BYTES, "%s.index%s", name, suffix);
	return ret;
}

/* The comment that the signature covers; it also remembers how the parts were made. */
static void trusted_comment(const struct publish_spec *spec, uint64_t counter,
			    char ret[static MINISIGN_COMMENT_MAX])
{
	snprintf(ret, MINISIGN_COMMENT_MAX, "image %s counter %llu (parts of %u bytes, zstd -%d)",
		 spec->name, (unsigned long long)counter, spec->part_bytes, spec->level);
}

/* Read the index that is published now. Return: 0 with counter 0 when there is none. */
static int load_previous(const struct publish_spec *spec, struct buffer *text, struct index *ret)
{
	char file[PUBLISH_NAME_BYTES];
	const char *why = "";
	unsigned line = 0;
	int r = file_read(spec->boot_dirfd, file_name(spec->name, "", file), text);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return log_err(r, "cannot read the published index '%s'", file);
	r = index_parse(text->data, text->len, ret, &line, &why);
	if (r == -EBADMSG)
		log_err(0,
			"%s:%u: %s; the published index is damaged, and its counter lost with it "
			"(remove the file to begin at 1 again)",
			file, line, why);
	return r;
}

static bool same_content(const struct index *a, const struct index *b)
{
	return a->counter > 0 && b->image_bytes == a->image_bytes && a->format == b->format &&
	       a->arch == b->arch && a->memory_bytes == b->memory_bytes &&
	       !strcmp(a->init, b->init) && !memcmp(a->digest, b->digest, sizeof(a->digest));
}

/* Is the published index signed by the key of @spec, with the comment that it would get now? */
static bool signature_stands(const struct publish_spec *spec, const struct buffer *text,
			     uint64_t counter)
{
	_cleanup_buffer_ struct buffer sig = BUFFER(MINISIGN_FILE_MAX);
	char file[PUBLISH_NAME_BYTES], comment[MINISIGN_COMMENT_MAX];
	struct minisign_key pub;
	struct minisign_sig s;

	if (!spec->key ||
	    file_read(spec->boot_dirfd, file_name(spec->name, ".minisig", file), &sig) < 0)
		return false;
	sign_public(spec->key, &pub);
	trusted_comment(spec, counter, comment);
	return sign_check(&pub, &sig, text->data, text->len, &s) == 0 &&
	       !strcmp(s.trusted_comment, comment);
}

static int open_aside(const struct publish_spec *spec, const char *suffix,
		      const struct buffer *text, struct newfile *f)
{
	char file[PUBLISH_NAME_BYTES];
	int r = newfile_open(f, spec->boot_dirfd, file_name(spec->name, suffix, file),
			     PUBLISH_FILE_MODE);

	if (r == 0)
		r = fd_write_all(f->fd, text->data, text->len);
	if (r == 0 && fsync(f->fd) < 0 && errno != EINVAL)
		r = -errno;
	return r < 0 ? log_err(r, "cannot write '%s'", file) : 0;
}

/* Signature and index: both whole on disk under other names, then renamed one behind the other. */
static int write_index(const struct publish_spec *spec, const struct buffer *text, uint64_t counter,
		       bool *ret_renaming)
{
	_cleanup_buffer_ struct buffer sig = BUFFER(MINISIGN_FILE_MAX);
	_cleanup_newfile_ struct newfile sig_file = NEWFILE(), index_file = NEWFILE();
	char comment[MINISIGN_COMMENT_MAX], file[PUBLISH_NAME_BYTES];
	int r = 0;

	if (spec->key) {
		trusted_comment(spec, counter, comment);
		r = sign_make(spec->key, text->data, text->len, comment, &sig);
		if (r < 0)
			return log_err(r, "cannot sign the index");
		r = open_aside(spec, ".minisig", &sig, &sig_file);
	}
	if (r == 0)
		r = open_aside(spec, "", text, &index_file);
	if (r < 0)
		return r;
	*ret_renaming = true;
	if (spec->key)
		r = newfile_commit(&sig_file);
	if (r == 0)
		r = newfile_commit(&index_file);
	if (r < 0)
		return log_err(r, "cannot write the index of '%s'", spec->name);
	file_name(spec->name, ".minisig", file);
	if (!spec->key && unlinkat(spec->boot_dirfd, file, 0) < 0 && errno != ENOENT)
		return log_err(-errno, "cannot remove the signature of an earlier index '%s'",
			       file);
	return 0;
}

static void tell(const struct store *s, size_t index_bytes, bool changed,
		 struct publish_result *ret)
{
	const struct index *x = s->x;

	*ret = (struct publish_result){
		.changed = changed,
		.counter = x->counter,
		.stored_bytes = index_stored_bytes(x),
		.index_bytes = index_bytes,
		.compressed_parts = s->n_compressed,
	};
	for (size_t i = 0; i < x->n_parts; i++) {
		if (x->parts[i].stored_bytes == 0) {
			ret->holes++;
			ret->hole_bytes += x->parts[i].raw_bytes;
			continue;
		}
		ret->parts++;
		ret->new_parts += s->created[i];
	}
}

/*
 * Store the parts of the index, then publish its text. @previous has counter 0 when there was none.
 * *ret_renaming, also set when it fails: the new index may stand.
 */
static int publish_new(struct store *s, const struct index *previous, const struct buffer *old_text,
		       bool *ret_renaming, struct publish_result *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(INDEX_BYTES_MAX);
	struct index *x = s->x;
	bool changed;
	int r = store_parts(s);

	if (r < 0)
		return r;
	x->counter = previous->counter + (same_content(previous, x) ? 0 : 1);
	r = index_format(x, &text);
	if (r < 0)
		return log_err(r, "cannot make the index of '%s'", s->spec->name);
	changed = text.len != old_text->len || memcmp(text.data, old_text->data, text.len) ||
		  (s->spec->key && !signature_stands(s->spec, &text, x->counter));
	if (changed)
		r = write_index(s->spec, &text, x->counter, ret_renaming);
	if (r == 0)
		tell(s, text.len, changed, ret);
	return r;
}

/* With the lock on the directory of parts held. */
static int publish_locked(const struct publish_spec *spec, int image_fd, uint64_t image_bytes,
			  int parts_fd, struct publish_result *ret)
{
	_cleanup_index_ struct index x = { .arch = spec->arch,
					   .format = spec->format,
					   .memory_bytes = spec->memory_bytes },
				     previous = { 0 };
	_cleanup_buffer_ struct buffer old_text = BUFFER(INDEX_BYTES_MAX);
	_cleanup_free_ uint8_t *holes = NULL, *created = NULL;
	struct store s = { .spec = spec, .image_fd = image_fd, .parts_fd = parts_fd, .x = &x };
	bool renaming = false;
	int r = load_previous(spec, &old_text, &previous);

	if (r < 0)
		return r;
	snprintf(x.name, sizeof(x.name), "%s", spec->name);
	snprintf(x.init, sizeof(x.init), "%s", spec->init);
	r = layout_make(image_fd, image_bytes, spec->part_bytes, &x, &holes);
	if (r < 0)
		return r;
	created = calloc(MAX(x.n_parts, (size_t)1), 1);
	if (!created)
		return -ENOMEM;
	s.holes = holes;
	s.created = created;
	/* Only what the key vouches for was made with this level. */
	if (previous.counter > 0 && signature_stands(spec, &old_text, previous.counter))
		s.previous = &previous;
	r = publish_new(&s, &previous, &old_text, &renaming, ret);
	if (r < 0 && !renaming)
		store_undo(&s);
	return r;
}

static int open_parts(int boot_dirfd, int *ret)
{
	_cleanup_close_ int fd = FD_NONE;
	int r = path_mkdirs(boot_dirfd, PUBLISH_PARTS_DIR, 0755);

	if (r == 0) {
		fd = openat(boot_dirfd, PUBLISH_PARTS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	/* A secretive umask would hide the parts from the servers. */
	if (r == 0 && fchmod(fd, 0755) < 0 && errno != EPERM)
		r = -errno;
	if (r == 0 && flock(fd, LOCK_EX) < 0)
		r = -errno;
	if (r < 0)
		return log_err(r, "cannot use the directory '%s' of the boot directory",
			       PUBLISH_PARTS_DIR);
	*ret = TAKE_FD(fd);
	return 0;
}

static int check_spec(const struct publish_spec *s, uint64_t image_bytes)
{
	if (!publish_name_ok(s->name))
		return log_err(-EINVAL,
			       "'%s' cannot be an image's name; expected 1 to 63 letters, digits, "
			       "'.', '_', '-'",
			       s->name);
	if (s->init[0] != '/' || strlen(s->init) >= INDEX_INIT_MAX || strpbrk(s->init, " \t\n"))
		return log_err(
			-EINVAL,
			"init '%s': expected an absolute path without blanks, up to 255 bytes",
			s->init);
	if (s->level < 1 || s->level > PUBLISH_LEVEL_MAX)
		return log_err(-ERANGE, "compression level %d: expected 1 to %d", s->level,
			       PUBLISH_LEVEL_MAX);
	if (s->part_bytes % INDEX_PART_ALIGN || s->part_bytes > INDEX_PART_RAW_MAX)
		return log_err(-ERANGE,
			       "parts of %u bytes: expected a multiple of 4096 up to 4 MiB",
			       s->part_bytes);
	if (image_bytes == 0 || image_bytes % INDEX_IMAGE_ALIGN || image_bytes > INDEX_IMAGE_MAX)
		return log_err(-ERANGE,
			       "image of %llu bytes: expected a multiple of 1024 up to 2^40",
			       (unsigned long long)image_bytes);
	return 0;
}

int publish_image(const struct publish_spec *given, int image_fd, uint64_t image_bytes,
		  struct publish_result *ret)
{
	_cleanup_close_ int parts_fd = FD_NONE;
	struct publish_spec spec = *given;
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	int r;

	if (sodium_init() < 0)
		return log_err(-EIO, "cannot start libsodium");
	spec.level = spec.level ? spec.level : PUBLISH_LEVEL_DEFAULT;
	spec.part_bytes = spec.part_bytes ? spec.part_bytes : PUBLISH_PART_DEFAULT;
	spec.threads = spec.threads ? spec.threads : (unsigned)MAX(online, 1L);
	/* A very large image needs larger parts to stay below the number that an index may have. */
	while (spec.part_bytes < INDEX_PART_RAW_MAX &&
	       image_bytes / spec.part_bytes > INDEX_PARTS_MAX / 2)
		spec.part_bytes = MIN(2 * spec.part_bytes, INDEX_PART_RAW_MAX);
	r = check_spec(&spec, image_bytes);
	if (r == 0)
		r = open_parts(spec.boot_dirfd, &parts_fd);
	if (r == 0)
		r = publish_locked(&spec, image_fd, image_bytes, parts_fd, ret);
	return r;
}

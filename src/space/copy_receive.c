/*
 * copy_receive.c - a stream to files
 *
 * The sender may be hostile: it names single components, which are made below descriptors of
 * folders, never through a symbolic link; at the top it names what was asked for, in that order,
 * and nothing else. A file has no name until it is whole and its hash is the sender's. What cannot
 * be made is said and passed over, with all that is in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/writer.h"
#include "space/copy_internal.h"

void copy_printable(char *text)
{
	for (; *text; text++) {
		if ((uint8_t)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

/* Something is not made; the rest is. */
static int failed(struct receiver *rc, int err, const char *what, const char *name)
{
	char path[PATH_MAX];

	copy_path(rc, name, path);
	copy_printable(path);
	log_err(err, "%s '%s'", what, path);
	rc->errors++;
	return 0;
}

void copy_path(const struct receiver *rc, const char *name, char ret[static PATH_MAX])
{
	size_t n = (size_t)snprintf(ret, PATH_MAX, "%s", rc->top_path);

	for (int i = 1; i <= rc->depth && n < PATH_MAX; i++)
		n += (size_t)snprintf(ret + n, PATH_MAX - n, "/%s", rc->folders[i].name);
	if (n < PATH_MAX && *name)
		snprintf(ret + n, PATH_MAX - n, "/%s", name);
}

/* Where names are made now. */
static int here(const struct receiver *rc)
{
	return rc->folders[rc->depth].fd;
}

/*
 * The name that a record's is given: at the top, the next one that was asked for. Return: 0, or
 * -EPROTO when the sender sends something else.
 */
static int name_of(struct receiver *rc, const struct copy_record *c, char ret[static COPY_NAME_MAX])
{
	char asked[COPY_NAME_MAX] = "";

	if (rc->depth > 0) {
		snprintf(ret, COPY_NAME_MAX, "%s", c->name);
		return 0;
	}
	/* What could not be read there is left out. */
	while (rc->next < rc->n_paths) {
		if (copy_base(rc->paths[rc->next++], asked) == 0 && !strcmp(asked, c->name))
			break;
		asked[0] = 0;
	}
	if (!*asked)
		return log_err(-EPROTO,
			       "the sender sends something that was not asked for: giving up");
	snprintf(ret, COPY_NAME_MAX, "%s%s", *rc->rename ? rc->rename : asked,
		 rc->options->suffix ? rc->options->suffix : "");
	return copy_name_valid(ret) ? 0 : -ENAMETOOLONG;
}

static int own(const struct receiver *rc, int fd, const char *name, const struct copy_meta *m,
	       uint32_t *mode)
{
	int flags = name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;

	if (!rc->options->preserve)
		return 0;
	if (fchownat(fd, name ? name : "", m->uid, m->gid, flags) == 0)
		return 0;
	if (geteuid() == 0)
		return -errno;
	(void)fchownat(fd, name ? name : "", (uid_t)-1, m->gid, flags); /* if it is one of his */
	*mode &= 0777u; /* what it may do as its owner is not for another one */
	return 0;
}

static void touch(const struct receiver *rc, int fd, const char *name, const struct copy_meta *m)
{
	const struct timespec times[2] = { { (time_t)m->accessed.s, (long)m->accessed.ns },
					   { (time_t)m->modified.s, (long)m->modified.ns } };

	if (rc->options->preserve) /* a file system that keeps no such times has others */
		(void)utimensat(fd, name ? name : "", times,
				name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH);
}

/* Without -p: what a program that makes files gets. */
static uint32_t mode_of(const struct receiver *rc, uint32_t mode)
{
	return rc->options->preserve ? mode & 07777 : mode & 0777 & ~rc->umask;
}

static int take_folder(struct receiver *rc, const struct copy_record *c)
{
	struct copy_folder *f;
	char name[COPY_NAME_MAX];
	bool made;
	int r, fd;

	if (rc->passing > 0 || rc->depth == COPY_DEPTH_MAX) {
		if (rc->passing++ == 0)
			return failed(rc, 0, "too many folders within each other:", c->name);
		return 0;
	}
	r = name_of(rc, c, name);
	if (r < 0)
		return r;
	made = mkdirat(here(rc), name, 0700) == 0;
	if (!made && errno != EEXIST) {
		rc->passing++;
		return failed(rc, -errno, "cannot make the folder", name);
	}
	fd = openat(here(rc), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		rc->passing++;
		return failed(rc, errno == ELOOP ? -ENOTDIR : -errno, "cannot make the folder",
			      name);
	}
	f = &rc->folders[++rc->depth];
	*f = (struct copy_folder){ .fd = fd, .made = made, .meta = c->meta };
	f->inherits = rc->options->preserve && copy_attributes_inherited(fd);
	snprintf(f->name, sizeof(f->name), "%s", name);
	return 0;
}

static int take_up(struct receiver *rc, const struct copy_record *c)
{
	struct copy_folder *f = &rc->folders[rc->depth];
	uint32_t mode;
	int r = 0, acl;

	if (rc->passing > 0)
		return rc->passing--, 0;
	if (rc->depth == 0)
		return -EPROTO;
	mode = mode_of(rc, f->meta.mode);
	if (f->made || rc->options->preserve) {
		copy_attributes_before(rc, f->fd, "", !f->made || f->inherits);
		r = own(rc, f->fd, NULL, &f->meta, &mode);
		if (fchmod(f->fd, copy_attributes_mode(rc, mode)) < 0 && r == 0)
			r = -errno;
		acl = copy_attributes_behind(rc, f->fd, "");
		r = r < 0 ? r : acl;
		touch(rc, f->fd, NULL, &f->meta);
	}
	if (r < 0)
		(void)failed(rc, r, "cannot set owner, mode or access list of the folder", "");
	copy_attributes_forget(rc);
	f->fd = fd_close(f->fd);
	rc->depth--;
	return 0;
}

/* A file of that name keeps its mode, but for -p. */
static uint32_t file_mode(const struct receiver *rc, const char *name, uint32_t mode)
{
	struct stat st;

	if (!rc->options->preserve && fstatat(here(rc), name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode))
		return st.st_mode & 0777;
	return mode_of(rc, mode);
}

static int take_file(struct receiver *rc, const struct copy_record *c)
{
	int r = rc->passing > 0 ? 0 : name_of(rc, c, rc->name);

	if (r < 0)
		return r;
	rc->in_file = true;
	rc->meta = c->meta;
	rc->bytes = c->bytes;
	rc->link = c->link;
	rc->written = 0;
	crypto_generichash_init(&rc->hash, NULL, 0, COPY_HASH_BYTES);
	if (rc->passing > 0)
		return 0;
	rc->meta.mode = file_mode(rc, rc->name, c->meta.mode);
	r = newfile_open(&rc->file, here(rc), rc->name, 0600);
	if (r < 0)
		return failed(rc, r, "cannot write", rc->name);
	return 0;
}

static int take_data(struct receiver *rc, const struct copy_record *c)
{
	size_t done = 0;
	uint8_t at[8];
	struct writer w = WRITER(at, sizeof(at));

	if (!rc->in_file || c->bytes < rc->written || c->bytes + c->data_n > rc->bytes)
		return -EPROTO; /* in order, and within the size that was said */
	writer_be64(&w, c->bytes);
	crypto_generichash_update(&rc->hash, at, sizeof(at));
	crypto_generichash_update(&rc->hash, c->data, c->data_n);
	rc->written = c->bytes + c->data_n;
	while (rc->file.fd >= 0 && done < c->data_n) {
		ssize_t n = pwrite(rc->file.fd, c->data + done, c->data_n - done,
				   (off_t)(c->bytes + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			(void)failed(rc, n < 0 ? -errno : -EIO, "cannot write", rc->name);
			newfile_drop(&rc->file);
			break;
		}
		done += (size_t)n;
	}
	return 0;
}

/* The file is whole: give it its name. */
static int finish(struct receiver *rc)
{
	int fd = rc->file.fd, r = 0;

	if (rc->written < rc->bytes && ftruncate(fd, (off_t)rc->bytes) < 0)
		return -errno; /* it ends in a hole */
	copy_attributes_before(rc, fd, rc->name, rc->folders[rc->depth].inherits);
	r = own(rc, fd, NULL, &rc->meta, &rc->meta.mode);
	if (r < 0) {
		(void)failed(rc, r, "cannot set the owner of", rc->name);
		rc->meta.mode &= 0777u;
	}
	if (fchmod(fd, copy_attributes_mode(rc, rc->meta.mode)) < 0)
		return -errno;
	r = copy_attributes_behind(rc, fd, rc->name);
	if (r < 0)
		(void)failed(rc, r, "cannot keep the access list of", rc->name);
	touch(rc, fd, NULL, &rc->meta);
	r = newfile_commit_unsynced(&rc->file);
	return r < 0 ? r : copy_link_keep(rc, rc->link, rc->name);
}

/* All of a file has come. */
static int end_file(struct receiver *rc, const struct copy_record *c)
{
	uint8_t hash[COPY_HASH_BYTES];
	int r;

	if (rc->file.fd < 0)
		return 0; /* said already, or passed over */
	crypto_generichash_final(&rc->hash, hash, sizeof(hash));
	if (!c->complete) {
		newfile_drop(&rc->file); /* the sender has said why */
		rc->errors++;
		return 0;
	}
	if (memcmp(hash, c->hash, sizeof(hash)) != 0) {
		newfile_drop(&rc->file);
		return failed(rc, -EBADMSG, "what came is not what was sent of", rc->name);
	}
	r = finish(rc);
	if (r < 0) {
		newfile_drop(&rc->file);
		return failed(rc, r, "cannot write", rc->name);
	}
	return 0;
}

static int take_file_end(struct receiver *rc, const struct copy_record *c)
{
	int r;

	if (!rc->in_file)
		return -EPROTO;
	rc->in_file = false;
	r = end_file(rc, c);
	copy_attributes_forget(rc);
	return r;
}

/* Make @c, which is no file and no folder, with @how, in place of what is there. */
static int make(struct receiver *rc, const struct copy_record *c,
		int (*how)(const struct receiver *rc, const struct copy_record *c,
			   const char *name),
		const char *why)
{
	char name[COPY_NAME_MAX];
	int r;

	if (rc->passing > 0)
		return 0;
	r = name_of(rc, c, name);
	if (r < 0)
		return r;
	r = unlinkat(here(rc), name, 0) < 0 && errno != ENOENT ? -errno : how(rc, c, name);
	return r < 0 ? failed(rc, r, why, name) : 0;
}

/* What was made becomes its owner's, with its times. */
static int give(const struct receiver *rc, const struct copy_record *c, const char *name,
		uint32_t mode)
{
	int r = own(rc, here(rc), name, &c->meta, &mode);

	if (r == 0)
		touch(rc, here(rc), name, &c->meta);
	return r;
}

static int make_symlink(const struct receiver *rc, const struct copy_record *c, const char *name)
{
	return symlinkat(c->target, here(rc), name) < 0 ? -errno : give(rc, c, name, 0777);
}

static int take_symlink(struct receiver *rc, const struct copy_record *c)
{
	return make(rc, c, make_symlink, "cannot make the link");
}

static int make_link(const struct receiver *rc, const struct copy_record *c, const char *name)
{
	return copy_link_make(rc, c->link, here(rc), name);
}

static int take_link(struct receiver *rc, const struct copy_record *c)
{
	return make(rc, c, make_link, "cannot make another name of a file:");
}

static int make_special(const struct receiver *rc, const struct copy_record *c, const char *name)
{
	uint32_t mode = mode_of(rc, c->meta.mode & 07777);
	int r;

	(void)umask(0);
	r = mknodat(here(rc), name, (c->meta.mode & S_IFMT) | mode, makedev(c->major, c->minor));
	r = r < 0 ? -errno : 0;
	(void)umask(077);
	return r < 0 ? r : give(rc, c, name, mode);
}

static int take_special(struct receiver *rc, const struct copy_record *c)
{
	return make(rc, c, make_special, "cannot make the FIFO or device");
}

static int take_attribute(struct receiver *rc, const struct copy_record *c)
{
	if (rc->in_file) {
		crypto_generichash_update(&rc->hash, (const uint8_t *)c->name, strlen(c->name) + 1);
		crypto_generichash_update(&rc->hash, c->data, c->data_n);
	} else if (rc->passing > 0) {
		return 0;
	} else if (rc->depth == 0) {
		return -EPROTO;
	}
	return copy_attributes_keep(rc, c) < 0 ? -EPROTO : 0; /* more than a sender sends */
}

static int take_hello(struct receiver *rc, const struct copy_record *c)
{
	if (rc->begun)
		return -EPROTO;
	rc->begun = true;
	return 0;
}

static int take_end(struct receiver *rc, const struct copy_record *c)
{
	if (rc->depth > 0 || rc->passing > 0)
		return -EPROTO;
	rc->ended = true;
	return 0;
}

/* What a sender may say: in a file, or outside of one. */
static const struct {
	bool in_file, outside;
	int (*take)(struct receiver *rc, const struct copy_record *c);
} takes[COPY_TYPE_MAX_] = {
	[COPY_HELLO] = { false, true, take_hello },
	[COPY_FOLDER] = { false, true, take_folder },
	[COPY_UP] = { false, true, take_up },
	[COPY_FILE] = { false, true, take_file },
	[COPY_DATA] = { true, false, take_data },
	[COPY_FILE_END] = { true, false, take_file_end },
	[COPY_SYMLINK] = { false, true, take_symlink },
	[COPY_LINK] = { false, true, take_link },
	[COPY_SPECIAL] = { false, true, take_special },
	[COPY_END] = { false, true, take_end },
	[COPY_ATTRIBUTE] = { true, true, take_attribute },
};

static int take(struct receiver *rc, const struct copy_record *c)
{
	if (!(rc->in_file ? takes[c->type].in_file : takes[c->type].outside) ||
	    (!rc->begun && c->type != COPY_HELLO))
		return -EPROTO;
	/* Attributes of a folder come just before its end. */
	if (!rc->in_file && rc->attributes.len > 0 && c->type != COPY_ATTRIBUTE &&
	    c->type != COPY_UP)
		return -EPROTO;
	return takes[c->type].take(rc, c);
}

/* What comes, read in large pieces: small files are three short records each. */
struct source {
	int fd;
	size_t at, end;
	uint8_t data[2 * COPY_BODY_MAX];
};

/* Borrow the next @n bytes, of at most COPY_BODY_MAX; fewer at the end. Return: 0 or -errno. */
static int take_bytes(struct source *in, size_t n, const uint8_t **ret, size_t *ret_got)
{
	if (in->end - in->at < n && in->at > 0) {
		memmove(in->data, in->data + in->at, in->end - in->at);
		in->end -= in->at;
		in->at = 0;
	}
	while (in->end - in->at < n) {
		ssize_t got = read(in->fd, in->data + in->end, sizeof(in->data) - in->end);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		in->end += (size_t)got;
	}
	*ret = in->data + in->at;
	*ret_got = MIN(n, in->end - in->at);
	in->at += *ret_got;
	return 0;
}

/* Read and take one record. Return: 0 or negative errno (logged). */
static int step(struct receiver *rc, struct source *in)
{
	struct copy_record c;
	enum copy_type type;
	const uint8_t *p;
	size_t n, got;
	int r = take_bytes(in, COPY_HEAD_BYTES, &p, &got);

	if (r == 0 && got < COPY_HEAD_BYTES)
		return log_err(0, "the copy was cut off"), -ECONNRESET;
	if (r == 0)
		r = copy_head_read(p, &type, &n);
	if (r == 0)
		r = take_bytes(in, n, &p, &got);
	if (r == 0 && got < n)
		return log_err(0, "the copy was cut off"), -ECONNRESET;
	if (r == 0)
		r = copy_body_read(type, p, n, &c);
	if (r < 0)
		return log_err(r, "the sender sends something that is no copy");
	r = take(rc, &c);
	if (r == -EPROTO)
		return log_err(0, "the sender breaks the rules of a copy"), r;
	return r;
}

int copy_receive(int fd, char *const *paths, size_t n, const char *to, const struct copy_options *o)
{
	_cleanup_free_ struct receiver *rc = calloc(1, sizeof(*rc));
	_cleanup_free_ struct source *in = calloc(1, sizeof(*in));
	int r;

	if (!rc || !in)
		return log_err(-ENOMEM, "cannot copy");
	in->fd = fd;
	rc->options = o;
	rc->paths = paths;
	rc->n_paths = n;
	rc->file = NEWFILE();
	rc->attributes = BUFFER(COPY_ATTRIBUTES_MAX);
	rc->umask = umask(077);
	r = copy_destination(rc, to, n);
	while (r == 0 && !rc->ended)
		r = step(rc, in);
	newfile_drop(&rc->file);
	for (int i = 0; i <= rc->depth; i++)
		rc->folders[i].fd = fd_close(rc->folders[i].fd);
	copy_links_clear(rc);
	buffer_clear(&rc->attributes);
	umask(rc->umask);
	return r < 0 ? r : rc->errors > 0 ? -EIO : 0;
}

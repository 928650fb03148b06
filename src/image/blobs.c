/*
 * blobs.c - files by name inside a container image's archive or folder
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "image/blobs.h"

#define HASH_READ_BYTES (256u << 10)
#define HEX_NAME	64 /* digits of a sha256, as docker calls its files */

void blobs_clear(struct blobs *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->files[i].name);
		free(s->files[i].link);
	}
	free(s->files);
	s->files = NULL;
	s->n = 0;
	s->dirfd = fd_close(s->dirfd);
}

bool blobs_is_folder(int dirfd, const char *path)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstatat(fd, "oci-layout", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && fstatat(fd, "index.json", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int blobs_open_folder(struct blobs *s, int dirfd, const char *path)
{
	s->dirfd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dirfd < 0 ? log_err(-errno, "cannot read '%s'", path) : 0;
}

/* Is this first name of a path one that a container image has? */
static bool is_ours(const char *name, size_t n)
{
	static const char *const known[] = { "oci-layout",    "index.json",   "blobs",
					     "manifest.json", "repositories", "ingest" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strlen(known[i]) == n && !memcmp(known[i], name, n))
			return true;
	}
	return strspn(name, "0123456789abcdef") == HEX_NAME &&
	       (n == HEX_NAME || (n == HEX_NAME + 5 && !memcmp(name + HEX_NAME, ".json", 5)) ||
		(n == HEX_NAME + 4 && !memcmp(name + HEX_NAME, ".tar", 4)));
}

static int add_file(struct blobs *s, const struct tar_entry *e, const char *name)
{
	_cleanup_free_ char *joined = NULL;
	struct blobs_file f = { .data = e->data }, *more;
	const char *base = path_base(name);

	if (s->n == BLOBS_FILES_MAX)
		return blobs_error(-E2BIG, "'%s' has more than %u files", s->what, BLOBS_FILES_MAX);
	if ((s->n & (s->n - 1)) == 0) {
		more = reallocarray(s->files, MAX(2 * s->n, (size_t)1), sizeof(*more));
		if (!more)
			return log_err(-ENOMEM, "cannot read '%s'", s->what);
		s->files = more;
	}
	f.name = strdup(name);
	if (e->kind == INODE_LINK || e->hard_link) {
		int k = asprintf(&joined, "/%.*s%s", e->hard_link ? 0 : (int)(base - name), name,
				 e->link);
		char *plain = NULL;

		if (k < 0)
			joined = NULL;
		if (k >= 0 && path_normalize(joined, &plain) == 0)
			f.link = plain;
	}
	if (!f.name || ((e->kind == INODE_LINK || e->hard_link) && !f.link)) {
		free(f.name);
		free(f.link);
		return log_err(-ENOMEM, "cannot read '%s'", s->what);
	}
	s->files[s->n++] = f;
	return 0;
}

/* An entry of what may be a container image. Return: 1 to stop, since it is none. */
static int look(void *arg, const struct tar_entry *e)
{
	struct blobs *s = arg;
	const char *name = e->path;

	while (!strncmp(name, "./", 2))
		name += 2 + strspn(name + 2, "/");
	if (!*name || !strcmp(name, "."))
		return e->kind == INODE_DIR ? 0 : 1;
	if (!is_ours(name, strcspn(name, "/")))
		return 1;
	if (e->kind == INODE_DIR)
		return 0;
	if ((e->kind != INODE_FILE && e->kind != INODE_LINK) || e->sparse)
		return 1;
	return add_file(s, e, name);
}

static struct blobs_file *find(const struct blobs *s, const char *name)
{
	for (size_t i = s->n; i-- > 0;) { /* a later one of the same name counts */
		if (!strcmp(s->files[i].name, name))
			return &s->files[i];
	}
	return NULL;
}

int blobs_open_tar(struct blobs *s, const struct span *from)
{
	int r = tar_read(from, look, s);

	if (r != 0)
		return r < 0 ? r : 0;
	return (find(s, "index.json") && find(s, "oci-layout")) || find(s, "manifest.json");
}

int blobs_bundle(struct tree *t, int fd, const char *name, const struct bundle **ret)
{
	_cleanup_close_ int owned = fd;
	struct bundle *b = calloc(1, sizeof(*b));
	struct stat st;
	int r = !b ? -ENOMEM : fstat(fd, &st) < 0 ? -errno : 0;

	if (r == 0) {
		b->fd = TAKE_FD(owned);
		b->name = strdup(name);
		b->known = S_ISREG(st.st_mode);
		b->size = (uint64_t)st.st_size;
		b->mtime_s = st.st_mtim.tv_sec;
		b->mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
		b->source_ino = st.st_ino;
		b->changed_ns =
			(uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
		r = b->name ? tree_hold(t, b) : -ENOMEM;
		if (r < 0 && !b->name)
			bundle_free(b);
	} else {
		free(b);
	}
	if (r < 0)
		return log_err(r, "cannot read '%s'", name);
	*ret = b;
	return 0;
}

static int find_in_folder(struct blobs *s, const char *name, struct span *ret)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, s->dirfd, name, &how, sizeof(how));
	_cleanup_free_ char *path = NULL;
	const struct bundle *b;
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	r = path_join(s->what, name, &path);
	if (r < 0)
		return r;
	r = blobs_bundle(s->tree, TAKE_FD(fd), path, &b);
	if (r == 0)
		*ret = (struct span){ .in = b, .at = 0, .bytes = b->size };
	return r;
}

int blobs_find(struct blobs *s, const char *name, bool optional, struct span *ret)
{
	const struct blobs_file *f = NULL;
	int r = -ENOENT;

	if (s->dirfd >= 0) {
		r = find_in_folder(s, name, ret);
	} else {
		f = find(s, name);
		for (unsigned i = 0; f && f->link && i < BLOBS_LINKS_MAX; i++)
			f = find(s, f->link + 1);
		if (f && !f->link) {
			*ret = f->data;
			return 0;
		}
	}
	return optional && r == -ENOENT ? r
	       : r < 0			? log_err(r, "'%s' has no '%s'", s->what, name)
					: 0;
}

int blobs_read(struct blobs *s, const char *name, struct buffer *to)
{
	struct span data;
	int r = blobs_find(s, name, false, &data);

	if (r < 0)
		return r;
	if (data.bytes > to->max)
		return blobs_error(-E2BIG, "'%s' of '%s' has more than %zu bytes", name, s->what,
				   to->max);
	r = buffer_reserve(to, (size_t)data.bytes);
	if (r < 0)
		return log_err(r, "cannot read '%s'", s->what);
	r = tar_read_bytes(&data, 0, to->data, (size_t)data.bytes);
	if (r < 0)
		return r;
	to->len = (size_t)data.bytes;
	to->data[to->len] = 0;
	return 0;
}

static int hash(const struct span *data, bool is_512, uint8_t *ret)
{
	_cleanup_free_ uint8_t *buf = malloc(HASH_READ_BYTES);
	crypto_hash_sha256_state h256;
	crypto_hash_sha512_state h512;

	if (!buf)
		return log_err(-ENOMEM, "cannot read '%s'", data->in->name);
	(void)crypto_hash_sha256_init(&h256); /* these cannot fail */
	(void)crypto_hash_sha512_init(&h512);
	for (uint64_t at = 0; at < data->bytes;) {
		size_t n = (size_t)MIN(data->bytes - at, (uint64_t)HASH_READ_BYTES);
		int r = tar_read_bytes(data, at, buf, n);

		if (r < 0)
			return r;
		if (is_512)
			(void)crypto_hash_sha512_update(&h512, buf, n);
		else
			(void)crypto_hash_sha256_update(&h256, buf, n);
		at += n;
	}
	if (is_512)
		(void)crypto_hash_sha512_final(&h512, ret);
	else
		(void)crypto_hash_sha256_final(&h256, ret);
	return 0;
}

int blobs_verify(const struct span *data, const char *what, const char *digest)
{
	uint8_t said[crypto_hash_sha512_BYTES], is[crypto_hash_sha512_BYTES];
	bool is_512 = !strncmp(digest, "sha512:", 7);
	size_t n = is_512 ? sizeof(said) : crypto_hash_sha256_BYTES;
	int r;

	if (!is_512 && strncmp(digest, "sha256:", 7))
		return blobs_error(-EOPNOTSUPP,
				   "'%s': digest '%.100s' is neither sha256 nor sha512", what,
				   digest);
	if (parse_hex(digest + 7, said, n) < 0)
		return blobs_error(-EBADMSG, "'%s': '%.160s' is no digest", what, digest);
	r = hash(data, is_512, is);
	if (r == 0 && memcmp(said, is, n))
		r = blobs_error(-EBADMSG,
				"'%s' is damaged: the bytes of '%.160s' have another hash", what,
				digest);
	return r;
}

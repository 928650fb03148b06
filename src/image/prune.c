/*
 * prune.c - take away the parts that no index names any more
 *
 * All indexes are read before the first part goes; one that cannot be read stops it, since its
 * parts are not known. Files in the directory of parts that are not called like a part are left
 * alone, but for ones that were being written (NAME.XXXXXXXX.new) when a publication was killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "image/publish.h"

#define PRUNE_KEEP_MAX	  (1u << 20) /* parts that all indexes together may name */
#define PRUNE_TEMP_SUFFIX ".new"

struct keep {
	uint8_t (*hashes)[INDEX_HASH_BYTES]; /* owned; sorted before it is asked */
	size_t n, cap;
};

static void keep_clear(struct keep *k)
{
	free(k->hashes);
	*k = (struct keep){ 0 };
}

static void dir_closep(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int hash_compare(const void *a, const void *b)
{
	return memcmp(a, b, INDEX_HASH_BYTES);
}

static int keep_add(struct keep *k, const struct index *x)
{
	if (k->n + x->n_parts > PRUNE_KEEP_MAX)
		return -E2BIG;
	if (k->n + x->n_parts > k->cap) {
		size_t cap = MAX(2 * k->cap, k->n + x->n_parts);
		void *grown = reallocarray(k->hashes, cap, INDEX_HASH_BYTES);

		if (!grown)
			return -ENOMEM;
		k->hashes = grown;
		k->cap = cap;
	}
	for (size_t i = 0; i < x->n_parts; i++) {
		if (x->parts[i].stored_bytes > 0)
			memcpy(k->hashes[k->n++], x->parts[i].hash, INDEX_HASH_BYTES);
	}
	return 0;
}

static int keep_index(struct keep *k, int dirfd, const char *file)
{
	_cleanup_buffer_ struct buffer text = BUFFER(INDEX_BYTES_MAX);
	_cleanup_index_ struct index x = { 0 };
	const char *why = "";
	unsigned line = 0;
	int r = file_read(dirfd, file, &text);

	if (r < 0)
		return log_err(r, "cannot read '%s', so no part is removed", file);
	r = index_parse(text.data, text.len, &x, &line, &why);
	if (r == -EBADMSG) {
		log_err(0, "%s:%u: %s; no part is removed while an index is damaged", file, line,
			why);
		return r;
	}
	return r < 0 ? r : keep_add(k, &x);
}

static int open_dir(int dirfd, const char *path, DIR **ret)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		int r = -errno;

		fd_close(fd);
		return r;
	}
	*ret = d;
	return 0;
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && !strcmp(s + n - k, suffix);
}

static int keep_all(struct keep *k, int boot_dirfd)
{
	_cleanup_(dir_closep) DIR *d = NULL;
	const struct dirent *e;
	int r = open_dir(boot_dirfd, ".", &d);

	if (r < 0)
		return log_err(r, "cannot read the boot directory");
	while (r == 0 && (errno = 0, e = readdir(d))) {
		if (e->d_name[0] != '.' && has_suffix(e->d_name, ".index"))
			r = keep_index(k, boot_dirfd, e->d_name);
	}
	if (r == 0 && errno)
		r = log_err(-errno, "cannot read the boot directory");
	if (r == 0 && k->n > 0)
		qsort(k->hashes, k->n, INDEX_HASH_BYTES, hash_compare);
	return r;
}

/* Is @name the file of a part that may go, or of one that was never finished? */
static bool may_go(const struct keep *k, const char *name)
{
	uint8_t hash[INDEX_HASH_BYTES];

	if (parse_hex(name, hash, sizeof(hash)) == 0)
		return !k->n || !bsearch(hash, k->hashes, k->n, INDEX_HASH_BYTES, hash_compare);
	return strlen(name) == 2 * INDEX_HASH_BYTES + strlen(".00000000" PRUNE_TEMP_SUFFIX) &&
	       has_suffix(name, PRUNE_TEMP_SUFFIX);
}

static int remove_others(const struct keep *k, DIR *parts, size_t *ret_parts, uint64_t *ret_bytes)
{
	const struct dirent *e;
	uint64_t bytes = 0;
	size_t n = 0;

	while ((errno = 0, e = readdir(parts))) {
		struct stat st;

		if (!may_go(k, e->d_name) ||
		    fstatat(dirfd(parts), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (unlinkat(dirfd(parts), e->d_name, 0) < 0)
			return log_err(-errno, "cannot remove part '%s'", e->d_name);
		n++;
		bytes += (uint64_t)st.st_size;
	}
	if (errno)
		return log_err(-errno, "cannot read the directory of parts");
	*ret_parts = n;
	*ret_bytes = bytes;
	return 0;
}

int publish_prune(int boot_dirfd, size_t *ret_parts, uint64_t *ret_bytes)
{
	_cleanup_(keep_clear) struct keep keep = { 0 };
	_cleanup_(dir_closep) DIR *parts = NULL;
	int r = open_dir(boot_dirfd, PUBLISH_PARTS_DIR, &parts);

	if (r == -ENOENT) {
		*ret_parts = 0;
		*ret_bytes = 0;
		return 0;
	}
	if (r == 0 && flock(dirfd(parts), LOCK_EX) < 0)
		r = -errno;
	if (r < 0)
		return log_err(r, "cannot use the directory '%s' of the boot directory",
			       PUBLISH_PARTS_DIR);
	r = keep_all(&keep, boot_dirfd);
	return r < 0 ? r : remove_others(&keep, parts, ret_parts, ret_bytes);
}

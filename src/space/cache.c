/*
 * cache.c - what a node keeps of the programs that the front end sent it
 *
 * Nothing is synced: it all goes with the node's memory. Blobs are found by looking through the
 * list; they are hundreds, and a start asks for a handful.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "space/cache.h"

#define REMOVE_DEPTH 64
#define BLOB_NAME    (9 + 2 * MESSAGE_HASH_BYTES + 1)
#define MODE_DIR     0711 /* passed through, not listed */

/* The first that has room, else the first that will do. */
static const char *const places[] = { CACHE_DIR, "/dev/shm/bpboot-cache", "/tmp/bpboot-cache" };
#define N_PLACES ARRAY_SIZE(places)

static const char *blob_name(const struct message_blob *id, char ret[static BLOB_NAME])
{
	char hex[2 * MESSAGE_HASH_BYTES + 1];

	format_hex(id->hash, sizeof(id->hash), hex);
	snprintf(ret, BLOB_NAME, "%08x-%s", id->owner, hex);
	return ret;
}

void cache_remove(int dirfd, const char *name, unsigned depth)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 || depth > REMOVE_DEPTH ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		fd_close(fd);
		(void)unlinkat(dirfd, name, 0); /* a directory that we cannot open stays */
		return;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			cache_remove(fd, e->d_name, depth + 1);
	}
	closedir(d);
	(void)unlinkat(dirfd, name, AT_REMOVEDIR);
}

/* Folders whose bpslave has ended: nobody holds their lock. */
static void remove_stale(int dirfd)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;

	if (!d) {
		fd_close(copy);
		return;
	}
	while ((e = readdir(d))) {
		_cleanup_close_ int fd = FD_NONE;

		if (e->d_name[0] == '.')
			continue;
		fd = openat(copy, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			cache_remove(copy, e->d_name, 0);
	}
	closedir(d);
}

/* The folder @path is ours, and programs may be run in it. Return: a descriptor or negative errno.
 */
static int open_place(const char *path)
{
	_cleanup_close_ int fd = FD_NONE;
	struct statvfs fs;
	struct stat st;
	int r = path_mkdirs(AT_FDCWD, path, MODE_DIR);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || fstatvfs(fd, &fs) < 0)
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return -EPERM; /* who else can write there could put programs in place of ours */
	if (fs.f_flag & ST_NOEXEC)
		return -EACCES;
	return TAKE_FD(fd);
}

static int make_dir(int dirfd, const char *name, mode_t mode)
{
	int fd;

	if (mkdirat(dirfd, name, mode) < 0 || fchmodat(dirfd, name, mode, 0) < 0)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool has_room(int fd, uint64_t bytes)
{
	struct statvfs fs;

	return fstatvfs(fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= bytes;
}

/* Our own folder in that place, if it has @room. */
static int open_own(struct cache *c, const char *path, uint64_t room)
{
	_cleanup_close_ int place = open_place(path);
	char name[CACHE_NAME_MAX];
	uint8_t random[16];

	if (place < 0)
		return place;
	if (!has_room(place, room))
		return -ENOSPC;
	remove_stale(place);
	randombytes_buf(random, sizeof(random));
	format_hex(random, sizeof(random), name);
	c->fd = make_dir(place, name, MODE_DIR);
	if (c->fd < 0)
		return c->fd;
	if (flock(c->fd, LOCK_EX | LOCK_NB) < 0 || asprintf(&c->dir, "%s/%s", path, name) < 0) {
		c->dir = NULL;
		return -EAGAIN;
	}
	c->blobs = make_dir(c->fd, "blobs", 0700);
	c->run = make_dir(c->fd, "run", MODE_DIR);
	return c->blobs < 0 ? c->blobs : MIN(c->run, 0);
}

static uint64_t share_of_memory(void)
{
	struct sysinfo s;

	return sysinfo(&s) < 0 ? 64u << 20 : (uint64_t)s.totalram * s.mem_unit / CACHE_SHARE;
}

int cache_open(const char *dir, uint64_t limit, struct cache **ret,
	       char ret_words[static MESSAGE_WORDS_MAX])
{
	struct cache *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	snprintf(ret_words, MESSAGE_WORDS_MAX, "no memory for a cache of programs");
	if (!c)
		return r;
	c->fd = c->blobs = c->run = FD_NONE;
	c->limit = limit ? limit : share_of_memory();
	for (size_t i = dir ? N_PLACES : 0; i < (dir ? N_PLACES + 1 : 2 * N_PLACES); i++) {
		const char *at = dir ? dir : places[i % N_PLACES];

		r = open_own(c, at, i < N_PLACES ? MIN(c->limit, CACHE_ROOM) : 0);
		if (r == 0)
			break;
		snprintf(ret_words, MESSAGE_WORDS_MAX,
			 "the node cannot keep programs in '%.200s'%s", at,
			 r == -EACCES  ? " (no programs may be run there)"
			 : r == -EPERM ? " (others may write there)"
				       : "");
	}
	if (r < 0) {
		cache_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	while (c->views) {
		c->views->users = 1;
		cache_view_put(c, c->views);
		cache_views_drop(c, NULL);
	}
	while (c->list)
		cache_drop(c, c->list);
	c->blobs = fd_close(c->blobs);
	c->run = fd_close(c->run);
	if (c->dir)
		cache_remove(AT_FDCWD, c->dir, 0);
	c->fd = fd_close(c->fd);
	free(c->dir);
	free(c);
}

struct message_blob cache_id(const struct message_file *f, uint32_t uid)
{
	struct message_blob id = { .owner = f->is_private ? uid : MESSAGE_EVERYONE };

	memcpy(id.hash, f->hash, sizeof(id.hash));
	return id;
}

struct cache_blob *cache_find(const struct cache *c, const struct message_blob *id)
{
	struct cache_blob *b = c->list;

	while (b &&
	       (b->id.owner != id->owner || memcmp(b->id.hash, id->hash, sizeof(id->hash)) != 0))
		b = b->next;
	return b;
}

static void close_file(struct cache_blob *b)
{
	free(b->group);
	b->group = NULL;
	b->fd = fd_close(b->fd);
}

void cache_drop(struct cache *c, struct cache_blob *b)
{
	char name[BLOB_NAME];

	cache_views_drop(c, b);
	for (struct cache_blob **at = &c->list; *at; at = &(*at)->next) {
		if (*at == b) {
			*at = b->next;
			break;
		}
	}
	if (b->here && !b->unnamed)
		(void)unlinkat(c->blobs, blob_name(&b->id, name), 0);
	close_file(b);
	c->bytes -= b->bytes;
	c->n--;
	free(b);
}

static struct cache_blob *oldest(const struct cache *c)
{
	struct cache_blob *found = NULL;

	for (struct cache_blob *b = c->list; b; b = b->next) {
		if (b->users == 0 && (!found || b->used < found->used))
			found = b;
	}
	return found;
}

/* Whether the file system has room for @bytes beside what is on its way; if not, whether it would
 * without all that nobody uses. */
static bool fits_there(const struct cache *c, uint64_t bytes, bool *ret_could)
{
	uint64_t unused = 0, room;
	struct statvfs fs;

	*ret_could = true;
	if (fstatvfs(c->blobs, &fs) < 0)
		return true; /* writing tells */
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	for (const struct cache_blob *b = c->list; b; b = b->next) {
		bytes += b->here ? 0 : b->bytes - b->filled;
		unused += b->here && b->users == 0 ? b->bytes : 0;
	}
	*ret_could = bytes <= room + unused;
	return bytes <= room;
}

/* Let go of what was used longest ago until @bytes more fit. */
static int make_room(struct cache *c, uint64_t bytes)
{
	struct cache_blob *old = oldest(c);
	bool could;

	if (bytes > c->limit)
		return -EFBIG;
	for (; c->bytes > c->limit - bytes || c->n >= CACHE_BLOBS_MAX; old = oldest(c)) {
		if (!old)
			return -ENOBUFS;
		cache_drop(c, old);
	}
	for (; !fits_there(c, bytes, &could); old = oldest(c)) {
		if (!could || !old)
			return -ENOSPC;
		cache_drop(c, old);
	}
	return 0;
}

static int open_file(struct cache *c, struct cache_blob *b)
{
	b->group = malloc(MIN(MAX(b->bytes, UINT64_C(1)), (uint64_t)FILE_HASH_GROUP));
	if (!b->group)
		return -ENOMEM;
	b->fd = openat(c->blobs, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0555);
	return b->fd < 0 || fchmod(b->fd, 0555) < 0 ? -errno : 0;
}

int cache_expect(struct cache *c, const struct message_blob *id, uint64_t bytes,
		 struct cache_blob **ret)
{
	const size_t size = (sizeof(struct cache_blob) + 63) / 64 * 64;
	struct cache_blob *b;
	int r = make_room(c, bytes);

	if (r < 0)
		return r;
	b = aligned_alloc(64, size); /* as the hash's state wants it */
	if (!b)
		return -ENOMEM;
	memset(b, 0, size);
	b->id = *id;
	b->bytes = bytes;
	b->fd = FD_NONE;
	r = open_file(c, b);
	if (r < 0) {
		close_file(b);
		free(b);
		return r;
	}
	file_hash_init(&b->hash);
	c->bytes += bytes;
	c->n++;
	b->next = c->list;
	c->list = b;
	*ret = b;
	return 0;
}

uint8_t *cache_room(const struct cache_blob *b, size_t *ret_left)
{
	size_t at = b->filled % FILE_HASH_GROUP;

	*ret_left = (size_t)MIN(b->bytes - b->filled, (uint64_t)(FILE_HASH_GROUP - at));
	return b->group + at;
}

int cache_rewind(struct cache_blob *b)
{
	b->filled = 0;
	file_hash_init(&b->hash);
	return ftruncate(b->fd, 0) < 0 || lseek(b->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

/* All of it came: it gets its name when its hash is right. */
static int complete(struct cache *c, struct cache_blob *b)
{
	char name[BLOB_NAME], self[32];
	uint8_t hash[FILE_HASH_BYTES];

	file_hash_final(&b->hash, hash);
	if (memcmp(hash, b->id.hash, sizeof(hash)) != 0)
		return -EBADMSG;
	if (b->unnamed) {
		b->here = true;
		return 1;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", b->fd);
	if (linkat(AT_FDCWD, self, c->blobs, blob_name(&b->id, name), AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	close_file(b);
	b->here = true;
	b->used = ++c->turn;
	return 1;
}

int cache_filled(struct cache *c, struct cache_blob *b, size_t n)
{
	size_t at = (size_t)(b->filled % FILE_HASH_GROUP) + n;
	int r;

	b->filled += n;
	if (at < FILE_HASH_GROUP && b->filled < b->bytes)
		return 0;
	file_hash_add(&b->hash, b->group, at);
	r = fd_write_all(b->fd, b->group, at);
	if (r < 0)
		return r;
	return b->filled < b->bytes ? 0 : complete(c, b);
}

int cache_blob_open(const struct cache *c, const struct cache_blob *b)
{
	char name[BLOB_NAME];
	int fd;

	if (b->unnamed) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", b->fd);
		fd = open(name, O_RDONLY | O_CLOEXEC);
	} else {
		fd = openat(c->blobs, blob_name(&b->id, name),
			    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	}

	return fd < 0 ? -errno : fd;
}

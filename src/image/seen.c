/*
 * seen.c - what was looked at to make an image, to see later whether looking again would tell the
 * same
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/seen.h"

struct seen {
	struct buffer list; /* a letter, a path and a NUL each */
	size_t *slots;	    /* places in the list plus one; open addressing */
	size_t n, n_slots;
	bool incomplete;
};

int seen_new(struct seen **ret)
{
	struct seen *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->list = BUFFER(SEEN_BYTES_MAX);
	*ret = s;
	return 0;
}

void seen_free(struct seen *s)
{
	if (!s)
		return;
	buffer_clear(&s->list);
	free(s->slots);
	free(s);
}

void seen_give_up(struct seen *s)
{
	if (s)
		s->incomplete = true;
}

static size_t *find(const struct seen *s, char where, const char *path)
{
	uint64_t h = 0xcbf29ce484222325 ^ (uint8_t)where; /* FNV-1a */
	size_t at;

	for (const char *p = path; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3;
	for (at = (size_t)(h ^ h >> 29) & (s->n_slots - 1); s->slots[at];
	     at = (at + 1) & (s->n_slots - 1)) {
		const char *known = (const char *)s->list.data + s->slots[at] - 1;

		if (known[0] == where && !strcmp(known + 1, path))
			break;
	}
	return &s->slots[at];
}

static int grow(struct seen *s)
{
	size_t *old = s->slots, n_old = s->n_slots;

	if (2 * (s->n + 1) <= n_old)
		return 0;
	s->n_slots = n_old ? 2 * n_old : 256;
	s->slots = calloc(s->n_slots, sizeof(*s->slots));
	if (!s->slots) {
		s->slots = old;
		s->n_slots = n_old;
		return -ENOMEM;
	}
	for (size_t i = 0; i < n_old; i++) {
		const char *known = (const char *)s->list.data + old[i] - 1;

		if (old[i])
			*find(s, known[0], known + 1) = old[i];
	}
	free(old);
	return 0;
}

void seen_add(struct seen *s, enum seen_where where, const char *path)
{
	char letter = (char)where;
	size_t *slot, at;

	if (!s || s->incomplete)
		return;
	if (grow(s) < 0) {
		s->incomplete = true;
		return;
	}
	slot = find(s, letter, path);
	if (*slot)
		return;
	at = s->list.len;
	if (buffer_append(&s->list, &letter, 1) < 0 ||
	    buffer_append(&s->list, path, strlen(path) + 1) < 0) {
		s->incomplete = true;
		return;
	}
	*slot = at + 1;
	s->n++;
}

bool seen_list(const struct seen *s, const uint8_t **ret, size_t *ret_n)
{
	if (!s || s->incomplete || s->list.len == 0)
		return false;
	*ret = s->list.data;
	*ret_n = s->list.len;
	return true;
}

/* What is at a place of the root and no symlink away from it. */
static int look_at(int root_fd, const char *path, struct stat *ret)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	_cleanup_close_ int fd = FD_NONE;

	path += strspn(path, "/");
	fd = (int)syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof(how));
	if (fd < 0)
		return -errno;
	return fstat(fd, ret) < 0 ? -errno : 0;
}

int seen_again(const uint8_t *list, size_t n, int source_dirfd, int root_fd, seen_fn fn, void *arg,
	       uint64_t *ret_newest_ns)
{
	const char *at = (const char *)list, *end = at + n;
	uint64_t newest = 0;

	if (n == 0 || end[-1])
		return -EBADMSG;
	for (; at < end; at += strlen(at) + 1) {
		struct stat st = { 0 };
		uint64_t is[8];
		int r = 0;

		if (*at == SEEN_ROOT)
			r = look_at(root_fd, at + 1, &st);
		else if (*at == SEEN_SOURCE)
			r = fstatat(source_dirfd, at + 1, &st, 0) < 0 ? -errno : 0;
		else
			return -EBADMSG;
		is[0] = (uint64_t)-r;
		is[1] = st.st_mode;
		is[2] = st.st_ino;
		is[3] = st.st_dev;
		is[4] = (uint64_t)st.st_size;
		is[5] = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
		is[6] = (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
		is[7] = (uint64_t)st.st_uid << 32 | st.st_gid;
		newest = MAX(newest, is[6]);
		fn(arg, is, sizeof(is));
	}
	*ret_newest_ns = newest;
	return 0;
}

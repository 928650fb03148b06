/*
 * scan.c - the blocks of zeros in the files of a tree
 *
 * The layout of an image follows from the zeros in its files, so these are read before anything is
 * written. Only content counts: what a file system says of holes merely saves reading. Files are
 * handed out one by one to as many threads as there are processors; what is found lies in the
 * inode that it is about, so the order in which threads finish does not matter.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image/blocks.h"
#include "image/scan.h"
#include "image/source.h"

#define SCAN_BYTES	 (256u << 10) /* read at once; stays in the cache */
#define SCAN_THREADS_MAX 4	      /* more wait for the same memory */
#define SCAN_ALONE_MAX	 (4u << 20)   /* bytes for which no thread is started */

struct scan {
	struct inode **files; /* owned */
	size_t n;
	scan_progress_fn progress; /* or NULL */
	void *user;
	uint64_t total_bytes;
	pthread_mutex_t lock; /* over all below */
	size_t next;	      /* the file that is taken next */
	uint64_t done_bytes;
	int err; /* of the first file that failed, which was logged */
};

static bool is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* One more block with data. */
static int add_block(struct inode *i, uint32_t block)
{
	struct inode_run *last = i->n_runs ? &i->runs[i->n_runs - 1] : NULL, *more;

	if (last && last->first + last->count == block) {
		last->count++;
		return 0;
	}
	if ((i->n_runs & (i->n_runs - 1)) == 0) {
		more = realloc(i->runs, MAX(2 * i->n_runs, (size_t)1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		i->runs = more;
	}
	i->runs[i->n_runs++] = (struct inode_run){ .first = block, .count = 1 };
	return 0;
}

/* Look through @n bytes that begin at block @block. */
static int scan_bytes(struct inode *i, uint64_t block, const uint8_t *p, size_t n)
{
	for (size_t at = 0; at < n; at += BLOCK_BYTES) {
		int r = is_zero(p + at, MIN(n - at, (size_t)BLOCK_BYTES))
				? 0
				: add_block(i, (uint32_t)(block + at / BLOCK_BYTES));

		if (r < 0)
			return log_err(r, "cannot keep the holes of '%s'",
				       i->source ? i->source : "a file");
	}
	return 0;
}

/* Add to what is done. Return: false when another file failed, and all should end. */
static bool went_on(struct scan *s, uint64_t bytes)
{
	bool ok;

	pthread_mutex_lock(&s->lock);
	ok = s->err == 0;
	s->done_bytes += bytes;
	if (ok && s->progress)
		s->progress(s->user, s->done_bytes, s->total_bytes);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

/*
 * Read the file; where a whole piece was zeros, ask the file system how far its hole goes: that
 * needs no look. Whether the file changed is seen when it is read for the image.
 */
static int scan_fd(struct scan *s, struct inode *i, int fd, uint8_t *buf)
{
	uint64_t at = 0, from = 0;

	while (at < i->size && went_on(s, at - from)) {
		size_t want = (size_t)MIN((uint64_t)SCAN_BYTES, i->size - at), before = i->n_runs;
		uint32_t counted = before ? i->runs[before - 1].count : 0;
		off_t data;
		int r = source_read(i, fd, at, buf, want);

		from = at;
		if (r == 0)
			r = scan_bytes(i, at / BLOCK_BYTES, buf, want);
		if (r < 0)
			return r;
		at += want;
		if (at == i->size || i->n_runs != before ||
		    (before && i->runs[before - 1].count != counted))
			continue;
		data = lseek(fd, (off_t)(i->source_offset + at), SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			at = i->size;
		else if (data > 0 && (uint64_t)data > i->source_offset + at)
			at = ((uint64_t)data - i->source_offset) / BLOCK_BYTES * BLOCK_BYTES;
	}
	(void)went_on(s, MIN(at, i->size) - from); /* the caller asks again before the next file */
	return 0;
}

static int scan_file(struct scan *s, struct inode *i, uint8_t *buf)
{
	_cleanup_close_ int fd = FD_NONE;
	int r;

	if (!i->source)
		return scan_bytes(i, 0, i->data, (size_t)i->size);
	r = source_open(i, &fd);
	return r < 0 ? r : scan_fd(s, i, fd, buf);
}

static struct inode *take_file(struct scan *s)
{
	struct inode *i;

	pthread_mutex_lock(&s->lock);
	i = s->err == 0 && s->next < s->n ? s->files[s->next++] : NULL;
	pthread_mutex_unlock(&s->lock);
	return i;
}

static void *scan_thread(void *arg)
{
	struct scan *s = arg;
	_cleanup_free_ uint8_t *buf = malloc(SCAN_BYTES);
	int r = buf ? 0 : log_err(-ENOMEM, "cannot look through the files");
	struct inode *i;

	while (r == 0 && (i = take_file(s)))
		r = scan_file(s, i, buf);
	if (r < 0) {
		pthread_mutex_lock(&s->lock);
		s->err = s->err < 0 ? s->err : r;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

/* List the files, a hard link once. */
static int list(struct scan *s, struct tree *t)
{
	s->files = calloc(MAX(tree_nodes(t), (size_t)1), sizeof(struct inode *));
	if (!s->files)
		return log_err(-ENOMEM, "cannot look through the files");
	for (struct node *n = tree_root(t); n; n = tree_next(n)) {
		n->inode->scanned = false;
		n->inode->n_runs = 0;
	}
	for (struct node *n = tree_root(t); n; n = tree_next(n)) {
		struct inode *i = n->inode;

		if (i->kind != INODE_FILE || i->size < SCAN_FILE_MIN || i->scanned)
			continue;
		i->scanned = true;
		s->files[s->n++] = i;
		s->total_bytes += i->size;
	}
	return 0;
}

int scan_tree(struct tree *t, scan_progress_fn progress, void *user)
{
	struct scan s = { .progress = progress, .user = user };
	pthread_t threads[SCAN_THREADS_MAX];
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = 0, want;
	int r = list(&s, t);

	if (r == 0) {
		want = s.total_bytes <= SCAN_ALONE_MAX
			       ? 1
			       : (unsigned)MIN(MAX(online, 1L), (long)SCAN_THREADS_MAX);
		pthread_mutex_init(&s.lock, NULL);
		while (n + 1 < want && pthread_create(&threads[n], NULL, scan_thread, &s) == 0)
			n++;
		scan_thread(&s); /* this one works too, so none at all can start */
		while (n > 0)
			pthread_join(threads[--n], NULL);
		pthread_mutex_destroy(&s.lock);
		r = s.err;
	}
	free(s.files);
	return r;
}

int scan_inode(struct inode *i)
{
	_cleanup_free_ uint8_t *buf = malloc(SCAN_BYTES);
	struct scan s = { .lock = PTHREAD_MUTEX_INITIALIZER };

	i->scanned = true;
	i->n_runs = 0;
	return buf ? scan_file(&s, i, buf) : log_err(-ENOMEM, "cannot read '%s'", i->source);
}

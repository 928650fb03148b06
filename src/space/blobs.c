/*
 * blobs.c - files of programs on their way from programs on the front end to nodes: bpmaster's part
 *
 * A program gives each file once, as a sealed memory file: nothing that it does later changes it,
 * or makes us wait for a disk. Its hash is checked before any node gets a byte. How it gets to the
 * nodes is deliver.c's.
 *
 * Nothing stays: a file that nobody waits for is let go after a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "space/blobs_internal.h"
#include "space/jobs_internal.h"

struct blob *blob_find(const struct master *m, const struct message_blob *id)
{
	struct blob *b = m->blobs;

	while (b &&
	       (b->id.owner != id->owner || memcmp(b->id.hash, id->hash, sizeof(id->hash)) != 0))
		b = b->next;
	return b;
}

static void unmap(struct blob *b)
{
	if (b->text) {
		sodium_memzero(b->text, (size_t)b->bytes);
		free(b->text);
		b->text = NULL;
	} else if (b->map) {
		(void)munmap((void *)(uintptr_t)b->map, (size_t)b->bytes);
	}
	b->map = NULL;
	b->fd = fd_close(b->fd);
	b->checked = 0;
}

void blob_free(struct blob *b)
{
	struct master *m = b->master;

	for (struct blob **at = &m->blobs; *at; at = &(*at)->next) {
		if (*at == b) {
			*at = b->next;
			break;
		}
	}
	m->n_blobs--;
	m->blob_bytes -= b->bytes;
	for (size_t i = 0; i < DELIVERY_MAX_; i++) {
		while (b->deliveries[i].first)
			delivery_free(b->deliveries[i].first);
	}
	ev_timer_stop(m->loop, &b->turn);
	unmap(b);
	free(b);
}

static struct job *job_waiting(const struct delivery *d)
{
	struct job *j = job_by_id(d->slave, d->job);

	return j && j->client && !j->abandoned ? j : NULL;
}

/* Ask a program that waits for the file, another one than @not if there is one. */
static void ask(struct blob *b, const struct client * not )
{
	struct delivery *next, *best = NULL;
	struct message_small msg;
	struct job *j;

	for (struct delivery *d = b->deliveries[DELIVERY_WAITING].first; d; d = next) {
		next = d->next;
		j = job_waiting(d);
		if (!j)
			delivery_fail(d, ECANCELED);
		else if (!best || job_waiting(best)->client == not )
			best = d;
	}
	if (!best)
		return;
	j = job_waiting(best);
	b->asked = j->client;
	b->asked_ms = clock_ms();
	message_wanted_write(message_begin(&msg, MESSAGE_WANTED), j->number, best->file);
	(void)stream_send_writer(&j->client->stream, &msg.w);
}

/* Hash the next bytes of what was given; all of it decides. */
static void check(struct blob *b)
{
	uint64_t n = MIN(b->bytes - b->checked, (uint64_t)BLOBS_TURN);
	uint8_t hash[FILE_HASH_BYTES];

	if (b->checked == 0)
		file_hash_init(&b->hash);
	file_hash_add(&b->hash, b->map + b->checked, (size_t)n);
	b->checked += n;
	if (b->checked < b->bytes) {
		ev_timer_start(b->master->loop, &b->turn);
		return;
	}
	file_hash_final(&b->hash, hash);
	b->good = memcmp(hash, b->id.hash, sizeof(hash)) == 0;
	if (b->good) {
		blob_dispatch(b);
		return;
	}
	unmap(b);
	if (b->asked)
		stream_fail(&b->asked->stream, -EBADMSG, "a file that has not the hash it said");
	b->asked = NULL; /* the next one is asked when this one is gone */
}

static void on_turn(struct ev_loop *loop, struct ev_timer *w, int events)
{
	ev_timer_stop(loop, w);
	check(w->data);
}

/* Let go of what nobody waits for; ask again where nobody answers. */
static void on_sweep(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct master *m = w->data;
	uint64_t now = clock_ms();
	struct blob *next;

	for (struct blob *b = m->blobs; b; b = next) {
		bool waits = b->held || blob_is_wanted(b);
		bool asks = waits && !b->text && b->fd < 0;

		next = b->next;
		if (asks && (!b->asked || now - b->asked_ms >= BLOBS_ASK_MS))
			ask(b, b->asked);
		if (!waits && now - b->active_ms >= BLOBS_LINGER_MS)
			blob_free(b);
	}
	if (!m->blobs)
		ev_timer_stop(loop, w);
}

struct blob *blob_new(struct master *m, const struct message_blob *id, uint64_t bytes)
{
	const size_t size = (sizeof(struct blob) + 63) / 64 * 64;
	struct blob *b;

	if (m->n_blobs >= BLOBS_MAX || bytes > BLOBS_BYTES - m->blob_bytes)
		return NULL;
	b = aligned_alloc(64, size); /* as the hash's state wants it */
	if (!b)
		return NULL;
	memset(b, 0, size);
	b->master = m;
	b->id = *id;
	b->bytes = bytes;
	b->fd = FD_NONE;
	b->active_ms = clock_ms();
	ev_timer_init(&b->turn, on_turn, 0., 0.);
	b->turn.data = b;
	b->next = m->blobs;
	m->blobs = b;
	m->n_blobs++;
	m->blob_bytes += bytes;
	if (!ev_is_active(&m->sweep)) {
		ev_timer_init(&m->sweep, on_sweep, 1., 1.);
		m->sweep.data = m;
		ev_timer_start(m->loop, &m->sweep);
	}
	return b;
}

/* The node of job @j wants its file number @file. */
static int want(struct slave *s, const struct job *j, uint16_t file)
{
	const struct message_blob *id = &j->manifest->files[file].id;
	struct blob *b = blob_find(s->master, id);
	struct delivery *first;

	for (const struct delivery *d = b ? s->deliveries : NULL; d; d = d->next_own) {
		if (d->blob == b && d->job == j->id && d->state == DELIVERY_WAITING)
			return 0; /* it has said so */
	}
	if (!b)
		b = blob_new(s->master, id, j->manifest->files[file].bytes);
	first = b ? delivery_of(b, s) : NULL;
	if (first && first->state >= DELIVERY_HERE) { /* it has let go of it again */
		delivery_free(first);
		first = NULL;
	}
	if (first && first->state != DELIVERY_WAITING)
		return 0; /* it is on its way */
	/* One serves all: further jobs are asked when the first is gone. */
	if (!b || !delivery_new(b, s, j->id, file)) {
		struct message_small msg;

		message_fetched_write(message_begin(&msg, MESSAGE_MISSING), id, ENOBUFS);
		return stream_send_writer(&s->stream, &msg.w);
	}
	if (b->fd < 0 && !b->asked)
		ask(b, NULL);
	else if (b->good && !first)
		blob_dispatch(b);
	return 0;
}

int blobs_take_want(void *slave, struct reader *r)
{
	struct slave *s = slave;
	uint16_t files[MESSAGE_FILES_MAX];
	struct job *j;
	uint32_t id;
	size_t n;
	int e = message_want_read(r, &id, files, &n);

	j = e < 0 ? NULL : job_by_id(s, id);
	if (!j)
		return e;
	if (!j->manifest || j->started)
		return -EPROTO;
	for (size_t i = 0; e == 0 && i < n; i++)
		e = files[i] < j->manifest->n ? want(s, j, files[i]) : -EPROTO;
	return e;
}

/*
 * A memory file that can neither change nor end early, of exactly the size that was said, and with
 * all of its pages: those that were never written would be made, and paid for, when we read them,
 * and where there is no memory left we would be killed for it.
 */
static int accept_file(struct blob *b, int fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	struct statfs fs;
	struct stat st;
	void *map;

	if (fd < 0 || (fcntl(fd, F_GET_SEALS) & seals) != seals || fcntl(fd, F_GET_SEALS) < 0 ||
	    fstat(fd, &st) < 0 || (uint64_t)st.st_size != b->bytes)
		return -EBADMSG;
	if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC ||
	    (b->bytes > 0 && lseek(fd, 0, SEEK_HOLE) != (off_t)b->bytes))
		return -EBADMSG;
	if (b->bytes > 0) {
		map = mmap(NULL, (size_t)b->bytes, PROT_READ, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			return -errno;
		b->map = map;
	}
	return 0;
}

/* The program cannot give it: whoever waits for another one's does so still. */
static void cannot_give(struct blob *b, const struct client *c, int error)
{
	struct delivery *next;

	for (struct delivery *d = b->deliveries[DELIVERY_WAITING].first; d; d = next) {
		const struct job *j = job_waiting(d);

		next = d->next;
		if (!j || j->client == c)
			delivery_fail(d, error);
	}
	b->asked = NULL;
	ask(b, NULL);
}

int blobs_take_blob(void *client, struct reader *r)
{
	struct client *c = client;
	_cleanup_close_ int fd = FD_NONE;
	uint32_t number, error;
	uint16_t file;
	struct job *j;
	struct blob *b;
	int e = message_given_read(r, &number, &file, &error);

	if (e < 0)
		return e;
	if (error == 0) {
		fd = stream_take_fd(&c->stream);
		if (fd < 0)
			return -EBADMSG;
	}
	j = number < c->jobs_cap ? c->jobs[number] : NULL;
	if (!j)
		return 0;
	if (!j->manifest || file >= j->manifest->n)
		return -EPROTO;
	b = blob_find(c->master, &j->manifest->files[file].id);
	if (!b || b->fd >= 0)
		return 0;
	if (error != 0) {
		cannot_give(b, c, MIN(error, 4095u) ? (int)MIN(error, 4095u) : EIO);
		return 0;
	}
	e = accept_file(b, fd);
	if (e < 0)
		return e;
	b->fd = TAKE_FD(fd);
	b->asked = c;
	check(b);
	return 0;
}

void blobs_client_gone(struct client *c)
{
	for (struct blob *b = c->master->blobs; b; b = b->next) {
		if (b->asked != c)
			continue;
		b->asked = NULL;
		if (b->fd < 0)
			ask(b, NULL);
	}
}

void blobs_close(struct master *m)
{
	while (m->blobs)
		blob_free(m->blobs);
	ev_timer_stop(m->loop, &m->sweep);
}

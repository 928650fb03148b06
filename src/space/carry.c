/*
 * carry.c - the files of programs that a node is told to start: which it has, which have to come
 *
 * The node's own file of the same path and the same bytes is used as it is; its hash is computed
 * once, and again when the file changes. Everything else is the cache's. The process is made at
 * once, with the number of its ghost, so that signals and input find it; it waits at a gate until
 * its files are there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "space/carry.h"

enum { GATE_GO = 'g', GATE_STOP = 's' };

/* A file of the node, known by what changes when it does. */
struct own_file {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
	uint8_t hash[FILE_HASH_BYTES];
};

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static struct own_file *own_find(const struct carries *cs, const struct stat *st)
{
	for (size_t i = 0; i < cs->n_own; i++) {
		struct own_file *f = &cs->own[i];

		if (f->ino == st->st_ino && f->dev == st->st_dev && f->size == st->st_size &&
		    same_time(&f->mtime, &st->st_mtim) && same_time(&f->ctime, &st->st_ctim))
			return f;
	}
	return NULL;
}

static int own_remember(struct carries *cs, int fd, const struct stat *st, struct own_file **ret)
{
	struct own_file f = { .dev = st->st_dev,
			      .ino = st->st_ino,
			      .size = st->st_size,
			      .mtime = st->st_mtim,
			      .ctime = st->st_ctim };
	int r = file_hash_fd(fd, (uint64_t)st->st_size, f.hash);

	if (r < 0)
		return r;
	if (!cs->own)
		cs->own = calloc(CARRY_OWN_MAX, sizeof(*cs->own));
	if (!cs->own)
		return -ENOMEM;
	*ret = &cs->own[cs->next_own];
	**ret = f;
	cs->n_own = MAX(cs->n_own, cs->next_own + 1);
	cs->next_own = (cs->next_own + 1) % CARRY_OWN_MAX;
	return 0;
}

/* Whether the node has that file at that path, for everybody. */
static bool own_has(struct carries *cs, const struct message_file *f)
{
	const mode_t want = S_IROTH | (f->kind < MESSAGE_LIBRARY ? S_IXOTH : 0);
	_cleanup_close_ int fd = FD_NONE;
	struct own_file *own;
	struct stat st;

	if (stat(f->path, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->bytes ||
	    (st.st_mode & want) != want)
		return false;
	own = own_find(cs, &st);
	if (!own) {
		fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0 || fstat(fd, &st) < 0 || own_remember(cs, fd, &st, &own) < 0)
			return false;
	}
	return memcmp(own->hash, f->hash, sizeof(own->hash)) == 0;
}

void carries_say(struct carries *cs, const struct message_blob *id, int error)
{
	struct message_small m;

	message_fetched_write(message_begin(&m, MESSAGE_FETCHED), id, (uint32_t)error);
	if (cs->channel)
		(void)stream_send_writer(cs->channel, &m.w); /* a channel that fails closes */
}

static int cache_ready(struct carries *cs, char *words)
{
	int r;

	if (cs->cache)
		return 0;
	r = cache_open(cs->dir, cs->limit, &cs->cache, words);
	if (r < 0)
		return r;
	if (asprintf(&cs->stage, "%s/stage", cs->cache->dir) < 0) {
		cs->stage = NULL;
		return -ENOMEM;
	}
	return mkdirat(cs->cache->fd, "stage", 0700) < 0 ? -errno : 0;
}

/* Find each file. @items gets a blob for those that are not the node's own, @want those that have
 * to come. */
static int find_files(struct carries *cs, struct carry *c, uint32_t uid, struct cache_item *items,
		      uint16_t *want, size_t *ret_want, char *words)
{
	size_t n_want = 0;

	for (size_t i = 0; i < c->place.n; i++) {
		const struct message_file *f = &c->files[i];
		struct message_blob id = cache_id(f, uid);
		int r;

		items[i] = (struct cache_item){ .file = f };
		if (own_has(cs, f))
			continue;
		r = cache_ready(cs, words);
		if (r < 0)
			return r;
		c->travelled[i] = true;
		items[i].blob = cache_find(cs->cache, &id);
		if (!items[i].blob)
			r = cache_expect(cs->cache, &id, f->bytes, &items[i].blob);
		if (r < 0) {
			snprintf(words, MESSAGE_WORDS_MAX,
				 r == -EFBIG	 ? "'%.200s' is larger than the node's cache"
				 : r == -ENOBUFS ? "'%.200s': the node's cache is full of programs "
						   "that run"
						 : "the node cannot keep '%.200s'",
				 f->path);
			return r;
		}
		items[i].blob->users++; /* what follows may not push it out */
		if (!items[i].blob->here)
			want[n_want++] = (uint16_t)i;
	}
	*ret_want = n_want;
	return 0;
}

static int make_gate(struct carry *c)
{
	if (pipe2(c->gate, O_CLOEXEC) < 0) {
		c->gate[0] = c->gate[1] = FD_NONE;
		return -errno;
	}
	return 0;
}

static int ask(struct carries *cs, uint32_t job, const uint16_t *want, size_t n)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_SMALL_MAX + 2 * MESSAGE_FILES_MAX);
	int r = message_want_write(&b, job, want, n);

	if (r < 0)
		return r;
	return cs->channel ? stream_send(cs->channel, b.data, b.len) : -ENOTCONN;
}

/* All that it waits for is here: lay its files out. Return: 0, -EAGAIN when something is not, or
 * another errno. */
static int make_ready(const struct carry *c)
{
	if (c->strings && !c->strings->here)
		return -EAGAIN;
	return c->view ? cache_view_make(c->all->cache, c->view) : 0;
}

/* What comes beside files: its arguments and variables. */
static int prepare_strings(struct carry *c, const struct message_spec *spec, uint32_t uid,
			   char *words)
{
	int r;

	if (!(spec->flags & MESSAGE_APART))
		return 0;
	r = cache_ready(c->all, words);
	if (r < 0)
		return r;
	r = carry_strings_expect(c, spec, uid);
	if (r < 0)
		snprintf(words, MESSAGE_WORDS_MAX,
			 r == -EFBIG || r == -ENOBUFS
				 ? "the node's cache has no room for its arguments and environment"
				 : "the node cannot keep its arguments and environment");
	return r;
}

static int prepare(struct carry *c, const struct message_spec *spec, uint32_t uid, char *words)
{
	_cleanup_free_ struct cache_item *items = calloc(spec->n_files + 1, sizeof(*items));
	_cleanup_free_ uint16_t *want = calloc(spec->n_files + 1, sizeof(*want));
	struct carries *cs = c->all;
	size_t n_want = 0;
	bool any = false;
	int r = items && want ? 0 : -ENOMEM;

	if (r == 0)
		r = find_files(cs, c, uid, items, want, &n_want, words);
	for (size_t i = 0; i < spec->n_files && items; i++)
		any = any || items[i].blob;
	if (r == 0 && any)
		r = cache_view_get(cs->cache, items, spec->n_files, &c->view);
	for (size_t i = 0; i < spec->n_files && items; i++) {
		if (items[i].blob)
			items[i].blob->users--;
	}
	if (r == 0)
		r = prepare_strings(c, spec, uid, words);
	if (r < 0)
		return r;
	if (c->view) {
		c->place.view = c->view->path;
		c->place.stage = cs->stage;
	}
	snprintf(words, MESSAGE_WORDS_MAX, "the node cannot lay its files out");
	r = make_ready(c);
	if (r != -EAGAIN)
		return r;
	r = make_gate(c);
	return r < 0 || n_want == 0 ? r : ask(cs, c->job, want, n_want);
}

int carry_new(struct carries *cs, uint32_t job, const struct message_spec *spec, uint32_t uid,
	      struct carry **ret, char ret_words[static MESSAGE_WORDS_MAX])
{
	struct carry *c;
	int r = -ENOMEM;

	*ret = NULL;
	if (spec->n_files == 0 && !(spec->flags & MESSAGE_APART))
		return 0;
	snprintf(ret_words, MESSAGE_WORDS_MAX, "the node cannot get the program's files");
	c = calloc(1, sizeof(*c));
	if (!c)
		return r;
	c->all = cs;
	c->job = job;
	c->gate[0] = c->gate[1] = FD_NONE;
	c->next = cs->list;
	cs->list = c;
	c->files = spec->files;
	c->travelled = calloc(spec->n_files + 1, sizeof(bool));
	c->place.n = spec->n_files;
	c->place.files = spec->files;
	c->place.travelled = c->travelled;
	if (c->travelled)
		r = prepare(c, spec, uid, ret_words);
	if (r == 0 && spec->n_files > 0 &&
	    asprintf(&c->program, "%s%s", c->travelled[0] ? c->place.view : "", c->files[0].path) <
		    0) {
		c->program = NULL;
		r = -ENOMEM;
	}
	c->place.program = c->program;
	if (r < 0) {
		carry_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void carry_spawned(struct carry *c)
{
	c->files = NULL; /* they were the spec's */
	c->place.files = NULL;
	c->gate[0] = fd_close(c->gate[0]);
}

void carry_free(struct carry *c)
{
	if (!c)
		return;
	for (struct carry **at = &c->all->list; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	carry_strings_done(c);
	if (c->view)
		cache_view_put(c->all->cache, c->view);
	c->gate[0] = fd_close(c->gate[0]);
	c->gate[1] = fd_close(c->gate[1]);
	free(c->program);
	free(c->travelled);
	free(c);
}

/* Let the child go on, or tell it why it cannot. */
static void open_gate(struct carry *c, int err, const char *words)
{
	uint8_t text[8 + MESSAGE_WORDS_MAX];
	struct writer w = WRITER(text, sizeof(text));

	writer_u8(&w, err == 0 ? GATE_GO : GATE_STOP);
	writer_be32(&w, (uint32_t)-err);
	writer_cstr(&w, words);
	(void)!write(c->gate[1], text, w.len); /* a child that is gone needs no word; it fits */
	c->gate[1] = fd_close(c->gate[1]);
}

int carry_wait(int gate, char ret_words[static MESSAGE_WORDS_MAX])
{
	uint8_t text[8 + MESSAGE_WORDS_MAX];
	struct reader r;
	const char *words;
	uint32_t error;
	uint8_t how;
	ssize_t n;

	do
		n = read(gate, text, sizeof(text));
	while (n < 0 && errno == EINTR);
	r = READER(text, n > 0 ? (size_t)n : 0);
	how = reader_u8(&r);
	error = reader_be32(&r);
	words = reader_cstr(&r);
	if (reader_end(&r) == 0 && how == GATE_GO)
		return 0;
	snprintf(ret_words, MESSAGE_WORDS_MAX, "%s",
		 r.err == 0 ? words : "bpslave is gone before the program's files came");
	return r.err == 0 && error > 0 && error < 4096 ? -(int)error : -EIO;
}

void carries_settle(struct carries *cs, struct cache_blob *b, int err, const char *words)
{
	struct carry *next;

	for (struct carry *c = cs->list; c; c = next) {
		int r = err;

		next = c->next;
		if (c->gate[1] < 0 ||
		    (c->strings != b && !(c->view && cache_view_has(c->view, b))))
			continue;
		if (r == 0)
			r = make_ready(c);
		if (r != -EAGAIN)
			open_gate(c, r, err < 0 ? words : "the node cannot lay its files out");
	}
}

/* Nobody will have it: users that have been told go in their own time. @why says it of what. */
static void give_up_blob(struct carries *cs, struct cache_blob *b, int err, const char *why)
{
	char words[MESSAGE_WORDS_MAX];

	snprintf(words, sizeof(words), "%s %s",
		 b->unnamed ? "the arguments and environment" : "a file of the program", why);
	carries_settle(cs, b, err, words);
	if (b->users == 0)
		cache_drop(cs->cache, b);
	else if (cache_rewind(b) < 0)
		log_debug("a blob that failed cannot be emptied");
}

int carries_take_piece(struct carries *cs, struct reader *r)
{
	struct message_blob id;
	struct cache_blob *b;
	uint64_t offset;
	int e = message_piece_read(r, &id, &offset);

	if (e < 0)
		return e;
	b = cs->cache ? cache_find(cs->cache, &id) : NULL;
	if (!b || b->here) {
		carries_say(cs, &id, b ? 0 : ECANCELED);
		return 0;
	}
	if (offset == 0 && b->filled > 0 && cache_rewind(b) < 0)
		return -EIO;
	if (offset != b->filled || r->left > b->bytes - offset) {
		carries_say(cs, &id, EILSEQ);
		return 0;
	}
	do {
		size_t room, n;
		uint8_t *to = cache_room(b, &room);

		n = MIN(room, r->left);
		reader_copy(r, to, n);
		e = cache_filled(cs->cache, b, n);
	} while (e == 0 && r->left > 0);
	if (e == 0)
		return 0;
	carries_say(cs, &id, e > 0 ? 0 : ECANCELED);
	if (e > 0)
		carries_settle(cs, b, 0, "");
	else
		give_up_blob(cs, b, e,
			     e == -EBADMSG ? "came with another hash"
					   : "cannot be kept on the node");
	return 0;
}

int carries_take_missing(struct carries *cs, struct reader *r)
{
	struct message_blob id;
	struct cache_blob *b;
	uint32_t error;
	int e = message_fetched_read(r, &id, &error);

	if (e < 0)
		return e;
	b = cs->cache ? cache_find(cs->cache, &id) : NULL;
	if (b && !b->here)
		give_up_blob(cs, b, error > 0 && error < 4096 ? -(int)error : -EIO,
			     "did not come from the front end");
	return 0;
}

void carries_lost(struct carries *cs)
{
	struct cache_blob *next;

	cs->channel = NULL;
	peers_close(&cs->peers);
	for (struct cache_blob *b = cs->cache ? cs->cache->list : NULL; b; b = next) {
		next = b->next;
		if (!b->here)
			give_up_blob(cs, b, -ECONNRESET,
				     "did not come before the master was lost");
	}
}

void carries_close(struct carries *cs)
{
	while (cs->list)
		carry_free(cs->list);
	ev_timer_stop(cs->loop, &cs->tidy);
	peers_close(&cs->peers);
	cache_close(cs->cache);
	cs->cache = NULL;
	free(cs->stage);
	free(cs->own);
}

/*
 * fuzz-message.c - a message that any party would accept is written back as the same bytes
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"
#include "wire/message_resume.h"
#include "wire/message_children.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a taker wrote back, to be held against what it read. */
static uint8_t back[MESSAGE_SMALL_MAX];
static struct writer w;

#define TAKE(name, type)                                      \
	static int take_##name(void *owner, struct reader *r) \
	{                                                     \
		struct message_##name m;                      \
		int e = message_##name##_read(r, &m);         \
                                                              \
		if (e == 0)                                   \
			message_##name##_write(&w, &m);       \
		return e;                                     \
	}
TAKE(hello, HELLO)
TAKE(welcome, WELCOME)
TAKE(node, NODE)
TAKE(started, STARTED)
TAKE(failed, FAILED)
TAKE(exit, EXIT)
TAKE(attribute, ATTRIBUTE)
TAKE(ghost, GHOST)
TAKE(resume, RESUME)
TAKE(claim, CLAIM)
TAKE(resumed, RESUMED)
TAKE(resize, RESIZE)
TAKE(fetch, FETCH)
TAKE(pin, PIN)
TAKE(enrol, ENROL)
TAKE(fork, FORK)
TAKE(forked, FORKED)
TAKE(child, CHILD)
TAKE(child_signal, CHILD_SIGNAL)
TAKE(nudge, NUDGE)

static int take_words(void *owner, struct reader *r)
{
	const char *words;
	int e = message_words_read(r, &words);

	if (e == 0)
		message_words_write(&w, MESSAGE_TROUBLE, words);
	return e;
}

/* RECONNECT and CHROOT. */
static int take_word(void *owner, struct reader *r)
{
	const char *word;
	int e = message_word_read(r, &word);

	if (e == 0)
		message_word_write(&w, word);
	return e;
}

static int take_done(void *owner, struct reader *r)
{
	const char *words;
	uint32_t error;
	int e = message_done_read(r, &error, &words);

	if (e == 0)
		message_done_write(&w, error, words);
	return e;
}

static int take_signal(void *owner, struct reader *r)
{
	uint32_t job, count;
	uint8_t signal;
	int e = message_signal_read(r, &job, &count, &signal);

	if (e == 0)
		message_signal_write(&w, job, count, signal);
	return e;
}

/* STOPPED and KILL. */
static int take_stopped(void *owner, struct reader *r)
{
	uint32_t job;
	uint8_t signal;
	int e = message_stopped_read(r, &job, &signal);

	if (e == 0)
		message_stopped_write(&w, job, signal);
	return e;
}

static int take_continued(void *owner, struct reader *r)
{
	uint32_t job;
	bool asked;
	int e = message_continued_read(r, &job, &asked);

	if (e == 0)
		message_continued_write(&w, job, asked);
	return e;
}

static int take_output_credit(void *owner, struct reader *r)
{
	uint32_t job, bytes;
	uint8_t stream;
	int e = message_output_credit_read(r, &job, &stream, &bytes);

	if (e == 0)
		message_credit_write(&w, job, stream, bytes);
	return e;
}

static int take_input_credit(void *owner, struct reader *r)
{
	uint32_t job, bytes;
	int e = message_input_credit_read(r, &job, &bytes);

	if (e == 0)
		message_credit_write(&w, job, 0, bytes);
	return e;
}

/* Arguments and variables that are sent apart are those that stood in the spec. */
static void join(const struct message_spec *s)
{
	static uint8_t apart[MESSAGE_APART_MAX];
	struct message_spec other = { .flags = s->flags };
	struct reader r = READER(apart, MESSAGE_SALT_BYTES + s->strings_n);

	memcpy(apart + MESSAGE_SALT_BYTES, s->strings, s->strings_n);
	if (message_spec_join(&r, &other) < 0 || other.n_argv != s->n_argv ||
	    other.n_env != s->n_env || strcmp(other.argv[0], s->argv[0]) != 0)
		abort();
	message_spec_clear(&other);
}

/* START and RUN: what a user gave, of any size. */
static int take_spec(void *owner, struct reader *r)
{
	_cleanup_buffer_ struct buffer b = BUFFER(2 * MESSAGE_SPEC_MAX);
	const uint8_t *start = r->p;
	size_t n = r->left;
	struct message_spec s;
	int e = message_spec_read(r, &s);

	if (e < 0)
		return e;
	if (message_spec_write(&b, &s) < 0 || b.len != n || memcmp(b.data, start, n) != 0)
		abort();
	if (!(s.flags & MESSAGE_APART))
		join(&s);
	message_spec_clear(&s);
	return -EALREADY;
}

static int take_start(void *owner, struct reader *r)
{
	static struct message_credentials c;
	int e;

	reader_skip(r, 12 + MESSAGE_KEY_BYTES + 4); /* job, pid, rank and key */
	e = message_credentials_read(r, &c);
	return e < 0 ? e : take_spec(owner, r);
}

static int take_run(void *owner, struct reader *r)
{
	_cleanup_free_ uint32_t *nodes = NULL;
	size_t n;
	uint8_t key[MESSAGE_KEY_BYTES];
	uint32_t first = reader_be32(r), pid = reader_be32(r);
	int e;

	reader_copy(r, key, sizeof(key));
	e = message_nodes_read(r, &nodes, &n);
	(void)first;
	(void)pid;
	return e < 0 ? e : take_spec(owner, r);
}

static int take_group(void *owner, struct reader *r)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	_cleanup_free_ uint32_t *nodes = NULL;
	const uint8_t *start = r->p;
	size_t n = r->left, n_nodes;
	const char *name;
	int e = message_group_read(r, &name, &nodes, &n_nodes);

	if (e < 0)
		return e;
	if (message_group_write(&b, name, nodes, n_nodes) < 0 || b.len != n + 1 ||
	    b.data[0] != MESSAGE_GROUP || memcmp(b.data + 1, start, n) != 0)
		abort();
	return -EALREADY;
}

static int take_want(void *owner, struct reader *r)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	const uint8_t *start = r->p;
	uint16_t files[MESSAGE_FILES_MAX];
	size_t n = r->left, n_files;
	uint32_t job;
	int e = message_want_read(r, &job, files, &n_files);

	if (e < 0)
		return e;
	if (message_want_write(&b, job, files, n_files) < 0 || b.len != n + 1 ||
	    b.data[0] != MESSAGE_WANT || memcmp(b.data + 1, start, n) != 0)
		abort();
	return -EALREADY;
}

static int take_wanted(void *owner, struct reader *r)
{
	uint32_t job;
	uint16_t file;
	int e = message_wanted_read(r, &job, &file);

	if (e == 0)
		message_wanted_write(&w, job, file);
	return e;
}

static int take_given(void *owner, struct reader *r)
{
	uint32_t job, error;
	uint16_t file;
	int e = message_given_read(r, &job, &file, &error);

	if (e == 0)
		message_given_write(&w, job, file, error);
	return e;
}

static int take_piece(void *owner, struct reader *r)
{
	const uint8_t *start = r->p;
	struct message_blob blob;
	uint64_t offset;
	int e = message_piece_read(r, &blob, &offset);

	if (e < 0)
		return e;
	message_piece_write(&w, &blob, offset);
	if (w.err < 0 || memcmp(back, start, w.len) != 0)
		abort();
	return -EALREADY;
}

static int take_fetched(void *owner, struct reader *r)
{
	struct message_blob blob;
	uint32_t error;
	int e = message_fetched_read(r, &blob, &error);

	if (e == 0)
		message_fetched_write(&w, &blob, error);
	return e;
}

static int take_serve(void *owner, struct reader *r)
{
	struct message_fetch m;
	int e = message_serve_read(r, &m);

	if (e == 0)
		message_serve_write(&w, &m);
	return e;
}

static int take_proclist(void *owner, struct reader *r)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	const uint8_t *start = r->p;
	const size_t n = r->left;
	struct message_proclist m;
	int e = message_proclist_read(r, &m);

	if (e < 0)
		return e;
	message_proclist_write(&w, &m);
	while (e == 0 && r->left > 0) {
		struct message_process p;

		e = message_process_read(r, &p);
		if (e < 0)
			return e;
		if (buffer_append(&b, back, w.len) < 0)
			abort();
		w = WRITER(back, sizeof(back));
		message_process_write(&w, &p);
	}
	if (w.err < 0 || buffer_append(&b, back, w.len) < 0 || b.len != n ||
	    memcmp(b.data, start, n) != 0)
		abort();
	return -EALREADY;
}

static int take_kept(void *owner, struct reader *r)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	const uint8_t *start = r->p;
	const size_t n = r->left;

	writer_u8(&w, reader_u8(r));
	while (r->left > 0) {
		struct message_kept k;
		int e = message_kept_read(r, &k);

		if (e < 0)
			return e;
		if (buffer_append(&b, back, w.len) < 0)
			abort();
		w = WRITER(back, sizeof(back));
		message_kept_write(&w, &k);
	}
	if (w.err < 0 || buffer_append(&b, back, w.len) < 0 || b.len != n ||
	    memcmp(b.data, start, n) != 0)
		abort();
	return -EALREADY;
}

/* PIDS and PROCESSES. */
static int take_nodes(void *owner, struct reader *r)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	_cleanup_free_ uint32_t *nodes = NULL;
	const uint8_t *start = r->p;
	const size_t n = r->left;
	size_t n_nodes;
	int e = message_nodes_read(r, &nodes, &n_nodes);

	if (e == 0)
		e = reader_end(r);
	if (e < 0)
		return e;
	if (message_nodes_write(&b, nodes, n_nodes) < 0 || b.len != n ||
	    memcmp(b.data, start, n) != 0)
		abort();
	return -EALREADY;
}

static const struct message_take takes[MESSAGE_TYPE_MAX_] = {
	[MESSAGE_HELLO] = { 1, take_hello },
	[MESSAGE_WELCOME] = { 1, take_welcome },
	[MESSAGE_NODE] = { 1, take_node },
	[MESSAGE_STARTED] = { 1, take_started },
	[MESSAGE_FAILED] = { 1, take_failed },
	[MESSAGE_EXIT] = { 1, take_exit },
	[MESSAGE_ATTRIBUTE] = { 1, take_attribute },
	[MESSAGE_GHOST] = { 1, take_ghost },
	[MESSAGE_RESUME] = { 1, take_resume },
	[MESSAGE_CLAIM] = { 1, take_claim },
	[MESSAGE_RESUMED] = { 1, take_resumed },
	[MESSAGE_TROUBLE] = { 1, take_words },
	[MESSAGE_REFUSED] = { 1, take_words },
	[MESSAGE_DONE] = { 1, take_done },
	[MESSAGE_SIGNAL] = { 1, take_signal },
	[MESSAGE_STOPPED] = { 1, take_stopped },
	[MESSAGE_CONTINUED] = { 1, take_continued },
	[MESSAGE_KILL] = { 1, take_stopped },
	[MESSAGE_OUTPUT_CREDIT] = { 1, take_output_credit },
	[MESSAGE_INPUT_CREDIT] = { 1, take_input_credit },
	[MESSAGE_PIDS] = { 1, take_nodes },
	[MESSAGE_PROCESSES] = { 1, take_nodes },
	[MESSAGE_PROCLIST] = { 1, take_proclist },
	[MESSAGE_RESIZE] = { 1, take_resize },
	[MESSAGE_RECONNECT] = { 1, take_word },
	[MESSAGE_CHROOT] = { 1, take_word },
	[MESSAGE_START] = { 1, take_start },
	[MESSAGE_RUN] = { 1, take_run },
	[MESSAGE_GROUP] = { 1, take_group },
	[MESSAGE_WANT] = { 1, take_want },
	[MESSAGE_WANTED] = { 1, take_wanted },
	[MESSAGE_BLOB] = { 1, take_given },
	[MESSAGE_PIECE] = { 1, take_piece },
	[MESSAGE_MISSING] = { 1, take_fetched },
	[MESSAGE_SERVE] = { 1, take_serve },
	[MESSAGE_FETCH] = { 1, take_fetch },
	[MESSAGE_PIN] = { 1, take_pin },
	[MESSAGE_ENROL] = { 1, take_enrol },
	[MESSAGE_FORK] = { 1, take_fork },
	[MESSAGE_FORKED] = { 1, take_forked },
	[MESSAGE_CHILD] = { 1, take_child },
	[MESSAGE_CHILD_SIGNAL] = { 1, take_child_signal },
	[MESSAGE_FETCHED] = { 1, take_fetched },
	[MESSAGE_KEPT] = { 1, take_kept },
	[MESSAGE_NUDGE] = { 1, take_nudge },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	int r;

	w = WRITER(back, sizeof(back));
	r = message_dispatch(takes, 1, NULL, data, size, &why);
	if (r < 0 && !why)
		abort();
	if (r == 0 && (w.err < 0 || w.len != size - 1 || memcmp(back, data + 1, w.len) != 0))
		abort();
	return 0;
}

/*
 * caller.c - the other side of bpmaster's door
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "space/caller.h"
#include "space/stream.h"

void caller_close(struct caller *c)
{
	c->fd = fd_close(c->fd);
	buffer_clear(&c->in);
	buffer_clear(&c->ahead);
}

static int lost(int err)
{
	return log_err(err, "the connection to bpmaster broke");
}

int caller_send(struct caller *c, const void *p, size_t n)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX + STREAM_LENGTH_BYTES);
	uint8_t length[STREAM_LENGTH_BYTES];
	struct writer w = WRITER(length, sizeof(length));
	int r;

	writer_be32(&w, (uint32_t)n);
	r = buffer_append(&b, length, sizeof(length));
	if (r == 0)
		r = buffer_append(&b, p, n);
	if (r < 0)
		return log_err(r, "a message of %zu bytes cannot be sent", n);
	for (size_t done = 0; r == 0 && done < b.len;) {
		/* Not write(): in a library nobody has had SIGPIPE ignored. */
		ssize_t sent = send(c->fd, b.data + done, b.len - done, MSG_NOSIGNAL);

		if (sent >= 0)
			done += (size_t)sent;
		else if (errno != EINTR)
			r = -errno;
	}
	return r < 0 ? lost(r) : 0;
}

/* Read as much as there is, but not less than @n bytes, to where read_bytes() finds it. */
static int read_ahead(struct caller *c, size_t n)
{
	while (c->ahead.len < n) {
		int r = buffer_reserve(&c->ahead, CALLER_AHEAD - c->ahead.len);
		ssize_t got;

		if (r < 0)
			return r;
		got = read(c->fd, c->ahead.data + c->ahead.len, CALLER_AHEAD - c->ahead.len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ECONNRESET;
		c->ahead.len += (size_t)got;
	}
	return 0;
}

static int read_bytes(struct caller *c, uint8_t *to, size_t n)
{
	size_t ready = MIN(n, c->ahead.len), got = 0;
	int r;

	if (ready > 0) {
		memcpy(to, c->ahead.data, ready);
		buffer_consume(&c->ahead, ready);
	}
	r = ready < n ? fd_read_full(c->fd, to + ready, n - ready, &got) : 0;
	return r < 0 ? r : ready + got < n ? -ECONNRESET : 0;
}

int caller_receive(struct caller *c)
{
	uint8_t length[STREAM_LENGTH_BYTES];
	struct reader r = READER(length, sizeof(length));
	int e = read_bytes(c, length, sizeof(length));
	size_t n;

	if (e < 0)
		return lost(e);
	n = reader_be32(&r);
	if (n < 1 || n > MESSAGE_BYTES_MAX)
		return log_err(-EBADMSG, "bpmaster sent a message of %zu bytes", n);
	c->in.len = 0;
	e = buffer_reserve(&c->in, n);
	if (e == 0)
		e = read_bytes(c, c->in.data, n);
	if (e < 0)
		return lost(e);
	c->in.len = n;
	return 0;
}

/* One of many messages, of which the last one is DONE: behind that nothing comes by itself, so that
 * all that is there may be read. */
static int receive_listed(struct caller *c)
{
	int r = c->opening ? caller_opened(c) : 0;

	if (r == 0 && c->ahead.len < STREAM_LENGTH_BYTES) {
		r = read_ahead(c, STREAM_LENGTH_BYTES);
		if (r < 0)
			return lost(r);
	}
	return r < 0 ? r : caller_receive(c);
}

/* Take a DONE that was received. */
static int take_done(struct caller *c)
{
	struct reader r = READER(c->in.data, c->in.len);
	const char *words;
	uint32_t error;

	if (reader_u8(&r) != MESSAGE_DONE || message_done_read(&r, &error, &words) < 0 ||
	    error > 4095)
		return log_err(-EBADMSG, "bpmaster sent something else than an answer");
	if (error == 0)
		return 0;
	log_err(0, "%s", *words ? words : strerror((int)error));
	return -(int)error;
}

int caller_done(struct caller *c)
{
	int r = caller_receive(c);

	return r < 0 ? r : take_done(c);
}

int caller_begin(struct caller *c, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct message_small m;
	size_t n = strlen(path);
	int r;

	if (n >= sizeof(at.sun_path))
		return log_err(-ENAMETOOLONG, "the socket's path '%s' is too long", path);
	memcpy(at.sun_path, path, n);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return log_err(-errno, "cannot make a socket");
	if (connect(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		r = -errno;
		if (r == -ENOENT)
			return log_err(0,
				       "bpmaster is not running: no socket '%s' (BPBOOT_SOCKET or "
				       "--socket names another; a lab's: bpboot lab exec)",
				       path),
			       r;
		if (r == -ECONNREFUSED)
			return log_err(0, "bpmaster is not running: nobody listens at '%s'", path),
			       r;
		return log_err(r, "cannot reach bpmaster at '%s'", path);
	}
	writer_be16(message_begin(&m, MESSAGE_OPEN), MESSAGE_VERSION);
	c->opening = true;
	return caller_send(c, m.bytes, m.w.len);
}

int caller_opened(struct caller *c)
{
	bool opening = c->opening;

	c->opening = false;
	return opening ? caller_done(c) : 0;
}

int caller_open(struct caller *c, const char *path)
{
	int r = caller_begin(c, path);

	return r < 0 ? r : caller_opened(c);
}

int caller_key(uint8_t ret[static MESSAGE_KEY_BYTES])
{
	ssize_t n = getrandom(ret, MESSAGE_KEY_BYTES, 0);

	return n < 0 ? -errno : n < (ssize_t)MESSAGE_KEY_BYTES ? -EIO : 0;
}

int caller_set(struct caller *c, enum message_set what, uint32_t value, const char *word,
	       const uint32_t *nodes, size_t n)
{
	_cleanup_buffer_ struct buffer b = BUFFER(MESSAGE_BYTES_MAX);
	struct message_small m;
	struct writer *w = message_begin(&m, MESSAGE_SET);
	int r;

	writer_u8(w, (uint8_t)what);
	writer_be32(w, value);
	writer_cstr(w, word);
	r = buffer_append(&b, m.bytes, w->len);
	if (r == 0)
		r = message_nodes_write(&b, nodes, n);
	if (r < 0)
		return log_err(r, "cannot ask bpmaster");
	r = caller_send(c, b.data, b.len);
	return r < 0 ? r : caller_done(c);
}

int caller_enrol(struct caller *c, const struct message_enrol *m)
{
	struct message_small msg;
	int r;

	message_enrol_write(message_begin(&msg, MESSAGE_ENROL), m);
	r = caller_send(c, msg.bytes, msg.w.len);
	return r < 0 ? r : caller_done(c);
}

int caller_each(struct caller *c, enum message_type request, enum message_type answer,
		int (*take)(void *owner, struct reader *body), void *owner)
{
	const uint8_t type = (uint8_t)request;
	int r = caller_send(c, &type, 1);

	while (r == 0) {
		struct reader body;

		r = receive_listed(c);
		if (r < 0 || c->in.data[0] != answer)
			break;
		body = READER(c->in.data + 1, c->in.len - 1);
		r = take(owner, &body);
		if (r < 0)
			return log_err(r, "cannot take what bpmaster answers");
	}
	return r < 0 ? r : take_done(c);
}

void caller_nodes_clear(struct caller_nodes *n)
{
	for (size_t i = 0; i < n->n; i++)
		buffer_clear(&n->texts[i]);
	free(n->texts);
	free(n->list);
	nodeset_clear(&n->all);
	nodeset_clear(&n->up);
	nodeset_clear(&n->not_down);
	for (size_t i = 0; i < n->n_groups; i++)
		nodeset_clear(&n->groups[i].nodes);
	free(n->groups);
	*n = (struct caller_nodes){ 0 };
}

/* Keep the NODE message in c->in as the next entry. */
static int keep_node(struct caller *c, struct caller_nodes *ns)
{
	struct message_node *list = reallocarray(ns->list, ns->n + 1, sizeof(*list)), *node;
	struct buffer *texts;
	struct reader r;
	int e;

	if (!list)
		return -ENOMEM;
	ns->list = list;
	texts = reallocarray(ns->texts, ns->n + 1, sizeof(*texts));
	if (!texts)
		return -ENOMEM;
	ns->texts = texts;
	texts[ns->n] = c->in;
	c->in = BUFFER(MESSAGE_BYTES_MAX);
	r = READER(texts[ns->n].data, texts[ns->n].len);
	node = &list[ns->n++];
	*node = (struct message_node){ 0 };
	(void)reader_u8(&r); /* the type: looked at by the caller */
	e = message_node_read(&r, node);
	if (e == 0)
		e = nodeset_add(&ns->all, node->number);
	if (e == 0 && !strcmp(node->state, "up"))
		e = nodeset_add(&ns->up, node->number);
	if (e == 0 && strcmp(node->state, "down") != 0)
		e = nodeset_add(&ns->not_down, node->number);
	return e;
}

/* Keep the GROUP message in c->in. */
static int keep_group(struct caller *c, struct caller_nodes *ns)
{
	struct caller_group *list = reallocarray(ns->groups, ns->n_groups + 1, sizeof(*list)), *g;
	struct reader r = READER(c->in.data, c->in.len);
	_cleanup_free_ uint32_t *numbers = NULL;
	const char *name;
	size_t n;
	int e;

	if (!list)
		return -ENOMEM;
	ns->groups = list;
	(void)reader_u8(&r); /* the type: looked at by the caller */
	e = message_group_read(&r, &name, &numbers, &n);
	if (e < 0)
		return e;
	g = &list[ns->n_groups++];
	*g = (struct caller_group){ 0 };
	snprintf(g->name, sizeof(g->name), "%s", name);
	for (size_t i = 0; e == 0 && i < n; i++)
		e = nodeset_add(&g->nodes, numbers[i]);
	return e;
}

int caller_list(struct caller *c, bool settled, struct caller_nodes *ret)
{
	_cleanup_caller_nodes_ struct caller_nodes ns = { 0 };
	const uint8_t ask[] = { MESSAGE_LIST, settled };
	int r = caller_send(c, ask, sizeof(ask));

	while (r == 0) {
		r = receive_listed(c);
		if (r == 0 && c->in.data[0] != MESSAGE_NODE && c->in.data[0] != MESSAGE_GROUP)
			break;
		if (r == 0) {
			r = c->in.data[0] == MESSAGE_NODE ? keep_node(c, &ns) : keep_group(c, &ns);
			if (r < 0)
				log_err(r, "cannot take the list of nodes from bpmaster");
		}
	}
	if (r == 0)
		r = take_done(c);
	if (r < 0)
		return r;
	*ret = ns;
	ns = (struct caller_nodes){ 0 };
	return 0;
}

const struct message_node *caller_node(const struct caller_nodes *n, uint32_t number)
{
	size_t low = 0, high = n->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (n->list[middle].number == number)
			return &n->list[middle];
		if (n->list[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int number_of(const void *ctx, const char *name, uint32_t *ret)
{
	const struct caller_nodes *n = ctx;

	for (size_t i = 0; i < n->n; i++) {
		char other[MESSAGE_NAME_MAX];

		snprintf(other, sizeof(other), "n%u", n->list[i].number);
		if (strcasecmp(*n->list[i].name ? n->list[i].name : other, name) == 0)
			return *ret = n->list[i].number, 0;
	}
	return -ENOENT;
}

static int group_of(const void *ctx, const char *name, struct nodeset *to,
		    char why[static NODESET_WHY_MAX])
{
	const struct caller_nodes *n = ctx;
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < n->n_groups; i++) {
		const struct nodeset *set = &n->groups[i].nodes;

		if (strcmp(n->groups[i].name, name) != 0)
			continue;
		r = 0;
		for (size_t k = 0; r == 0 && k < set->n; k++)
			r = nodeset_add(to, set->numbers[k]);
	}
	return r;
}

struct nodeset_space caller_space(const struct caller_nodes *n)
{
	return (struct nodeset_space){
		.all = &n->all, .up = &n->up, .node = number_of, .group = group_of, .ctx = n
	};
}

int caller_nodeset(const struct caller_nodes *n, const char *text, struct nodeset *ret)
{
	const struct nodeset_space space = caller_space(n);
	char why[NODESET_WHY_MAX] = "out of memory";
	int r = nodeset_parse(text, &space, ret, why);

	return r < 0 ? log_err(0, "'%s' is not a set of nodes: %s", text, why), r : 0;
}

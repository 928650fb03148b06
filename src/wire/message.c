/*
 * message.c - the messages of the process space: one table of types and sizes, and codecs of what
 * is not about jobs (message_job.c)
 */
#include <errno.h>
#include <string.h>

#include "wire/attributes.h"
#include "wire/message_children.h"
#include "wire/message_internal.h"

const struct message_kind message_kinds[MESSAGE_TYPE_MAX_] = {
	[MESSAGE_HELLO] = { "hello", 22, 22 + 2 * MESSAGE_NAME_MAX },
	[MESSAGE_RECORD] = { "record", 0, MESSAGE_RECORD_MAX },
	[MESSAGE_TROUBLE] = { "trouble", 1, MESSAGE_WORDS_MAX },
	[MESSAGE_PONG] = { "pong", 8, 8 },
	[MESSAGE_WELCOME] = { "welcome", 15, 14 + MESSAGE_NAME_MAX },
	[MESSAGE_REFUSED] = { "refused", 1, MESSAGE_WORDS_MAX },
	[MESSAGE_PING] = { "ping", 8, 8 },
	[MESSAGE_START] = { "start", 44, MESSAGE_BYTES_MAX },
	[MESSAGE_POWER] = { "power", 1, 1 },
	[MESSAGE_OPEN] = { "open", 2, 2 },
	[MESSAGE_LIST] = { "list", 0, 1 },
	[MESSAGE_RUN] = { "run", 30, MESSAGE_BYTES_MAX },
	[MESSAGE_SET] = { "set", 10, 16 + 4 * MESSAGE_NODES_MAX + MESSAGE_ATTRIBUTE_MAX },
	[MESSAGE_NODE] = { "node", 47, MESSAGE_SMALL_MAX },
	[MESSAGE_DONE] = { "done", 5, 4 + MESSAGE_WORDS_MAX },
	[MESSAGE_INPUT] = { "input", 8, 8 + MESSAGE_DATA_MAX },
	[MESSAGE_SIGNAL] = { "signal", 9, 9 },
	[MESSAGE_OUTPUT_CREDIT] = { "output-credit", 9, 9 },
	[MESSAGE_ABANDON] = { "abandon", 8, 8 },
	[MESSAGE_STARTED] = { "started", 9, 9 },
	[MESSAGE_FAILED] = { "failed", 10, 9 + MESSAGE_WORDS_MAX },
	[MESSAGE_OUTPUT] = { "output", 5, 5 + MESSAGE_DATA_MAX },
	[MESSAGE_INPUT_CREDIT] = { "input-credit", 8, 8 },
	[MESSAGE_INPUT_CLOSED] = { "input-closed", 4, 4 },
	[MESSAGE_EXIT] = { "exit", 39, 39 },
	[MESSAGE_STOPPED] = { "stopped", 5, 5 },
	[MESSAGE_CONTINUED] = { "continued", 5, 5 },
	[MESSAGE_KILL] = { "kill", 5, 5 },
	[MESSAGE_PIDS] = { "pids", 6, 2 + 4 * MESSAGE_NODES_MAX },
	[MESSAGE_PROCESSES] = { "processes", 6, 2 + 4 * MESSAGE_NODES_MAX },
	[MESSAGE_PROCLIST] = { "proclist", MESSAGE_PROCLIST_BYTES,
			       MESSAGE_PROCLIST_BYTES + MESSAGE_DATA_MAX },
	[MESSAGE_LOOK] = { "look", 4, 4 },
	[MESSAGE_RESIZE] = { "resize", 8, 8 },
	[MESSAGE_RECONNECT] = { "reconnect", 2, MESSAGE_WORD_MAX },
	[MESSAGE_CHROOT] = { "chroot", 2, MESSAGE_WORD_MAX },
	[MESSAGE_WANT] = { "want", 8, 6 + 2 * MESSAGE_FILES_MAX },
	[MESSAGE_WANTED] = { "wanted", 6, 6 },
	[MESSAGE_BLOB] = { "blob", 10, 10 },
	[MESSAGE_PIECE] = { "piece", 44, 44 + MESSAGE_PIECE_MAX },
	[MESSAGE_MISSING] = { "missing", 40, 40 },
	[MESSAGE_PEER] = { "peer", 2, 2 },
	[MESSAGE_SERVE] = { "serve", 68, 68 },
	[MESSAGE_FETCH] = { "fetch", 87, 87 },
	[MESSAGE_FETCHED] = { "fetched", 40, 40 },
	[MESSAGE_GROUP] = { "group", 2, MESSAGE_NAME_MAX + 4 * MESSAGE_NODES_MAX },
	[MESSAGE_ATTRIBUTES] = { "attributes", 0, 0 },
	[MESSAGE_ATTRIBUTE] = { "attribute", 5, 4 + ATTRIBUTES_TEXT_MAX },
	[MESSAGE_GHOSTS] = { "ghosts", 0, 0 },
	[MESSAGE_GHOST] = { "ghost", 16, 16 },
	[MESSAGE_WATCH] = { "watch", 0, 0 },
	[MESSAGE_CHANGED] = { "changed", 0, 0 },
	[MESSAGE_SUSPENDED] = { "suspended", 4, 4 },
	[MESSAGE_RESUME] = { "resume", 69, 69 },
	[MESSAGE_CLAIM] = { "claim", 61, 61 },
	[MESSAGE_RESUMED] = { "resumed", 29, 29 },
	[MESSAGE_PINS] = { "pins", 0, 0 },
	[MESSAGE_PIN] = { "pin", 45, 44 + MESSAGE_WORDS_MAX },
	[MESSAGE_ENROL] = { "enrol", 8, 7 + MESSAGE_FINGERPRINT_MAX },
	[MESSAGE_FORK] = { "fork", 10, 8 + MESSAGE_TITLE_MAX },
	[MESSAGE_FORKED] = { "forked", 12, 12 },
	[MESSAGE_CHILD] = { "child", 15, 13 + MESSAGE_TITLE_MAX },
	[MESSAGE_CHILD_SIGNAL] = { "child-signal", 9, 9 },
	[MESSAGE_KEPT] = { "kept", 1, 1 + MESSAGE_KEPT_MAX * MESSAGE_KEPT_BYTES },
	[MESSAGE_NUDGE] = { "nudge", 21, 21 },
};

int message_dispatch(const struct message_take *takes, unsigned state, void *owner, const void *p,
		     size_t n, const char **ret_why)
{
	struct reader r = READER(p, n);
	uint8_t type = reader_u8(&r);
	int e;

	if (r.err || type >= MESSAGE_TYPE_MAX_ || !message_kinds[type].name) {
		*ret_why = "a message of an unknown type";
		return -EBADMSG;
	}
	if (!takes[type].take || !(takes[type].states & state)) {
		*ret_why = "a message that is not allowed here";
		return -EPROTO;
	}
	if (r.left < message_kinds[type].min || r.left > message_kinds[type].max) {
		*ret_why = "a message of a wrong size";
		return -EBADMSG;
	}
	e = takes[type].take(owner, &r);
	*ret_why =
		e == -EPROTO ? "a message out of turn or beyond its credit" : "a malformed message";
	return e;
}

struct writer *message_begin(struct message_small *m, enum message_type type)
{
	m->w = WRITER(m->bytes, sizeof(m->bytes));
	writer_u8(&m->w, (uint8_t)type);
	return &m->w;
}

const char *message_string_read(struct reader *r, size_t max, bool printable)
{
	const char *s = reader_cstr(r);

	if (s && strnlen(s, max) == max) {
		r->err = -EBADMSG;
		return NULL;
	}
	for (const char *p = s; printable && p && *p; p++) {
		if (*p < ' ' || *p > '~') {
			r->err = -EBADMSG;
			return NULL;
		}
	}
	return s;
}

void message_string_write(struct writer *w, const char *s, size_t max)
{
	for (size_t i = 0; s && s[i] && i + 1 < max; i++)
		writer_u8(w, s[i] < ' ' || s[i] > '~' ? '?' : (uint8_t)s[i]);
	writer_u8(w, 0);
}

void message_hello_write(struct writer *w, const struct message_hello *m)
{
	writer_be16(w, m->version);
	writer_bytes(w, m->mac.b, MAC_BYTES);
	writer_be32(w, m->boot);
	writer_be64(w, m->uptime_ms);
	message_string_write(w, m->release, MESSAGE_NAME_MAX);
	message_string_write(w, m->hostname, MESSAGE_NAME_MAX);
}

int message_hello_read(struct reader *r, struct message_hello *ret)
{
	struct message_hello m = { .version = reader_be16(r) };
	int e;

	reader_copy(r, m.mac.b, MAC_BYTES);
	m.boot = reader_be32(r);
	m.uptime_ms = reader_be64(r);
	m.release = message_string_read(r, MESSAGE_NAME_MAX, true);
	m.hostname = message_string_read(r, MESSAGE_NAME_MAX, true);
	e = reader_end(r);
	if (e == 0)
		*ret = m;
	return e;
}

void message_welcome_write(struct writer *w, const struct message_welcome *m)
{
	writer_be16(w, m->version);
	writer_be32(w, m->number);
	writer_be32(w, m->keepalive_ms);
	writer_be32(w, m->orphan_s);
	message_string_write(w, m->name, MESSAGE_NAME_MAX);
}

int message_welcome_read(struct reader *r, struct message_welcome *ret)
{
	struct message_welcome m = { .version = reader_be16(r) };
	int e;

	m.number = reader_be32(r);
	m.keepalive_ms = reader_be32(r);
	m.orphan_s = reader_be32(r);
	m.name = message_string_read(r, MESSAGE_NAME_MAX, true);
	e = reader_end(r);
	if (e == 0)
		*ret = m;
	return e;
}

void message_words_write(struct writer *w, enum message_type type, const char *words)
{
	(void)type; /* message_begin() wrote it; named here for the reader of the call */
	message_string_write(w, words, MESSAGE_WORDS_MAX);
}

int message_words_read(struct reader *r, const char **ret)
{
	const char *s = message_string_read(r, MESSAGE_WORDS_MAX, true);
	int e = reader_end(r);

	if (e == 0)
		*ret = s;
	return e;
}

void message_credentials_write(struct writer *w, const struct message_credentials *c)
{
	writer_be32(w, c->uid);
	writer_be32(w, c->gid);
	writer_be16(w, (uint16_t)c->n_groups);
	for (uint32_t i = 0; i < c->n_groups; i++)
		writer_be32(w, c->groups[i]);
}

int message_credentials_read(struct reader *r, struct message_credentials *ret)
{
	struct message_credentials c = { .uid = reader_be32(r) };

	c.gid = reader_be32(r);
	c.n_groups = reader_be16(r);
	if (c.n_groups > MESSAGE_GROUPS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < c.n_groups; i++)
		c.groups[i] = reader_be32(r);
	if (r->err)
		return r->err;
	*ret = c;
	return 0;
}

/* 16 bytes: IPv6, IPv4 mapped into it, or zeros for no address. */
static void write_address(struct writer *w, const struct ipaddr *a)
{
	static const uint8_t none[16], mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->family == AF_INET6) {
		writer_bytes(w, &a->v6, sizeof(a->v6));
	} else if (a->family == AF_INET) {
		writer_bytes(w, mapped, sizeof(mapped));
		writer_bytes(w, &a->v4.s_addr, 4);
	} else {
		writer_bytes(w, none, sizeof(none));
	}
}

static struct ipaddr read_address(struct reader *r)
{
	union ip_sock s = { .in6 = { .sin6_family = AF_INET6 } };

	reader_copy(r, &s.in6.sin6_addr, sizeof(s.in6.sin6_addr));
	return IN6_IS_ADDR_UNSPECIFIED(&s.in6.sin6_addr) ? (struct ipaddr){ 0 } : ip_sock_host(&s);
}

void message_node_write(struct writer *w, const struct message_node *m)
{
	writer_be32(w, m->number);
	writer_bytes(w, m->mac.b, MAC_BYTES);
	write_address(w, &m->address);
	writer_be32(w, m->mode);
	writer_be32(w, m->uid);
	writer_be32(w, m->gid);
	writer_be32(w, m->boot);
	writer_be32(w, m->jobs);
	writer_u8(w, m->connected);
	writer_be64(w, m->since_ms);
	message_string_write(w, m->state, MESSAGE_STATE_MAX);
	message_string_write(w, m->name, MESSAGE_NAME_MAX);
	message_string_write(w, m->release, MESSAGE_NAME_MAX);
	message_string_write(w, m->words, MESSAGE_WORDS_MAX);
}

int message_node_read(struct reader *r, struct message_node *ret)
{
	struct message_node m = { .number = reader_be32(r) };
	int e;

	reader_copy(r, m.mac.b, MAC_BYTES);
	m.address = read_address(r);
	m.mode = reader_be32(r);
	m.uid = reader_be32(r);
	m.gid = reader_be32(r);
	m.boot = reader_be32(r);
	m.jobs = reader_be32(r);
	m.connected = reader_u8(r);
	m.since_ms = reader_be64(r);
	m.state = message_string_read(r, MESSAGE_STATE_MAX, true);
	m.name = message_string_read(r, MESSAGE_NAME_MAX, true);
	m.release = message_string_read(r, MESSAGE_NAME_MAX, true);
	m.words = message_string_read(r, MESSAGE_WORDS_MAX, true);
	e = reader_end(r);
	if (e == 0)
		*ret = m;
	return e;
}

void message_done_write(struct writer *w, uint32_t error, const char *words)
{
	writer_be32(w, error);
	message_string_write(w, words, MESSAGE_WORDS_MAX);
}

int message_done_read(struct reader *r, uint32_t *ret_error, const char **ret_words)
{
	uint32_t error = reader_be32(r);
	const char *words = message_string_read(r, MESSAGE_WORDS_MAX, true);
	int e = reader_end(r);

	if (e == 0) {
		*ret_error = error;
		*ret_words = words;
	}
	return e;
}

void message_attribute_write(struct writer *w, const struct message_attribute *m)
{
	writer_be32(w, m->number);
	writer_cstr(w, m->text);
}

int message_attribute_read(struct reader *r, struct message_attribute *ret)
{
	struct message_attribute m = { .number = reader_be32(r) };
	int e;

	m.text = reader_cstr(r);
	e = reader_end(r);
	if (e == 0)
		e = attributes_check(m.text);
	if (e == 0)
		*ret = m;
	return e;
}

void message_ghost_write(struct writer *w, const struct message_ghost *m)
{
	writer_be32(w, m->pid);
	writer_be32(w, m->node);
	writer_be32(w, m->uid);
	writer_be32(w, m->remote);
}

int message_ghost_read(struct reader *r, struct message_ghost *ret)
{
	struct message_ghost m = { .pid = reader_be32(r) };
	int e;

	m.node = reader_be32(r);
	m.uid = reader_be32(r);
	m.remote = reader_be32(r);
	e = reader_end(r);
	if (e == 0)
		*ret = m;
	return e;
}

bool message_state_valid(const char *s)
{
	size_t n = strnlen(s, MESSAGE_STATE_MAX);

	if (n == 0 || n == MESSAGE_STATE_MAX)
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

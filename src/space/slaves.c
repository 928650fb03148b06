/*
 * slaves.c - connections of bpslaves: from the first byte to the registration, and whether they
 * live
 *
 * What a stranger can cost us is bounded: a number of connections, some of them from one address,
 * five seconds each, and a few hundred bytes of message. The oldest unfinished connection gives way
 * to a new one, so that those who hold places open keep nobody out.
 */
#include <errno.h>
#include <stdio.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "space/blobs.h"
#include "space/expected.h"
#include "space/keys.h"
#include "space/master_internal.h"

#define LISTEN_BACKLOG 1024
#define PING_SOON_MS   2000 /* a node that may have been reset has this long to answer */
#define STRANGERS      "strangers"
#define LONG_OUTPUT    1024u /* bytes of a message that pays for itself */
/* Nothing that a node sends is longer: its record, or bytes of output with their head. */
#define SLAVE_FRAME_MAX (1 + MESSAGE_RECORD_MAX)

static void pending_remove(struct slave *s)
{
	struct master *m = s->master;

	if (s->state == SLAVE_UP)
		return;
	if (s->next_pending)
		s->next_pending->prev_pending = s->prev_pending;
	if (s->prev_pending)
		s->prev_pending->next_pending = s->next_pending;
	else
		m->pending = s->next_pending;
	s->next_pending = s->prev_pending = NULL;
	m->n_pending--;
}

static void slave_free(struct slave *s)
{
	asks_slave_lost(s);
	jobs_kept_clear(s);
	pending_remove(s);
	ev_timer_stop(s->master->loop, &s->timer);
	ev_timer_stop(s->master->loop, &s->hold);
	stream_deinit(&s->stream);
	handshake_clear(&s->handshake);
	free(s);
}

static void send_words(struct slave *s, enum message_type type, const char *words)
{
	struct message_small msg;

	message_words_write(message_begin(&msg, type), type, words);
	(void)stream_send_writer(&s->stream, &msg.w); /* it is about to be cut off anyway */
}

static int refuse(struct slave *s, const char *words)
{
	char from[IP_STR_MAX];

	if (complaints_allow(&s->master->strangers, STRANGERS))
		log_warn(0, "refusing a node from %s: %s", ip_format(&s->from, from), words);
	send_words(s, MESSAGE_REFUSED, words);
	stream_flush(&s->stream);
	stream_fail(&s->stream, 0, NULL);
	return -EACCES;
}

bool slave_room(const struct slave *s, size_t n, size_t high)
{
	size_t waiting = stream_queued(&s->stream), total = s->master->slaves_queued;

	return (waiting == 0 || waiting + n <= high) &&
	       (total == 0 || total + n <= MASTER_QUEUES_MAX);
}

static void ping(struct slave *s)
{
	struct message_small msg;

	s->pinged_ms = clock_ms();
	writer_be64(message_begin(&msg, MESSAGE_PING), ++s->master->token);
	(void)stream_send_writer(&s->stream, &msg.w); /* a stream that fails closes */
}

void slave_ask(struct slave *s)
{
	if (clock_ms() - s->pinged_ms < PING_SOON_MS)
		return; /* whoever makes us ask cannot make us ask without end */
	ping(s);
	if (ev_timer_remaining(s->master->loop, &s->timer) > PING_SOON_MS / 1e3) {
		s->timer.repeat = PING_SOON_MS / 1e3;
		ev_timer_again(s->master->loop, &s->timer);
	}
}

static void part(struct slave *s)
{
	if (s->rival)
		s->rival->rival = NULL;
	s->rival = NULL;
}

/* The machine is the node from now on. Return: 0, or negative errno; the stream has failed then. */
static int admit(struct slave *s, struct member *n)
{
	struct message_small msg;
	struct message_welcome welcome = {
		.version = MESSAGE_VERSION,
		.number = n->node.number,
		.keepalive_ms = s->master->config->keepalive_ms,
		.orphan_s = s->master->config->orphan_s,
		.name = n->node.name,
	};
	struct slave *old = n->slave;
	char from[IP_STR_MAX];
	int r;

	part(s);
	if (old) {
		if (complaints_allow(&n->changes, "nodes that change"))
			log_warn(0, "node %u registers again, from %s: ending its older connection",
				 n->node.number, ip_format(&s->from, from));
		asks_slave_lost(old);
		old->member = NULL;
		jobs_slave_lost(old, 0, "the node registered anew");
		stream_fail(&old->stream, 0, "replaced by a newer connection");
	}
	pending_remove(s);
	s->state = SLAVE_UP;
	s->member = n;
	s->registered_ms = clock_ms();
	keys_pin(s, n);
	n->slave = s;
	expected_over(n);
	n->boot = n->reported_boot = s->boot;
	n->up_ms = s->uptime_ms;
	n->seen = s->from;
	snprintf(n->release, sizeof(n->release), "%s", s->release);
	stream_frame_max(&s->stream, SLAVE_FRAME_MAX);
	message_welcome_write(message_begin(&msg, MESSAGE_WELCOME), &welcome);
	s->timer.repeat = welcome.keepalive_ms / 1e3;
	ev_timer_again(s->master->loop, &s->timer);
	member_set_state(n, settings_registered(n), "");
	events_name(s->master, n);
	expected_changed(s->master);
	r = stream_send_writer(&s->stream, &msg.w);
	if (r == 0)
		jobs_slave_back(s);
	return r;
}

/*
 * A MAC is no proof, and a key of a boot none of the next boot: a machine that claims the MAC of a
 * node that is connected, with another key, gets its place only when that node does not answer. So
 * nobody takes over a node that is up; a node that was reset and comes back waits as long as its
 * old connection may take to answer.
 */
static int challenge(struct slave *s, struct slave *holder)
{
	if (holder->rival)
		return refuse(s, "yet another machine claims this MAC");
	s->rival = holder;
	holder->rival = s;
	s->state = SLAVE_RIVAL;
	s->timer.repeat = PING_SOON_MS / 1e3;
	ev_timer_again(s->master->loop, &s->timer);
	ping(holder);
	holder->asked = holder->master->token;
	return 0;
}

/* The node has answered: its rival is another machine. */
static void refuse_rival(struct slave *s)
{
	struct slave *rival = s->rival;
	struct member *n = s->member;
	char words[MESSAGE_WORDS_MAX], mac[MAC_STR_MAX], at[IP_STR_MAX], from[IP_STR_MAX];

	part(s);
	snprintf(words, sizeof(words),
		 "node %u (%s) is up at %s and answers: another machine has that MAC",
		 n->node.number, mac_format(&n->node.mac, mac), ip_format(&s->from, at));
	(void)refuse(rival, words); /* it is closed */
	snprintf(words, sizeof(words), "a machine at %s claims this node's MAC and was refused",
		 ip_format(&rival->from, from));
	if (strcmp(n->words, words) != 0)
		events_add(s->master, n, REPORT_UP, REPORT_WARN, words);
	member_set_state(n, n->state, words);
}

static void on_silence(struct slave *s)
{
	uint64_t patience_ms = (uint64_t)MASTER_SILENCE * s->master->config->keepalive_ms;
	uint64_t now = clock_ms();

	if (now - s->stream.heard_ms > patience_ms) {
		stream_fail(&s->stream, -ETIMEDOUT, "no answer to keepalives");
		return;
	}
	if (stream_queued(&s->stream) > 0 && now - s->stream.sent_ms > patience_ms) {
		stream_fail(&s->stream, -ETIMEDOUT, "it does not read what it is sent");
		return;
	}
	s->timer.repeat = s->master->config->keepalive_ms / 1e3;
	ev_timer_again(s->master->loop, &s->timer);
	ping(s);
}

/* The registration took too long; or it is time to ask, or to give up. */
static void on_timer(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct slave *s = w->data;

	if (s->state == SLAVE_UP)
		on_silence(s);
	else if (s->state == SLAVE_RIVAL && s->rival && s->rival->member)
		(void)admit(s, s->rival->member); /* a stream that fails closes */
	else
		stream_fail(&s->stream, -ETIMEDOUT, "it did not register in time");
}

/* A machine with this node's MAC was refused for its key, or waits to be accepted. */
static void turn_away(struct member *n, uint32_t boot, const char *words)
{
	if (n->reported_boot == 0)
		n->reported_boot = boot; /* nobody has heard of another one */
	if (strcmp(n->words, words) != 0 && complaints_allow(&n->changes, "nodes that change"))
		events_add(n->master, n, REPORT_UP, REPORT_WARN, words);
	member_set_state(n, n->state, words);
}

/* Find the node of a machine that says hello. Return: NULL when it was refused (said). */
static struct member *enrol(struct slave *s, const struct message_hello *h)
{
	struct master *m = s->master;
	struct member *n = member_by_mac(m, &h->mac);
	char mac[MAC_STR_MAX], text[IP_STR_MAX], words[MESSAGE_WORDS_MAX];
	struct ipaddr want;

	mac_format(&h->mac, mac);
	if (h->version != MESSAGE_VERSION) {
		snprintf(words, sizeof(words), "protocol version %u, expected %u", h->version,
			 MESSAGE_VERSION);
		(void)refuse(s, words);
		return NULL;
	}
	if (!n && m->config->enrol == MASTER_ENROL_KNOWN) {
		snprintf(words, sizeof(words), "%s is not in the list of nodes", mac);
		(void)refuse(s, words);
		return NULL;
	}
	if (!keys_allow(s, &h->mac, words)) {
		if (n)
			turn_away(n, h->boot, words);
		(void)refuse(s, words);
		return NULL;
	}
	if (!n) {
		n = member_accept(m, &h->mac);
		if (!n) {
			(void)refuse(s, "there is no free node number");
			return NULL;
		}
		log_info("%s was unknown and is node %u now", mac, n->node.number);
	}
	want = ip_from_v4(n->node.address);
	if (ip_is_set(&want) && !ip_equal(&want, &s->from)) {
		snprintf(words, sizeof(words), "node %u (%s) must come from %s", n->node.number,
			 mac, ip_format(&want, text));
		(void)refuse(s, words);
		return NULL;
	}
	return n;
}

static int take_hello(void *owner, struct reader *r)
{
	struct slave *s = owner;
	struct message_hello h;
	struct member *n;
	int e = message_hello_read(r, &h);

	if (e < 0)
		return e;
	s->boot = h.boot;
	n = enrol(s, &h);
	if (!n)
		return -EACCES;
	s->uptime_ms = h.uptime_ms;
	snprintf(s->release, sizeof(s->release), "%s", h.release);
	if (n->slave && !n->slave->stream.over && !keys_known(s, &h.mac))
		return challenge(s, n->slave);
	return admit(s, n); /* its key proves that it is the machine that was there before */
}

static int take_record(void *owner, struct reader *r)
{
	struct slave *s = owner;
	size_t n = r->left;
	const char *text = (const char *)reader_bytes(r, n);

	if (s->recorded)
		return -EPROTO;
	s->recorded = true;
	events_record(s->master, s->member, text, n);
	events_add(s->master, s->member, REPORT_UP, REPORT_OK, "registered with bpmaster");
	return 0;
}

static int take_trouble(void *owner, struct reader *r)
{
	struct slave *s = owner;
	const char *words;
	int e = message_words_read(r, &words);

	if (e < 0)
		return e;
	s->going = NULL; /* a node that goes down says nothing */
	member_set_state(s->member, "error", words);
	events_add(s->master, s->member, REPORT_UP, REPORT_WARN, words);
	return 0;
}

static int take_pong(void *owner, struct reader *r)
{
	struct slave *s = owner;
	uint64_t token = reader_be64(r);
	int e = reader_end(r);

	if (e == 0 && s->rival && token == s->asked)
		refuse_rival(s);
	return e;
}

/* Every message that a slave may send. */
static const struct message_take slave_takes[MESSAGE_TYPE_MAX_] = {
	[MESSAGE_HELLO] = { SLAVE_NEW, take_hello },
	[MESSAGE_RECORD] = { SLAVE_UP, take_record },
	[MESSAGE_TROUBLE] = { SLAVE_UP, take_trouble },
	[MESSAGE_PONG] = { SLAVE_UP, take_pong },
	[MESSAGE_STARTED] = { SLAVE_UP, job_take_started },
	[MESSAGE_FAILED] = { SLAVE_UP, job_take_failed },
	[MESSAGE_OUTPUT] = { SLAVE_UP, job_take_output },
	[MESSAGE_INPUT_CREDIT] = { SLAVE_UP, job_take_input_credit },
	[MESSAGE_INPUT_CLOSED] = { SLAVE_UP, job_take_input_closed },
	[MESSAGE_EXIT] = { SLAVE_UP, job_take_exit },
	[MESSAGE_RESUMED] = { SLAVE_UP, job_take_resumed },
	[MESSAGE_KEPT] = { SLAVE_UP, job_take_kept },
	[MESSAGE_FORK] = { SLAVE_UP, job_take_fork },
	[MESSAGE_CHILD] = { SLAVE_UP, job_take_child },
	[MESSAGE_STOPPED] = { SLAVE_UP, job_take_stopped },
	[MESSAGE_CONTINUED] = { SLAVE_UP, job_take_continued },
	[MESSAGE_PROCLIST] = { SLAVE_UP, ask_take_proclist },
	[MESSAGE_WANT] = { SLAVE_UP, blobs_take_want },
	[MESSAGE_PEER] = { SLAVE_UP, blobs_take_peer },
	[MESSAGE_FETCHED] = { SLAVE_UP, blobs_take_fetched },
};

static void on_hold(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct slave *s = w->data;

	ev_timer_stop(loop, w);
	stream_resume(&s->stream);
}

/* A node that says more than one has to say is not heard for the rest of the second: else its words
 * would be all that we do. Output is as much as others grant; what is long of the rest costs more.
 */
static void count(struct slave *s, uint8_t type, size_t n)
{
	uint64_t now;

	s->said += type == MESSAGE_OUTPUT && n >= LONG_OUTPUT ? 0 : 1 + (uint32_t)n / 64;
	if (s->said < MASTER_NODE_WORDS)
		return;
	now = clock_ms();
	if (now - s->second_ms < 1000) {
		stream_pause(&s->stream);
		s->hold.repeat = (double)(1000 - (now - s->second_ms)) / 1e3;
		ev_timer_again(s->master->loop, &s->hold);
		now = s->second_ms + 1000;
	}
	s->second_ms = now;
	s->said = 0;
}

static int on_message(struct stream *st, const uint8_t *p, size_t n)
{
	struct slave *s = st->owner;
	const char *why;
	int r = message_dispatch(slave_takes, s->state, s, p, n, &why);

	if (r < 0)
		stream_fail(st, r, why);
	else
		count(s, *p, n);
	return r;
}

static ssize_t on_greeting(struct stream *st, const uint8_t *p, size_t n)
{
	struct slave *s = st->owner;
	ssize_t r = channel_answer(st, &s->handshake, &s->master->key, p, n, &s->identity);

	if (st->sealed)
		s->state = SLAVE_NEW;
	return r;
}

static void on_close(struct stream *st, int err, const char *why)
{
	struct slave *s = st->owner, *rival = s->state == SLAVE_UP ? s->rival : NULL;
	struct member *n = s->member;
	struct master *m = s->master;
	char from[IP_STR_MAX];

	if (s->going)
		why = s->going;
	else if (!why)
		why = err < 0 ? strerror(-err) : "closed";
	jobs_slave_lost(s, err, why);
	if (n) {
		n->slave = NULL;
		expected_changed(m);
		if (n->reported_boot != n->boot)
			member_set_state(n, "boot", "");
		else
			member_lost(n, why);
	} else if (s->state != SLAVE_UP && err != -EACCES && (err < 0 || s->state == SLAVE_NEW) &&
		   complaints_allow(&m->strangers, STRANGERS)) {
		log_warn(0, "a connection from %s ended before it registered: %s",
			 ip_format(&s->from, from), why);
	}
	part(s);
	slave_free(s);
	if (rival && !rival->stream.over && n)
		(void)admit(rival, n); /* a stream that fails closes */
	clients_resume(m);
}

static void on_drained(struct stream *st)
{
	blobs_drained(st->owner);
	clients_resume(((struct slave *)st->owner)->master);
}

static const struct stream_calls slave_calls = {
	.message = on_message,
	.greeting = on_greeting,
	.drained = on_drained,
	.close = on_close,
};

/* The same machine, as far as one can tell: who has an IPv6 address has all 2^64 of its network. */
static bool same_network(const struct ipaddr *a, const struct ipaddr *b)
{
	if (a->family == AF_INET6 && b->family == AF_INET6)
		return memcmp(&a->v6, &b->v6, 8) == 0;
	return ip_equal(a, b);
}

/* Make room for one more stranger. Return: false when its address has its share already. */
static bool pending_room(struct master *m, const struct ipaddr *from)
{
	struct slave *oldest = NULL;
	size_t same = 0;

	for (struct slave *s = m->pending; s; s = s->next_pending) {
		same += same_network(&s->from, from);
		if (!s->stream.over)
			oldest = s;
	}
	if (same >= MASTER_PENDING_HOST) {
		for (struct slave *s = m->pending; s; s = s->next_pending) {
			if (same_network(&s->from, from) && !s->stream.over)
				oldest = s;
		}
	} else if (m->n_pending < MASTER_PENDING_MAX) {
		return true;
	}
	if (oldest)
		stream_fail(&oldest->stream, -EBUSY, "it gave way to newer ones");
	return oldest != NULL;
}

static void accept_one(struct master *m, int fd, const struct ipaddr *from)
{
	struct slave *s = pending_room(m, from) ? calloc(1, sizeof(*s)) : NULL;
	const int on = 1;

	if (!s) {
		fd_close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only slower without */
	s->master = m;
	s->from = *from;
	s->state = SLAVE_GREETING;
	stream_init(&s->stream, m->loop, fd, &slave_calls, s, MESSAGE_SMALL_MAX);
	s->stream.greeting = true;
	s->stream.total = &m->slaves_queued;
	s->next_pending = m->pending;
	if (m->pending)
		m->pending->prev_pending = s;
	m->pending = s;
	m->n_pending++;
	ev_timer_init(&s->timer, on_timer, CHANNEL_TIMEOUT_MS / 1e3, CHANNEL_TIMEOUT_MS / 1e3);
	s->timer.data = s;
	ev_timer_start(m->loop, &s->timer);
	ev_timer_init(&s->hold, on_hold, 0., 0.);
	s->hold.data = s;
}

static void on_accept(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct master *m = w->data;
	union ip_sock from = { .in6 = { 0 } };
	socklen_t n = sizeof(from);
	int fd = master_accept(m, m->listen_fd, &from, &n);
	struct ipaddr host = ip_sock_host(&from);

	if (fd >= 0)
		accept_one(m, fd, &host);
}

int slaves_open(struct master *m)
{
	const struct ipaddr *at = &m->config->address;
	_cleanup_close_ int fd = FD_NONE;
	char text[IP_STR_MAX];
	int r = ip_bind(at, m->config->port, SOCK_STREAM, &fd);

	if (r == 0 && listen(fd, LISTEN_BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return log_err(r, "cannot listen for nodes on %s, TCP port %u",
			       ip_is_set(at) ? ip_format(at, text) : "all addresses",
			       m->config->port);
	m->listen_fd = TAKE_FD(fd);
	ev_io_init(&m->listening, on_accept, m->listen_fd, EV_READ);
	m->listening.data = m;
	ev_io_start(m->loop, &m->listening);
	return 0;
}

void slaves_close(struct master *m)
{
	while (m->pending)
		slave_free(m->pending);
	for (size_t i = 0; i < m->n_members; i++) {
		struct slave *s = m->members[i]->slave;

		if (s)
			slave_free(s);
		m->members[i]->slave = NULL;
	}
	if (m->listen_fd >= 0) {
		ev_io_stop(m->loop, &m->listening);
		m->listen_fd = fd_close(m->listen_fd);
	}
}

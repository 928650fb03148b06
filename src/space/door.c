/*
 * door.c - the unix socket where local programs come in
 *
 * The kernel says who a client is (SO_PEERCRED, SO_PEERGROUPS); nothing that the client says about
 * itself is asked for. A lock file beside the socket, held as long as we live, tells a second
 * bpmaster from a socket that a dead one left.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "space/master_internal.h"

#define DOOR_BACKLOG 128
#define CALLERS	     "local programs"

bool client_is_owner(const struct client *c)
{
	return c->who.uid == 0 || c->who.uid == geteuid();
}

static void client_free(struct client *c)
{
	struct master *m = c->master;

	for (struct client **p = &m->clients; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	m->n_clients--;
	m->n_stalled -= c->stalled;
	jobs_client_gone(c);
	stream_deinit(&c->stream);
	free(c);
}

int client_stall(struct client *c, size_t at)
{
	c->at = at;
	c->master->n_stalled += !c->stalled;
	c->stalled = true;
	return STREAM_AGAIN;
}

void clients_resume(struct master *m)
{
	for (struct client *c = m->clients; c && m->n_stalled > 0; c = c->next) {
		if (!c->stalled)
			continue;
		c->stalled = false;
		m->n_stalled--;
		stream_resume(&c->stream);
	}
}

/* Bytes that wait for all programs of a client's user. */
static size_t user_queued(const struct client *c)
{
	size_t n = 0;

	for (const struct client *o = c->master->clients; o; o = o->next)
		n += o->who.uid == c->who.uid ? stream_queued(&o->stream) : 0;
	return n;
}

bool client_room(const struct client *c, size_t n)
{
	struct stream *s = &((struct client *)c)->stream;

	if (stream_queued(s) + n < MASTER_CLIENT_HIGH || user_queued(c) + n < MASTER_USER_MAX)
		return true;
	stream_fail(s, -ENOBUFS, "programs of its user do not read what they asked for");
	return false;
}

void clients_changed(struct master *m)
{
	const uint8_t changed = MESSAGE_CHANGED;

	/* Of one who has not read the last word, another one would say no more. */
	for (struct client *c = m->clients; c; c = c->next) {
		if (c->watches && stream_queued(&c->stream) == 0)
			(void)stream_send(&c->stream, &changed, 1); /* one that fails is closed */
	}
}

static int answer(struct client *c, int error, const char *words)
{
	struct message_small msg;

	message_done_write(message_begin(&msg, MESSAGE_DONE), (uint32_t)error, words);
	return stream_send_writer(&c->stream, &msg.w);
}

static int take_open(void *owner, struct reader *r)
{
	struct client *c = owner;
	uint16_t version = reader_be16(r);
	char words[MESSAGE_WORDS_MAX];
	int e = reader_end(r);

	if (e < 0)
		return e;
	if (version != MESSAGE_VERSION) {
		snprintf(words, sizeof(words),
			 "bpmaster speaks version %u, this program %u: install them together",
			 MESSAGE_VERSION, version);
		return answer(c, EPROTO, words);
	}
	c->state = CLIENT_OPEN;
	stream_frame_max(&c->stream, MESSAGE_BYTES_MAX);
	return answer(c, 0, "");
}

static int take_list(void *owner, struct reader *r)
{
	struct client *c = owner;
	struct master *m = c->master;
	int e = reader_end(r);

	if (e == 0 && stream_queued(&c->stream) > MASTER_CLIENT_HIGH)
		return client_stall(c, 0); /* it has not read the last one */
	for (size_t i = 0; e == 0 && i < m->n_members; i++) {
		const struct member *n = m->members[i];
		struct message_small msg;
		struct message_node node = {
			.number = n->node.number,
			.mac = n->node.mac,
			.address = ip_is_set(&n->seen) ? n->seen : ip_from_v4(n->node.address),
			.mode = n->mode,
			.uid = n->uid,
			.gid = n->gid,
			.boot = n->boot,
			.jobs = n->slave ? n->slave->n_jobs : 0,
			.connected = n->slave != NULL,
			.since_ms = n->since_ms,
			.state = n->state,
			.name = n->node.name,
			.release = n->release,
			.words = n->words,
		};

		message_node_write(message_begin(&msg, MESSAGE_NODE), &node);
		e = stream_send_writer(&c->stream, &msg.w);
	}
	if (e == 0)
		e = groups_send(m, &c->stream);
	return e < 0 ? e : answer(c, 0, "");
}

static size_t jobs_of_user(const struct client *c)
{
	size_t n = 0;

	for (const struct client *o = c->master->clients; o; o = o->next)
		n += o->who.uid == c->who.uid ? o->n_jobs : 0;
	return n;
}

/*
 * Who a process is started for here: the caller itself, or a process of the same user. A caller in
 * another PID namespace has no number that we know; the master's own user and root are believed.
 */
static uint32_t ghost_of(const struct client *c, uint32_t claimed)
{
	char path[32];
	struct stat st;

	if (claimed > INT32_MAX)
		return 0;
	if (claimed == 0 || client_is_owner(c) || claimed == (uint32_t)c->pid)
		return claimed;
	snprintf(path, sizeof(path), "/proc/%u", claimed);
	return c->pid != 0 && stat(path, &st) == 0 && st.st_uid == c->who.uid ? claimed : 0;
}

static int take_run(void *owner, struct reader *r)
{
	struct client *c = owner;
	_cleanup_free_ uint32_t *nodes = NULL;
	struct message_spec spec;
	struct job_order order;
	size_t n, user_jobs;
	uint32_t first = reader_be32(r), pid = reader_be32(r);
	int e = message_nodes_read(r, &nodes, &n);

	if (e < 0)
		return e;
	order.pid = ghost_of(c, pid);
	order.spec = r->p;
	order.spec_n = r->left;
	e = message_spec_read(r, &spec); /* checked here once, so that no slave sees a bad one */
	if (e < 0)
		return e;
	order.window = spec.window;
	message_spec_clear(&spec);
	if (n > UINT32_MAX - first)
		return -EBADMSG;
	user_jobs = jobs_of_user(c);
	for (size_t i = c->at; i < n; i++) {
		char words[MESSAGE_WORDS_MAX];
		struct message_failed f = { .job = first + (uint32_t)i, .words = words };
		struct message_small msg;
		int why;

		if (user_jobs >= MASTER_JOBS_USER && c->who.uid != 0) {
			snprintf(words, sizeof(words), "user %u has %u jobs already", c->who.uid,
				 MASTER_JOBS_USER);
			why = EAGAIN;
		} else {
			order.rank = (uint32_t)i;
			why = job_start(c, f.job, nodes[i], &order, words);
		}
		if (why == -EAGAIN)
			return client_stall(c, i);
		user_jobs += why == 0;
		if (why == 0)
			continue;
		f.error = (uint32_t)why;
		message_failed_write(message_begin(&msg, MESSAGE_FAILED), &f);
		e = stream_send_writer(&c->stream, &msg.w);
		if (e < 0)
			return e;
	}
	return 0;
}

/* Apply one setting to one node. Return: 0, or a positive errno with words. */
static int set_one(struct member *n, enum message_set what, uint32_t value, const char *word,
		   char *words)
{
	struct message_small msg;
	int r;

	switch (what) {
	case MESSAGE_SET_STATE:
		settings_state(n, word);
		return 0;
	case MESSAGE_SET_ATTRIBUTE:
		r = -settings_attribute(n, word);
		if (r > 0)
			snprintf(words, MESSAGE_WORDS_MAX, "node %u: attribute '%.300s': %s",
				 n->node.number, word,
				 r == EINVAL ? "expected NAME=VALUE, or NAME of one that it has"
				 : r == E2BIG ? "at most 32 attributes of together 1 KiB"
					      : strerror(r));
		return r;
	case MESSAGE_SET_MODE:
		n->mode = value & 0111;
		return 0;
	case MESSAGE_SET_USER:
		n->uid = value;
		return 0;
	case MESSAGE_SET_GROUP:
		n->gid = value;
		return 0;
	default:
		break;
	}
	if (!n->slave) {
		snprintf(words, MESSAGE_WORDS_MAX, "node %u is %s", n->node.number, n->state);
		return EHOSTDOWN;
	}
	log_info("node %u is told to %s", n->node.number,
		 value == MESSAGE_REBOOT ? "reboot"
		 : value == MESSAGE_HALT ? "halt"
					 : "power off");
	writer_u8(message_begin(&msg, MESSAGE_POWER), (uint8_t)value);
	(void)stream_send_writer(&n->slave->stream, &msg.w);
	return 0;
}

static int take_set(void *owner, struct reader *r)
{
	struct client *c = owner;
	_cleanup_free_ uint32_t *nodes = NULL;
	char words[MESSAGE_WORDS_MAX] = "";
	const char *word;
	uint8_t what = reader_u8(r);
	uint32_t value = reader_be32(r);
	int error = 0, e;
	size_t n;

	word = reader_cstr(r);
	if (!word || strnlen(word, MESSAGE_ATTRIBUTE_MAX) == MESSAGE_ATTRIBUTE_MAX)
		return -EBADMSG;
	e = message_nodes_read(r, &nodes, &n);
	if (e == 0)
		e = reader_end(r);
	if (e < 0 || what >= MESSAGE_SET_MAX_)
		return e < 0 ? e : -EBADMSG;
	if ((what == MESSAGE_SET_STATE && !message_state_valid(word)) ||
	    (what == MESSAGE_SET_POWER && value >= MESSAGE_POWER_MAX_))
		return -EBADMSG;
	if (!client_is_owner(c))
		return answer(c, EPERM, "only root and the user that bpmaster runs as may do this");
	for (size_t i = 0; i < n; i++) {
		struct member *node = member_by_number(c->master, nodes[i]);
		int one = ENODEV;

		if (node)
			one = set_one(node, what, value, word, words);
		else
			snprintf(words, sizeof(words), "there is no node %u", nodes[i]);
		error = error ? error : one;
	}
	if (what != MESSAGE_SET_POWER) {
		clients_changed(c->master);
		e = settings_save(c->master);
		if (e < 0 && error == 0) {
			error = -e;
			snprintf(words, sizeof(words),
				 "the change is made, but bpmaster cannot keep it over a restart: "
				 "%s",
				 strerror(error));
		}
	}
	return answer(c, error, words);
}

static int take_attributes(void *owner, struct reader *r)
{
	struct client *c = owner;
	struct master *m = c->master;
	int e = reader_end(r);

	if (e == 0 && stream_queued(&c->stream) > MASTER_CLIENT_HIGH)
		return client_stall(c, 0); /* it has not read the last ones */
	for (size_t i = 0; e == 0 && i < m->n_members; i++) {
		struct message_attribute a = { .number = m->members[i]->node.number,
					       .text = m->members[i]->attributes };
		struct message_small msg;

		if (!a.text)
			continue;
		message_attribute_write(message_begin(&msg, MESSAGE_ATTRIBUTE), &a);
		e = stream_send_writer(&c->stream, &msg.w);
	}
	return e < 0 ? e : answer(c, 0, "");
}

static int take_ghosts(void *owner, struct reader *r)
{
	struct client *c = owner;
	int e = reader_end(r);

	if (e < 0)
		return e;
	if (stream_queued(&c->stream) > MASTER_CLIENT_HIGH)
		return client_stall(c, 0);
	jobs_list(c);
	return answer(c, 0, "");
}

static int take_watch(void *owner, struct reader *r)
{
	struct client *c = owner;
	int e = reader_end(r);

	if (e < 0)
		return e;
	c->watches = true;
	return answer(c, 0, "");
}

static int take_kill(void *owner, struct reader *r)
{
	struct client *c = owner;
	char words[MESSAGE_WORDS_MAX] = "";
	uint32_t pid;
	uint8_t signal;
	int e = message_stopped_read(r, &pid, &signal), error;

	if (e < 0)
		return e;
	error = pid == 0 ? -ESRCH : jobs_kill(c, pid, signal);
	if (error == STREAM_AGAIN)
		return STREAM_AGAIN;
	if (error < 0)
		snprintf(words, sizeof(words),
			 error == -EPERM ? "the process of %u is another user's"
					 : "%u is nobody's ghost",
			 pid);
	return answer(c, -error, words);
}

/* Every message that a client may send. */
static const struct message_take client_takes[MESSAGE_TYPE_MAX_] = {
	[MESSAGE_OPEN] = { CLIENT_NEW, take_open },
	[MESSAGE_LIST] = { CLIENT_OPEN, take_list },
	[MESSAGE_RUN] = { CLIENT_OPEN, take_run },
	[MESSAGE_SET] = { CLIENT_OPEN, take_set },
	[MESSAGE_ATTRIBUTES] = { CLIENT_OPEN, take_attributes },
	[MESSAGE_GHOSTS] = { CLIENT_OPEN, take_ghosts },
	[MESSAGE_WATCH] = { CLIENT_OPEN, take_watch },
	[MESSAGE_KILL] = { CLIENT_OPEN, take_kill },
	[MESSAGE_INPUT] = { CLIENT_OPEN, job_take_input },
	[MESSAGE_SIGNAL] = { CLIENT_OPEN, job_take_signal },
	[MESSAGE_OUTPUT_CREDIT] = { CLIENT_OPEN, job_take_output_credit },
	[MESSAGE_ABANDON] = { CLIENT_OPEN, job_take_abandon },
};

static int on_message(struct stream *st, const uint8_t *p, size_t n)
{
	struct client *c = st->owner;
	const char *why;
	int r = message_dispatch(client_takes, c->state, c, p, n, &why);

	if (r < 0)
		stream_fail(st, r, why);
	if (r != STREAM_AGAIN)
		c->at = 0;
	return r;
}

static void on_close(struct stream *st, int err, const char *why)
{
	struct client *c = st->owner;

	if (err < 0 && err != -ECONNRESET && err != -EPIPE &&
	    complaints_allow(&c->master->callers, CALLERS))
		log_warn(err, "client of user %u (pid %d) is cut off%s%s", c->who.uid, c->pid,
			 why ? ": " : "", why ? why : "");
	client_free(c);
}

/* It waited for its own program to read. */
static void on_drained(struct stream *st)
{
	clients_resume(((struct client *)st->owner)->master);
}

static const struct stream_calls client_calls = {
	.message = on_message,
	.drained = on_drained,
	.close = on_close,
};

/* Ask the kernel who is at the other end. */
static int identify(int fd, struct message_credentials *ret, int *ret_pid)
{
	struct message_credentials c = { 0 };
	gid_t groups[MESSAGE_GROUPS_MAX];
	socklen_t n = sizeof(groups), cred_n;
	struct ucred cred;

	cred_n = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_n) < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
		return -errno;
	c.uid = cred.uid;
	c.gid = cred.gid;
	c.n_groups = n / sizeof(gid_t);
	for (uint32_t i = 0; i < c.n_groups; i++)
		c.groups[i] = groups[i];
	*ret = c;
	*ret_pid = cred.pid;
	return 0;
}

static void on_accept(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct master *m = w->data;
	_cleanup_close_ int fd = master_accept(m, m->door_fd, NULL, NULL);
	struct message_credentials who;
	size_t same = 0;
	struct client *c;
	int pid = 0, r;

	if (fd < 0)
		return;
	r = identify(fd, &who, &pid);
	if (r < 0) {
		if (complaints_allow(&m->callers, CALLERS))
			log_warn(r, "cannot tell who a client is: closing it");
		return;
	}
	for (c = m->clients; c; c = c->next)
		same += c->who.uid == who.uid;
	if (m->n_clients >= MASTER_CLIENTS_MAX || (who.uid != 0 && same >= MASTER_CLIENTS_USER)) {
		if (complaints_allow(&m->callers, CALLERS))
			log_warn(0, "user %u (pid %d) has too many connections: closing one",
				 who.uid, pid);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->master = m;
	c->who = who;
	c->pid = pid;
	c->state = CLIENT_NEW;
	c->next = m->clients;
	m->clients = c;
	m->n_clients++;
	stream_init(&c->stream, loop, TAKE_FD(fd), &client_calls, c, MESSAGE_SMALL_MAX);
}

/* Make the directory and take the lock: from here on the socket's name is ours. */
static int lock(struct master *m)
{
	_cleanup_free_ char *dir = strdup(m->config->socket), *path = NULL;
	_cleanup_close_ int fd = FD_NONE;
	char *slash = dir ? strrchr(dir, '/') : NULL;
	int r = 0;

	if (!dir || asprintf(&path, "%s.lock", m->config->socket) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (slash && slash != dir) {
		*slash = 0;
		r = path_mkdirs(AT_FDCWD, dir, 0755);
	}
	if (r < 0)
		return log_err(r, "cannot make the directory '%s' of the socket", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return log_err(-errno, "cannot open '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return log_err(-EBUSY,
			       "another bpmaster serves '%s' already: stop it, or give --socket",
			       m->config->socket);
	m->lock_fd = TAKE_FD(fd);
	return 0;
}

int door_open(struct master *m)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = FD_NONE;
	size_t n = strlen(m->config->socket);
	mode_t mask;
	int r;

	if (n >= sizeof(at.sun_path))
		return log_err(-ENAMETOOLONG,
			       "the socket's path '%s' has %zu characters, at most %zu fit",
			       m->config->socket, n, sizeof(at.sun_path) - 1);
	memcpy(at.sun_path, m->config->socket, n);
	r = lock(m);
	if (r < 0)
		return r;
	if (unlink(m->config->socket) < 0 && errno != ENOENT)
		return log_err(-errno, "cannot remove the old socket '%s'", m->config->socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0111); /* no chmod(): its path may be another file by then */
	r = fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
			    listen(fd, DOOR_BACKLOG) < 0
		    ? -errno
		    : 0;
	umask(mask);
	if (r < 0)
		return log_err(r, "cannot listen at '%s'", m->config->socket);
	m->door_fd = TAKE_FD(fd);
	ev_io_init(&m->door, on_accept, m->door_fd, EV_READ);
	m->door.data = m;
	ev_io_start(m->loop, &m->door);
	return 0;
}

void door_close(struct master *m)
{
	while (m->clients)
		client_free(m->clients);
	if (m->door_fd >= 0) {
		ev_io_stop(m->loop, &m->door);
		m->door_fd = fd_close(m->door_fd);
		(void)unlink(m->config->socket); /* only tidier; the lock is what counts */
	}
	m->lock_fd = fd_close(m->lock_fd);
}

/*
 * door.c - the unix socket where local programs come in
 *
 * The kernel says who a client is (SO_PEERCRED, SO_PEERGROUPS); nothing that the client says about
 * itself is asked for. A lock file beside the socket, held as long as we live, tells a second
 * bpmaster from a socket that a dead one left.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "space/apart.h"
#include "space/master_internal.h"
#include "space/strays.h"

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
	apart_done(c);
	asks_client_gone(c);
	free(c->pids);
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

/* Whether its program has ended. */
static bool has_gone(const struct client *c)
{
	struct pollfd p = { .fd = c->stream.fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && p.revents & (POLLRDHUP | POLLHUP);
}

void clients_resume(struct master *m)
{
	for (struct client *c = m->clients; c && m->n_stalled > 0; c = c->next) {
		if (!c->stalled)
			continue;
		c->stalled = false;
		m->n_stalled--;
		if (has_gone(c)) /* what it has asked for is not begun any more */
			stream_fail(&c->stream, 0, NULL);
		else
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
	.strays = strays_close,
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
	c->stream.takes_fds = true;
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

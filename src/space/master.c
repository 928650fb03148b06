/*
 * master.c - bpmaster: opens its sockets, runs the loop, closes them again
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "space/blobs.h"
#include "space/expected.h"
#include "space/keys.h"
#include "space/master_internal.h"
#include "wire/masterkey.h"

static int load_key(struct master *m)
{
	_cleanup_buffer_ struct buffer text = BUFFER(MASTERKEY_TEXT_MAX);
	const char *path = m->config->key;
	uint8_t secret[CIPHER_KEY_BYTES];
	struct stat st;
	int r = file_read(AT_FDCWD, path, &text);

	if (r < 0)
		return log_err(r, "cannot read the master's key '%s' ('bpboot keygen' makes it)",
			       path);
	if (stat(path, &st) == 0 && st.st_mode & 077)
		log_warn(0,
			 "others may read the master's key '%s': chmod 600 it, or make a new one",
			 path);
	r = masterkey_parse(MASTERKEY_SECRET, buffer_str(&text), text.len, secret);
	if (text.data)
		sodium_memzero(text.data, text.len);
	if (r == -EPROTO)
		return log_err(r, "'%s' is the public key, the secret one is needed here", path);
	if (r == 0)
		r = keypair_of(secret, &m->key);
	sodium_memzero(secret, sizeof(secret));
	if (r < 0)
		return log_err(r, "'%s' is not a key of bpmaster ('bpboot keygen' makes one)",
			       path);
	return 0;
}

/* Each node and each program costs a descriptor; the usual 1,024 are too few. */
static void raise_limits(struct master *m)
{
	const rlim_t want = MASTER_NODES_MAX + MASTER_PENDING_MAX + MASTER_CLIENTS_MAX + 64;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < want) {
		struct rlimit all = { want, MAX(want, l.rlim_max) };

		l.rlim_cur = MIN(want, l.rlim_max);
		if (setrlimit(RLIMIT_NOFILE, &all) < 0 && setrlimit(RLIMIT_NOFILE, &l) < 0)
			log_warn(-errno, "cannot have more than a few files open");
	}
	m->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int master_accept(struct master *m, int listen_fd, void *from, uint32_t *from_n)
{
	int fd = accept4(listen_fd, from, from_n, SOCK_CLOEXEC | SOCK_NONBLOCK), e = -errno;

	if (fd >= 0 || (e != -EMFILE && e != -ENFILE))
		return fd >= 0 ? fd : e;
	m->spare_fd = fd_close(m->spare_fd);
	fd_close(accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC));
	m->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (complaints_allow(&m->strangers, "connections"))
		log_warn(e, "turning a connection away");
	return e;
}

static void on_end(struct ev_loop *loop, struct ev_signal *w, int events)
{
	log_info("ending on signal %d", w->signum);
	ev_break(loop, EVBREAK_ALL);
}

void master_nodes_clear(struct master_nodes *n)
{
	for (size_t i = 0; i < n->n_groups; i++)
		nodeset_clear(&n->groups[i].nodes);
	free(n->groups);
	free(n->list);
	*n = (struct master_nodes){ 0 };
}

void master_reload(struct master *m)
{
	struct master_nodes nodes = { 0 };

	if (!m->config->reload) {
		log_warn(0, "there is no list of nodes to read anew: ignoring SIGHUP");
		return;
	}
	if (m->config->reload(m->config->owner, &nodes) < 0 || members_load(m, &nodes) < 0 ||
	    groups_load(m, &nodes) < 0)
		log_warn(0, "keeping the old list of nodes");
	else
		log_info("read the list of nodes anew: %zu nodes", m->n_members);
	master_nodes_clear(&nodes);
}

static void on_reload(struct ev_loop *loop, struct ev_signal *w, int events)
{
	master_reload(w->data);
}

static void watch_signal(struct master *m, struct ev_signal *w, int signal,
			 void (*cb)(struct ev_loop *, struct ev_signal *, int))
{
	ev_signal_init(w, cb, signal);
	w->data = m;
	ev_signal_start(m->loop, w);
}

static int open_all(struct master *m)
{
	int r = load_key(m);

	if (r == 0)
		r = door_open(m); /* first: it holds the lock against a second one of us */
	if (r == 0)
		r = events_open(m);
	if (r == 0)
		r = settings_load(m);
	if (r == 0)
		r = keys_load(m);
	if (r == 0)
		r = members_load(m, &m->config->nodes);
	if (r == 0)
		r = groups_load(m, &m->config->nodes);
	if (r == 0)
		r = expected_load(m);
	if (r == 0)
		r = slaves_open(m);
	if (r == 0)
		jobs_open(m);
	if (r == 0)
		watch_open(m);
	if (r == 0 && m->config->ready)
		r = m->config->ready(m->config->owner);
	return r;
}

static void close_all(struct master *m)
{
	expected_close(m);
	blobs_close(m);
	jobs_close(m);
	door_close(m);
	slaves_close(m);
	events_close(m);
	members_close(m);
	groups_close(m);
	watch_close(m);
	settings_close(m);
	keys_close(m);
	m->spare_fd = fd_close(m->spare_fd);
	keypair_clear(&m->key);
}

int master_run(const struct master_config *c)
{
	struct master m = {
		.config = c,
		.listen_fd = FD_NONE,
		.watch_fd = FD_NONE,
		.lock_fd = FD_NONE,
		.door_fd = FD_NONE,
		.log_fd = FD_NONE,
		.boots_dirfd = FD_NONE,
		.spare_fd = FD_NONE,
	};
	int r;

	if (sodium_init() < 0)
		return log_err(-EIO, "cannot start libsodium");
	m.loop = ev_loop_new(EVFLAG_AUTO);
	if (!m.loop)
		return log_err(-ENOMEM, "cannot start");
	signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_DUMPABLE, 0); /* no core, and no debugger of its user's, has our keys */
	umask(022); /* boot logs are for everyone, keys and locks have modes of their own */
	raise_limits(&m);
	watch_signal(&m, &m.hup, SIGHUP, on_reload);
	watch_signal(&m, &m.term, SIGTERM, on_end);
	watch_signal(&m, &m.interrupt, SIGINT, on_end);
	r = open_all(&m);
	if (r == 0)
		ev_run(m.loop, 0);
	close_all(&m);
	ev_loop_destroy(m.loop);
	return r;
}

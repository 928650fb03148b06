/*
 * node.c - bpslave: keeps a connection to its master, and runs what it is told
 *
 * The node connects, again and again, at jittered distances; the only calls that it takes are of
 * other nodes that come for files (peers.h). Each time it proves that the master is the one whose
 * key its signed image carries. Processes outlive a connection for a while (orphans.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "space/node_internal.h"
#include "space/oom.h"
#include "space/pid1.h"
#include "wire/masterkey.h"

static int load_key(struct node *n)
{
	_cleanup_buffer_ struct buffer text = BUFFER(MASTERKEY_TEXT_MAX);
	const char *path = n->config->key;
	int r = file_read(AT_FDCWD, path, &text);

	if (r < 0)
		return log_err(
			r,
			"cannot read the master's public key '%s' (it belongs in the node's image)",
			path);
	r = masterkey_parse(MASTERKEY_PUBLIC, buffer_str(&text), text.len, n->master_key);
	if (r == -EPROTO)
		return log_err(
			r,
			"'%s' is a secret key and has no place on a node: put the public one there",
			path);
	if (r < 0)
		return log_err(r, "'%s' is not the public key of a bpmaster", path);
	return 0;
}

/* As we were told, or init was. PID 1 has not looked yet what that left, and goes on without. */
static int open_key(struct node *n)
{
	const char *lasting = n->config->node_key;

	if (!lasting && n->config->first && access(n->config->boot_file, F_OK) == 0 &&
	    handover_read(n->config->boot_file, &n->boot) < 0)
		n->boot = (struct handover){ 0 };
	if (!lasting && *n->boot.node_key)
		lasting = n->boot.node_key;
	return node_key_open(lasting, n->config->boot_file, &n->key);
}

void node_timer_set(struct node *n, uint32_t ms)
{
	n->timer.repeat = ms / 1e3;
	ev_timer_again(n->loop, &n->timer);
}

static void try_later(struct node *n, const char *why)
{
	char text[IP_STR_MAX], complaint[sizeof(n->complaint)];

	snprintf(complaint, sizeof(complaint), "%s", why);
	if (strcmp(complaint, n->complaint) != 0)
		log_warn(0, "no connection to bpmaster at %s:%u: %s; trying again",
			 ip_format(&n->boot.master, text), n->boot.port, why);
	memcpy(n->complaint, complaint, sizeof(complaint));
	n->state = NODE_WAITING;
	node_timer_set(n, backoff_next(&n->backoff));
}

void node_say(struct node *n, const struct message_small *m)
{
	(void)stream_send_writer(&n->stream, &m->w); /* a stream that fails closes */
}

/* A number of this boot where nobody said one: of the kernel's own. */
static uint32_t kernel_boot(void)
{
	_cleanup_buffer_ struct buffer text = BUFFER(64);
	char digits[9] = "";
	uint8_t b[4];

	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text) < 0 || text.len < 8)
		return 0;
	memcpy(digits, text.data, 8);
	if (parse_hex(digits, b, sizeof(b)) < 0)
		return 0;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void say_hello(struct node *n)
{
	struct utsname u = { 0 };
	struct message_small m;
	struct message_hello h = {
		.version = MESSAGE_VERSION,
		.mac = n->boot.mac,
		.boot = n->boot.boot ? n->boot.boot : kernel_boot(),
		.uptime_ms = clock_boot_ms(),
	};

	(void)uname(&u); /* cannot fail */
	h.release = u.release;
	h.hostname = u.nodename;
	message_hello_write(message_begin(&m, MESSAGE_HELLO), &h);
	node_say(n, &m);
}

static int on_message(struct stream *st, const uint8_t *p, size_t size)
{
	struct node *n = st->owner;
	const char *why;
	int r = message_dispatch(node_takes, n->state, n, p, size, &why);

	if (r < 0)
		stream_fail(st, r, why);
	return r;
}

static ssize_t on_greeting(struct stream *st, const uint8_t *p, size_t size)
{
	struct node *n = st->owner;
	ssize_t r = channel_prove(st, &n->handshake, &n->key.pair, n->key.lasting, p, size);

	if (r > 0) {
		n->state = NODE_NEW;
		say_hello(n);
	}
	return r;
}

static void on_close(struct stream *st, int err, const char *why)
{
	struct node *n = st->owner;
	if (!why)
		why = err < 0 ? strerror(-err) : "closed";
	if (n->state == NODE_GREETING && (err == 0 || err == -ECONNRESET))
		why = "it ended the handshake: is this node's master.pub the one of its key?";
	processes_orphan(&n->processes);
	stream_deinit(&n->stream);
	try_later(n, why);
}

static void on_drained(struct stream *st)
{
	processes_resume(&((struct node *)st->owner)->processes);
}

static const struct stream_calls node_calls = {
	.message = on_message,
	.greeting = on_greeting,
	.drained = on_drained,
	.close = on_close,
};

static void connect_end(struct node *n)
{
	if (n->state == NODE_CONNECTING)
		ev_io_stop(n->loop, &n->connecting);
	n->fd = fd_close(n->fd);
}

static void on_connected(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct node *n = w->data;
	const int on = 1;
	int err = 0;
	socklen_t size = sizeof(err);

	if (getsockopt(n->fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
		err = errno;
	if (err != 0) {
		connect_end(n);
		try_later(n, strerror(err));
		return;
	}
	ev_io_stop(loop, w);
	(void)setsockopt(n->fd, IPPROTO_TCP, TCP_NODELAY, &on,
			 sizeof(on)); /* only slower without */
	n->state = NODE_GREETING;
	stream_init(&n->stream, loop, TAKE_FD(n->fd), &node_calls, n, MESSAGE_SMALL_MAX);
	err = channel_greet(&n->stream, &n->handshake, n->master_key);
	if (err < 0)
		stream_fail(&n->stream, err, "the master's public key is not usable");
}

static void attempt(struct node *n)
{
	union ip_sock to;

	if (handover_read(n->config->boot_file, &n->boot) < 0) {
		try_later(n, "this node does not know its MAC");
		return;
	}
	node_choose_master(n);
	if (!ip_is_set(&n->boot.master)) {
		try_later(n, "this node does not know its master: no MASTER in its boot file");
		return;
	}
	to = ip_sock(&n->boot.master, n->boot.port);
	n->fd = socket(to.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0 || (connect(n->fd, &to.sa, ip_sock_bytes(&to)) < 0 && errno != EINPROGRESS)) {
		int e = errno;

		n->fd = fd_close(n->fd);
		try_later(n, strerror(e));
		return;
	}
	n->state = NODE_CONNECTING;
	ev_io_init(&n->connecting, on_connected, n->fd, EV_WRITE);
	n->connecting.data = n;
	ev_io_start(n->loop, &n->connecting);
	node_timer_set(n, NODE_CONNECT_MS);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct node *n = w->data;
	uint64_t silent_ms;

	switch (n->state) {
	case NODE_WAITING:
		attempt(n);
		break;
	case NODE_CONNECTING:
		connect_end(n);
		try_later(n, "no answer");
		break;
	case NODE_UP:
		silent_ms = clock_ms() - n->stream.heard_ms;
		if (silent_ms >= n->silence_ms)
			stream_fail(&n->stream, -ETIMEDOUT, "no keepalive from the master");
		else
			node_timer_set(n, n->silence_ms - (uint32_t)silent_ms);
		break;
	default:
		stream_fail(&n->stream, -ETIMEDOUT,
			    "the master did not register this node in time");
		break;
	}
}

static void on_child(struct ev_loop *loop, struct ev_signal *w, int events)
{
	processes_reap(&((struct node *)w->data)->processes);
}

static void on_end(struct ev_loop *loop, struct ev_signal *w, int events)
{
	struct node *n = w->data;

	if (n->config->first) {
		log_warn(0, "signal %d ends no init: ignoring it", w->signum);
		return;
	}
	ev_break(loop, EVBREAK_ALL);
}

static void watch_signal(struct node *n, struct ev_signal *w, int signal,
			 void (*cb)(struct ev_loop *, struct ev_signal *, int))
{
	ev_signal_init(w, cb, signal);
	w->data = n;
	ev_signal_start(n->loop, w);
}

/* Nothing to do without a key; as PID 1, ask for it again and again: a person may come by. */
static int prepare(struct node *n)
{
	int r = sodium_init() < 0 ? log_err(-EIO, "cannot start libsodium") : load_key(n);

	if (r == 0 && !n->config->first)
		r = handover_read(n->config->boot_file, &n->boot);
	if (r == 0)
		r = open_key(n);
	while (r < 0 && n->config->first) {
		sleep(NODE_KEY_RETRY_S);
		processes_reap(&n->processes);
		r = load_key(n);
		r = r < 0 ? r : open_key(n);
	}
	return r;
}

/* Each process costs four descriptors. The processes themselves get the limits of their callers. */
static void raise_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) < 0)
		log_warn(-errno, "cannot have more than a few files open");
}

static void keep_lease(struct node *n)
{
	const char *path = n->config->lease;
	int r = path ? renewal_new(n->loop, path, &n->renewal) : 0;

	if (r == -ENOENT)
		r = renewal6_new(n->loop, path, &n->renewal6);
	if (r < 0 && r != -ENOENT)
		log_warn(r, "the lease of this node is not renewed");
}

int node_run(const struct node_config *c)
{
	struct node n = {
		.config = c,
		.fd = FD_NONE,
		.state = NODE_WAITING,
		.backoff = BACKOFF(NODE_RETRY_MIN_MS, NODE_RETRY_MAX_MS),
	};
	int r;

	if (c->first)
		pid1_setup(n.trouble);
	oom_exempt();
	n.loop = ev_loop_new(EVFLAG_AUTO);
	if (!n.loop)
		return log_err(-ENOMEM, "cannot start");
	signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_DUMPABLE, 0); /* no core has our keys; what we run is as any other */
	raise_limits();
	(void)prctl(PR_SET_CHILD_SUBREAPER,
		    1); /* orphans of our processes come to us, or to init */
	(void)umask(022); /* the cache is passed through by all; processes get their callers' */
	processes_init(&n.processes, n.loop);
	n.processes.carries.dir = c->cache;
	n.processes.carries.limit = c->cache_bytes;
	n.processes.carries.peers.carries = &n.processes.carries;
	r = prepare(&n);
	if (r < 0)
		goto out;
	processes_open(&n.processes, c->first);
	ev_timer_init(&n.timer, on_timer, 0., 0.);
	n.timer.data = &n;
	watch_signal(&n, &n.child, SIGCHLD, on_child);
	watch_signal(&n, &n.term, SIGTERM, on_end);
	watch_signal(&n, &n.interrupt, SIGINT, on_end);
	keep_lease(&n);
	feeder_start(&n.feeder, n.loop, c->boot_file);
	ev_now_update(n.loop); /* prepare() may have taken its time */
	attempt(&n);
	ev_run(n.loop, 0);
	feeder_stop(&n.feeder, n.loop);
	renewal_free(n.renewal);
	renewal6_free(n.renewal6);
	processes_close(&n.processes);
	stream_deinit(&n.stream);
	connect_end(&n);
out:
	ev_loop_destroy(n.loop);
	return r;
}

/*
 * embedded.c - dnsmasq as supervised children that serve the cluster
 *
 * Two of them: one sends files, and runs for as long as we do; the other answers DHCP, and is
 * started anew when the node table has changed, which takes it some milliseconds. So a changed
 * table ends no transfer, and a request that comes in between is asked again. SIGHUP would spare
 * the second start, but then the nodes would have to lie in a file apart, in which they can have no
 * image of their own: dnsmasq 2.86 to 2.90 frees the tags of such a file twice.
 *
 * What they read lies in a folder of our own. Folders are watched, not files, since tables are
 * replaced by renaming.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "serve/dnsmasq.h"
#include "serve/dnsmasq_log.h"
#include "serve/embedded.h"
#include "serve/ipxe.h"
#include "serve/nodes.h"

enum {
	END_MS = 5000,	 /* for dnsmasq to end when told to */
	SETTLE_MS = 100, /* between a table's change and its reading: editors write in steps */
	LINE_BYTES_MAX = 4096, /* of dnsmasq's log */
};

enum { FILES, DHCP, CHILDREN };
static const char *const conf_files[CHILDREN] = { [FILES] = "tftp.conf", [DHCP] = "dhcp.conf" };

struct child {
	pid_t pid;  /* 0: it does not run */
	int log_fd; /* its standard error */
	bool started;
	bool anew; /* was told to end, to read its configuration again */
	struct dnsmasq_log log;
	struct buffer line;
	char last_trouble[DNSMASQ_LOG_TEXT_MAX];
	struct backoff backoff;
	uint64_t start_at; /* clock_ms(); 0: not due */
};

struct embedded {
	const struct embedded_spec *spec;
	struct nodes nodes;
	int dirfd;
	int signals, changes; /* signalfd, inotify */
	bool said_started;
	struct child children[CHILDREN];
	uint64_t settle_at; /* clock_ms(); 0: not due */
};

static int write_conf(struct embedded *e, const struct nodes *t, enum dnsmasq_role role, int child)
{
	const char *name = conf_files[child];
	_cleanup_buffer_ struct buffer text = BUFFER(DNSMASQ_BYTES_MAX);
	int r = dnsmasq_format(e->spec->cluster, t, role, &text);

	if (r == -EINVAL)
		return r; /* logged */
	r = r < 0 ? r : file_write(e->dirfd, name, buffer_str(&text), text.len, 0644);
	return r < 0 ? log_err(r, "cannot write '%s/%s'", e->spec->dir, name) : 0;
}

/* What the node table decides. The script comes first: a boot directory that is full leaves the
 * nodes as they were. */
static int write_nodes(struct embedded *e, const struct nodes *t)
{
	const struct cluster *c = e->spec->cluster;
	_cleanup_buffer_ struct buffer script = BUFFER(IPXE_BYTES_MAX);
	_cleanup_free_ char *path = NULL;
	int r = path_join(c->boot, DNSMASQ_SCRIPT, &path);

	if (r == 0)
		r = ipxe_format(c, t, true, &script);
	if (r == 0)
		r = file_write(AT_FDCWD, path, buffer_str(&script), script.len, 0644);
	if (r < 0)
		return log_err(r, "cannot write '%s'", path ? path : DNSMASQ_SCRIPT);
	return write_conf(e, t, e->spec->proxy ? DNSMASQ_PROXY_DHCP : DNSMASQ_DHCP, DHCP);
}

static int start(struct embedded *e, int child)
{
	struct child *d = &e->children[child];
	char conf[PATH_MAX + 32];
	const char *const argv[] = {
		"dnsmasq", "--keep-in-foreground", "--log-facility=-", "--pid-file=", conf, NULL
	};
	struct process p = PROCESS(argv);
	int pipe_fd[2], r;

	snprintf(conf, sizeof(conf), "--conf-file=%s/%s", e->spec->dir, conf_files[child]);
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return log_err(-errno, "cannot start dnsmasq");
	p.err = p.out = pipe_fd[1];
	p.die_with_parent = true;
	r = process_spawn(&p, &d->pid);
	close(pipe_fd[1]);
	if (r < 0) {
		close(pipe_fd[0]);
		return log_err(r, r == -ENOENT ? "cannot start dnsmasq: Debian's package "
						 "dnsmasq-base has it"
					       : "cannot start dnsmasq");
	}
	(void)fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK);
	d->log_fd = pipe_fd[0];
	d->start_at = 0;
	buffer_clear(&d->line);
	return 0;
}

/* A node as a person knows it: "n0 (52:54:00:12:34:56)". */
static const char *who_is(const struct embedded *e, const struct mac *m, char ret[static 96])
{
	const struct node *n = nodes_by_mac(&e->nodes, m);
	char mac[MAC_STR_MAX], name[NODES_NAME_MAX];

	if (n)
		snprintf(ret, 96, "%s (%s)", node_name(n, name), mac_format(m, mac));
	else
		mac_format(m, ret);
	return ret;
}

static const char *who_has(const struct embedded *e, struct in_addr a, char ret[static 96])
{
	for (size_t i = 0; i < e->nodes.n; i++) {
		if (e->nodes.list[i].address.s_addr == a.s_addr)
			return node_name(&e->nodes.list[i], ret);
	}
	return ipv4_format(a, ret);
}

/* Parts are many, and bpmaster tells how a fetch goes: one line a file that is none. */
static bool is_part(const char *path)
{
	return strstr(path, "/parts/") != NULL;
}

static void take_start(struct embedded *e, struct child *d)
{
	d->started = true;
	backoff_reset(&d->backoff);
	for (size_t i = 0; i < CHILDREN; i++) {
		if (!e->children[i].started)
			return;
	}
	if (!e->said_started)
		log_info("serving %zu nodes on %s from '%s'", e->nodes.n,
			 e->spec->cluster->interface, e->spec->cluster->boot);
	e->said_started = true;
}

static void take_line(struct embedded *e, struct child *d, const char *line)
{
	static const char *const clients[] = { "firmware", "iPXE", "init" };
	struct dnsmasq_log *l = &d->log;
	char who[96], address[INET_ADDRSTRLEN];

	log_debug("%s", line);
	switch (dnsmasq_log_take(l, line)) {
	case DNSMASQ_NOTHING:
		return;
	case DNSMASQ_STARTED:
		take_start(e, d);
		return;
	case DNSMASQ_LEASED:
		log_info("%s: %s has address %s", who_is(e, &l->mac, who), clients[l->client],
			 ipv4_format(l->address, address));
		return;
	case DNSMASQ_REFUSED:
		log_warn(0, "%s gets no answer: %s", who_is(e, &l->mac, who), l->text);
		return;
	case DNSMASQ_SENT:
		if (!is_part(l->text))
			log_info("%s: has %s", who_has(e, l->address, who), path_base(l->text));
		return;
	case DNSMASQ_MISSING:
		log_warn(0, "%s asked for '%s', which is not there", who_has(e, l->address, who),
			 l->text);
		return;
	case DNSMASQ_BROKEN:
		if (!is_part(l->text)) /* init ends sessions that it does not need */
			log_warn(0, "%s did not take all of '%s'", who_has(e, l->address, who),
				 l->text);
		return;
	case DNSMASQ_TROUBLE:
		snprintf(d->last_trouble, sizeof(d->last_trouble), "%s", l->text);
		log_warn(0, "dnsmasq: %s", l->text);
		return;
	}
}

static void take_log(struct embedded *e, struct child *d)
{
	for (;;) {
		char *end;
		ssize_t n;

		if (buffer_reserve(&d->line, 1024) <
		    0) /* a line that is too long says nothing to us */
			buffer_clear(&d->line);
		if (buffer_reserve(&d->line, 1024) < 0)
			return;
		n = read(d->log_fd, d->line.data + d->line.len, 1023);
		if (n <= 0) {
			if (n == 0)
				d->log_fd = fd_close(d->log_fd);
			return;
		}
		d->line.len += (size_t)n;
		d->line.data[d->line.len] = 0;
		while (d->line.len > 0 && (end = memchr(d->line.data, '\n', d->line.len))) {
			*end = 0;
			take_line(e, d, (const char *)d->line.data);
			buffer_consume(&d->line, (size_t)(end - (char *)d->line.data) + 1);
		}
	}
}

/* It ended: as it was told to, to be started anew, or by itself. */
static int take_end(struct embedded *e, struct child *d, int status)
{
	uint32_t wait_ms;

	if (d->log_fd >= 0)
		take_log(e, d);
	d->log_fd = fd_close(d->log_fd);
	d->pid = 0;
	if (d->anew) {
		d->anew = false;
		d->start_at = clock_ms();
		return 0;
	}
	if (!e->said_started)
		return log_err(0, "dnsmasq does not start (status %d)%s%s", process_status(status),
			       *d->last_trouble ? ": " : "", d->last_trouble),
		       -EIO;
	wait_ms = backoff_next(&d->backoff);
	d->start_at = clock_ms() + wait_ms;
	log_warn(0, "dnsmasq for %s ended (status %d)%s%s; it is started again in %.1f s",
		 d == &e->children[FILES] ? "TFTP" : "DHCP", process_status(status),
		 *d->last_trouble ? ": " : "", d->last_trouble, wait_ms / 1000.0);
	return 0;
}

/* Return: 1 to stop. */
static int take_signals(struct embedded *e)
{
	struct signalfd_siginfo s;
	int status, stop = 0, r = 0;

	while (read(e->signals, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGHUP)
			e->settle_at = clock_ms();
		else if (s.ssi_signo != SIGCHLD)
			stop = 1;
	}
	if (stop)
		return 1;
	for (size_t i = 0; r == 0 && i < CHILDREN; i++) {
		struct child *d = &e->children[i];

		if (d->pid > 0 && waitpid(d->pid, &status, WNOHANG) == d->pid)
			r = take_end(e, d, status);
	}
	return r;
}

/* The table has changed: take it, if it is one. */
static void reload(struct embedded *e)
{
	struct child *d = &e->children[DHCP];
	_cleanup_nodes_ struct nodes t = { 0 };

	e->settle_at = 0;
	if (nodes_load(e->spec->cluster->nodes, &t) < 0 || write_nodes(e, &t) < 0) {
		log_warn(0, "the nodes stay as they were");
		return;
	}
	if (d->pid > 0) { /* else it will be started with it */
		d->anew = true;
		kill(d->pid, SIGTERM);
	}
	log_info("%zu nodes, as '%s' says now", t.n, e->spec->cluster->nodes);
	nodes_clear(&e->nodes);
	e->nodes = t;
	t = (struct nodes){ 0 };
}

static void take_changes(struct embedded *e)
{
	_Alignas(struct inotify_event) char buf[4096];
	const char *name = path_base(e->spec->cluster->nodes);
	ssize_t n;

	while ((n = read(e->changes, buf, sizeof(buf))) > 0) {
		const struct inotify_event *v;

		for (char *p = buf; p < buf + n; p += sizeof(*v) + v->len) {
			v = (const void *)p;
			if (v->len > 0 && !strcmp(v->name, name))
				e->settle_at = clock_ms() + SETTLE_MS;
		}
	}
}

static int timeout(const struct embedded *e)
{
	uint64_t now = clock_ms(), at = e->settle_at ? e->settle_at : UINT64_MAX;

	for (size_t i = 0; i < CHILDREN; i++) {
		if (e->children[i].start_at)
			at = MIN(at, e->children[i].start_at);
	}
	return at == UINT64_MAX ? -1 : at <= now ? 0 : (int)MIN(at - now, (uint64_t)60000);
}

/* What is due by now. */
static int do_due(struct embedded *e)
{
	int r = 0;

	if (e->settle_at && clock_ms() >= e->settle_at)
		reload(e);
	for (int i = 0; r == 0 && i < CHILDREN; i++) {
		if (e->children[i].start_at && clock_ms() >= e->children[i].start_at)
			r = start(e, i);
	}
	return r;
}

static int loop(struct embedded *e)
{
	for (int r = 0; r <= 0;) {
		struct pollfd p[2 + CHILDREN] = { { .fd = e->signals, .events = POLLIN },
						  { .fd = e->changes, .events = POLLIN } };

		for (size_t i = 0; i < CHILDREN; i++)
			p[2 + i] = (struct pollfd){ .fd = e->children[i].log_fd, .events = POLLIN };
		if (poll(p, ARRAY_SIZE(p), timeout(e)) < 0 && errno != EINTR)
			return log_err(-errno, "cannot wait for events");
		for (size_t i = 0; i < CHILDREN; i++) {
			if (p[2 + i].revents)
				take_log(e, &e->children[i]);
		}
		if (p[1].revents)
			take_changes(e);
		r = p[0].revents ? take_signals(e) : 0;
		if (r == 0)
			r = do_due(e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int watch_table(struct embedded *e)
{
	const char *file = e->spec->cluster->nodes;
	_cleanup_free_ char *dir = file ? strndup(file, (size_t)(path_base(file) - file)) : NULL;

	e->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (e->changes < 0 ||
	    (dir &&
	     inotify_add_watch(e->changes, dir, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE) < 0))
		return log_err(-errno, "cannot watch '%s' for changes", dir ? dir : "");
	return 0;
}

static int open_all(struct embedded *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	e->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (e->signals < 0)
		return log_err(-errno, "cannot wait for signals");
	if (mkdir(e->spec->dir, 0755) < 0)
		return log_err(-errno, "cannot make '%s'", e->spec->dir);
	e->dirfd = open(e->spec->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->dirfd < 0)
		return log_err(-errno, "cannot open '%s'", e->spec->dir);
	return watch_table(e);
}

static void child_end(struct child *d)
{
	int status;

	if (d->pid > 0) {
		kill(d->pid, SIGTERM);
		if (process_wait(d->pid, END_MS, &status) < 0 &&
		    (kill(d->pid, SIGKILL) < 0 || process_wait(d->pid, -1, &status) < 0))
			log_warn(0, "dnsmasq (pid %d) does not end", d->pid);
	}
	fd_close(d->log_fd);
	buffer_clear(&d->line);
}

static void close_all(struct embedded *e)
{
	for (size_t i = 0; i < CHILDREN; i++)
		child_end(&e->children[i]);
	if (e->dirfd >= 0) {
		for (size_t i = 0; i < CHILDREN; i++)
			unlinkat(e->dirfd, conf_files[i], 0);
		rmdir(e->spec->dir);
	}
	fd_close(e->dirfd);
	fd_close(e->signals);
	fd_close(e->changes);
	nodes_clear(&e->nodes);
}

int embedded_serve(const struct embedded_spec *spec)
{
	struct embedded e = {
		.spec = spec, .dirfd = FD_NONE, .signals = FD_NONE, .changes = FD_NONE
	};
	int r = nodes_load(spec->cluster->nodes, &e.nodes);

	for (size_t i = 0; i < CHILDREN; i++)
		e.children[i] = (struct child){
			.log_fd = FD_NONE,
			.line = BUFFER(LINE_BYTES_MAX),
			.backoff = BACKOFF(EMBEDDED_RETRY_MIN_MS, EMBEDDED_RETRY_MAX_MS),
		};
	if (r == 0)
		r = open_all(&e);
	if (r == 0)
		r = write_nodes(&e, &e.nodes);
	if (r == 0)
		r = write_conf(&e, &e.nodes, DNSMASQ_TFTP, FILES);
	for (int i = 0; r == 0 && i < CHILDREN; i++)
		r = start(&e, i);
	if (r == 0)
		r = loop(&e);
	close_all(&e);
	if (r == 0)
		log_info("ended");
	return r;
}

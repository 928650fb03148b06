/*
 * embedded.c - dnsmasq as a supervised child that serves the cluster
 *
 * What dnsmasq reads lies in a folder of our own: its configuration, which holds for as long as it
 * runs, and the nodes and their images, which it reads again at SIGHUP, so that a changed node
 * table ends no transfer. Folders are watched, not files, since tables are replaced by renaming.
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

static const char conf_file[] = "dnsmasq.conf", hosts_file[] = "hosts";

struct embedded {
	const struct embedded_spec *spec;
	struct nodes nodes;
	int dirfd;
	int signals, changes; /* signalfd, inotify */
	int log_fd;	      /* dnsmasq's standard error */
	pid_t pid;	      /* 0: it does not run */
	bool said_started;
	struct dnsmasq_log log;
	struct buffer line;
	char last_trouble[DNSMASQ_LOG_TEXT_MAX];
	struct backoff backoff;
	uint64_t start_at, settle_at; /* clock_ms(); 0: not due */
};

static int write_part(struct embedded *e, const char *name, struct buffer *text, int made)
{
	int r = made < 0 ? made : file_write(e->dirfd, name, buffer_str(text), text->len, 0644);

	return r == 0 || r == -EINVAL ? r : log_err(r, "cannot write '%s/%s'", e->spec->dir, name);
}

/* What the node table decides. */
static int write_nodes(struct embedded *e, const struct nodes *t)
{
	const struct cluster *c = e->spec->cluster;
	_cleanup_buffer_ struct buffer hosts = BUFFER(DNSMASQ_BYTES_MAX),
				       script = BUFFER(IPXE_BYTES_MAX);
	_cleanup_free_ char *path = NULL;
	int r = dnsmasq_format_hosts(c, t, e->spec->proxy, &hosts);

	if (r == -EINVAL)
		return r; /* logged; nothing was written yet */
	if (r == 0)
		r = path_join(c->boot, DNSMASQ_SCRIPT, &path);
	if (r == 0)
		r = ipxe_format(c, t, true, &script);
	if (r == 0)
		r = file_write(AT_FDCWD, path, buffer_str(&script), script.len, 0644);
	if (r < 0)
		return log_err(r, "cannot write '%s'", path ? path : DNSMASQ_SCRIPT);
	/* last, so that a boot directory that is full leaves the nodes as they were, too */
	return write_part(e, hosts_file, &hosts, 0);
}

static int write_fixed(struct embedded *e)
{
	_cleanup_buffer_ struct buffer text = BUFFER(DNSMASQ_BYTES_MAX);
	_cleanup_free_ char *hosts = NULL;
	int r = path_join(e->spec->dir, hosts_file, &hosts);

	if (r == 0)
		r = dnsmasq_format_served(e->spec->cluster, e->spec->proxy, hosts, &text);
	return write_part(e, conf_file, &text, r);
}

static int start(struct embedded *e)
{
	char conf[PATH_MAX + 32];
	const char *const argv[] = {
		"dnsmasq", "--keep-in-foreground", "--log-facility=-", "--pid-file=", conf, NULL
	};
	struct process p = PROCESS(argv);
	int pipe_fd[2], r;

	snprintf(conf, sizeof(conf), "--conf-file=%s/%s", e->spec->dir, conf_file);
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return log_err(-errno, "cannot start dnsmasq");
	p.err = p.out = pipe_fd[1];
	p.die_with_parent = true;
	r = process_spawn(&p, &e->pid);
	close(pipe_fd[1]);
	if (r < 0) {
		close(pipe_fd[0]);
		return log_err(r, r == -ENOENT ? "cannot start dnsmasq: Debian's package "
						 "dnsmasq-base has it"
					       : "cannot start dnsmasq");
	}
	(void)fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK);
	e->log_fd = pipe_fd[0];
	e->start_at = 0;
	buffer_clear(&e->line);
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

static void take_line(struct embedded *e, const char *line)
{
	static const char *const clients[] = { "firmware", "iPXE", "init" };
	struct dnsmasq_log *l = &e->log;
	char who[96], address[INET_ADDRSTRLEN];

	log_debug("%s", line);
	switch (dnsmasq_log_take(l, line)) {
	case DNSMASQ_NOTHING:
		return;
	case DNSMASQ_STARTED:
		if (!e->said_started)
			log_info("serving %zu nodes on %s from '%s'", e->nodes.n,
				 e->spec->cluster->interface, e->spec->cluster->boot);
		e->said_started = true;
		backoff_reset(&e->backoff);
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
		snprintf(e->last_trouble, sizeof(e->last_trouble), "%s", l->text);
		log_warn(0, "dnsmasq: %s", l->text);
		return;
	}
}

static void take_log(struct embedded *e)
{
	for (;;) {
		char *end;
		ssize_t n;

		if (buffer_reserve(&e->line, 1024) <
		    0) /* a line that is too long says nothing to us */
			buffer_clear(&e->line);
		if (buffer_reserve(&e->line, 1024) < 0)
			return;
		n = read(e->log_fd, e->line.data + e->line.len, 1023);
		if (n <= 0) {
			if (n == 0)
				e->log_fd = fd_close(e->log_fd);
			return;
		}
		e->line.len += (size_t)n;
		e->line.data[e->line.len] = 0;
		while (e->line.len > 0 && (end = memchr(e->line.data, '\n', e->line.len))) {
			*end = 0;
			take_line(e, (const char *)e->line.data);
			buffer_consume(&e->line, (size_t)(end - (char *)e->line.data) + 1);
		}
	}
}

/* dnsmasq ended although nobody told it to. */
static int take_end(struct embedded *e, int status)
{
	uint32_t wait_ms;

	if (e->log_fd >= 0)
		take_log(e);
	e->log_fd = fd_close(e->log_fd);
	e->pid = 0;
	if (!e->said_started)
		return log_err(0, "dnsmasq does not start (status %d)%s%s", process_status(status),
			       *e->last_trouble ? ": " : "", e->last_trouble),
		       -EIO;
	wait_ms = backoff_next(&e->backoff);
	e->start_at = clock_ms() + wait_ms;
	log_warn(0, "dnsmasq ended (status %d)%s%s; it is started again in %.1f s",
		 process_status(status), *e->last_trouble ? ": " : "", e->last_trouble,
		 wait_ms / 1000.0);
	return 0;
}

/* Return: 1 to stop. */
static int take_signals(struct embedded *e)
{
	struct signalfd_siginfo s;
	int status, stop = 0;

	while (read(e->signals, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGHUP)
			e->settle_at = clock_ms();
		else if (s.ssi_signo != SIGCHLD)
			stop = 1;
	}
	if (stop)
		return 1;
	if (e->pid > 0 && waitpid(e->pid, &status, WNOHANG) == e->pid)
		return take_end(e, status);
	return 0;
}

/* The table has changed: take it, if it is one. */
static void reload(struct embedded *e)
{
	struct nodes t;

	e->settle_at = 0;
	if (nodes_load(e->spec->cluster->nodes, &t) < 0 || write_nodes(e, &t) < 0) {
		log_warn(0, "the nodes stay as they were");
		return;
	}
	nodes_clear(&e->nodes);
	e->nodes = t;
	if (e->pid > 0)
		kill(e->pid, SIGHUP);
	log_info("%zu nodes, as '%s' says now", t.n, e->spec->cluster->nodes);
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
	uint64_t now = clock_ms(), at = UINT64_MAX;

	if (e->start_at)
		at = MIN(at, e->start_at);
	if (e->settle_at)
		at = MIN(at, e->settle_at);
	return at == UINT64_MAX ? -1 : at <= now ? 0 : (int)MIN(at - now, (uint64_t)60000);
}

static int loop(struct embedded *e)
{
	for (int r = 0; r <= 0;) {
		struct pollfd p[] = { { .fd = e->signals, .events = POLLIN },
				      { .fd = e->changes, .events = POLLIN },
				      { .fd = e->log_fd, .events = POLLIN } };

		if (poll(p, ARRAY_SIZE(p), timeout(e)) < 0 && errno != EINTR)
			return log_err(-errno, "cannot wait for events");
		if (p[2].revents)
			take_log(e);
		if (p[1].revents)
			take_changes(e);
		r = p[0].revents ? take_signals(e) : 0;
		if (r == 0 && e->settle_at && clock_ms() >= e->settle_at)
			reload(e);
		if (r == 0 && e->start_at && clock_ms() >= e->start_at)
			r = start(e);
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

static void close_all(struct embedded *e)
{
	int status;

	if (e->pid > 0) {
		kill(e->pid, SIGTERM);
		if (process_wait(e->pid, END_MS, &status) < 0 &&
		    (kill(e->pid, SIGKILL) < 0 || process_wait(e->pid, -1, &status) < 0))
			log_warn(0, "dnsmasq (pid %d) does not end", e->pid);
	}
	if (e->dirfd >= 0) {
		unlinkat(e->dirfd, conf_file, 0);
		unlinkat(e->dirfd, hosts_file, 0);
		rmdir(e->spec->dir);
	}
	fd_close(e->dirfd);
	fd_close(e->signals);
	fd_close(e->changes);
	fd_close(e->log_fd);
	buffer_clear(&e->line);
	nodes_clear(&e->nodes);
}

int embedded_serve(const struct embedded_spec *spec)
{
	struct embedded e = { .spec = spec,
			      .dirfd = FD_NONE,
			      .signals = FD_NONE,
			      .changes = FD_NONE,
			      .log_fd = FD_NONE,
			      .line = BUFFER(LINE_BYTES_MAX),
			      .backoff = BACKOFF(EMBEDDED_RETRY_MIN_MS, EMBEDDED_RETRY_MAX_MS) };
	int r = nodes_load(spec->cluster->nodes, &e.nodes);

	if (r == 0)
		r = open_all(&e);
	if (r == 0)
		r = write_nodes(&e, &e.nodes);
	if (r == 0)
		r = write_fixed(&e);
	if (r == 0)
		r = start(&e);
	if (r == 0)
		r = loop(&e);
	close_all(&e);
	if (r == 0)
		log_info("ended");
	return r;
}

/*
 * events.c - boot events: datagrams in, one file a machine out (wire/bootlog.h)
 *
 * Anyone can send datagrams, so each thing they make grow has a bound: the file, the events of one
 * boot, the machines that nobody listed, of which the oldest gives way. After a restart the file
 * itself tells what it already holds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "space/master_internal.h"
#include "wire/bootlog.h"

#define BOOTS_DIR	"boots"
#define BOOT_EVENTS_MAX 4096   /* of one boot */
#define UNKNOWN_BYTES	65536u /* of the file of a machine that nobody listed */
#define DATAGRAMS_TURN	64     /* taken before others have their turn */

/* What tells an event from another one of the same boot. */
struct seen {
	uint32_t seq; /* 0: from the node's record */
	uint64_t ms;
	uint8_t stage, state;
};

/* The latest boot of a machine. */
struct boot {
	struct boot *next;
	struct mac mac;
	uint32_t boot, before; /* numbers of this boot and the one before it; 0: none known */
	bool unknown;	       /* it has no node number */
	bool recalled;	       /* what its file holds is known */
	size_t bytes;	       /* of the file */
	struct seen *seen;     /* owned */
	size_t n_seen, cap_seen;
};

static const char *file_name(const struct mac *mac, const char *kind, char ret[static 64])
{
	char text[MAC_STR_MAX];

	snprintf(ret, 64, "%s.%s", mac_format(mac, text), kind);
	return ret;
}

/* Whether @e is here already. Record lines have no number and are known by time, stage and state.
 */
static bool is_seen(const struct boot *b, const struct report *e)
{
	for (size_t i = 0; i < b->n_seen; i++) {
		const struct seen *s = &b->seen[i];

		if (e->seq && s->seq
			    ? e->seq == s->seq
			    : e->ms == s->ms && e->stage == s->stage && e->state == s->state)
			return true;
	}
	return false;
}

static int remember(struct boot *b, const struct report *e)
{
	if (b->n_seen >= BOOT_EVENTS_MAX)
		return -E2BIG;
	if (b->n_seen == b->cap_seen) {
		size_t cap = b->cap_seen ? 2 * b->cap_seen : 32;
		struct seen *p = reallocarray(b->seen, cap, sizeof(*p));

		if (!p)
			return -ENOMEM;
		b->seen = p;
		b->cap_seen = cap;
	}
	b->seen[b->n_seen++] = (struct seen){
		.seq = e->seq, .ms = e->ms, .stage = (uint8_t)e->stage, .state = (uint8_t)e->state
	};
	return 0;
}

/* Learn from the file what an earlier bpmaster wrote. */
static void recall(const struct master *m, struct boot *b)
{
	_cleanup_buffer_ struct buffer text = BUFFER(2 * BOOTLOG_FILE_MAX);
	char name[64], *line, *rest;

	if (file_read(m->boots_dirfd, file_name(&b->mac, "events", name), &text) < 0 ||
	    text.len == 0)
		return;
	b->bytes = text.len;
	rest = (char *)text.data;
	for (line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		struct bootlog_entry e;

		if (bootlog_parse(line, &e) < 0)
			continue;
		if (e.report.boot != b->boot)
			b->n_seen = 0;
		b->boot = e.report.boot;
		if (remember(b, &e.report) < 0)
			break;
	}
}

static struct boot *boot_new(struct master *m, const struct mac *mac, bool unknown)
{
	struct boot *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->mac = *mac;
	b->unknown = unknown;
	m->n_unknown_boots += unknown;
	b->next = m->boots;
	m->boots = b;
	return b;
}

/* Forget the machine that nobody listed and that was heard of first, with its files. */
static void drop_oldest_unknown(struct master *m)
{
	struct boot **oldest = NULL, *b;
	char name[64];

	for (struct boot **p = &m->boots; *p; p = &(*p)->next) {
		if ((*p)->unknown)
			oldest = p;
	}
	if (!oldest)
		return;
	b = *oldest;
	*oldest = b->next;
	m->n_unknown_boots--;
	(void)unlinkat(m->boots_dirfd, file_name(&b->mac, "events", name),
		       0); /* it may have none */
	(void)unlinkat(m->boots_dirfd, file_name(&b->mac, "last", name), 0);
	free(b->seen);
	free(b);
}

static struct boot *boot_known(const struct master *m, const struct mac *mac)
{
	struct boot *b = m->boots;

	while (b && !mac_equal(&b->mac, mac))
		b = b->next;
	return b;
}

/* The boot of a machine. Return: NULL for want of memory. */
static struct boot *boot_find(struct master *m, const struct mac *mac, bool unknown)
{
	struct boot *b = boot_known(m, mac);

	if (!b && unknown && m->n_unknown_boots >= MASTER_UNKNOWN_BOOTS)
		drop_oldest_unknown(m);
	if (!b)
		b = boot_new(m, mac, unknown);
	if (!b)
		return NULL;
	m->n_unknown_boots -= b->unknown && !unknown;
	b->unknown = b->unknown && unknown;
	if (!b->recalled)
		recall(m, b);
	b->recalled = true;
	return b;
}

/* Count what an earlier bpmaster kept of machines: those that are listed are told of later, by
 * events_name(). */
static int recall_unknown(struct master *m)
{
	int fd = dup(m->boots_dirfd);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		fd_close(fd);
		return log_err(-errno, "cannot list the boot logs");
	}
	while ((e = readdir(d))) {
		char text[MAC_STR_MAX];
		struct mac mac;

		snprintf(text, sizeof(text), "%.17s", e->d_name); /* MAC.events, MAC.last */
		if (mac_parse(text, &mac) == 0 && !boot_known(m, &mac))
			(void)boot_new(m, &mac, true); /* not counted for want of memory */
	}
	closedir(d);
	return 0;
}

/* A new boot begins: the file becomes the last one. */
static void boot_begin(const struct master *m, struct boot *b, uint32_t number)
{
	char from[64], to[64];

	if (b->bytes > 0 && renameat(m->boots_dirfd, file_name(&b->mac, "events", from),
				     m->boots_dirfd, file_name(&b->mac, "last", to)) < 0)
		log_warn(-errno, "cannot keep the log '%s' of an earlier boot as '%s'", from, to);
	b->before = b->boot;
	b->boot = number;
	b->n_seen = 0;
	b->bytes = 0;
}

static int append(const struct master *m, struct boot *b, const struct report *e)
{
	struct bootlog_entry entry = { .wall_ms = master_wall_ms(), .report = *e };
	_cleanup_close_ int fd = FD_NONE;
	char line[BOOTLOG_LINE_MAX + 1], name[64];
	int flags =
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (b->bytes ? 0 : O_TRUNC);
	size_t n;
	int r = bootlog_format(&entry, line, BOOTLOG_LINE_MAX);

	if (r < 0)
		return r;
	n = strlen(line);
	line[n++] = '\n';
	if (b->bytes + n > (b->unknown ? UNKNOWN_BYTES : BOOTLOG_FILE_MAX))
		return -E2BIG;
	fd = openat(m->boots_dirfd, file_name(&b->mac, "events", name), flags, 0644);
	if (fd < 0)
		return log_err(-errno, "cannot write the boot log '%s'", name);
	r = fd_write_all(fd, line, n);
	if (r < 0)
		return log_err(r, "cannot write the boot log '%s'", name);
	b->bytes += n;
	return 0;
}

/* Return: 0 when the event is new and in the file, -EALREADY when it is not new. */
static int take_event(struct master *m, const struct report *e, bool unknown)
{
	struct boot *b = boot_find(m, &e->mac, unknown);
	int r;

	if (!b)
		return -E2BIG;
	if (e->boot == b->before && b->before != 0 && e->boot != b->boot)
		return -EALREADY; /* a straggler of the boot before */
	if (e->boot != b->boot)
		boot_begin(m, b, e->boot);
	if (is_seen(b, e))
		return -EALREADY;
	r = remember(b, e);
	return r < 0 ? r : append(m, b, e);
}

static void on_log(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct master *m = w->data;
	uint8_t buf[REPORT_DATAGRAM_MAX + 1];

	for (int i = 0; i < DATAGRAMS_TURN; i++) {
		union ip_sock from = { .in6 = { 0 } };
		struct ipaddr host;
		socklen_t from_n = sizeof(from);
		ssize_t n = recvfrom(m->log_fd, buf, sizeof(buf), MSG_DONTWAIT, &from.sa, &from_n);
		struct member *node;
		struct report e;

		if (n < 0)
			return;
		if ((size_t)n > REPORT_DATAGRAM_MAX || report_parse(buf, (size_t)n, &e) < 0)
			continue; /* some other syslog line */
		node = member_by_mac(m, &e.mac);
		host = ip_sock_host(&from);
		if (take_event(m, &e, !node) == 0 && node)
			member_reported(m, node, &e, &host);
	}
}

void events_record(struct master *m, struct member *n, const char *text, size_t n_text)
{
	_cleanup_free_ char *copy = strndup(text, n_text);
	char *line, *rest = copy;

	if (!copy || n->boot == 0)
		return;
	for (line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		struct report e;

		if (report_line_parse(line, &e) < 0)
			continue;
		e.mac = n->node.mac;
		e.boot = n->boot;
		e.seq = 0;
		if (take_event(m, &e, false) == -E2BIG)
			break;
	}
}

void events_add(struct master *m, struct member *n, enum report_stage stage,
		enum report_state state, const char *words)
{
	struct report e = { .mac = n->node.mac,
			    .boot = n->slave ? n->boot : n->reported_boot,
			    .stage = stage,
			    .state = state };

	if (e.boot == 0)
		return;
	/* The node's own clock, as its hello told it. */
	e.ms = n->up_ms + (n->slave ? clock_ms() - n->slave->registered_ms : 0);
	snprintf(e.words, sizeof(e.words), "%s", words);
	(void)take_event(m, &e, false); /* said where it failed */
}

/* Make NUMBER.kind point at MAC.kind. */
static void link_name(const struct master *m, const struct member *n, const char *kind)
{
	char target[64], name[64], temp[80], old[64] = "";

	file_name(&n->node.mac, kind, target);
	snprintf(name, sizeof(name), "%u.%s", n->node.number, kind);
	if (readlinkat(m->boots_dirfd, name, old, sizeof(old) - 1) > 0 && !strcmp(old, target))
		return;
	snprintf(temp, sizeof(temp), ".%s.new", name);
	(void)unlinkat(m->boots_dirfd, temp, 0); /* of one who died here */
	if (symlinkat(target, m->boots_dirfd, temp) < 0 ||
	    renameat(m->boots_dirfd, temp, m->boots_dirfd, name) < 0)
		log_warn(-errno, "cannot name the boot log '%s' as '%s'", target, name);
}

void events_name(struct master *m, const struct member *n)
{
	struct boot *b = boot_known(m, &n->node.mac);

	if (m->boots_dirfd < 0)
		return;
	if (b) {
		m->n_unknown_boots -= b->unknown;
		b->unknown = false;
	}
	link_name(m, n, "events");
	link_name(m, n, "last");
}

static int open_directory(struct master *m)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int r = path_join(m->config->state, BOOTS_DIR, &path);

	if (r == 0)
		r = path_mkdirs(AT_FDCWD, path, 0755);
	if (r < 0)
		return log_err(r, "cannot make the directory '%s/%s'", m->config->state, BOOTS_DIR);
	m->boots_dirfd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (m->boots_dirfd < 0 || fstat(m->boots_dirfd, &st) < 0)
		return log_err(-errno, "cannot open the directory '%s'", path);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || st.st_mode & 022)
		return log_err(-EPERM,
			       "boot logs are not safe in '%s' (user %u, mode %03o): only the user "
			       "that bpmaster runs as may write there",
			       path, st.st_uid, st.st_mode & 0777u);
	if (flock(m->boots_dirfd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return log_err(-EBUSY,
			       "another bpmaster keeps its logs in '%s': stop it, or give --state",
			       path);
	return recall_unknown(m);
}

int events_open(struct master *m)
{
	int r = open_directory(m);

	if (r < 0)
		return r;
	r = ip_bind(&m->config->address, m->config->log_port, SOCK_DGRAM, &m->log_fd);
	if (r < 0)
		return log_err(r, "cannot listen for boot events on UDP port %u%s",
			       m->config->log_port,
			       r == -EADDRINUSE ? " (another syslog server? see log_port)" : "");
	ev_io_init(&m->log, on_log, m->log_fd, EV_READ);
	m->log.data = m;
	ev_io_start(m->loop, &m->log);
	return 0;
}

void events_close(struct master *m)
{
	while (m->boots) {
		struct boot *b = m->boots;

		m->boots = b->next;
		free(b->seen);
		free(b);
	}
	if (m->log_fd >= 0) {
		ev_io_stop(m->loop, &m->log);
		m->log_fd = fd_close(m->log_fd);
	}
	m->boots_dirfd = fd_close(m->boots_dirfd);
}

/*
 * ghosts.c - local processes that stand for those of a job on several nodes, one for each
 *
 * They are made by a small program of their own (cli/bpghosts.c) and are our children: wait() tells
 * of stops and ends, a pipe of every signal that can be caught. No stop of theirs needs a tracer,
 * as that of bpsh itself does (ghost.c).
 *
 * Stops and SIGCONTs come on two ways, so their order is made sure of: the pipe is read first, and
 * a SIGCONT counts only when the ghost is not stopped by then. What we did to a ghost ourselves is
 * not passed back.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "space/ghosts.h"
#include "space/ghosts_wire.h"

#define TITLE_MAX 4096u /* bytes of arguments that are shown */
#define BATCH	  256u	/* requests that are under way at once */
#define STAT_MAX  4096u /* /proc/PID/stat */
#define END_MS	  200u	/* for ghosts to end as they were told */
#define SLOTS_FD  61	/* of the maker, on its way to its place */

struct ghosts_one {
	pid_t pid;
	bool reaped;
	bool over;	    /* it has ended, or has been told to */
	bool stopped;	    /* it is, as far as we know */
	bool stopping;	    /* by us: its stop is not for the remote process */
	bool used;	    /* of those that come later: it is made, or was and is not reaped */
	unsigned continued; /* SIGCONTs that the node has not answered yet */
};

static _noreturn_ void maker(const char *program, char *const *argv, size_t n_argv, int requests,
			     int events, int slots)
{
	char tag[GHOSTS_ROOM + 1] = "", **args = calloc(n_argv + 2, sizeof(*args));
	size_t n = 0;

	memset(tag, ' ', slots >= 0 ? GHOSTS_ROOM : GHOSTS_TAG);
	if (slots >= 0 && (dup2(slots, SLOTS_FD) < 0 || dup2(SLOTS_FD, GHOSTS_SLOTS) < 0))
		_exit(127);
	if (!args || dup2(requests, 63) < 0 || dup2(events, 62) < 0 ||
	    dup2(63, GHOSTS_REQUESTS) < 0 || dup2(62, GHOSTS_EVENTS) < 0)
		_exit(127);
	(void)close_range(slots >= 0 ? GHOSTS_SLOTS + 1 : GHOSTS_EVENTS + 1, ~0u, 0);
	for (size_t bytes = 0; n < n_argv && bytes < TITLE_MAX; n++) {
		args[n] = argv[n];
		bytes += strlen(argv[n]) + 1;
	}
	args[n] = tag;
	(void)execve(program, args, (char *[]){ NULL });
	_exit(127);
}

/* Ask for @n of them from @first on, and hear of all. */
static int make(struct ghosts *g, int to, const uint32_t *nodes, size_t first, size_t n)
{
	struct ghosts_request requests[BATCH];
	struct ghosts_event e;
	size_t got;
	int r;

	for (size_t i = 0; i < n; i++)
		requests[i] = (struct ghosts_request){ .index = (uint32_t)(first + i),
						       .node = nodes[first + i],
						       .slot = GHOSTS_NO_SLOT };
	r = fd_write_all(to, requests, n * sizeof(requests[0]));
	for (size_t i = 0; r == 0 && i < n;) {
		r = fd_read_full(g->events_fd, &e, sizeof(e), &got);
		if (r == 0 && (got < sizeof(e) || e.index >= g->n))
			r = -EIO;
		if (r < 0 || e.what != GHOSTS_MADE)
			continue; /* a signal to one that has just been made is lost */
		if (e.value < 0)
			r = e.value;
		else
			g->list[e.index].pid = e.value;
		i++;
	}
	return r;
}

static int compare(const void *a, const void *b, void *owner)
{
	const struct ghosts *g = owner;
	pid_t x = g->list[*(const uint32_t *)a].pid, y = g->list[*(const uint32_t *)b].pid;

	return x < y ? -1 : x > y;
}

/* Memory for the titles of those that come later. */
static int make_slots(struct ghosts *g, int *ret)
{
	const size_t bytes = g->more * sizeof(struct ghosts_slot);
	_cleanup_close_ int fd = memfd_create("ghosts", MFD_CLOEXEC);
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	g->slots = p;
	*ret = TAKE_FD(fd);
	return 0;
}

int ghosts_open(struct ghosts *g, const char *program, char *const *argv, size_t n_argv,
		const uint32_t *nodes, size_t n, bool more, uint32_t *ret_pids)
{
	_cleanup_close_ int request_from = FD_NONE, request_to = FD_NONE, event_to = FD_NONE,
			    slots = FD_NONE;
	int ends[2], r = 0;
	pid_t pid;

	*g = (struct ghosts){ .events_fd = FD_NONE,
			      .requests_fd = FD_NONE,
			      .more = more ? GHOSTS_MORE : 0 };
	r = more ? make_slots(g, &slots) : 0;
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	request_from = ends[0];
	request_to = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	g->events_fd = ends[0];
	event_to = ends[1];
	g->list = calloc(n + g->more, sizeof(*g->list));
	g->by_pid = calloc(n + 1, sizeof(*g->by_pid));
	pid = !g->list || !g->by_pid ? -1 : fork();
	if (pid == 0)
		maker(program, argv, n_argv, request_from, event_to, slots);
	event_to = fd_close(event_to);
	g->n = n;
	if (pid < 0)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i += BATCH)
		r = make(g, request_to, nodes, i, MIN(n - i, BATCH));
	if (more) {
		g->requests_fd = TAKE_FD(request_to);
		g->maker = pid;
	}
	request_to = fd_close(request_to); /* it ends */
	if (pid > 0 && !more)
		(void)waitpid(pid, NULL, 0);
	for (size_t i = 0; i < n && r == 0; i++) {
		ret_pids[i] = (uint32_t)g->list[i].pid;
		g->by_pid[i] = (uint32_t)i;
	}
	if (r == 0)
		qsort_r(g->by_pid, n, sizeof(*g->by_pid), compare, g);
	else
		ghosts_close(g);
	return r;
}

static struct ghosts_one *by_pid(struct ghosts *g, pid_t pid)
{
	size_t from = 0, to = g->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		struct ghosts_one *one = &g->list[g->by_pid[mid]];

		if (one->pid == pid)
			return one;
		if (one->pid < pid)
			from = mid + 1;
		else
			to = mid;
	}
	for (size_t i = g->n; i < g->n + g->more; i++) {
		if (g->list[i].used && g->list[i].pid == pid)
			return &g->list[i];
	}
	return NULL;
}

static bool is_stopped(pid_t pid)
{
	_cleanup_buffer_ struct buffer text = BUFFER(STAT_MAX);
	const char *state;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	state = file_read(AT_FDCWD, path, &text) < 0 ? NULL : strrchr(buffer_str(&text), ')');
	return state && (!strncmp(state, ") T", 3) || !strncmp(state, ") t", 3));
}

static void on_event(struct ghosts *g, const struct ghosts_event *e)
{
	struct ghosts_one *one = &g->list[e->index];

	if (e->what == GHOSTS_MADE && e->index >= g->n && one->used && one->pid == 0) {
		one->used = e->value > 0;
		one->pid = MAX(e->value, 0);
		g->made(g->owner, e->index, (uint32_t)one->pid);
		return;
	}
	if (e->what != GHOSTS_SIGNAL || one->over)
		return;
	if (e->value == SIGCONT) {
		if (one->stopped && is_stopped(one->pid))
			return; /* older than that stop */
		one->stopped = one->stopping = false;
		one->continued++;
	}
	g->signal(g->owner, e->index, e->value);
}

/* Until there are no more for now. */
static void read_events(struct ghosts *g)
{
	struct ghosts_event e[64];
	ssize_t n;

	while ((n = read(g->events_fd, e, sizeof(e))) > 0) { /* written whole, so read whole */
		for (size_t i = 0; i < (size_t)n / sizeof(e[0]); i++) {
			if (e[i].index < g->n + g->more)
				on_event(g, &e[i]);
		}
	}
	if (n == 0)
		ev_io_stop(g->loop, &g->events); /* all have ended */
}

static void on_events(struct ev_loop *loop, struct ev_io *w, int events)
{
	read_events(w->data);
}

static void on_child(struct ev_loop *loop, struct ev_signal *w, int events)
{
	struct ghosts *g = w->data;
	int status;
	pid_t pid;

	read_events(g);
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		struct ghosts_one *one = by_pid(g, pid);

		if (!one)
			continue;
		if (WIFSTOPPED(status)) {
			one->stopped = true;
			if (!one->stopping && !one->over)
				g->signal(g->owner, (uint32_t)(one - g->list), SIGSTOP);
			one->stopping = false;
			continue;
		}
		one->reaped = true;
		if (!one->over) /* whatever ended it: the remote process goes with it */
			g->signal(g->owner, (uint32_t)(one - g->list), SIGKILL);
		one->over = true;
		if (one >= g->list + g->n)
			*one = (struct ghosts_one){ 0 };
	}
}

void ghosts_watch(struct ghosts *g, struct ev_loop *loop)
{
	g->loop = loop;
	if (fd_set_nonblock(g->events_fd, 1) < 0)
		return;
	ev_io_init(&g->events, on_events, g->events_fd, EV_READ);
	ev_signal_init(&g->child, on_child, SIGCHLD);
	g->events.data = g->child.data = g;
	ev_io_start(loop, &g->events);
	ev_signal_start(loop, &g->child);
	ev_feed_event(loop, &g->child, EV_SIGNAL); /* what happened before */
}

/* Take the ends of all. Those that were told how to end get a moment for it. */
static void reap(struct ghosts *g)
{
	for (unsigned ms = 0; ms <= END_MS; ms++) {
		bool left = false;

		for (size_t i = 0; i < g->n + g->more; i++) {
			struct ghosts_one *one = &g->list[i];

			if (one->pid == 0 || one->reaped)
				continue;
			if (!one->over || ms == END_MS)
				(void)kill(one->pid, SIGKILL);
			if (waitpid(one->pid, NULL, ms == END_MS ? 0 : WNOHANG) != 0)
				one->reaped = true;
			left = left || !one->reaped;
		}
		if (!left)
			return;
		(void)usleep(1000);
	}
}

void ghosts_close(struct ghosts *g)
{
	g->requests_fd = g->more > 0 ? fd_close(g->requests_fd) : FD_NONE;
	if (g->maker > 0) { /* one that it makes now is told, or it ends with us */
		(void)kill(g->maker, SIGKILL);
		(void)waitpid(g->maker, NULL, 0);
	}
	if (g->list)
		reap(g);
	if (g->loop) {
		ev_io_stop(g->loop, &g->events);
		ev_signal_stop(g->loop, &g->child);
	}
	if (g->list)
		fd_close(g->events_fd);
	if (g->slots)
		(void)munmap(g->slots, g->more * sizeof(*g->slots));
	free(g->list);
	free(g->by_pid);
	*g = (struct ghosts){ .events_fd = FD_NONE, .requests_fd = FD_NONE };
}

/* A ghost that may be told something, or NULL. */
static struct ghosts_one *one_of(struct ghosts *g, uint32_t index)
{
	return index < g->n + g->more && !g->list[index].over && g->list[index].pid > 0
		       ? &g->list[index]
		       : NULL;
}

void ghosts_stopped(struct ghosts *g, uint32_t index)
{
	struct ghosts_one *one = one_of(g, index);

	if (!one || one->stopped || one->stopping || one->continued > 0)
		return;
	one->stopping = true;
	(void)kill(one->pid, SIGSTOP);
}

void ghosts_continued(struct ghosts *g, uint32_t index, bool asked)
{
	struct ghosts_one *one = one_of(g, index);

	if (!one)
		return;
	one->continued -= asked && one->continued > 0;
	if ((!one->stopped && !one->stopping) || one->continued > 0)
		return;
	one->stopped = one->stopping = false;
	(void)kill(one->pid, SIGCONT);
}

void ghosts_sent_continue(struct ghosts *g)
{
	for (size_t i = 0; i < g->n; i++)
		g->list[i].continued += !g->list[i].over;
}

void ghosts_ended(struct ghosts *g, uint32_t index, int status)
{
	struct ghosts_one *one = one_of(g, index);

	if (!one)
		return;
	one->over = true;
	if (sigqueue(one->pid, GHOSTS_END_SIGNAL, (union sigval){ .sival_int = status }) < 0)
		(void)kill(one->pid, SIGKILL); /* too many signals wait */
	(void)kill(one->pid, SIGCONT);
}

void ghosts_left(struct ghosts *g, uint32_t index)
{
	if (g->loop && index < g->n + g->more)
		g->list[index].continued = 0;
}

void ghosts_back(struct ghosts *g, uint32_t index)
{
	struct ghosts_one *one = one_of(g, index);

	if (one)
		one->continued = one->stopped ? 0 : MIN(one->continued, 1u);
}

uint32_t ghosts_pid(const struct ghosts *g, uint32_t index)
{
	return g->loop && index < g->n ? (uint32_t)g->list[index].pid : 0;
}

static void fill_slot(struct ghosts *g, uint32_t index, const char *name, const char *args)
{
	struct ghosts_slot *s = &g->slots[index - g->n];

	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->args, sizeof(s->args), "%s", args);
}

int ghosts_more(struct ghosts *g, uint32_t node, const char *name, const char *args,
		uint32_t *ret_index)
{
	struct ghosts_request r = { .node = node };
	uint32_t i = (uint32_t)g->n;

	while (i < g->n + g->more && g->list[i].used)
		i++;
	if (i == g->n + g->more)
		return -EAGAIN;
	r.index = i;
	r.slot = i - (uint32_t)g->n;
	fill_slot(g, i, name, args);
	if (send(g->requests_fd, &r, sizeof(r), MSG_NOSIGNAL) != (ssize_t)sizeof(r))
		return -EPIPE; /* the maker was killed */
	g->list[i] = (struct ghosts_one){ .used = true };
	*ret_index = i;
	return 0;
}

bool ghosts_has(const struct ghosts *g, uint32_t index)
{
	return g->list && one_of((struct ghosts *)g, index);
}

void ghosts_retitle(struct ghosts *g, uint32_t index, const char *name, const char *args)
{
	const struct ghosts_one *one = one_of(g, index);

	if (!one || index < g->n)
		return;
	fill_slot(g, index, name, args);
	(void)sigqueue(one->pid, GHOSTS_END_SIGNAL,
		       (union sigval){ .sival_int = GHOSTS_RETITLE }); /* or it shows the old one */
}

/*
 * supervisor.c - the process that is the lab: it starts everything, and with it everything ends
 *
 * It is process 1 of its own process namespace: whatever ends it, a kill -9 too, the kernel ends
 * every server and every QEMU with it, and the network namespace goes with the last of them.
 * It carries the switch (hub.h), writes down who started and ended, and on SIGTERM, or when a
 * process ends that it is tied to, removes the lab's directory. It takes no orders: `lab down` is
 * SIGTERM, `lab status` reads files.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "lab/hub.h"
#include "lab/light.h"
#include "lab/namespace.h"
#include "lab/qemu.h"
#include "lab/services.h"
#include "lab/supervisor.h"

enum {
	END_MS = 1500, /* between asking processes to end and ending them */
};

struct supervisor {
	const struct site *site;
	struct place place; /* own descriptors */
	struct cluster cluster;
	struct ev_loop *loop;
	struct hub *hub;
	int record;
	struct service services[SERVICES_MAX];
	size_t n_services;
	pid_t service_pids[SERVICES_MAX];
	pid_t nodes[LIGHT_NODES_MAX]; /* as many as either kind of lab has */
};

static void record(struct supervisor *v, const char *fmt, ...) _printf_(2, 3);

static void record(struct supervisor *v, const char *fmt, ...)
{
	char line[128], words[96];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	n = snprintf(line, sizeof(line), "%llu %s\n", (unsigned long long)clock_boot_ms(), words);
	(void)!write(v->record, line, (size_t)n); /* a record that cannot be kept stops nothing */
}

/* Start a part whose output goes to @log. */
static int start_part(struct supervisor *v, const char *const *argv, const char *log, pid_t *ret)
{
	_cleanup_close_ int fd =
		openat(v->place.dir, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	struct process p = PROCESS(argv);
	int r;

	if (fd < 0)
		return log_err(-errno, "cannot write '%s/%s'", v->place.path, log);
	p.out = p.err = fd;
	r = process_spawn(&p, ret);
	return r < 0 ? log_err(r, "cannot start '%s'", argv[0]) : 0;
}

static int start_services(struct supervisor *v)
{
	int r = 0;

	v->n_services = services_list(v->site, &v->place, v->services);
	for (size_t i = 0; r == 0 && i < v->n_services; i++)
		r = start_part(v, v->services[i].argv, v->services[i].log, &v->service_pids[i]);
	return r;
}

static int start_node(struct supervisor *v, size_t i)
{
	_cleanup_close_ int cable = FD_NONE;
	int r = v->site->light ? 0 : hub_plug(v->hub, i, &cable);

	if (r < 0)
		return log_err(r, "cannot plug node %zu in", i);
	if (v->site->light)
		r = light_start(v->site, &v->place, i, &v->nodes[i]);
	else
		r = qemu_start(v->site, &v->cluster, &v->place, i, cable, &v->nodes[i]);
	if (r == 0)
		record(v, "node %zu started", i);
	return r;
}

static void on_child(struct ev_loop *loop, ev_signal *w, int events)
{
	struct supervisor *v = w->data;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		status = process_status(status);
		for (size_t i = 0; i < v->n_services; i++) {
			if (v->service_pids[i] == pid)
				record(v, "%s ended %d", v->services[i].name, status);
		}
		for (size_t i = 0; i < v->site->n_nodes; i++) {
			if (v->nodes[i] == pid) {
				v->nodes[i] = 0;
				record(v, "node %zu ended %d", i, status);
				if (v->site->light && status == LIGHT_RESTARTS)
					(void)start_node(v, i); /* said in the record */
			}
		}
	}
}

static void on_end(struct ev_loop *loop, ev_signal *w, int events)
{
	ev_break(loop, EVBREAK_ALL);
}

/* The process that the lab is tied to has ended. */
static void on_until(struct ev_loop *loop, ev_io *w, int events)
{
	ev_break(loop, EVBREAK_ALL);
}

/* End every other process of the namespace: asked first, so that each removes what it made. */
static void end_all(const struct supervisor *v)
{
	uint64_t deadline = clock_ms() + END_MS;

	for (size_t i = 0; v->site->light && i < v->site->n_nodes; i++) {
		if (v->nodes[i] > 0)
			(void)kill(v->nodes[i], SIGKILL); /* an init is not asked */
	}
	(void)kill(-1, SIGTERM);
	while (clock_ms() < deadline) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return; /* no child is left */
		if (pid == 0)
			(void)usleep(10000);
	}
	(void)kill(-1, SIGKILL);
}

static int prepare(struct supervisor *v)
{
	int r = v->site->light ? light_prepare(v->site, &v->place)
			       : site_write(v->site, &v->place, &v->cluster);

	if (r < 0)
		return r;
	v->record =
		openat(v->place.dir, "lab.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (v->record < 0)
		return log_err(-errno, "cannot write '%s/lab.log'", v->place.path);
	v->loop = ev_loop_new(EVFLAG_AUTO);
	if (!v->loop)
		return log_err(-ENOMEM, "cannot make an event loop");
	if (!v->site->light)
		r = hub_new(v->loop, v->site->n_nodes, &v->hub);
	if (r == 0)
		r = start_services(v);
	for (size_t i = 0; r == 0 && i < v->site->n_nodes; i++)
		r = start_node(v, i);
	return r;
}

/* From now on nobody listens to what we say but the record. */
static void let_go(struct supervisor *v)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO); /* cannot fail: both are open */
		(void)dup2(v->record, STDOUT_FILENO);
		(void)dup2(v->record, STDERR_FILENO);
		(void)fd_close(null);
	}
}

/* In the new namespaces. Tells the caller through @ready; never returns. */
static _noreturn_ void supervise(const struct site *s, const struct place *p, int ready)
{
	static struct supervisor v = { .record = FD_NONE };
	ev_signal child, term, interrupt;
	ev_io until;
	int r;

	(void)setsid(); /* fails only for one that leads a group already */
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	v.site = s;
	v.place = *p;
	r = prepare(&v);
	if (r < 0) {
		(void)!fd_write_all(ready, &r,
				    sizeof(r)); /* the caller takes our end for an error, too */
		_exit(1);
	}
	ev_signal_init(&child, on_child, SIGCHLD);
	ev_signal_init(&term, on_end, SIGTERM);
	ev_signal_init(&interrupt, on_end, SIGINT);
	child.data = term.data = interrupt.data = &v;
	ev_signal_start(v.loop, &child);
	ev_signal_start(v.loop, &term);
	ev_signal_start(v.loop, &interrupt);
	ev_io_init(&until, on_until, s->until_fd, EV_READ);
	if (s->until_fd >= 0)
		ev_io_start(v.loop, &until);
	let_go(&v);
	r = 0;
	(void)!fd_write_all(ready, &r, sizeof(r)); /* a caller that is gone is no reason to end */
	(void)fd_close(ready);
	on_child(v.loop, &child, 0); /* one may have ended before we listened */
	ev_run(v.loop, 0);
	end_all(&v);
	(void)!place_remove(&v.place); /* said in the record, which is gone */
	_exit(0);
}

int supervisor_start(const struct site *s, const struct place *p, pid_t *ret)
{
	_cleanup_close_ int from = FD_NONE, to = FD_NONE;
	int ends[2], answer = 0, r;
	size_t n = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return log_err(-errno, "cannot make a pipe");
	from = ends[0];
	to = ends[1];
	r = namespace_fork(&pid);
	if (r < 0)
		return r;
	if (pid == 0) {
		from = fd_close(from);
		supervise(s, p, to);
	}
	to = fd_close(to);
	r = fd_read_full(from, &answer, sizeof(answer), &n);
	if (r == 0)
		r = n == sizeof(answer) ? answer : -ECHILD;
	if (r < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0); /* all else of the lab ends with it */
		return r;
	}
	*ret = pid;
	return 0;
}

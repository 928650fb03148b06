/*
 * lab.c - a virtual cluster on this machine: up, down, status (docs/lab.md)
 *
 * Who brings a lab up only starts the supervisor and then reads files, like anyone who asks for its
 * status. An interrupted start takes the lab down again; one that merely did not come up is left
 * for a look at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/process.h"
#include "lab/accel.h"
#include "lab/lab.h"
#include "lab/light.h"
#include "lab/supervisor.h"
#include "lab/view.h"
#include "lab/watch.h"
#include "wire/index.h"

enum {
	POLL_US = 200000,
	POWER_OFF_MS = 10000, /* for nodes that were asked to power off */
	END_MS = 5000,	      /* for a supervisor that was asked to end */
	PID_FILE_MAX = 256,
};

/* What the pid file of a lab says. */
struct lab_pid {
	uint32_t pid;
	uint32_t n_nodes;
	enum watch_stage goal; /* the stage that a node of its image ends in */
	uint32_t light;	       /* 1: no machines */
};

/* A node whose image runs another init than bpslave never registers: executing it is the goal. */
static enum watch_stage find_goal(const struct site *s)
{
	_cleanup_buffer_ struct buffer text = BUFFER(INDEX_BYTES_MAX);
	_cleanup_index_ struct index x = { 0 };
	_cleanup_free_ char *path = NULL;
	char name[INDEX_NAME_MAX + 16];
	const char *why;
	unsigned line;

	snprintf(name, sizeof(name), "%.63s.index", s->image);
	if (!s->bpmaster)
		return WATCH_ROOT;
	if (path_join(s->boot, name, &path) < 0 || file_read(AT_FDCWD, path, &text) < 0 ||
	    index_parse(text.data, text.len, &x, &line, &why) < 0)
		return WATCH_UP;
	return strcmp(path_base(x.init), "bpslave") ? WATCH_ROOT : WATCH_UP;
}

static int write_pid(const struct place *p, const struct lab_pid *l)
{
	char text[PID_FILE_MAX];
	int n = snprintf(text, sizeof(text), "%u %u %u %u\n", l->pid, l->n_nodes, (unsigned)l->goal,
			 l->light),
	    r;

	r = file_write(p->dir, "pid", text, (size_t)n, 0644);
	return r < 0 ? log_err(r, "cannot write '%s/pid'", p->path) : 0;
}

static int read_pid(const struct place *p, struct lab_pid *ret)
{
	_cleanup_buffer_ struct buffer text = BUFFER(PID_FILE_MAX);
	char *word[4], *save;
	uint32_t goal;
	struct lab_pid l;
	int r = file_read(p->dir, "pid", &text);

	if (r == 0) {
		save = (char *)text.data;
		for (size_t i = 0; i < ARRAY_SIZE(word); i++)
			word[i] = save ? strsep(&save, " \n") : NULL;
		if (!word[3] || parse_u32(word[0], 2, INT32_MAX, &l.pid) < 0 ||
		    parse_u32(word[1], 0, LIGHT_NODES_MAX, &l.n_nodes) < 0 ||
		    parse_u32(word[3], 0, 1, &l.light) < 0 ||
		    parse_u32(word[2], 0, WATCH_STAGE_MAX_ - 1, &goal) < 0)
			r = -EBADMSG;
	}
	if (r < 0)
		return log_err(r, "cannot read '%s/pid': the lab is just starting or ending",
			       p->path);
	l.goal = (enum watch_stage)goal;
	*ret = l;
	return 0;
}

/* Decide and say in one line. */
static int choose_accel(const struct lab_up *u, const struct place *p, bool *ret)
{
	char why[ACCEL_WHY_MAX];

	if (strcmp(u->accel, "auto")) {
		*ret = !strcmp(u->accel, "kvm");
		return 0;
	}
	*ret = accel_probe(p, why);
	printf("acceleration: %s (%s)\n", *ret ? "KVM" : "none, software emulation", why);
	fflush(stdout);
	return 0;
}

/* How many nodes are where they should be; *ret_failed is one that never will be, or -1. */
static size_t count_up(const struct watch *w, enum watch_stage goal, int *ret_failed)
{
	size_t up = 0;

	*ret_failed = -1;
	for (size_t i = 0; i < w->n; i++) {
		up += w->nodes[i].stage >= goal;
		if ((w->nodes[i].failed || w->nodes[i].ended) && *ret_failed < 0)
			*ret_failed = (int)i;
	}
	return up;
}

static int say_not_up(const struct watch *w, const struct lab_up *u, enum watch_stage goal, int r)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct watch_node *n = &w->nodes[i];

		if (n->stage >= goal && !n->failed)
			continue;
		(void)log_err(0, "node %zu is not up: %s%s%s", i,
			      n->failed ? "" : watch_stage_name(n->stage),
			      n->failed || !n->words[0] ? "" : ": ", n->words);
	}
	if (w->broken)
		(void)log_err(0, "%s", w->words);
	if (u->site.until_fd >= 0) /* who started it will end it, or end himself */
		return r;
	fprintf(stderr,
		"The lab runs on. To see why: bpboot log --lab %s NODE, bpboot lab console --name "
		"%s NODE; "
		"to end it: bpboot lab down --name %s\n",
		u->name, u->name, u->name);
	return r;
}

/* Show the nodes until all are up. Return: 0, -EINTR, -EIO, -ETIMEDOUT (all but -EINTR logged). */
static int wait_up(const struct lab_up *u, const struct place *p, enum watch_stage goal,
		   const volatile int *interrupted)
{
	uint64_t begin = clock_ms(), deadline = begin + u->timeout_s * 1000;
	_cleanup_(watch_freep) struct watch *w = NULL;
	struct view v;
	int failed, r = watch_new(p, u->site.n_nodes, &w);

	if (r < 0)
		return r;
	view_init(&v, stdout);
	for (;;) {
		if (*interrupted)
			return -EINTR;
		if (!place_is_running(p))
			return log_err(-ECHILD,
				       "the lab was ended before all of its nodes were up");
		watch_poll(w);
		view_draw(&v, w);
		if (count_up(w, goal, &failed) == w->n && !w->broken)
			break;
		if (failed >= 0 || w->broken)
			return say_not_up(w, u, goal, -EIO);
		if (clock_ms() >= deadline) {
			(void)log_err(0, "not all nodes are up after %" PRIu64 " s", u->timeout_s);
			return say_not_up(w, u, goal, -ETIMEDOUT);
		}
		(void)usleep(POLL_US); /* an interrupt ends it early, which is what we want */
	}
	printf("%zu of %zu nodes up in %.1f s\n", w->n, w->n, (double)(clock_ms() - begin) / 1000);
	fflush(stdout);
	return 0;
}

/* Light nodes have no boot to watch: bpmaster says how many are up. Return: as wait_up(). */
static int wait_light(const struct lab_up *u, const struct place *p, uint64_t begin,
		      const volatile int *interrupted)
{
	uint64_t deadline = begin + u->timeout_s * 1000;
	size_t up = 0;

	while (light_count(p, u->site.bpstat, &up) < 0 || up < u->site.n_nodes) {
		if (*interrupted)
			return -EINTR;
		if (!place_is_running(p))
			return log_err(-ECHILD,
				       "the lab was ended before all of its nodes were up");
		if (clock_ms() >= deadline)
			return log_err(-ETIMEDOUT,
				       "%zu of %" PRIu64 " nodes are up after %" PRIu64
				       " s; see %s/lab.log, consoles/ and master.log",
				       up, u->site.n_nodes, u->timeout_s, p->path);
		(void)usleep(POLL_US / 4); /* an interrupt ends it early, which is what we want */
	}
	printf("%zu of %zu nodes up in %.1f s\n", up, up, (double)(clock_ms() - begin) / 1000);
	fflush(stdout);
	return 0;
}

/* Ask the supervisor to end, and insist. Then nothing of the lab is left but perhaps its directory.
 */
static int end_supervisor(struct place *p, pid_t pid)
{
	uint64_t deadline = clock_ms() + END_MS;

	if (kill(pid, SIGTERM) < 0 && errno != ESRCH)
		return log_err(-errno, "cannot end the lab's supervisor, process %d", pid);
	while (place_is_running(p) && clock_ms() < deadline)
		(void)usleep(20000);
	if (place_is_running(p))
		(void)kill(pid, SIGKILL); /* process 1 of its namespace: all go with it */
	(void)waitpid(pid, NULL, 0);	  /* it is our child only when we started it */
	return place_remove(p);
}

int lab_up(const struct lab_up *u, const volatile int *interrupted)
{
	_cleanup_place_ struct place p = PLACE();
	struct lab_up up = *u;
	struct lab_pid l = { .n_nodes = (uint32_t)u->site.n_nodes,
			     .goal = u->site.light ? WATCH_UP : find_goal(&u->site),
			     .light = u->site.light };
	uint64_t begin = clock_ms();
	pid_t pid;
	int r = place_take(u->name, &p);

	if (r < 0)
		return r;
	if (!u->site.light)
		r = choose_accel(u, &p, &up.site.kvm);
	if (r == 0 && *interrupted)
		r = -EINTR;
	if (r == 0)
		r = supervisor_start(&up.site, &p, &pid);
	if (r < 0) {
		(void)!place_remove(&p); /* said already */
		return r;
	}
	p.lock = fd_close(p.lock); /* the supervisor holds it */
	l.pid = (uint32_t)pid;
	r = write_pid(&p, &l);
	if (r == 0)
		r = u->site.light ? wait_light(u, &p, begin, interrupted)
				  : wait_up(u, &p, l.goal, interrupted);
	if (r == -EINTR || (r < 0 && r != -EIO && r != -ETIMEDOUT))
		(void)!end_supervisor(&p, pid); /* said already */
	return r;
}

/* Ask the nodes to power off, and wait until their machines did. */
static void power_off(const struct place *p, const struct lab_pid *l, const char *bpctl)
{
	const char *const argv[] = { bpctl, "-P", "-S", "all", NULL };
	_cleanup_buffer_ struct buffer out = BUFFER(8192);
	_cleanup_(watch_freep) struct watch *w = NULL;
	uint64_t deadline;
	int status;

	if (l->light || l->goal != WATCH_UP || watch_new(p, l->n_nodes, &w) < 0)
		return;
	watch_poll(w);
	status = 1;
	for (size_t i = 0; i < w->n; i++) {
		if (w->nodes[i].stage == WATCH_UP)
			status = 0;
	}
	if (status != 0 || process_capture(argv, NULL, &out, &status) < 0 || status != 0)
		return; /* their machines are switched off instead */
	deadline = clock_ms() + POWER_OFF_MS;
	while (clock_ms() < deadline) {
		size_t running = 0;

		watch_poll(w);
		for (size_t i = 0; i < w->n; i++)
			running += !w->nodes[i].ended;
		if (running == 0)
			return;
		(void)usleep(50000);
	}
}

int lab_down(const char *name, const char *bpctl)
{
	_cleanup_place_ struct place p = PLACE();
	char socket[PLACE_PATH_MAX + 16];
	struct lab_pid l;
	int r = place_open(name, &p);

	if (r == 0)
		r = read_pid(&p, &l);
	if (r < 0)
		return r;
	snprintf(socket, sizeof(socket), "%s/master.sock", p.path);
	if (bpctl && setenv("BPBOOT_SOCKET", socket, 1) == 0)
		power_off(&p, &l, bpctl);
	return end_supervisor(&p, (pid_t)l.pid);
}

int lab_status(const char *name, const char *bpstat)
{
	_cleanup_place_ struct place p = PLACE();
	_cleanup_(watch_freep) struct watch *w = NULL;
	char line[VIEW_LINE_MAX];
	struct lab_pid l;
	int r = place_open(name, &p);

	if (r == 0)
		r = read_pid(&p, &l);
	if (r < 0)
		return r;
	printf("lab '%s': %u %snodes, directory %s, supervisor process %u\n", name, l.n_nodes,
	       l.light ? "light " : "", p.path, l.pid);
	if (l.light) {
		size_t up = 0;

		if (bpstat && light_count(&p, bpstat, &up) == 0)
			printf("  %zu up; bpboot lab exec -- bpstat says more\n", up);
		return 0;
	}
	r = watch_new(&p, l.n_nodes, &w);
	if (r < 0)
		return r;
	watch_poll(w);
	for (size_t i = 0; i < w->n; i++)
		printf("  %s\n", view_line(w, i, line));
	if (w->broken)
		printf("  %s\n", w->words);
	return 0;
}

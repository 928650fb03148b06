/*
 * follow.c - bpslave's side of a keeper: passes on what it tells, and what it is told
 *
 * The keeper is held by one socket: when that closes it ends, and with it what is left of the job.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "space/follow.h"
#include "space/follow_internal.h"
#include "space/process_internal.h"

struct follow {
	struct process *p; /* once it was spawned */
	struct ev_io io;
	int fd;
	int gate[2]; /* until then */
	pid_t number;
};

static void tell_fork(const struct process *p, const struct follow_event *e)
{
	struct message_small m;
	const struct message_fork f = { .job = p->job,
					.token = e->value,
					.title = { e->name, e->args } };

	message_fork_write(message_begin(&m, MESSAGE_FORK), &f);
	process_tell(p, &m);
}

static void tell_child(const struct process *p, const struct follow_event *e)
{
	struct message_small m;
	const struct message_child c = { .job = p->job,
					 .pid = e->pid,
					 .what = e->what,
					 .value = e->value,
					 .title = { e->name, e->args } };

	message_child_write(message_begin(&m, MESSAGE_CHILD), &c);
	process_tell(p, &m);
}

static void on_event(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct follow *f = w->data;
	struct follow_event e;
	ssize_t n;

	while ((n = recv(f->fd, &e, sizeof(e), MSG_DONTWAIT)) == (ssize_t)sizeof(e)) {
		if (e.forks)
			tell_fork(f->p, &e);
		else
			tell_child(f->p, &e);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	ev_io_stop(loop, w); /* it was killed, and the job with it */
}

static void order(const struct follow *f, enum follow_what what, uint32_t a, uint32_t b)
{
	const struct follow_order o = { .what = what, .a = a, .b = b };

	(void)!send(f->fd, &o, sizeof(o), MSG_NOSIGNAL); /* without a keeper there is no job */
}

int follow_new(const struct realm *realm, struct follow **ret, const int **ret_gate)
{
	struct follow *f = calloc(1, sizeof(*f));
	int ends[2];
	pid_t pid;

	if (!f)
		return -ENOMEM;
	f->fd = f->gate[0] = f->gate[1] = FD_NONE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    pipe2(f->gate, O_CLOEXEC) < 0) {
		int e = -errno;

		follow_free(f);
		return e;
	}
	f->fd = ends[0];
	pid = realm_fork(realm, 0, &f->number);
	if (pid == 0)
		follow_keeper(realm, ends[1], f->gate[1]);
	fd_close(ends[1]);
	if (pid < 0) {
		follow_free(f);
		return pid;
	}
	*ret = f;
	*ret_gate = f->gate;
	return 0;
}

void follow_begin(struct follow *f, struct process *p)
{
	f->p = p;
	f->gate[0] = fd_close(f->gate[0]);
	f->gate[1] = fd_close(f->gate[1]);
	ev_io_init(&f->io, on_event, f->fd, EV_READ);
	f->io.data = f;
	ev_io_start(p->all->loop, &f->io);
	order(f, FOLLOW_TRACE, (uint32_t)p->number, 0);
}

pid_t follow_number(const struct follow *f)
{
	return f->number;
}

void follow_list(const struct follow *f)
{
	order(f, FOLLOW_LIST, 0, 0);
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	if (f->p)
		ev_io_stop(f->p->all->loop, &f->io);
	fd_close(f->fd);
	fd_close(f->gate[0]);
	fd_close(f->gate[1]);
	free(f);
}

int follow_wait(const int gate[2])
{
	char word;

	close(gate[1]); /* its end says that nobody will trace us */
	for (;;) {
		ssize_t n = read(gate[0], &word, 1);

		if (n < 0 && errno == EINTR)
			continue;
		close(gate[0]);
		return n == 1 ? 0 : -EPERM;
	}
}

int processes_take_forked(struct processes *ps, struct reader *r)
{
	struct message_forked m;
	const struct process *p;
	int e = message_forked_read(r, &m);

	p = e < 0 ? NULL : process_find(ps, m.job);
	if (p && p->follow)
		order(p->follow, FOLLOW_NUMBER, m.token, m.pid);
	return e;
}

int processes_take_child_signal(struct processes *ps, struct reader *r)
{
	struct message_child_signal m;
	const struct process *p;
	int e = message_child_signal_read(r, &m);

	p = e < 0 ? NULL : process_find(ps, m.job);
	if (p && p->follow)
		order(p->follow, FOLLOW_SIGNAL, m.pid, m.signal);
	return e;
}

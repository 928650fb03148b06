/*
 * fetch_check.c - the memory of parts on their way, and their hashes, by a process beside us
 *
 * A process and not a thread: init is one of one thread, and pthreads would add 90 KB to it. The
 * parts lie in memory that both see; over a socket pair goes which one to hash, and back comes the
 * hash. The process holds no other descriptor and ends when the socket does.
 */
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/fetch_check.h"
#include "net/fetch_hash.h"

/* Eight parts are hashed in less time than two: so long the process waits for another. */
#define TOGETHER_NS 300000

struct request {
	uint32_t buffer;
	uint32_t n; /* bytes */
};

struct answer {
	uint32_t buffer;
	uint8_t hash[INDEX_HASH_BYTES];
};

struct buffer_state {
	bool used;
	bool waits; /* to be hashed */
	size_t n, part;
	unsigned server;
};

struct fetch_check {
	struct ev_loop *loop;
	struct ev_io io;
	fetch_checked_fn fn;
	void *ctx;
	int fd; /* to the process; FD_NONE: there is none */
	pid_t pid;
	cpu_set_t cpus; /* that we may run on */
	int left_out;	/* of them, for the process; -1: none */
	uint8_t *memory;
	size_t n, bytes; /* of buffers, of each */
	size_t n_waiting;
	struct buffer_state buffers[];
};

/* --- the process --- */

/* Whether more is asked for now, or will be in a moment. */
static bool comes_more(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec t = { .tv_nsec = TOGETHER_NS };

	return ppoll(&p, 1, &t, NULL) > 0;
}

/* Hash what is asked for, as many at a time as come together, until nobody asks any more. */
static void serve(int fd, const uint8_t *memory, size_t bytes)
{
	for (;;) {
		struct fetch_hash parts[FETCH_HASH_AT_ONCE];
		uint32_t buffer[FETCH_HASH_AT_ONCE];
		size_t n = 0;

		while (n < FETCH_HASH_AT_ONCE) {
			struct request q;
			ssize_t r = recv(fd, &q, sizeof(q), n > 0 ? MSG_DONTWAIT : 0);

			if (r < 0 && errno == EINTR)
				continue;
			if (r != sizeof(q) && n > 0)
				break;
			if (r != sizeof(q))
				return;
			buffer[n] = q.buffer;
			parts[n++] = (struct fetch_hash){ memory + q.buffer * bytes, q.n, { 0 } };
			if (n < FETCH_HASH_AT_ONCE && !comes_more(fd))
				break;
		}
		fetch_hash(parts, n);
		for (size_t i = 0; i < n; i++) {
			struct answer a = { .buffer = buffer[i] };

			memcpy(a.hash, parts[i].hash, sizeof(a.hash));
			if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
				return;
		}
	}
}

/* Whether this process may run on two processors at once; *ret: on which. */
static bool has_second_processor(cpu_set_t *ret)
{
	return sched_getaffinity(0, sizeof(*ret), ret) == 0 && CPU_COUNT(ret) > 1;
}

/*
 * Keep the process off the processor that we are on: where all are busy, the kernel wakes it here,
 * beside us, and leaves it here while another one falls idle.
 */
static void make_way(struct fetch_check *c)
{
	int cpu = sched_getcpu();
	cpu_set_t set = c->cpus;

	if (c->fd < 0 || cpu < 0 || cpu == c->left_out)
		return;
	CPU_CLR((unsigned)cpu, &set);
	(void)sched_setaffinity(c->pid, sizeof(set), &set); /* else it is where it likes */
	c->left_out = cpu;
}

static void start_process(struct fetch_check *c)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	c->pid = fork();
	if (c->pid == 0) {
		/* sockets and files of ours must not stay open because it has them too */
		(void)close_range(0, (unsigned)ends[1] - 1, 0);
		(void)close_range((unsigned)ends[1] + 1, ~0u, 0);
		serve(ends[1], c->memory, c->bytes);
		_exit(0);
	}
	fd_close(ends[1]);
	c->fd = c->pid > 0 ? ends[0] : fd_close(ends[0]);
}

/* It ends with its socket; somebody who waits for any process may have seen that first. */
static void end_process(struct fetch_check *c)
{
	if (c->fd < 0)
		return;
	ev_io_stop(c->loop, &c->io);
	c->fd = fd_close(c->fd);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* --- here --- */

static uint8_t *buffer_at(const struct fetch_check *c, size_t i)
{
	return c->memory + i * c->bytes;
}

static void tell(struct fetch_check *c, size_t i, const uint8_t hash[INDEX_HASH_BYTES])
{
	struct buffer_state *b = &c->buffers[i];
	struct fetch_checked done = { buffer_at(c, i), b->n, b->part, b->server, { 0 } };

	memcpy(done.hash, hash, sizeof(done.hash));
	b->waits = false;
	c->n_waiting--;
	c->fn(c->ctx, &done);
}

static void hash_here(struct fetch_check *c, size_t i)
{
	struct fetch_hash part = { buffer_at(c, i), c->buffers[i].n, { 0 } };

	fetch_hash(&part, 1);
	tell(c, i, part.hash);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct fetch_check *c = io->data;

	for (;;) {
		struct answer a;
		ssize_t n = recv(c->fd, &a, sizeof(a), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != sizeof(a) || a.buffer >= c->n || !c->buffers[a.buffer].waits)
			break;
		tell(c, a.buffer, a.hash);
	}
	end_process(c); /* it died, and what it did not do is done here */
	for (size_t i = 0; i < c->n; i++) {
		if (c->buffers[i].waits)
			hash_here(c, i);
	}
}

int fetch_check_new(struct ev_loop *loop, size_t buffers, size_t bytes, bool aside,
		    fetch_checked_fn fn, void *ctx, struct fetch_check **ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct fetch_check *c = calloc(1, sizeof(*c) + buffers * sizeof(c->buffers[0]));

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->fn = fn;
	c->ctx = ctx;
	c->fd = FD_NONE;
	c->n = buffers;
	c->bytes = (bytes + page - 1) / page * page;
	/* shared memory counts as much as it was written to, and not more */
	c->memory = mmap(NULL, c->n * c->bytes, PROT_READ | PROT_WRITE,
			 MAP_ANONYMOUS | MAP_NORESERVE | (aside ? MAP_SHARED : MAP_PRIVATE), -1, 0);
	if (c->memory == MAP_FAILED) {
		free(c);
		return -ENOMEM;
	}
	c->left_out = -1;
	if (aside && has_second_processor(&c->cpus))
		start_process(c);
	ev_io_init(&c->io, on_io, c->fd, EV_READ);
	c->io.data = c;
	if (c->fd >= 0)
		ev_io_start(loop, &c->io);
	*ret = c;
	return 0;
}

void fetch_check_free(struct fetch_check *c)
{
	if (!c)
		return;
	end_process(c);
	(void)munmap(c->memory, c->n * c->bytes);
	free(c);
}

uint8_t *fetch_check_buffer(struct fetch_check *c)
{
	for (size_t i = 0; i < c->n; i++) { /* those used before first: their memory is there */
		if (!c->buffers[i].used) {
			c->buffers[i].used = true;
			return buffer_at(c, i);
		}
	}
	return NULL;
}

static size_t buffer_of(const struct fetch_check *c, const uint8_t *data)
{
	size_t i = (size_t)(data - c->memory) / c->bytes;

	assert(i < c->n && c->buffers[i].used);
	return i;
}

void fetch_check_give_back(struct fetch_check *c, uint8_t *data)
{
	if (data)
		c->buffers[buffer_of(c, data)].used = false;
}

void fetch_check_hash(struct fetch_check *c, uint8_t *data, size_t n, size_t part, unsigned server)
{
	size_t i = buffer_of(c, data);
	struct request q = { (uint32_t)i, (uint32_t)n };

	c->buffers[i].n = n;
	c->buffers[i].part = part;
	c->buffers[i].server = server;
	c->buffers[i].waits = true;
	c->n_waiting++;
	make_way(c);
	if (c->fd < 0 || send(c->fd, &q, sizeof(q), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(q))
		hash_here(c, i);
}

size_t fetch_check_waiting(const struct fetch_check *c)
{
	return c->n_waiting;
}

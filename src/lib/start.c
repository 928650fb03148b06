/*
 * start.c - libbproc: programs started on nodes
 *
 * What is started is the node's own file of that name. bproc_rexec() and bproc_execmove() replace
 * the calling process, which becomes the one that stands for the remote process, with the same pid:
 * its parent waits for it as for any child. The vector form makes a child for each node.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "lib/job.h"
#include "lib/lib.h"

#define GHOST	"bpghost"
#define DEVICES "/dev/" /* opening one for writing empties nothing */

/* What to start, whatever the node. */
struct start {
	const char *cmd;
	char *const *argv, *const *envp;
	struct job_stream streams[3];
	char names[3][PATH_MAX]; /* files on the node, or "" */
	uint16_t flags;
	const struct bproc_io_t *memory; /* whose bytes are standard input, or NULL; borrowed */
};

static int ghost_path(char ret[static PATH_MAX])
{
	const char *dir = secure_getenv("BPBOOT_LIBEXEC");

	snprintf(ret, PATH_MAX, "%s/" GHOST, dir && *dir ? dir : BPBOOT_LIBEXECDIR);
	return access(ret, X_OK) < 0 ? -errno : 0;
}

/* A file that the node can open as it does for bpsh: read from, or made anew. */
static bool file_is_plain(const struct bproc_io_t *io)
{
	int flags = io->d.file.flags & ~(O_NOCTTY | O_CLOEXEC | O_LARGEFILE);

	if (io->d.file.offset != 0)
		return false;
	if (io->fd == STDIN_FILENO)
		return flags == O_RDONLY || flags == O_RDWR;
	if (!strncmp(io->d.file.name, DEVICES, strlen(DEVICES)))
		return (flags & O_ACCMODE) != O_RDONLY;
	return flags == (O_WRONLY | O_CREAT | O_TRUNC);
}

static int take_io(struct start *s, const struct bproc_io_t *io)
{
	struct job_stream *st;

	if (io->fd < 0)
		return -EBADF;
	if (io->fd > STDERR_FILENO || (io->type == BPROC_IO_MEMFILE && io->fd != STDIN_FILENO))
		return -ENOSYS;
	st = &s->streams[io->fd];
	s->memory = io->fd == STDIN_FILENO ? NULL : s->memory;
	switch (io->type) {
	case BPROC_IO_FILE:
		if (!file_is_plain(io))
			return -ENOSYS;
		if (strnlen(io->d.file.name, sizeof(io->d.file.name)) == sizeof(io->d.file.name) ||
		    !*io->d.file.name)
			return -EINVAL;
		st->kind = JOB_ELSEWHERE;
		snprintf(s->names[io->fd], PATH_MAX, "%s", io->d.file.name);
		return 0;
	case BPROC_IO_SOCKET:
		if (io->d.addr.sa_family != AF_INET)
			return -EAFNOSUPPORT;
		st->kind = JOB_SOCKET;
		st->info = (io->flags & BPROC_IO_SEND_INFO) != 0;
		memcpy(&st->at, &io->d.addr, sizeof(st->at));
		s->names[io->fd][0] = 0;
		return 0;
	case BPROC_IO_MEMFILE:
		if (io->d.mem.size < 0 || (!io->d.mem.base && io->d.mem.size > 0))
			return -EINVAL;
		st->kind = JOB_CARRIED;
		s->memory = io;
		s->names[io->fd][0] = 0;
		return 0;
	default:
		return -EINVAL;
	}
}

/* @iolen -1: our own three descriptors, else what @io says and nothing beside it. */
static int start_prepare(struct start *s, struct bproc_io_t *io, int iolen)
{
	int r = 0;

	if (!s->cmd || !s->argv || iolen > BPROC_IO_MAX_LEN || (iolen > 0 && !io))
		return -EINVAL;
	if (strlen(s->cmd) >= PATH_MAX)
		return -ENAMETOOLONG;
	for (int i = 0; i < 3 && iolen >= 0; i++) {
		s->streams[i].kind = JOB_ELSEWHERE;
		snprintf(s->names[i], PATH_MAX, "/dev/null");
	}
	for (int i = 0; i < iolen && r == 0; i++)
		r = take_io(s, &io[i]);
	return r;
}

static void fill_limits(struct message_spec *s)
{
	s->n_limits = MIN((uint32_t)RLIM_NLIMITS, MESSAGE_LIMITS_MAX);
	for (uint32_t i = 0; i < s->n_limits; i++) {
		struct rlimit l = { RLIM_INFINITY, RLIM_INFINITY };

		(void)getrlimit((__rlimit_resource_t)i, &l); /* unknown ones stay without a limit */
		s->limits[i].current = l.rlim_cur;
		s->limits[i].maximum = l.rlim_max;
	}
}

static size_t count(char *const *strings)
{
	size_t n = 0;

	while (strings && strings[n])
		n++;
	return n;
}

/*
 * @first, unless NULL, and a copy of the array without what begins with @without, unless NULL. The
 * strings are borrowed.
 */
static char **strings_with(const char *first, char *const *strings, const char *without,
			   size_t *ret)
{
	char **all = calloc(count(strings) + 3, sizeof(*all));
	size_t n = 0;

	if (!all)
		return NULL;
	if (first)
		all[n++] = (char *)first; /* nobody writes to it */
	for (size_t i = 0; strings && strings[i]; i++) {
		if (!without || strncmp(strings[i], without, strlen(without)) != 0)
			all[n++] = strings[i];
	}
	*ret = n;
	return all;
}

/* The message that asks for the process; @rank, unless NULL, is added to its environment. */
static int run_message(const struct start *s, uint32_t node, const char *rank, struct buffer *to)
{
	struct message_spec spec = { .flags = (uint16_t)(s->flags | MESSAGE_FILE_FIRST),
				     .window = MESSAGE_WINDOW };
	_cleanup_free_ char **argv = NULL, **env = NULL;
	/* Job 0; job_begin() says whose ghost. */
	uint8_t head[9 + MESSAGE_KEY_BYTES] = { MESSAGE_RUN };
	char *const alone[] = { (char *)s->cmd, NULL };
	char cwd[PATH_MAX];
	mode_t mask = umask(0);
	int r;

	umask(mask);
	spec.umask = (uint16_t)mask;
	spec.cwd = getcwd(cwd, sizeof(cwd)) ? cwd : "/";
	argv = strings_with(s->cmd, s->argv[0] ? s->argv : alone, NULL, &spec.n_argv);
	env = strings_with(rank, s->envp, rank ? LIB_RANK "=" : NULL, &spec.n_env);
	if (!argv || !env)
		return -ENOMEM;
	spec.argv = argv;
	spec.env = env;
	for (int i = 0; i < 3; i++)
		spec.io[i] = s->names[i];
	fill_limits(&spec);
	r = caller_key(head + 9);
	if (r == 0)
		r = buffer_append(to, head, sizeof(head));
	if (r == 0)
		r = message_nodes_write(to, &node, 1);
	return r < 0 ? r : message_spec_write(to, &spec);
}

/* Standard input that is memory of the caller's: a file without a name. Return: descriptor or
 * -errno. */
static int memory_file(const struct bproc_io_t *io)
{
	_cleanup_close_ int fd = memfd_create("bproc-memory", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, io->d.mem.base, (size_t)io->d.mem.size);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

/* A file without a name that holds the order. Return: descriptor above 2, or -errno. */
static int order_file(const struct job_order *o)
{
	_cleanup_buffer_ struct buffer text = BUFFER(JOB_ORDER_MAX);
	_cleanup_close_ int fd = FD_NONE;
	int r = job_order_write(&text, o), high;

	if (r < 0)
		return r;
	fd = memfd_create("bproc-order", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text.data, text.len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0 || fd > STDERR_FILENO)
		return r < 0 ? r : TAKE_FD(fd);
	high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return high < 0 ? -errno : high;
}

/* Become what stands for the process that runs. Return: only negative errno. */
static int become_ghost(const struct start *s, const char *ghost, struct caller *c,
			const struct job_order *o, int fds[static 3])
{
	char variable[64], *env[] = { variable, NULL };
	int fd = fcntl(c->fd, F_DUPFD, STDERR_FILENO + 1), order = order_file(o), r;

	if (fd < 0 || order < 0) {
		r = fd < 0 ? -errno : order;
		fd_close(fd);
		return r;
	}
	snprintf(variable, sizeof(variable), JOB_VARIABLE "=started:%d:%d:%d", fd, order,
		 s->streams[0].kind != JOB_ELSEWHERE);
	r = order <= STDERR_FILENO || fcntl(order, F_SETFD, 0) < 0 ? -EBADF : 0;
	if (r == 0)
		r = job_streams_place(fds);
	if (r == 0) {
		execve(ghost, s->argv, env);
		r = -errno;
	}
	fd_close(order);
	fd_close(fd); /* with it goes the remote process */
	return r;
}

static int replace(int node, struct start *s, struct bproc_io_t *io, int iolen)
{
	_cleanup_caller_ struct caller c = CALLER();
	_cleanup_buffer_ struct buffer run = BUFFER(MESSAGE_BYTES_MAX);
	struct job_order o = { .socket = lib_socket() };
	char ghost[PATH_MAX];
	int fds[3], r = start_prepare(s, io, iolen);

	if (r == 0 && (node == BPROC_NODE_SELF || node == bproc_currnode()))
		r = -BE_SAMENODE;
	if (r == 0 && node < 0)
		r = -BE_INVALIDNODE;
	if (r == 0)
		r = ghost_path(ghost);
	if (r == 0)
		r = run_message(s, (uint32_t)node, NULL, &run);
	if (r == 0)
		r = lib_open(&c);
	if (r == 0)
		r = job_streams_open(s->streams, fds);
	if (r < 0)
		return r;
	o.run = run.data;
	o.run_n = run.len;
	if (s->memory)
		fds[0] = memory_file(s->memory);
	r = s->memory && fds[0] < 0 ? fds[0] : job_begin(&c, &o);
	if (r == 0)
		r = become_ghost(s, ghost, &c, &o, fds);
	for (int i = 0; i < 3; i++)
		fd_close(fds[i]);
	return r;
}

int bproc_rexec_io(int node, struct bproc_io_t *io, int iolen, const char *cmd, char *const argv[],
		   char *const envp[])
{
	_cleanup_free_ struct start *s = calloc(1, sizeof(*s));

	if (!s)
		return lib_result(-ENOMEM);
	s->cmd = cmd;
	s->argv = argv;
	s->envp = envp;
	return lib_result(replace(node, s, io, iolen));
}

int bproc_rexec(int node, const char *cmd, char *const argv[], char *const envp[])
{
	return bproc_rexec_io(node, NULL, -1, cmd, argv, envp);
}

int bproc_execmove_io(int node, struct bproc_io_t *io, int iolen, const char *cmd,
		      char *const argv[], char *const envp[])
{
	return bproc_rexec_io(node, io, iolen, cmd, argv, envp);
}

int bproc_execmove(int node, const char *cmd, char *const argv[], char *const envp[])
{
	return bproc_rexec_io(node, NULL, -1, cmd, argv, envp);
}

/* The order of one process of a vector, to be inherited. Return: descriptor or -errno. */
static int order_of(const struct start *s, int node, const char *rank)
{
	_cleanup_buffer_ struct buffer run = BUFFER(MESSAGE_BYTES_MAX);
	struct job_order o = { .socket = lib_socket() };
	int r = run_message(s, (uint32_t)node, rank, &run);

	memcpy(o.streams, s->streams, sizeof(o.streams));
	o.run = run.data;
	o.run_n = run.len;
	return r < 0 ? r : order_file(&o);
}

/* Start bpghost for the @index-th node. Return: its pid or -errno. */
static int spawn_ghost(const struct start *s, const char *ghost, int node, int index, int report)
{
	_cleanup_close_ int order = FD_NONE, input = FD_NONE;
	posix_spawn_file_actions_t actions;
	char variable[64], rank[32], *env[] = { variable, NULL };
	pid_t pid;
	int r;

	if (node < 0)
		return -BE_INVALIDNODE;
	snprintf(rank, sizeof(rank), LIB_RANK "=%d", index);
	order = order_of(s, node, rank);
	if (order < 0)
		return order;
	if (s->memory && (input = memory_file(s->memory)) < 0)
		return input;
	snprintf(variable, sizeof(variable), JOB_VARIABLE "=run:%d:%d:%d", order, report, index);
	r = -posix_spawn_file_actions_init(&actions);
	if (r < 0)
		return r;
	/* Onto itself: it stays open over the exec. */
	r = -posix_spawn_file_actions_adddup2(&actions, order, order);
	if (r == 0)
		r = -posix_spawn_file_actions_adddup2(&actions, report, report);
	if (r == 0 && input >= 0)
		r = -posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	if (r == 0)
		r = -posix_spawn(&pid, ghost, &actions, NULL, s->argv, env);
	posix_spawn_file_actions_destroy(&actions);
	return r < 0 ? r : pid;
}

/* The front end itself is among the nodes: the program is a plain child. */
static int spawn_here(const struct start *s, int index)
{
	char rank[32];
	_cleanup_free_ char **env = NULL;
	size_t n;
	pid_t pid;
	int r;

	snprintf(rank, sizeof(rank), LIB_RANK "=%d", index);
	env = strings_with(rank, s->envp, LIB_RANK "=", &n);
	if (!env)
		return -ENOMEM;
	r = -posix_spawn(&pid, s->cmd, NULL, NULL, s->argv, env);
	return r < 0 ? r : pid;
}

/* Wait for the word of each child; one that could not start is reaped here. */
static void collect(int fd, int nnodes, int *pids, bool *waiting)
{
	int32_t words[2];
	size_t got;

	while (fd_read_full(fd, words, sizeof(words), &got) == 0 && got == sizeof(words)) {
		int i = words[0];

		if (i < 0 || i >= nnodes || !waiting[i])
			continue;
		waiting[i] = false;
		if (words[1] == 0)
			continue;
		(void)waitpid(pids[i], NULL, 0); /* somebody else may have been faster */
		pids[i] = -words[1];
	}
	for (int i = 0; i < nnodes; i++) {
		if (!waiting[i])
			continue;
		(void)waitpid(pids[i], NULL, 0); /* it ended without a word */
		pids[i] = -EIO;
	}
}

static int vector(struct start *s, int nnodes, const int *nodes, int *pids)
{
	_cleanup_free_ bool *waiting = calloc((size_t)nnodes, sizeof(*waiting));
	_cleanup_caller_ struct caller probe = CALLER();
	char ghost[PATH_MAX];
	int report[2], r;

	if (!waiting)
		return -ENOMEM;
	r = ghost_path(ghost);
	if (r == 0)
		r = lib_open(&probe); /* better one error than one a node */
	if (r == 0 && pipe2(report, O_CLOEXEC) < 0)
		r = -errno;
	if (r < 0)
		return r;
	if (report[1] <= STDERR_FILENO) { /* not in the places of the program's own */
		int high = fcntl(report[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		if (high >= 0) {
			fd_close(report[1]);
			report[1] = high;
		}
	}
	for (int i = 0; i < nnodes; i++) {
		if (nodes[i] == BPROC_NODE_MASTER) {
			pids[i] = spawn_here(s, i);
		} else {
			pids[i] = spawn_ghost(s, ghost, nodes[i], i, report[1]);
			waiting[i] = pids[i] > 0;
		}
	}
	fd_close(report[1]);
	collect(report[0], nnodes, pids, waiting);
	fd_close(report[0]);
	return nnodes;
}

int bproc_vexecmove_io(int nnodes, int *nodes, int *pids, struct bproc_io_t *io, int iolen,
		       const char *cmd, char *const argv[], char *const envp[])
{
	_cleanup_free_ struct start *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return lib_result(-ENOMEM);
	if (nnodes < 0 || nnodes > (int)MESSAGE_NODES_MAX || (nnodes > 0 && (!nodes || !pids)))
		return lib_result(-EINVAL);
	s->cmd = cmd;
	s->argv = argv;
	s->envp = envp;
	r = start_prepare(s, io, iolen);
	if (iolen < 0) { /* many would read from one input, and so would the program itself */
		s->streams[0].kind = JOB_ELSEWHERE;
		s->flags = MESSAGE_STDIN_NULL;
	}
	if (r == 0 && nnodes > 0)
		r = vector(s, nnodes, nodes, pids);
	return lib_result(r);
}

int bproc_vexecmove(int nnodes, int *nodes, int *pids, const char *cmd, char *const argv[],
		    char *const envp[])
{
	return bproc_vexecmove_io(nnodes, nodes, pids, NULL, -1, cmd, argv, envp);
}

/*
 * bproc-test.c - a test for each function of libbproc
 *
 *   bproc-test --list        the functions that have one
 *   bproc-test FUNCTION      run it; nothing is printed and 0 returned when it passes
 *   bproc-test on NODE COMMAND [ARGUMENT...]   become that command on the node
 *   bproc-test tell NODE FUNCTION [VALUE]      have a node do what it is told
 *
 * Run by tests/system/libbproc.sh beside a bpmaster of nodes 0, 1 and 2, up, and 7, down.
 */
#include <arpa/inet.h>
#include <bproc.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vmadump.h>
#include <sys/wait.h>
#include <unistd.h>

/* What programs that were compiled against the library have in them, where a long has 8 bytes. */
_Static_assert(sizeof(long) != 8 ||
		       (sizeof(struct bproc_node_info_t) == 64 &&
			offsetof(struct bproc_node_info_t, addr) == 32 &&
			offsetof(struct bproc_node_info_t, mtime) == 56 &&
			sizeof(struct bproc_node_set_t) == 16 &&
			sizeof(struct bproc_proc_info_t) == 8 &&
			sizeof(struct bproc_version_t) == 32 && sizeof(bproc_io_t) == 280 &&
			offsetof(bproc_io_t, d) == 8 && offsetof(bproc_io_t, d.file.name) == 24),
	       "types keep their layout");

#define NODES	3 /* up */
#define WAIT_MS 20000

#define CHECK(what)                                                                    \
	do {                                                                           \
		if (!(what)) {                                                         \
			printf("line %d: %s (errno %d: %s)\n", __LINE__, #what, errno, \
			       bproc_strerror(errno));                                 \
			exit(1);                                                       \
		}                                                                      \
	} while (0)
#define FAILS(call, error)               \
	do {                             \
		errno = 0;               \
		CHECK((call) == -1);     \
		CHECK(errno == (error)); \
	} while (0)

static char *const truth[] = { (char *)"true", NULL };
static int all[NODES] = { 0, 1, 2 };

static int end_of(int pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

static void numnodes(void)
{
	CHECK(bproc_numnodes() == 4);
}

static void currnode(void)
{
	CHECK(bproc_currnode() == BPROC_NODE_MASTER);
	CHECK(setenv("BPROC_NODE", "12", 1) == 0); /* as bpslave does */
	CHECK(bproc_currnode() == 12);
}

static void nodestatus(void)
{
	char state[BPROC_STATE_LEN + 1] = "", two[2];

	CHECK(bproc_nodestatus(0, state, sizeof(state)) == 2 && !strcmp(state, "up"));
	CHECK(bproc_nodestatus(7, state, sizeof(state)) == 4 && !strcmp(state, "down"));
	CHECK(bproc_nodestatus(BPROC_NODE_MASTER, state, sizeof(state)) == 2);
	CHECK(bproc_nodestatus(0, two, 2) == 2 && !memcmp(two, "up", 2));
	FAILS(bproc_nodestatus(7, two, 2), ERANGE);
	FAILS(bproc_nodestatus(99, state, sizeof(state)), BE_INVALIDNODE);
}

static void nodeaddr(void)
{
	struct sockaddr_in at;
	int n = sizeof(at);

	CHECK(bproc_nodeaddr(0, (struct sockaddr *)&at, &n) == 0);
	CHECK(n == sizeof(at) && at.sin_family == AF_INET);
	CHECK(at.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK(bproc_nodeaddr(BPROC_NODE_MASTER, (struct sockaddr *)&at, &n) == 0);
	n = 3;
	FAILS(bproc_nodeaddr(0, (struct sockaddr *)&at, &n), ERANGE);
	FAILS(bproc_nodeaddr(99, (struct sockaddr *)&at, &n), BE_INVALIDNODE);
}

static void nodeinfo(void)
{
	struct bproc_node_info_t info;

	CHECK(bproc_nodeinfo(1, &info) == 0);
	CHECK(info.node == 1 && !strcmp(info.status, "up") && info.mode == 0111);
	CHECK(info.user == 0 && info.group == 0 && info.addr.sa_family == AF_INET);
	CHECK(info.mtime > 0);
	FAILS(bproc_nodeinfo(99, &info), BE_INVALIDNODE);
	FAILS(bproc_nodeinfo(BPROC_NODE_NONE, &info), BE_INVALIDNODE);
}

static void nodelist(void)
{
	struct bproc_node_set_t set;

	CHECK(bproc_nodelist(&set) == 4 && set.size == 4);
	CHECK(set.node[0].node == 0 && set.node[2].node == 2 && set.node[3].node == 7);
	CHECK(!strcmp(set.node[3].status, "down"));
	bproc_nodeset_free(&set);
	CHECK(setenv("BPBOOT_SOCKET", "/nonexistent/socket", 1) == 0);
	FAILS(bproc_nodelist(&set), ECONNREFUSED);
}

static void nodelist_(void)
{
	struct bproc_node_set_t set;
	int fd = bproc_notifier();

	CHECK(fd >= 0);
	CHECK(bproc_nodelist_(&set, fd) == 4);
	bproc_nodeset_free(&set);
	close(fd);
	FAILS(bproc_nodelist_(&set, -1), EBADF);
}

static void nodespec(void)
{
	struct bproc_node_set_t set;

	CHECK(bproc_nodespec(&set, "1-") == 0);
	CHECK(set.size == 3 && set.node[0].node == 1 && set.node[2].node == 7);
	bproc_nodeset_free(&set);
	CHECK(bproc_nodespec(&set, "allup,!1") == 0 && set.size == 2);
	bproc_nodeset_free(&set);
	CHECK(bproc_nodespec(&set, "third,n[0-1]") == 0 && set.size == 3);
	bproc_nodeset_free(&set);
	CHECK(bproc_nodespec(&set, "all-@odd") == 0 && set.size == 2 && set.node[1].node == 2);
	bproc_nodeset_free(&set);
	CHECK(bproc_nodespec(&set, "@odd&allup") == 0 && set.size == 1 && set.node[0].node == 1);
	bproc_nodeset_free(&set);
	FAILS(bproc_nodespec(&set, "fourth"), EINVAL);
	FAILS(bproc_nodespec(&set, "@even"), EINVAL);
}

static void notifier(void)
{
	struct bproc_node_set_t set;
	struct pollfd p = { .events = POLLIN };

	p.fd = bproc_notifier();
	CHECK(p.fd >= 0);
	CHECK(poll(&p, 1, 0) == 0);
	CHECK(bproc_nodesetstatus(7, (char *)"broken") == 0);
	CHECK(poll(&p, 1, WAIT_MS) == 1);
	CHECK(bproc_nodelist_(&set, p.fd) == 4);
	CHECK(!strcmp(set.node[3].status, "broken"));
	bproc_nodeset_free(&set);
	CHECK(bproc_chmod(7, 0101) == 0 && poll(&p, 1, WAIT_MS) == 1);
	CHECK(bproc_chmod(7, 0111) == 0 && bproc_nodesetstatus(7, (char *)"down") == 0);
}

static void setnodeattr(void)
{
	char value[8];

	CHECK(bproc_setnodeattr(1, (char *)"rack", (void *)"r12xyz", 3) == 0);
	CHECK(bproc_getnodeattr(1, (char *)"rack", value, sizeof(value)) == 3);
	CHECK(!strcmp(value, "r12"));
	FAILS(bproc_setnodeattr(1, (char *)"a b", (void *)"x", 1), EINVAL);
	FAILS(bproc_setnodeattr(1, (char *)"a", (void *)"\n", 1), EINVAL);
	FAILS(bproc_setnodeattr(1, (char *)"a=b", (void *)"x", 1), EINVAL);
	FAILS(bproc_setnodeattr(99, (char *)"a", (void *)"x", 1), BE_INVALIDNODE);
}

static void getnodeattr(void)
{
	char value[8];

	CHECK(bproc_setnodeattr(2, (char *)"owner", (void *)"me", 2) == 0);
	CHECK(bproc_getnodeattr(2, (char *)"owner", value, 2) == 2);
	CHECK(bproc_getnodeattr(2, (char *)"bproc.state", value, sizeof(value)) == 2);
	FAILS(bproc_getnodeattr(2, (char *)"owner", value, 1), ERANGE);
	FAILS(bproc_getnodeattr(2, (char *)"other", value, 1), ENODATA);
	FAILS(bproc_getnodeattr(99, (char *)"owner", value, 1), BE_INVALIDNODE);
}

static void access_(void)
{
	const gid_t group = 34567;
	int pid;

	CHECK(bproc_access(0, BPROC_X_OK) == 0);
	CHECK(bproc_access(BPROC_NODE_MASTER, BPROC_X_OK) == 0);
	FAILS(bproc_access(99, BPROC_X_OK), BE_INVALIDNODE);
	FAILS(bproc_access(0, 2), EINVAL);
	if (geteuid() != 0)
		return;
	CHECK(bproc_chmod(0, 0110) == 0 && bproc_chgrp(0, 34567) == 0);
	CHECK(bproc_access(0, BPROC_X_OK) == 0); /* root may always */
	pid = fork();
	if (pid == 0) {
		CHECK(setgroups(0, NULL) == 0 && setgid(23456) == 0 && setuid(12345) == 0);
		FAILS(bproc_access(0, BPROC_X_OK), EACCES);
		FAILS(bproc_rexec(0, "/bin/true", truth, NULL), EACCES);
		FAILS(bproc_chmod(0, 0111), EPERM);
		exit(0);
	}
	CHECK(end_of(pid) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(setgroups(1, &group) == 0 && setgid(23456) == 0 && setuid(12345) == 0);
		CHECK(bproc_access(0, BPROC_X_OK) == 0);
		exit(0);
	}
	CHECK(end_of(pid) == 0);
	CHECK(bproc_chmod(0, 0111) == 0 && bproc_chgrp(0, 0) == 0);
}

static void chmod_(void)
{
	struct bproc_node_info_t info;

	CHECK(bproc_chmod(2, 0777) == 0 && bproc_nodeinfo(2, &info) == 0 && info.mode == 0111);
	CHECK(bproc_chmod(2, 0100) == 0 && bproc_nodeinfo(2, &info) == 0 && info.mode == 0100);
	CHECK(bproc_chmod(2, 0111) == 0);
	FAILS(bproc_chmod(99, 0111), BE_INVALIDNODE);
}

static void chown_(void)
{
	struct bproc_node_info_t info;

	CHECK(bproc_chown(2, 77) == 0 && bproc_nodeinfo(2, &info) == 0 && info.user == 77);
	CHECK(bproc_chown(2, 0) == 0);
	FAILS(bproc_chown(99, 0), BE_INVALIDNODE);
}

static void chgrp_(void)
{
	struct bproc_node_info_t info;

	CHECK(bproc_chgrp(2, 78) == 0 && bproc_nodeinfo(2, &info) == 0 && info.group == 78);
	CHECK(bproc_chgrp(2, 0) == 0);
	FAILS(bproc_chgrp(99, 0), BE_INVALIDNODE);
}

static void nodeset_init(void)
{
	struct bproc_node_set_t set;

	CHECK(bproc_nodeset_init(&set, 0) == 0 && set.size == 0);
	bproc_nodeset_free(&set);
	CHECK(bproc_nodeset_init(&set, 5) == 0 && set.size == 5 && set.node[4].node == 0);
	bproc_nodeset_free(&set);
	FAILS(bproc_nodeset_init(&set, -1), EINVAL);
}

static void nodeset_grow(void)
{
	struct bproc_node_set_t set = BPROC_EMPTY_NODESET;

	CHECK(bproc_nodeset_grow(&set, 3) == 0 && set.size == 3);
	set.node[2].node = 9;
	CHECK(bproc_nodeset_grow(&set, 300) == 0 && set.size == 300);
	CHECK(set.node[2].node == 9 && set.node[299].node == 0);
	FAILS(bproc_nodeset_grow(&set, 2), EINVAL);
	bproc_nodeset_free(&set);
}

static void nodeset_free(void)
{
	struct bproc_node_set_t set = BPROC_EMPTY_NODESET;

	bproc_nodeset_free(&set);
	CHECK(bproc_nodeset_init(&set, 5) == 0);
	bproc_nodeset_free(&set);
	CHECK(set.size == 0 && !set.node);
	bproc_nodeset_free(&set);
}

static void nodeset_add(void)
{
	struct bproc_node_set_t set = BPROC_EMPTY_NODESET;
	struct bproc_node_info_t n = { .node = 5 };

	for (int i = 0; i < 100; i++)
		CHECK(bproc_nodeset_add(&set, i ? &set.node[i - 1] : &n) == 0);
	CHECK(set.size == 100 && set.node[99].node == 5);
	bproc_nodeset_free(&set);
}

static void nodeset_append(void)
{
	struct bproc_node_set_t a, b;

	CHECK(bproc_nodelist(&a) == 4 && bproc_nodespec(&b, "2") == 0);
	CHECK(bproc_nodeset_append(&a, &b) == 0 && a.size == 5 && a.node[4].node == 2);
	CHECK(bproc_nodeset_append(&a, &a) == 0 && a.size == 10 && a.node[9].node == 2);
	bproc_nodeset_free(&a);
	bproc_nodeset_free(&b);
}

static void nodefilter(void)
{
	struct bproc_node_set_t known, set;

	CHECK(bproc_nodelist(&known) == 4);
	CHECK(bproc_nodefilter(&set, &known, "0-1,7") == 0 && set.size == 3);
	CHECK(set.node[2].node == 7 && !strcmp(set.node[2].status, "down"));
	bproc_nodeset_free(&set);
	CHECK(bproc_nodefilter(&set, &known, "allup") == 0 && set.size == 3);
	bproc_nodeset_free(&set);
	FAILS(bproc_nodefilter(&set, &known, "99"), BE_INVALIDNODE);
	FAILS(bproc_nodefilter(&set, &known, "5-3"), EINVAL);
	known.size = 3; /* without node 7 */
	CHECK(bproc_nodefilter(&set, &known, "@odd,third") == 0 && set.size == 2);
	CHECK(set.node[0].node == 1 && set.node[1].node == 2);
	bproc_nodeset_free(&set);
	known.size = 2;
	FAILS(bproc_nodefilter(&set, &known, "third"), BE_INVALIDNODE);
	setenv("BPBOOT_SOCKET", "/nowhere", 1);
	CHECK(bproc_nodefilter(&set, &known, "all") == 0 && set.size == 2);
	bproc_nodeset_free(&set);
	FAILS(bproc_nodefilter(&set, &known, "third"), ECONNREFUSED);
	bproc_nodeset_free(&known);
}

/* Start something that runs until it is killed. */
static int start_one(int node)
{
	char *const argv[] = { (char *)"sleep", (char *)"600", NULL };
	int pid = -1;

	CHECK(bproc_vexecmove(1, &node, &pid, "/bin/sleep", argv, NULL) == 1);
	if (pid <= 0)
		errno = -pid;
	CHECK(pid > 0);
	return pid;
}

static void proclist(void)
{
	struct bproc_proc_info_t *list = NULL;
	int pid = start_one(1);
	int n = bproc_proclist(1, &list);

	CHECK(n == 1 && list[0].pid == pid && list[0].node == 1);
	free(list);
	CHECK(bproc_proclist(BPROC_NODE_ANY, &list) == 1);
	free(list);
	CHECK(bproc_proclist(0, &list) == 0);
	free(list);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(WTERMSIG(end_of(pid)) == SIGKILL);
}

static void pidnode(void)
{
	int pid = start_one(2);

	CHECK(bproc_pidnode(pid) == 2);
	CHECK(bproc_pidnode(getpid()) == BPROC_NODE_MASTER);
	CHECK(bproc_pidnode(getppid()) == BPROC_NODE_MASTER);
	CHECK(kill(pid, SIGTERM) == 0);
	CHECK(WTERMSIG(end_of(pid)) == SIGTERM);
	CHECK(bproc_pidnode(0x7ffffff0) == BPROC_NODE_NONE && errno == BE_INVALIDPROC);
}

/* Run a shell script by @start in a child; its status. */
static int run_script(int (*start)(int, const char *, char *const[], char *const[]), int node,
		      const char *script, int *ret_error)
{
	char *const argv[] = { (char *)"the-shell", (char *)"-c", (char *)script, NULL };
	char *const env[] = { (char *)"GIVEN=this", NULL };
	int p[2], error = 0, status, pid;

	CHECK(pipe2(p, O_CLOEXEC) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		(void)start(node, "/bin/sh", argv, env);
		error = errno;
		CHECK(write(p[1], &error, sizeof(error)) == sizeof(error));
		_exit(99);
	}
	close(p[1]);
	if (read(p[0], &error, sizeof(error)) != sizeof(error))
		error = 0;
	close(p[0]);
	status = end_of(pid);
	if (ret_error)
		*ret_error = error;
	return status;
}

static void start_with(int (*start)(int, const char *, char *const[], char *const[]))
{
	int error, status;

	status = run_script(start, 1, "exit 42", &error);
	CHECK(error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 42);
	status = run_script(start, 1, "kill -USR1 $$", &error);
	CHECK(error == 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	status = run_script(start, 1, "ulimit -c 0; kill -SEGV $$", &error);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK(run_script(start, 1, "test \"$GIVEN$BPROC_NODE\" = this1", NULL) == 0);
	CHECK(run_script(start, 1, "test \"$0\" = the-shell", NULL) == 0);
	status = run_script(start, 7, "exit 0", &error);
	CHECK(error == BE_NODEDOWN && WEXITSTATUS(status) == 99);
	(void)run_script(start, 99, "exit 0", &error);
	CHECK(error == BE_INVALIDNODE);
	(void)run_script(start, BPROC_NODE_MASTER, "exit 0", &error);
	CHECK(error == BE_SAMENODE);
	FAILS(start(1, "/no/such/program", truth, NULL), ENOENT);
	FAILS(start(1, "/etc/passwd", truth, NULL), EACCES);
}

static void rexec(void)
{
	start_with(bproc_rexec);
}

static void execmove(void)
{
	start_with(bproc_execmove);
}

static int listen_on(struct bproc_io_t *io, int fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t n = sizeof(at);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(s >= 0 && bind(s, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(s, 8) == 0);
	CHECK(getsockname(s, (struct sockaddr *)&at, &n) == 0);
	at.sin_addr.s_addr = 0;
	*io = (struct bproc_io_t){ .fd = fd, .type = BPROC_IO_SOCKET, .flags = BPROC_IO_SEND_INFO };
	memcpy(&io->d.addr, &at, sizeof(io->d.addr));
	return s;
}

static void start_io(int (*start)(int, struct bproc_io_t *, int, const char *, char *const[],
				  char *const[]))
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"cat; echo oops >&2", NULL };
	struct bproc_io_t io[2];
	int s = listen_on(&io[0], 1), info[2], fd, n = 0, pid;
	char text[64], file[256];

	snprintf(file, sizeof(file), "%s/in", getenv("SCRATCH"));
	fd = open(file, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	CHECK(fd >= 0 && write(fd, "from a file\n", 12) == 12);
	close(fd);
	io[1] = (struct bproc_io_t){ .fd = 0, .type = BPROC_IO_FILE };
	io[1].d.file.flags = O_RDONLY;
	snprintf(io[1].d.file.name, sizeof(io[1].d.file.name), "%.200s", file);
	pid = fork();
	if (pid == 0) {
		(void)start(1, io, 2, "/bin/sh", argv, NULL);
		printf("not started: %s\n", bproc_strerror(errno));
		_exit(99);
	}
	fd = accept(s, NULL, NULL);
	CHECK(fd >= 0 && read(fd, info, sizeof(info)) == sizeof(info));
	CHECK(info[0] == pid && info[1] == 1);
	for (ssize_t got; (got = read(fd, text + n, sizeof(text) - (size_t)n)) > 0;)
		n += (int)got;
	CHECK(n == 12 && !memcmp(text, "from a file\n", 12));
	CHECK(end_of(pid) == 0);
	/* Memory of ours is its input; DELAY puts nothing off. */
	io[0].flags |= BPROC_IO_DELAY;
	io[1] = (struct bproc_io_t){ .fd = 0, .type = BPROC_IO_MEMFILE };
	io[1].d.mem.base = (char *)"from memory\n";
	io[1].d.mem.size = 12;
	pid = fork();
	if (pid == 0) {
		(void)start(1, io, 2, "/bin/sh", argv, NULL);
		printf("not started: %s\n", bproc_strerror(errno));
		_exit(99);
	}
	fd = accept(s, NULL, NULL);
	CHECK(fd >= 0 && read(fd, info, sizeof(info)) == sizeof(info));
	n = 0;
	for (ssize_t got; (got = read(fd, text + n, sizeof(text) - (size_t)n)) > 0;)
		n += (int)got;
	CHECK(n == 12 && !memcmp(text, "from memory\n", 12));
	CHECK(end_of(pid) == 0);
	io[1].d.mem.size = -1;
	FAILS(start(1, io, 2, "/bin/true", truth, NULL), EINVAL);
	io[1].fd = 1;
	FAILS(start(1, io, 2, "/bin/true", truth, NULL), ENOSYS);
	io[1].fd = 5;
	FAILS(start(1, io, 2, "/bin/true", truth, NULL), ENOSYS);
	FAILS(start(1, io, 17, "/bin/true", truth, NULL), EINVAL);
}

static void rexec_io(void)
{
	start_io(bproc_rexec_io);
}

static void execmove_io(void)
{
	start_io(bproc_execmove_io);
}

static void vexecmove(void)
{
	char *const argv[] = { (char *)"sh", (char *)"-c",
			       (char *)"exit $((10 * BPROC_NODE + BPROC_RANK + 1))", NULL };
	int nodes[5] = { 2, 7, 0, 99, BPROC_NODE_MASTER }, pids[5];
	char *const here[] = { (char *)"sh", (char *)"-c", (char *)"exit $BPROC_RANK", NULL };

	CHECK(bproc_vexecmove(4, nodes, pids, "/bin/sh", argv, NULL) == 4);
	CHECK(pids[0] > 0 && WEXITSTATUS(end_of(pids[0])) == 21);
	CHECK(pids[1] == -BE_NODEDOWN);
	CHECK(pids[2] > 0 && WEXITSTATUS(end_of(pids[2])) == 3);
	CHECK(pids[3] == -BE_INVALIDNODE);
	CHECK(bproc_vexecmove(5, nodes, pids, "/bin/sh", here, NULL) == 5);
	CHECK(pids[4] > 0 && WEXITSTATUS(end_of(pids[4])) == 4);
	CHECK(WEXITSTATUS(end_of(pids[0])) == 0 && WEXITSTATUS(end_of(pids[2])) == 2);
	CHECK(wait(NULL) == -1 && errno == ECHILD); /* those that failed are reaped */
	CHECK(bproc_vexecmove(2, all, pids, "/no/such", argv, NULL) == 2);
	CHECK(pids[0] == -ENOENT && pids[1] == -ENOENT);
	CHECK(bproc_vexecmove(0, NULL, NULL, "/bin/sh", argv, NULL) == 0);
	FAILS(bproc_vexecmove(-1, all, pids, "/bin/sh", argv, NULL), EINVAL);
	CHECK(setenv("BPBOOT_SOCKET", "/nonexistent/socket", 1) == 0);
	FAILS(bproc_vexecmove(2, all, pids, "/bin/sh", argv, NULL), ECONNREFUSED);
}

static void vexecmove_io(void)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"echo rank $BPROC_RANK; exit 3",
			       NULL };
	char *const reader[] = { (char *)"sh", (char *)"-c",
				 (char *)"read n; exit $((n + BPROC_RANK))", NULL };
	struct bproc_io_t io;
	int s = listen_on(&io, 1), pids[NODES], seen = 0;

	CHECK(bproc_vexecmove_io(NODES, all, pids, &io, 1, "/bin/sh", argv, NULL) == NODES);
	for (int i = 0; i < NODES; i++) {
		char text[16] = "";
		int info[2], fd = accept(s, NULL, NULL);

		CHECK(fd >= 0 && read(fd, info, sizeof(info)) == sizeof(info));
		for (int n = 0; n < 7;) {
			ssize_t got = read(fd, text + n, sizeof(text) - 1 - (size_t)n);

			CHECK(got > 0);
			n += (int)got;
		}
		for (int k = 0; k < NODES; k++)
			seen += info[0] == pids[k] && text[5] == '0' + k;
		close(fd);
	}
	CHECK(seen == NODES);
	for (int i = 0; i < NODES; i++)
		CHECK(WEXITSTATUS(end_of(pids[i])) == 3);
	io = (struct bproc_io_t){ .fd = 0, .type = BPROC_IO_MEMFILE };
	io.d.mem.base = (char *)"5\n";
	io.d.mem.size = 2;
	CHECK(bproc_vexecmove_io(NODES, all, pids, &io, 1, "/bin/sh", reader, NULL) == NODES);
	for (int i = 0; i < NODES; i++)
		CHECK(WEXITSTATUS(end_of(pids[i])) == 5 + i);
}

static void moves(void)
{
	int pids[NODES];

	FAILS(bproc_move(1), ENOSYS);
	FAILS(bproc_move_io(1, NULL, 0), ENOSYS);
	FAILS(bproc_rfork(1), ENOSYS);
	FAILS(bproc_rfork_io(1, NULL, 0), ENOSYS);
	FAILS(bproc_vrfork(NODES, all, pids), ENOSYS);
	FAILS(bproc_vrfork_io(NODES, all, pids, NULL, 0), ENOSYS);
	FAILS(_bproc_move(1, BPROC_DUMP_ALL), ENOSYS);
	FAILS(_bproc_move_io(1, NULL, 0, BPROC_DUMP_EXEC), ENOSYS);
	FAILS(_bproc_rfork(1, BPROC_DUMP_LIBS), ENOSYS);
	FAILS(_bproc_rfork_io(1, NULL, 0, BPROC_DUMP_OTHER), ENOSYS);
	FAILS(_bproc_vrfork(NODES, all, pids, 0), ENOSYS);
	FAILS(_bproc_vrfork_io(NODES, all, pids, NULL, 0, 0), ENOSYS);
	FAILS(bproc_nodechroot(1, NULL), EINVAL);
	FAILS(bproc_nodechroot(1, (char *)"relative"), EINVAL);
	CHECK(bproc_nodechroot(1, (char *)"/") == 0);
	FAILS(bproc_nodereconnect(1, NULL, 0, NULL, 0), EINVAL);
}

static void dumps(void)
{
	char *list = NULL;

	FAILS(bproc_dump(1, BPROC_DUMP_ALL), ENOSYS);
	FAILS(bproc_undump(0), ENOSYS);
	FAILS(bproc_execdump(1, 0, "/bin/true", truth, NULL), ENOSYS);
	FAILS(bproc_libclear(), ENOSYS);
	FAILS(bproc_libadd("/lib/libc.so.6"), ENOSYS);
	FAILS(bproc_libdel("/lib/libc.so.6"), ENOSYS);
	FAILS(bproc_liblist(&list), ENOSYS);
	FAILS(vmadump_dump(1, BPROC_DUMP_ALL), ENOSYS);
	FAILS(vmadump_undump(0), ENOSYS);
	FAILS(vmadump_execdump(1, 0, "/bin/true", truth, NULL), ENOSYS);
	FAILS(vmadump_libclear(), ENOSYS);
	FAILS(vmadump_libadd("/lib/libc.so.6"), ENOSYS);
	FAILS(vmadump_libdel("/lib/libc.so.6"), ENOSYS);
	FAILS(vmadump_liblist(&list), ENOSYS);
}

static void nodesetstatus(void)
{
	char state[BPROC_STATE_LEN + 1];

	CHECK(bproc_nodesetstatus(1, (char *)"drained") == 0);
	CHECK(bproc_nodestatus(1, state, sizeof(state)) == 7 && !strcmp(state, "drained"));
	CHECK(bproc_nodesetstatus(1, (char *)"up") == 0);
	FAILS(bproc_nodesetstatus(1, (char *)"no such state"), EINVAL);
	FAILS(bproc_nodesetstatus(99, (char *)"up"), BE_INVALIDNODE);
}

/* Nodes that are there would obey: only the answers of others are looked at. See tell(). */
static void power(void)
{
	FAILS(bproc_nodereboot(7), BE_NODEDOWN);
	FAILS(bproc_nodehalt(7), BE_NODEDOWN);
	FAILS(bproc_nodepwroff(7), BE_NODEDOWN);
	FAILS(bproc_nodereboot_async(99), BE_INVALIDNODE);
	FAILS(bproc_nodehalt_async(99), BE_INVALIDNODE);
	FAILS(bproc_nodepwroff_async(99), BE_INVALIDNODE);
}

/* Return: 0, or 2 when there is no such function. */
static int tell(int node, const char *function, char *value)
{
	static const struct {
		const char *name;
		int (*call)(int node);
	} powers[] = {
		{ "bproc_nodereboot", bproc_nodereboot },
		{ "bproc_nodehalt", bproc_nodehalt },
		{ "bproc_nodepwroff", bproc_nodepwroff },
		{ "bproc_nodereboot_async", bproc_nodereboot_async },
		{ "bproc_nodehalt_async", bproc_nodehalt_async },
		{ "bproc_nodepwroff_async", bproc_nodepwroff_async },
	};
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (value && !strcmp(function, "bproc_nodechroot")) {
		CHECK(bproc_nodechroot(node, value) == 0);
		return 0;
	}
	if (value && !strcmp(function, "bproc_nodereconnect")) {
		at.sin_port = htons((uint16_t)strtoul(value, NULL, 10));
		CHECK(bproc_nodereconnect(node, (struct sockaddr *)&at, sizeof(at), NULL, 0) == 0);
		return 0;
	}
	for (size_t i = 0; i < sizeof(powers) / sizeof(powers[0]); i++) {
		if (strcmp(powers[i].name, function) != 0)
			continue;
		CHECK(powers[i].call(node) == 0);
		return 0;
	}
	return 2;
}

static void version(void)
{
	struct bproc_version_t v;

	CHECK(bproc_version(&v) == 0 && v.magic == BPROC_API_VERSION);
	CHECK(!strncmp(v.version_string, "bpboot ", 7));
}

static void strerror_(void)
{
	CHECK(!strcmp(bproc_strerror(BE_INVALIDNODE), "no such node"));
	CHECK(!strcmp(bproc_strerror(-BE_NODEDOWN), "node is not up"));
	CHECK(!strcmp(bproc_strerror(ENOENT), "No such file or directory"));
	CHECK(!strcmp(bproc_strerror(-EACCES), "Permission denied"));
	CHECK(bproc_strerror(12345)[0] && bproc_strerror(-2147483647 - 1)[0]);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "bproc_numnodes", numnodes },
	{ "bproc_currnode", currnode },
	{ "bproc_nodestatus", nodestatus },
	{ "bproc_nodeaddr", nodeaddr },
	{ "bproc_nodeinfo", nodeinfo },
	{ "bproc_nodelist", nodelist },
	{ "bproc_nodelist_", nodelist_ },
	{ "bproc_nodespec", nodespec },
	{ "bproc_notifier", notifier },
	{ "bproc_getnodeattr", getnodeattr },
	{ "bproc_setnodeattr", setnodeattr },
	{ "bproc_access", access_ },
	{ "bproc_chmod", chmod_ },
	{ "bproc_chown", chown_ },
	{ "bproc_chgrp", chgrp_ },
	{ "bproc_nodeset_init", nodeset_init },
	{ "bproc_nodeset_grow", nodeset_grow },
	{ "bproc_nodeset_free", nodeset_free },
	{ "bproc_nodeset_add", nodeset_add },
	{ "bproc_nodeset_append", nodeset_append },
	{ "bproc_nodefilter", nodefilter },
	{ "bproc_proclist", proclist },
	{ "bproc_pidnode", pidnode },
	{ "bproc_rexec", rexec },
	{ "bproc_rexec_io", rexec_io },
	{ "bproc_execmove", execmove },
	{ "bproc_execmove_io", execmove_io },
	{ "bproc_vexecmove", vexecmove },
	{ "bproc_vexecmove_io", vexecmove_io },
	{ "bproc_move", moves },
	{ "bproc_move_io", moves },
	{ "bproc_rfork", moves },
	{ "bproc_rfork_io", moves },
	{ "bproc_vrfork", moves },
	{ "bproc_vrfork_io", moves },
	{ "bproc_nodechroot", moves },
	{ "bproc_nodereconnect", moves },
	{ "bproc_nodesetstatus", nodesetstatus },
	{ "bproc_nodereboot", power },
	{ "bproc_nodehalt", power },
	{ "bproc_nodepwroff", power },
	{ "bproc_nodereboot_async", power },
	{ "bproc_nodehalt_async", power },
	{ "bproc_nodepwroff_async", power },
	{ "bproc_version", version },
	{ "bproc_strerror", strerror_ },
	{ "_bproc_move", moves },
	{ "_bproc_move_io", moves },
	{ "_bproc_rfork", moves },
	{ "_bproc_rfork_io", moves },
	{ "_bproc_vrfork", moves },
	{ "_bproc_vrfork_io", moves },
	{ "bproc_dump", dumps },
	{ "bproc_undump", dumps },
	{ "bproc_execdump", dumps },
	{ "bproc_libclear", dumps },
	{ "bproc_libadd", dumps },
	{ "bproc_libdel", dumps },
	{ "bproc_liblist", dumps },
	{ "vmadump_dump", dumps },
	{ "vmadump_undump", dumps },
	{ "vmadump_execdump", dumps },
	{ "vmadump_libclear", dumps },
	{ "vmadump_libadd", dumps },
	{ "vmadump_libdel", dumps },
	{ "vmadump_liblist", dumps },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (argc == 2 && !strcmp(argv[1], "--list"))
			printf("%s\n", tests[i].name);
		if (argc == 2 && !strcmp(argv[1], tests[i].name)) {
			tests[i].run();
			return 0;
		}
	}
	if (argc > 3 && !strcmp(argv[1], "on")) {
		(void)bproc_rexec((int)strtol(argv[2], NULL, 10), argv[3], argv + 3, environ);
		fprintf(stderr, "bproc_rexec: %s\n", bproc_strerror(errno));
		return 1;
	}
	if (argc > 3 && !strcmp(argv[1], "tell"))
		return tell((int)strtol(argv[2], NULL, 10), argv[3], argv[4]);
	return argc == 2 && !strcmp(argv[1], "--list") ? 0 : 2;
}

/*
 * light.c - nodes without machines: each a bpslave that is process 1 of namespaces of its own
 *
 * A light node has its own processes, mounts, host name and network, and the files of this machine:
 * only /proc and /run are its own. What it costs is a process and a veth pair, so that hundreds fit
 * where a few virtual machines do. bpslave is the node's init, as in a small image: it reboots and
 * powers off, which for a PID namespace means that it ends (reboot(2)); one that reboots is started
 * anew.
 *
 * The pairs have no bridge between them: the front end's address is on its loopback interface, a
 * route leads to each node, and nodes reach each other through it. No node takes broadcasts of a
 * thousand others, and no kernel module is needed. Who is at the other end is said to both, since
 * the kernel keeps no more than 1,024 neighbours that it has found out by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/process.h"
#include "lab/hub.h"
#include "lab/light.h"
#include "lab/namespace.h"
#include "serve/cluster.h"
#include "serve/nodes.h"

#define FRONT_END "10.77.0.1"
#define FIRST	  10 /* node i is this and i behind 10.77.0.0 */
#define KEY_MAX	  4096

/* What a node needs of the front end's files; they may lie below its new /run. */
struct light {
	const struct site *site;
	size_t number;
	int program, console, go; /* bpslave; where it writes; readable once its network is there */
	struct buffer key;
};

static struct mac node_mac(size_t i)
{
	struct mac m = hub_mac(i);

	m.b[4] = (uint8_t)(i >> 8);
	return m;
}

/* Of the front end's end of its cable. */
static struct mac near_mac(size_t i)
{
	struct mac m = node_mac(i);

	m.b[3]++;
	return m;
}

static const char *node_address(size_t i, char ret[static 16])
{
	snprintf(ret, 16, "10.77.%u.%u", (unsigned)((i + FIRST) >> 8), (unsigned)(i + FIRST) & 255);
	return ret;
}

static int write_text(const struct place *p, const char *name, const struct buffer *text)
{
	int r = file_write(p->dir, name, buffer_str(text), text->len, 0644);

	return r < 0 ? log_err(r, "cannot write '%s/%s'", p->path, name) : 0;
}

static int write_site(const struct site *s, const struct place *p)
{
	_cleanup_buffer_ struct buffer nodes = BUFFER(NODES_BYTES_MAX),
				       cluster = BUFFER(CLUSTER_BYTES_MAX);
	char mac[MAC_STR_MAX], address[16];
	int r = buffer_printf(
		&cluster,
		"[cluster]\nname=%s\ninterface=lo\nnetwork=10.77.0.0/16\naddress=" FRONT_END
		"\nboot=%s\nnodes=nodes\n[master]\nstate=state\nsocket=master.sock\n"
		"key=%s/keys/master.key\n",
		p->name, p->path, p->path);

	for (size_t i = 0; r == 0 && i < s->n_nodes; i++) {
		struct mac m = node_mac(i);

		r = buffer_printf(&nodes, "%zu %s %s\n", i, mac_format(&m, mac),
				  node_address(i, address));
	}
	if (r < 0)
		return log_err(r, "cannot write the lab's files");
	r = write_text(p, "nodes", &nodes);
	return r < 0 ? r : write_text(p, "cluster.conf", &cluster);
}

static int make_keys(const struct site *s, const struct place *p)
{
	_cleanup_buffer_ struct buffer out = BUFFER(4096);
	char dir[PLACE_PATH_MAX + 8];
	const char *const argv[] = { s->bpboot, "keygen", "--dir", dir, NULL };
	int status, r;

	snprintf(dir, sizeof(dir), "%s/keys", p->path);
	r = process_capture(argv, NULL, &out, &status);
	if (r == 0 && status != 0)
		r = -EIO;
	return r < 0 ? log_err(r, "cannot make the lab's keys: %s", buffer_str(&out)) : 0;
}

/* So that nodes reach each other; where it may not be set, they reach the front end only. */
static void forward(void)
{
	_cleanup_close_ int fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1", 1) < 0)
		log_warn(-errno, "nodes of this lab reach the front end, but not each other");
}

int light_prepare(const struct site *s, const struct place *p)
{
	static const char *const dirs[] = { "state", "state/boots", "consoles" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (mkdirat(p->dir, dirs[i], 0755) < 0)
			return log_err(-errno, "cannot make '%s/%s'", p->path, dirs[i]);
	}
	r = make_keys(s, p);
	if (r == 0)
		r = write_site(s, p);
	if (r == 0)
		r = namespace_ip("link set lo up\naddress add " FRONT_END "/32 dev lo\n");
	if (r == 0)
		forward();
	return r;
}

static int write_node_file(const char *path, const char *text, size_t n, mode_t mode)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int r = fd < 0 ? -errno : fd_write_all(fd, text, n);

	return r < 0 ? log_err(r, "cannot write '%s'", path) : 0;
}

/* The node's own /proc and /run, and in it what an initramfs would have left. */
static int make_root(const struct light *l)
{
	struct mac m = node_mac(l->number);
	char text[160], mac[MAC_STR_MAX];
	int n;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return log_err(-errno, "cannot make the mounts private");
	/* EPERM: a container that hides parts of its own; then this node sees its maker's */
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) < 0 &&
	    errno != EPERM)
		return log_err(-errno, "cannot mount /proc");
	if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
		return log_err(-errno, "cannot mount /run");
	if (mkdir("/run/bpboot", 0755) < 0)
		return log_err(-errno, "cannot make '/run/bpboot'");
	n = snprintf(text, sizeof(text), "BOOT=%08x\nMAC=%s\nMASTER=" FRONT_END "\n",
		     (unsigned)clock_boot_ms() | 1, mac_format(&m, mac));
	if (write_node_file("/run/bpboot/boot", text, (size_t)n, 0644) < 0)
		return -EIO;
	return write_node_file("/run/bpboot/master.pub", buffer_str(&l->key), l->key.len, 0644);
}

static int make_network(size_t number)
{
	struct mac m = near_mac(number);
	char batch[512], address[16], mac[MAC_STR_MAX];

	snprintf(batch, sizeof(batch),
		 "link set lo up\nlink set eth0 up\naddress add %s/32 dev eth0\n"
		 "route add " FRONT_END "/32 dev eth0\n"
		 "route add default via " FRONT_END " dev eth0\n"
		 "neigh add " FRONT_END " lladdr %s nud permanent dev eth0\n",
		 node_address(number, address), mac_format(&m, mac));
	return namespace_ip(batch);
}

/* Process 1 of the node. Never returns. */
static _noreturn_ void node_main(const struct light *l)
{
	static char *const argv[] = { (char *)"bpslave", (char *)"--key",
				      (char *)"/run/bpboot/master.pub", NULL };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char name[16], go;
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL); /* KILL and STOP refuse */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid(); /* cannot fail: a fresh child leads nothing */
	if (dup2(null, STDIN_FILENO) < 0 || dup2(l->console, STDOUT_FILENO) < 0 ||
	    dup2(l->console, STDERR_FILENO) < 0)
		_exit(1);
	log_setup("bpslave", LOG_LEVEL_INFO);
	if (read(l->go, &go, 1) != 1)
		_exit(1); /* no network: said by the supervisor */
	snprintf(name, sizeof(name), "n%zu", l->number);
	if (sethostname(name, strlen(name)) < 0)
		log_warn(-errno, "cannot set the host name");
	if (make_network(l->number) < 0 || make_root(l) < 0)
		_exit(1);
	fexecve(l->program, argv, environ);
	log_err(-errno, "cannot execute '%s'", l->site->bpslave);
	_exit(1);
}

/* The cable: from here to the node's namespace. Each has a new name: that of a node that ended goes
 * with its namespace, which the kernel takes down in its own time. */
static int plug(size_t i, pid_t pid)
{
	struct mac m = node_mac(i), near = near_mac(i);
	char batch[512], mac[MAC_STR_MAX], near_text[MAC_STR_MAX], address[16];
	static unsigned cable;

	cable++;
	node_address(i, address);
	snprintf(batch, sizeof(batch),
		 "link add c%u address %s type veth peer name eth0 address %s netns %d\n"
		 "link set c%u up\nroute replace %s/32 dev c%u\n"
		 "neigh add %s lladdr %s nud permanent dev c%u\n",
		 cable, mac_format(&near, near_text), mac_format(&m, mac), pid, cable, address,
		 cable, address, mac, cable);
	return namespace_ip(batch);
}

static int start(const struct light *l, int go, pid_t *ret)
{
	const unsigned long flags =
		SIGCHLD | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS;
	long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, 0L);
	int r;

	if (pid < 0)
		return log_err(-errno, "cannot make the namespaces of node %zu", l->number);
	if (pid == 0) {
		fd_close(go);
		node_main(l);
	}
	r = plug(l->number, (pid_t)pid);
	if (r == 0)
		r = fd_write_all(go, "g", 1);
	if (r < 0) {
		(void)kill((pid_t)pid, SIGKILL); /* reaped like any that ends */
		return r;
	}
	*ret = (pid_t)pid;
	return 0;
}

int light_start(const struct site *s, const struct place *p, size_t i, pid_t *ret)
{
	struct light l = { .site = s, .number = i, .key = BUFFER(KEY_MAX) };
	_cleanup_close_ int program = open(s->bpslave, O_PATH | O_CLOEXEC), console = FD_NONE,
			    from = FD_NONE, to = FD_NONE;
	char name[32];
	int ends[2], r;

	if (program < 0)
		return log_err(-errno, "cannot open '%s'", s->bpslave);
	snprintf(name, sizeof(name), "consoles/%zu.log", i);
	console = openat(p->dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (console < 0)
		return log_err(-errno, "cannot write '%s/%s'", p->path, name);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return log_err(-errno, "cannot make a pipe");
	from = ends[0];
	to = ends[1];
	r = file_read(p->dir, "keys/master.pub", &l.key);
	if (r < 0)
		return log_err(r, "cannot read '%s/keys/master.pub'", p->path);
	l.program = program;
	l.console = console;
	l.go = from;
	r = start(&l, to, ret);
	buffer_clear(&l.key);
	return r;
}

int light_count(const struct place *p, const char *bpstat, size_t *ret)
{
	_cleanup_buffer_ struct buffer out = BUFFER(4096);
	char socket[PLACE_PATH_MAX + 16];
	const char *const argv[] = { bpstat, "--socket", socket, "-t", "--up", NULL };
	uint32_t n;
	int status, r;

	snprintf(socket, sizeof(socket), "%s/master.sock", p->path);
	r = process_capture(argv, NULL, &out, &status);
	if (r < 0)
		return r;
	if (status != 0 || out.len < 2)
		return -EAGAIN;
	out.data[out.len - 1] = 0; /* the newline */
	if (parse_u32((const char *)out.data, 0, LIGHT_NODES_MAX, &n) < 0)
		return -EAGAIN;
	*ret = n;
	return 0;
}

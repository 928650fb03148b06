/*
 * nfs.c - a root that is not an image: on an NFS server
 *
 * root=nfs:SERVER:/PATH, the kernel's root=/dev/nfs with nfsroot=, or DHCP's root-path in either
 * way. The kernel's own client does all of the talking (for NFS 3 the mount protocol and the port
 * mapper too); what mount.nfs does elsewhere is done here: find the server's address, and ask for
 * versions from the newest on.
 *
 * mount(2) waits for the server, so a process aside calls it: the event loop runs on, reports go
 * out, the watchdog is fed, and when the patience is over that process is ended. The root's own
 * mount is hard, as the kernel's is: once it stands, nothing of it fails because a server was away.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/boot.h"
#include "init/root.h"

#define DATA_MAX     (2 * NFSROOT_OPTIONS_MAX + 4 * IP_STR_MAX)
#define SOURCE_MAX   (NFSROOT_PATH_MAX + IP_STR_MAX + 4)
#define LAST_WORDS_S 5 /* for a process that was ended */
#define DEV_NFS	     "/dev/nfs"

/* In the order in which they are asked for. Without locks, whose daemons no initramfs has. */
static const struct {
	const char *name, *options;
	bool is4;
} versions[] = {
	{ "NFS 4.2", "vers=4.2", true },
	{ "NFS 4.1", "vers=4.1", true },
	{ "NFS 4.0", "vers=4.0", true },
	{ "NFS 3", "vers=3,nolock", false },
};

bool nfs_is_meant(const struct boot *b)
{
	const char *root = b->cmdline.root;

	if (b->adopted) /* the initramfs that we are in has its own ways */
		return false;
	return root_means_nothing(root) ? nfsroot_is_meant(b->lease.root_path)
					: nfsroot_is_meant(root) || !strcmp(root, DEV_NFS);
}

/* --- where it is --- */

static int fail_text(struct boot *b, const char *what, const char *text, const char *why)
{
	return stage_fail(b, REPORT_DHCP, -EINVAL, "%s '%.120s' cannot be used: %s", what, text,
			  why);
}

static int take_text(struct boot *b)
{
	const struct cmdline *c = &b->cmdline;
	const char *what = "the DHCP root-path", *text = b->lease.root_path, *why;
	bool dev = c->root && !strcmp(c->root, DEV_NFS);

	if (dev && c->nfsroot) {
		what = "nfsroot=";
		text = c->nfsroot;
	} else if (!dev && nfsroot_is_meant(c->root)) {
		what = "root=";
		text = c->root;
	}
	if (!*text)
		return stage_fail(b, REPORT_DHCP, -ENOENT,
				  "root=/dev/nfs, and neither nfsroot= nor the DHCP answer's "
				  "root-path (option 17) says where; set root=nfs:SERVER:/PATH");
	if (nfsroot_parse(text, &b->nfs, &why) < 0)
		return fail_text(b, what, text, why);
	return 0;
}

/* The name of this node, for "%s" in the path; its address when it has no name. */
static int expand(struct boot *b)
{
	char address[INET_ADDRSTRLEN];
	int r = nfsroot_expand(&b->nfs, b->lease.hostname[0]
						? b->lease.hostname
						: ipv4_format(b->lease.address, address));

	return r < 0 ? stage_fail(b, REPORT_DHCP, r, "the path of the NFS root is too long") : 0;
}

static int find_server(struct boot *b)
{
	struct fetch_url u = { 0 };
	int r = 0;

	if (!b->nfs.server[0]) {
		u.host = ip_from_v4(b->lease.next_server);
		if (!ip_is_set(&u.host))
			return stage_fail(
				b, REPORT_DHCP, -EDESTADDRREQ,
				"the NFS root names no server and the DHCP answer no boot "
				"server (next-server); set root=nfs:SERVER:%s",
				b->nfs.path);
	} else if (ip_parse(b->nfs.server, &u.host) < 0) {
		if (strlen(b->nfs.server) >= sizeof(u.name))
			return fail_text(b, "the server", b->nfs.server, "its name is too long");
		snprintf(u.name, sizeof(u.name), "%s", b->nfs.server);
		r = resolve_url(b, &u);
	}
	if (r == 0)
		b->url.host = u.host;
	return r;
}

static void set_source(struct boot *b)
{
	char server[IP_STR_MAX];
	bool v6 = b->url.host.family == AF_INET6;

	snprintf(b->disk, sizeof(b->disk), "%s%s%s:%s", v6 ? "[" : "",
		 ip_format(&b->url.host, server), v6 ? "]" : "", b->nfs.path);
}

/* -ENOENT may mean that it is built into the kernel; mounting then tells. */
static int load(struct boot *b, const char *module)
{
	int r = drivers_load(b->drivers, module, "");

	if (r < 0 && r != -ENOENT)
		return stage_fail(b, REPORT_MOUNT, r, "cannot load module %s for the NFS root: %s",
				  module, strerror(-r));
	if (r < 0 && !strcmp(module, "nfs") && !kernel_has_filesystem("nfs"))
		return stage_fail(b, REPORT_MOUNT, r,
				  "cannot load module nfs for the NFS root: this initrd does not "
				  "hold it (bpboot initrd --root nfs puts it in)");
	return 0;
}

int nfs_stage(struct boot *b)
{
	int r = take_text(b);

	_Static_assert(sizeof(b->disk) >= SOURCE_MAX, "the source of any NFS root fits");
	r = r ? r : expand(b);
	r = r ? r : find_server(b);
	connect_reporter(b, r == 0);
	r = r ? r : load(b, "nfs");
	r = r ? r : load(b, "nfsv4");
	if (r == 0 && !b->nfs.only4)
		r = load(b, "nfsv3");
	if (r < 0)
		return r;
	b->is_nfs = true;
	set_source(b);
	b->device = b->disk;
	stage_begin(b, REPORT_MOUNT, "the NFS root %s", b->disk);
	return 0;
}

/* --- the mount --- */

static void on_end(struct ev_loop *loop, struct ev_io *w, int events)
{
	ev_break(loop, EVBREAK_ONE);
}

static void on_time(struct ev_loop *loop, struct ev_timer *t, int events)
{
	ev_break(loop, EVBREAK_ONE);
}

/* Run the loop until the process @pid has ended or @seconds are over. Return: its exit status, or
 * -ETIMEDOUT. */
static int await(struct boot *b, pid_t pid, int pidfd, double seconds)
{
	struct ev_timer t;
	struct ev_io io;
	int status, r;

	ev_now_update(b->loop);
	ev_timer_init(&t, on_time, seconds, 0);
	ev_io_init(&io, on_end, pidfd, EV_READ);
	ev_timer_start(b->loop, &t);
	ev_io_start(b->loop, &io);
	do {
		r = waitpid(pid, &status, WNOHANG);
		if (r == 0)
			ev_run(b->loop, 0);
	} while (r == 0 && ev_is_active(&t));
	ev_timer_stop(b->loop, &t);
	ev_io_stop(b->loop, &io);
	if (r == 0)
		return -ETIMEDOUT;
	return r > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

/* mount(2) by a process aside. Return: 0 or negative errno. */
static int mount_aside(struct boot *b, unsigned long f, const char *data)
{
	_cleanup_close_ int pidfd = FD_NONE;
	pid_t pid = fork();
	int r;

	if (pid == 0)
		_exit(mount(b->disk, b->target, "nfs", f, data) < 0 ? errno & 0xff : 0);
	if (pid < 0)
		return -errno;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		(void)kill(pid, SIGKILL); /* it is ours, and has not been waited for */
		return -errno;
	}
	r = await(b, pid, pidfd, b->cmdline.fetch_s);
	if (r == -ETIMEDOUT) {
		(void)kill(pid, SIGKILL);
		(void)!await(b, pid, pidfd, LAST_WORDS_S); /* what stays is the kernel's to end */
		return -ETIMEDOUT;
	}
	return -r;
}

static int fail_mount(struct boot *b, int r, const char *version)
{
	char server[IP_STR_MAX];

	ip_format(&b->url.host, server);
	if (r == -ETIMEDOUT || r == -EHOSTUNREACH || r == -ENETUNREACH)
		return stage_fail(b, REPORT_MOUNT, r,
				  "NFS server %s does not answer (%s); is it up, and does a "
				  "firewall let port 2049 through?",
				  server, strerror(-r));
	if (r == -ECONNREFUSED)
		return stage_fail(b, REPORT_MOUNT, r, "%s refuses: no NFS server listens there",
				  server);
	if (r == -EACCES || r == -EPERM)
		return stage_fail(b, REPORT_MOUNT, r,
				  "NFS server %s does not let this node have %s: look at its "
				  "exports",
				  server, b->nfs.path);
	if (r == -ENOENT)
		return stage_fail(b, REPORT_MOUNT, r, "NFS server %s has no %s", server,
				  b->nfs.path);
	if (r == -EPROTONOSUPPORT)
		return stage_fail(b, REPORT_MOUNT, r,
				  "NFS server %s and this kernel have no version of NFS in "
				  "common%s",
				  server, b->nfs.only4 ? " (nfs4: allows 4 alone)" : "");
	return stage_fail(b, REPORT_MOUNT, r, "cannot mount %s as %s (%s): %s", b->disk, version,
			  b->nfs.options, strerror(-r));
}

/* The options that mount.nfs would make. */
static int make_data(const struct boot *b, const char *version, bool is4, const char *data,
		     char ret[static DATA_MAX])
{
	char server[IP_STR_MAX], own[IP_STR_MAX];
	struct ipaddr a = b->url.host.family == AF_INET6
				  ? (struct ipaddr){ AF_INET6, 0, { .v6 = b->lease6.address } }
				  : ip_from_v4(b->lease.address);
	bool client = is4 && ip_is_set(&a);
	int n = snprintf(ret, DATA_MAX, "%s%saddr=%s%s%s%s%s", version, *version ? "," : "",
			 ip_format(&b->url.host, server), client ? ",clientaddr=" : "",
			 client ? ip_format(&a, own) : "", *data ? "," : "", data);

	return n < 0 || n >= DATA_MAX ? -E2BIG : 0;
}

/* Is another version worth trying after @r? One that the server or the kernel does not have; or an
 * export that NFS 4 has elsewhere in its tree. */
static bool goes_on(int r)
{
	return r == -EPROTONOSUPPORT || r == -EINVAL || r == -ENOENT;
}

int nfs_mount(struct boot *b, unsigned long f, const char *data)
{
	bool said = nfsroot_names_version(&b->nfs);
	int first = 0, r = 0;
	const char *at = "";
	char all[DATA_MAX];

	(void)mkdir(b->target, 0755); /* the mount says what is wrong */
	for (size_t i = 0; i < (said ? 1 : ARRAY_SIZE(versions)); i++) {
		const char *name = said ? "NFS" : versions[i].name;

		if (!said && b->nfs.only4 && !versions[i].is4)
			break;
		if (make_data(b, said ? "" : versions[i].options, !said && versions[i].is4, data,
			      all) < 0)
			return stage_fail(b, REPORT_MOUNT, -E2BIG,
					  "the options of the NFS root are too long");
		r = mount_aside(b, f, all);
		if (r == 0) {
			b->nfs_version = name;
			return 0;
		}
		if (first == 0 || first == -EPROTONOSUPPORT) {
			first = r;
			at = name;
		}
		if (!goes_on(r))
			break;
	}
	return fail_mount(b, first, at);
}

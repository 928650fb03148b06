/*
 * drivers_kernel.c - devices and loading: the part of drivers.h that talks to the kernel
 *
 * The uevent socket is open before /sys is walked, so that no device falls between the two. A
 * module that brings a bus (virtio_pci) makes new devices, whose uevents bring the next module;
 * nothing is walked twice.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/reader.h"
#include "init/drivers_internal.h"

#define BUS_DIR		"/sys/bus"
#define UEVENT_MAX	8192
#define UEVENT_PATH_MAX 1024
#define UEVENT_RCVBUF	(1 << 20)

static int insert(const char *name, const char *params)
{
	_cleanup_close_ int fd = FD_NONE;
	char path[DRIVERS_WORDS_MAX];

	if ((size_t)snprintf(path, sizeof(path), "/" DRIVERS_DIR "/%s.ko", name) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, params, 0) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Load the next module of the queue. Return: false when there is none. */
static bool load_next(struct drivers *d)
{
	char params[DRIVERS_PARAMS_MAX];
	const char *name = drivers_next(d, params);
	int r;

	if (!name)
		return false;
	r = insert(name, params);
	if (r < 0) {
		d->files[d->queue[d->queue_at - 1]].state = DRIVERS_FAILED;
		if (r == -ENODEV) /* it looked, and this machine has nothing for it: crc32c_intel */
			log_debug("module '%s' finds no hardware", name);
		else
			log_warn(r, "cannot load module '%s', going on without it", name);
	}
	return true;
}

static ssize_t read_text(int dirfd, const char *path, char *buf, size_t n)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	size_t len;

	if (fd < 0)
		return -errno;
	if (fd_read_full(fd, buf, n - 1, &len) < 0)
		return -EIO;
	while (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = 0;
	return (ssize_t)len;
}

/* Call @fn for each device of a bus, with its directory open. */
static void each_device(const char *bus, void (*fn)(void *ctx, int dirfd, const char *device),
			void *ctx)
{
	char path[DRIVERS_WORDS_MAX];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), BUS_DIR "/%s/devices", bus);
	dir = opendir(path);
	while (dir && (e = readdir(dir)) != NULL) {
		_cleanup_close_ int fd = FD_NONE;

		if (e->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			fn(ctx, fd, e->d_name);
	}
	if (dir)
		closedir(dir);
}

static void match_device(void *ctx, int dirfd, const char *device)
{
	char alias[DRIVERS_MODALIAS_MAX];

	if (read_text(dirfd, "modalias", alias, sizeof(alias)) > 0)
		drivers_match(ctx, alias);
}

/* All buses but PCI. */
static void walk_rest(struct drivers *d)
{
	struct dirent *e;
	DIR *dir = opendir(BUS_DIR);

	d->walked = true;
	while (dir && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.' && strcmp(e->d_name, "pci"))
			each_device(e->d_name, match_device, d);
	}
	if (dir)
		closedir(dir);
}

/*
 * A kernel with the user helper for firmware looks below /lib/firmware itself, and then waits a
 * minute for a program to bring what is not there. Nobody will.
 */
static void refuse_firmware(const char *devpath)
{
	_cleanup_close_ int fd = FD_NONE;
	char path[UEVENT_PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "/sys%s/loading", devpath) >= sizeof(path))
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "-1", 2); /* else the kernel waits */
}

/* "add@/devices/...", then KEY=VALUE strings. */
static void take_uevent(struct drivers *d, const void *p, size_t n)
{
	struct reader r = READER(p, n);
	const char *s = reader_cstr(&r), *alias = NULL, *devpath = NULL;
	bool add = false, firmware = false;

	for (s = reader_cstr(&r); s; s = r.left ? reader_cstr(&r) : NULL) {
		add = add || !strcmp(s, "ACTION=add");
		if (!strncmp(s, "MODALIAS=", 9))
			alias = s + 9;
		if (!strncmp(s, "DEVPATH=", 8))
			devpath = s + 8;
		firmware = firmware || !strcmp(s, "SUBSYSTEM=firmware");
	}
	if (add && firmware && devpath)
		refuse_firmware(devpath);
	if (add && alias && drivers_match(d, alias))
		ev_idle_start(d->loop, &d->idle);
}

static void on_uevent(struct ev_loop *loop, struct ev_io *w, int events)
{
	struct drivers *d = w->data;
	char buf[UEVENT_MAX];

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t len = sizeof(from);
		ssize_t n =
			recvfrom(d->uevents, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n < 0 && errno == ENOBUFS) { /* events were lost: look at everything */
			each_device("pci", match_device, d);
			d->walked = false;
			ev_idle_start(loop, &d->idle);
			continue;
		}
		if (n <= 0)
			return;
		if (from.nl_pid == 0)
			take_uevent(d, buf, (size_t)n);
	}
}

static void on_idle(struct ev_loop *loop, struct ev_idle *w, int events)
{
	struct drivers *d = w->data;

	if (load_next(d))
		return; /* what the module brought is seen to first: events go before idling */
	if (!d->walked) {
		walk_rest(d);
		return;
	}
	ev_idle_stop(loop, w);
	if (d->on_idle)
		d->on_idle(d->ctx);
}

static int open_uevents(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
					NETLINK_KOBJECT_UEVENT);
	int size = UEVENT_RCVBUF;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
			 sizeof(size)); /* the default does too */
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* A module that failed is tried again in the next attempt. */
static void forget_failures(struct drivers *d)
{
	for (size_t i = 0; i < d->n_files; i++) {
		if (d->files[i].state != DRIVERS_LOADED)
			d->files[i].state = DRIVERS_NEW;
	}
	d->n_queue = d->queue_at = 0;
}

int drivers_start(struct drivers *d, struct ev_loop *loop, void (*idle)(void *ctx), void *ctx)
{
	int fd = open_uevents();

	if (fd < 0)
		return log_warn(fd, "cannot follow the kernel's device events");
	drivers_stop(d);
	forget_failures(d);
	d->loop = loop;
	d->uevents = fd;
	d->on_idle = idle;
	d->ctx = ctx;
	ev_io_init(&d->io, on_uevent, fd, EV_READ);
	d->io.data = d;
	ev_io_start(loop, &d->io);
	ev_idle_init(&d->idle, on_idle);
	d->idle.data = d;
	ev_idle_start(loop, &d->idle);
	d->walked = false;
	each_device("pci", match_device, d);
	drivers_want_always(d);
	return 0;
}

void drivers_stop(struct drivers *d)
{
	if (d->uevents < 0)
		return;
	ev_io_stop(d->loop, &d->io);
	ev_idle_stop(d->loop, &d->idle);
	d->uevents = fd_close(d->uevents);
}

int drivers_load(struct drivers *d, const char *name, const char *params)
{
	const struct drivers_module *m;
	int r;

	if (d->load)
		return d->load(name, params);
	m = drivers_find(d, name);
	if (!m)
		return -ENOENT;
	for (size_t i = 0; i + 1 < m->n_needs; i++) {
		struct drivers_file *f = &d->files[m->needs[i]];

		if (f->state == DRIVERS_LOADED)
			continue;
		r = insert(f->name, "");
		if (r < 0 && r != -ENODEV) /* a faster one of several, for other machines */
			return log_warn(r, "cannot load module '%s'", f->name);
		f->state = DRIVERS_LOADED;
	}
	return insert(name, params);
}

int drivers_unload(struct drivers *d, const char *name)
{
	if (syscall(SYS_delete_module, name, O_NONBLOCK) < 0 && errno != ENOENT &&
	    errno != ENOSYS) /* a kernel without modules */
		return -errno;
	return 0;
}

struct explain {
	const struct drivers *d;
	char *buf;
	size_t n, len;
	unsigned cards;
};

static _printf_(2, 3) void explain(struct explain *x, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(x->buf + x->len, x->n - x->len, fmt, ap);
	va_end(ap);
	x->len = n < 0 ? x->len : MIN(x->len + (size_t)n, x->n - 1);
}

/* A blacklisted module is wanted by nobody, and is the likeliest reason. */
static void explain_missing(struct explain *x, int dirfd)
{
	char alias[DRIVERS_MODALIAS_MAX];
	const struct drivers *d = x->d;
	bool known = false;

	if (read_text(dirfd, "modalias", alias, sizeof(alias)) <= 0)
		snprintf(alias, sizeof(alias), "?");
	for (size_t i = 0; i < d->n_aliases && !known; i++)
		known = drivers_glob(d->aliases[i].pattern, alias);
	explain(x,
		known ? " (its driver is blacklisted or failed: %s)"
		      : " (no driver in this initrd for %s)",
		alias);
}

/* Class 0x02 of PCI is a network controller. */
static void explain_pci(void *ctx, int dirfd, const char *device)
{
	struct explain *x = ctx;
	char class[16], vendor[16], id[16], driver[DRIVERS_WORDS_MAX];
	ssize_t n;

	if (read_text(dirfd, "class", class, sizeof(class)) < 4 || strncmp(class, "0x02", 4))
		return;
	x->cards++;
	n = readlinkat(dirfd, "driver", driver, sizeof(driver) - 1);
	if (n > 0 || read_text(dirfd, "vendor", vendor, sizeof(vendor)) < 3 ||
	    read_text(dirfd, "device", id, sizeof(id)) < 3)
		return;
	explain(x, "%snetwork card %s:%s at %s has no driver", x->len ? "; " : "", vendor + 2,
		id + 2, device);
	explain_missing(x, dirfd);
}

/* Device 1 of virtio is a network card. */
static void explain_virtio(void *ctx, int dirfd, const char *device)
{
	struct explain *x = ctx;
	char id[16], driver[DRIVERS_WORDS_MAX];

	if (read_text(dirfd, "device", id, sizeof(id)) < 0 || strcmp(id, "0x0001") ||
	    readlinkat(dirfd, "driver", driver, sizeof(driver)) > 0)
		return;
	explain(x, "%svirtio network card %s has no driver", x->len ? "; " : "", device);
	explain_missing(x, dirfd);
}

void drivers_explain(const struct drivers *d, char *buf, size_t n)
{
	struct explain x = { .d = d, .buf = buf, .n = n };
	struct utsname u;

	buf[0] = 0;
	each_device("pci", explain_pci, &x);
	each_device("virtio", explain_virtio, &x);
	if (x.len == 0 && x.cards == 0)
		explain(&x, "this machine shows no network card");
	else if (x.len == 0)
		explain(&x, "the network card's driver shows no interface");
	if (uname(&u) == 0 && d->kernel[0] && strcmp(u.release, d->kernel))
		explain(&x, "; the initrd's modules are for kernel %s, this is %s", d->kernel,
			u.release);
}

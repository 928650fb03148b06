/*
 * qemu.c - one node of the lab as a QEMU machine
 *
 * A plain PC without anything that a node does not need: memory, a processor, a serial port, a
 * network card with its PXE firmware. The machine knows nothing else: what it boots comes over the
 * network. graphics=off makes the firmware speak on the serial port, so that the console capture
 * begins before the kernel does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/buffer.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "lab/hub.h"
#include "lab/parts.h"
#include "lab/qemu.h"
#include "serve/ipxe.h"

enum {
	ARGS_MAX = 64,
	ARG_BYTES_MAX = 4096,
};

struct args {
	char *list[ARGS_MAX + 1]; /* owned */
	size_t n;
	int err;
};

static void args_clear(struct args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->list[i]);
}

static void add(struct args *a, const char *fmt, ...) _printf_(2, 3);

static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		a->err = -ENOMEM;
		return;
	}
	if (n >= ARG_BYTES_MAX || a->n == ARGS_MAX) {
		free(text);
		a->err = -E2BIG;
		return;
	}
	a->list[a->n++] = text;
}

/* Kernel, initrd and what iPXE would say, from QEMU itself. */
static int add_direct(struct args *a, const struct cluster *c, const struct mac *m)
{
	_cleanup_buffer_ struct buffer cmdline = BUFFER(ARG_BYTES_MAX);
	char mac[MAC_STR_MAX];
	int r;

	mac_format(m, mac);
	for (char *p = mac; *p; p++)
		*p = *p == ':' ? '-' : *p;
	r = buffer_printf(&cmdline, "BOOTIF=01-%s", mac);
	if (r == 0)
		r = ipxe_cmdline(c, &cmdline);
	add(a, "-kernel");
	add(a, "%s/%s", c->boot, c->kernel);
	add(a, "-initrd");
	add(a, "%s/%s", c->boot, c->initrd);
	add(a, "-append");
	add(a, "%s", buffer_str(&cmdline));
	return r;
}

static int make_args(struct args *a, const struct site *s, const struct cluster *c,
		     const struct place *p, size_t number, int cable)
{
	struct mac m = hub_mac(number);
	char mac[MAC_STR_MAX];

	add(a, "qemu-system-x86_64");
	add(a, "-name");
	add(a, "bpboot-lab-%s-n%zu", p->name, number);
	add(a, "-nodefaults");
	add(a, "-no-user-config");
	add(a, "-display");
	add(a, "none");
	add(a, "-machine");
	add(a, "pc,graphics=off,vmport=off,accel=%s", s->kvm ? "kvm" : "tcg");
	add(a, "-cpu");
	add(a, s->kvm ? "host" : "max");
	add(a, "-m");
	add(a, "%" PRIu64 "M", s->memory_bytes >> 20);
	add(a, "-netdev");
	add(a, "socket,id=net0,fd=%d", cable);
	add(a, "-device");
	add(a, "%s,netdev=net0,mac=%s%s", s->nic, mac_format(&m, mac),
	    s->firmware == SITE_DIRECT ? ",romfile=" : "");
	if (s->firmware == SITE_UEFI) {
		add(a, "-bios");
		add(a, PARTS_OVMF);
	}
	add(a, "-chardev");
	add(a,
	    "socket,id=con,path=%s/consoles/%zu.sock,server=on,wait=off,logfile=%s/consoles/"
	    "%zu.log,"
	    "logappend=on",
	    p->path, number, p->path, number);
	add(a, "-serial");
	add(a, "chardev:con");
	add(a, "-qmp");
	add(a, "unix:%s/consoles/%zu.qmp,server=on,wait=off", p->path, number);
	add(a, "-boot");
	add(a, "order=n,strict=on,reboot-timeout=5000");
	return s->firmware == SITE_DIRECT ? add_direct(a, c, &m) : 0;
}

int qemu_start(const struct site *s, const struct cluster *c, const struct place *p, size_t number,
	       int cable, pid_t *ret)
{
	_cleanup_(args_clear) struct args a = { 0 };
	_cleanup_close_ int err = FD_NONE;
	struct process proc = PROCESS((const char *const *)a.list);
	char log[64];
	int r = make_args(&a, s, c, p, number, cable);

	if (r == 0)
		r = a.err;
	if (r == 0) {
		snprintf(log, sizeof(log), "consoles/%zu.err", number);
		err = openat(p->dir, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		r = err < 0 ? -errno : 0;
	}
	if (r == 0) {
		proc.out = proc.err = err;
		proc.keep[proc.n_keep++] = cable;
		r = process_spawn(&proc, ret);
	}
	if (r == -ENOENT)
		return log_err(0,
			       "cannot find qemu-system-x86_64 (Debian package qemu-system-x86)"),
		       r;
	return r < 0 ? log_err(r, "cannot start node %zu", number) : 0;
}

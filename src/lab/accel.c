/*
 * accel.c - whether hardware acceleration works here: found out by booting something
 *
 * That /dev/kvm opens says little: a machine that is virtual itself may offer it and then hang. So
 * a boot sector of our own is booted, which writes to QEMU's debug-exit port; only if QEMU ends
 * with the status that this gives, within the deadline, is KVM used.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "lab/accel.h"

#define QEMU "qemu-system-x86_64"

enum {
	PROBE_MS = 3000, /* where it works it takes a tenth */
	PROBE_VALUE = 0x15,
	PROBE_STATUS = PROBE_VALUE << 1 | 1, /* what isa-debug-exit makes of it */
	SECTOR_BYTES = 512,
};

/* mov dx, 0xf4; mov al, PROBE_VALUE; out dx, al; cli; hlt */
static const unsigned char probe_code[] = { 0xba, 0xf4, 0x00, 0xb0, PROBE_VALUE, 0xee, 0xfa, 0xf4 };

static int probe_run(const char *image, int *ret_status)
{
	char drive[PLACE_PATH_MAX + 64];
	/* the processor that nodes get: a KVM that cannot give it aborts here, not in them */
	const char *argv[] = { QEMU,
			       "-machine",
			       "pc,accel=kvm",
			       "-cpu",
			       "host",
			       "-m",
			       "16",
			       "-nodefaults",
			       "-no-user-config",
			       "-display",
			       "none",
			       "-device",
			       "isa-debug-exit,iobase=0xf4,iosize=1",
			       "-drive",
			       drive,
			       NULL };
	struct process p = PROCESS(argv);
	pid_t pid;
	int r;

	snprintf(drive, sizeof(drive), "file=%s,format=raw,if=floppy,readonly=on", image);
	p.die_with_parent = true;
	r = process_spawn(&p, &pid);
	if (r < 0)
		return r;
	r = process_wait(pid, PROBE_MS, ret_status);
	if (r < 0) {
		int status;

		(void)kill(pid, SIGKILL); /* it may have ended meanwhile */
		(void)!process_wait(pid, -1, &status);
	}
	return r;
}

bool accel_probe(const struct place *p, char ret_why[static ACCEL_WHY_MAX])
{
	unsigned char sector[SECTOR_BYTES] = { 0 };
	char image[PLACE_PATH_MAX + 16];
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), status = 0, r;

	if (fd < 0) {
		snprintf(ret_why, ACCEL_WHY_MAX,
			 errno == ENOENT ? "there is no /dev/kvm" : "/dev/kvm: %s",
			 strerror(errno));
		return false;
	}
	(void)fd_close(fd);
	memcpy(sector, probe_code, sizeof(probe_code));
	sector[510] = 0x55;
	sector[511] = 0xaa;
	snprintf(image, sizeof(image), "%s/probe", p->path);
	r = file_write(p->dir, "probe", sector, sizeof(sector), 0600);
	if (r == 0)
		r = probe_run(image, &status);
	(void)unlinkat(p->dir, "probe", 0); /* goes with the directory else */
	if (r == 0 && status == PROBE_STATUS) {
		snprintf(ret_why, ACCEL_WHY_MAX, "a probe boots under KVM");
		return true;
	}
	if (r == -ETIMEDOUT)
		snprintf(ret_why, ACCEL_WHY_MAX, "a probe hangs under KVM");
	else if (r < 0)
		snprintf(ret_why, ACCEL_WHY_MAX, "%s: %s", QEMU, strerror(-r));
	else
		snprintf(ret_why, ACCEL_WHY_MAX, "a probe does not boot under KVM");
	return false;
}

/*
 * feeder.c - bpslave goes on feeding the watchdog that init armed
 *
 * The kernel lets one program open a watchdog. When the root's init (systemd's RuntimeWatchdogSec)
 * has it, bpslave leaves it alone. Feeding hangs on bpslave's event loop: a node whose bpslave
 * stands still is of no use to the cluster, and is reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "space/feeder.h"
#include "space/handover.h"

#define FEEDER_DEVICE "/dev/watchdog0"
#define FEEDER_EACH   4 /* times within its seconds */
#define FEEDER_MIN_S  1.0

static void on_timer(struct ev_loop *loop, struct ev_timer *t, int events)
{
	const struct feeder *f = t->data;

	(void)ioctl(f->fd, WDIOC_KEEPALIVE, 0); /* a driver without it is fed by any write */
	(void)!write(f->fd, "", 1);
}

/* Return: the seconds that init said, 0 for no watchdog. */
static uint32_t seconds_of(const char *boot_file)
{
	_cleanup_buffer_ struct buffer text = BUFFER(HANDOVER_BYTES_MAX);
	struct handover h;
	const char *why;

	if (file_read(AT_FDCWD, boot_file, &text) < 0 ||
	    handover_parse(buffer_str(&text), text.len, &h, &why) < 0)
		return 0; /* said where the rest of the file is needed */
	return h.watchdog_s;
}

void feeder_start(struct feeder *f, struct ev_loop *loop, const char *boot_file)
{
	uint32_t seconds = seconds_of(boot_file);
	double each = (double)seconds / FEEDER_EACH;

	*f = (struct feeder){ .fd = FD_NONE };
	if (seconds == 0)
		return;
	f->fd = open(FEEDER_DEVICE, O_WRONLY | O_CLOEXEC);
	if (f->fd < 0) {
		if (errno != EBUSY)
			log_warn(-errno,
				 "cannot feed the watchdog that init armed: this machine is reset "
				 "in %u s unless another program does",
				 seconds);
		f->fd = FD_NONE;
		return;
	}
	ev_timer_init(&f->timer, on_timer, 0, MAX(each, FEEDER_MIN_S));
	f->timer.data = f;
	ev_timer_start(loop, &f->timer);
}

void feeder_stop(struct feeder *f, struct ev_loop *loop)
{
	if (f->fd < 0)
		return;
	ev_timer_stop(loop, &f->timer);
	f->fd = fd_close(f->fd);
}

/*
 * watchdog.c - a hardware watchdog that is fed until the root takes over
 *
 * bpboot.watchdog=SECONDS arms the first one that shows up; without the word one that the firmware
 * armed is fed, and others are left alone, since a root that knows of none would be reset. The
 * feeding hangs on the event loop: an init that stands still is reset. When the root is entered it
 * is fed once more and stays armed: who runs there has that long to go on (docs/handover.md).
 *
 * A shell for a person stops the loop, and must neither be reset nor cost the watchdog; then an
 * interval timer feeds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "base/fd.h"
#include "base/file.h"
#include "init/boot.h"

#define WATCHDOG_DEVICE	  "/dev/watchdog0"
#define WATCHDOG_STATE	  "/sys/class/watchdog/watchdog0/state"
#define WATCHDOG_TICK_S	  1.0
#define WATCHDOG_WAIT	  20 /* ticks until we say that there is none */
#define WATCHDOG_TEXT_MAX 64

static int watchdog_fd = FD_NONE; /* for the signal handler, which has no context */

static void feed(int fd)
{
	(void)ioctl(fd, WDIOC_KEEPALIVE, 0); /* a driver without it is fed by the write below */
	(void)!write(fd, "", 1);
}

static void on_alarm(int sig)
{
	int saved = errno;

	feed(watchdog_fd);
	errno = saved;
}

/* Did the firmware, or whoever was here before, arm it? */
static bool armed(void)
{
	_cleanup_buffer_ struct buffer text = BUFFER(WATCHDOG_TEXT_MAX);

	return file_read(AT_FDCWD, WATCHDOG_STATE, &text) == 0 &&
	       !strncmp(buffer_str(&text), "active", 6);
}

/* Opening it arms it. */
static void take(struct watchdog *w)
{
	struct boot *b = w->boot;
	int seconds = (int)b->cmdline.watchdog_s;

	w->fd = open(WATCHDOG_DEVICE, O_WRONLY | O_CLOEXEC);
	if (w->fd < 0) {
		w->fd = FD_NONE;
		return; /* not there yet */
	}
	if (seconds > 0 && ioctl(w->fd, WDIOC_SETTIMEOUT, &seconds) < 0)
		stage_warn(b, REPORT_DRIVERS, "watchdog: cannot set %d s, keeping its own: %s",
			   seconds, strerror(errno));
	if (ioctl(w->fd, WDIOC_GETTIMEOUT, &seconds) < 0)
		seconds = 0; /* it does not say */
	w->seconds = (uint32_t)MAX(seconds, 0);
	feed(w->fd);
	stage_ok(b, REPORT_DRIVERS, "watchdog: resets this machine %u s after init stands still",
		 w->seconds);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *t, int events)
{
	struct watchdog *w = t->data;
	const struct cmdline *c = &w->boot->cmdline;

	if (w->fd >= 0)
		feed(w->fd);
	else if (c->watchdog_s > 0 || armed())
		take(w);
	if (w->fd < 0 && c->watchdog_s > 0 && ++w->ticks == WATCHDOG_WAIT)
		stage_warn(w->boot, REPORT_DRIVERS,
			   "bpboot.watchdog: no watchdog shows up; its driver is in an initrd "
			   "built with --modules ...,watchdogs");
}

void watchdog_start(struct boot *b)
{
	struct watchdog *w = &b->watchdog;

	if (ev_is_active(&w->timer))
		return;
	*w = (struct watchdog){ .boot = b, .fd = FD_NONE };
	ev_timer_init(&w->timer, on_tick, 0, WATCHDOG_TICK_S);
	w->timer.data = w;
	ev_timer_start(b->loop, &w->timer);
}

void watchdog_attended(struct boot *b, bool yes)
{
	struct itimerval every = { 0 };
	struct sigaction feeding = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

	if (!ev_is_active(&b->watchdog.timer) || b->watchdog.fd < 0)
		return;
	watchdog_fd = b->watchdog.fd;
	every.it_interval.tv_sec = every.it_value.tv_sec = yes;
	(void)sigaction(SIGALRM, &feeding, NULL); /* these two fail for wrong arguments only */
	(void)setitimer(ITIMER_REAL, &every, NULL);
}

void watchdog_hand_over(struct boot *b)
{
	if (!ev_is_active(&b->watchdog.timer) || b->watchdog.fd < 0)
		return;
	feed(b->watchdog.fd);
	b->watchdog.fd = fd_close(b->watchdog.fd); /* without the letter that would disarm it */
}

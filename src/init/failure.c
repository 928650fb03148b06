/*
 * failure.c - the one way to give up
 *
 * PID 1 must not exit, and no boot ends silently. A stage has said what failed; here it is decided
 * what comes next, and said: a shell when rd.shell is given, a reboot when panic= is, else the
 * whole attempt again after a time that grows and is jittered, so that a thousand nodes do not come
 * back at the same moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "init/boot.h"

#define SHELL	       "/bin/sh"
#define CONSOLE_ACTIVE "/sys/class/tty/console/active"
#define FINAL_REBOOT_S 30
#define DOUBLINGS_MAX  16
#define TTY_NAME_MAX   64

static uint32_t random_below(uint32_t n)
{
	uint32_t v = 0;

	(void)!getrandom(&v, sizeof(v), GRND_INSECURE); /* jitter needs no secret; 0 is fine too */
	return n ? v % n : 0;
}

/* Half to one and a half of a time that doubles with each attempt, within the limits. */
static uint32_t backoff_ms(const struct boot *b)
{
	uint64_t min = (uint64_t)b->cmdline.retry_min_s * 1000,
		 max = (uint64_t)b->cmdline.retry_max_s * 1000;
	uint64_t base = min << MIN(b->attempt - 1, (unsigned)DOUBLINGS_MAX);

	base = MIN(base, max);
	base = base / 2 + random_below((uint32_t)base + 1);
	return (uint32_t)MIN(MAX(base, min), max);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *t, int events)
{
	ev_break(loop, EVBREAK_ONE);
}

/* The loop runs on: devices that appear meanwhile get their drivers. */
static void wait_ms(struct boot *b, uint32_t ms)
{
	struct ev_timer t;

	ev_now_update(b->loop);
	ev_timer_init(&t, on_timer, ms / 1000.0, 0);
	ev_timer_start(b->loop, &t);
	while (ev_is_active(&t))
		ev_run(b->loop, 0);
}

static _noreturn_ void reboot_now(void)
{
	sync();
	(void)reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

/* The terminal behind /dev/console, which can control a shell's jobs; /dev/console itself cannot.
 */
static void console_tty(char ret[static TTY_NAME_MAX])
{
	_cleanup_buffer_ struct buffer text = BUFFER(TTY_NAME_MAX);
	const char *name;

	snprintf(ret, TTY_NAME_MAX, "/dev/console");
	if (file_read(AT_FDCWD, CONSOLE_ACTIVE, &text) < 0 || text.len < 2)
		return;
	text.data[--text.len] = 0;
	name = strrchr(buffer_str(&text), ' ');
	snprintf(ret, TTY_NAME_MAX, "/dev/%s", name ? name + 1 : buffer_str(&text));
}

static _noreturn_ void run_shell(char **envp)
{
	char *const argv[] = { (char *)"sh", (char *)"-i", NULL };
	char tty[TTY_NAME_MAX];
	int fd;

	console_tty(tty);
	(void)setsid(); /* a fresh child always can */
	fd = open(tty, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		(void)ioctl(fd, TIOCSCTTY,
			    1); /* without it the shell has no job control, and says so */
		(void)dup2(fd, STDIN_FILENO);
		(void)dup2(fd, STDOUT_FILENO);
		(void)dup2(fd, STDERR_FILENO);
	}
	execve(SHELL, argv, envp);
	_exit(127);
}

static void await_shell(struct boot *b)
{
	pid_t pid = fork();

	if (pid == 0)
		run_shell(b->envp);
	while (pid > 0) {
		pid_t gone = waitpid(-1, NULL, 0);

		if (gone == pid || (gone < 0 && errno != EINTR))
			return;
	}
}

static void open_shell(struct boot *b, const char *why)
{
	bool have = access(SHELL, X_OK) == 0;

	stage_begin(b, REPORT_SHELL, "%s; %s on the console, '%s' goes on", why,
		    have ? "opening " SHELL : "opening the built-in prompt",
		    have ? "exit" : "retry");
	reporter_again(&b->reporter);
	watchdog_attended(b, true);
	if (have)
		await_shell(b);
	else
		rescue_prompt(b);
	watchdog_attended(b, false);
}

void failure_break(struct boot *b, const char *name)
{
	char why[64];

	snprintf(why, sizeof(why), "rd.break=%s", name);
	open_shell(b, why);
}

void failure_handle(struct boot *b)
{
	uint32_t ms;

	if (b->cmdline.shell) {
		open_shell(b, "rd.shell is given");
		return;
	}
	if (b->cmdline.have_panic && b->cmdline.panic_s != 0) {
		ms = b->cmdline.panic_s < 0 ? 0 : (uint32_t)b->cmdline.panic_s * 1000;
		stage_begin(b, REPORT_RETRY, "rebooting in %u s (panic=%d)", ms / 1000,
			    b->cmdline.panic_s);
		reporter_again(&b->reporter);
		wait_ms(b, ms);
		reboot_now();
	}
	ms = backoff_ms(b);
	stage_begin(b, REPORT_RETRY, "trying again from the start in %u.%u s (attempt %u)",
		    ms / 1000, ms % 1000 / 100, b->attempt + 1);
	reporter_again(&b->reporter);
	wait_ms(b, ms);
}

void failure_final(struct boot *b)
{
	const struct cmdline *c = &b->cmdline;
	int s = c->have_panic ? c->panic_s : FINAL_REBOOT_S;

	if (s == 0)
		stage_begin(b, REPORT_RETRY,
			    "waiting for ever (panic=0): the initramfs is gone, reset the machine");
	else
		stage_begin(b, REPORT_RETRY, "the initramfs is gone: rebooting in %d s", MAX(s, 0));
	reporter_again(&b->reporter);
	while (s == 0)
		pause();
	(void)sleep((unsigned)MAX(s, 0));
	reboot_now();
}

/*
 * stage.c - events of the boot: to the console, the kernel log, the master, and a file for the root
 *
 * All four say the same words. None of them can fail a boot: what cannot be written is dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "init/boot.h"

#define EVENTS_FILE	    BOOT_RUN_DIR "/events"
#define CONSOLES_FILE	    "/sys/class/tty/console/active"
#define CONSOLES_TEXT_MAX   256
#define CONSOLE_PATH_MAX    64
#define CONSOLE_PROGRESS_MS 2000

static struct boot *stage_boot; /* for the log's sink, which has no context */

static void write_line(int fd, const char *prefix, const char *line, const char *end)
{
	char out[REPORT_LINE_MAX + 16];
	int n = snprintf(out, sizeof(out), "%s%s%s", prefix, line, end);

	if (fd >= 0 && n > 0)
		(void)!write(fd, out, MIN((size_t)n, sizeof(out) - 1)); /* nowhere to say so */
}

static void write_consoles(const struct boot *b, const char *prefix, const char *line)
{
	write_line(b->console, prefix, line, "\n");
	for (size_t i = 0; i < b->n_consoles; i++)
		write_line(b->consoles[i], prefix, line, "\n");
}

/* With `quiet`, the console shows only what went wrong. */
static bool on_console(struct boot *b, const struct report *e)
{
	if (e->state == REPORT_PROGRESS) {
		if (b->cmdline.quiet || e->ms - b->console_progress_ms < CONSOLE_PROGRESS_MS)
			return false;
		b->console_progress_ms = e->ms;
		return true;
	}
	return !b->cmdline.quiet || e->state == REPORT_WARN || e->state == REPORT_FAIL ||
	       e->stage == REPORT_RETRY || e->stage == REPORT_SHELL;
}

/*
 * A node that finds no server tries for days, and its record lies in memory: when the file is
 * full, it begins again with the events that the reporter has kept.
 */
static void write_event(struct boot *b, const char *line)
{
	char old[REPORT_LINE_MAX];

	if (b->events < 0)
		return;
	if (b->events_bytes + strlen(line) + 1 > BOOT_EVENTS_MAX) {
		b->events_bytes = 0;
		(void)!ftruncate(b->events, 0); /* else it grows, which the tmpfs bounds */
		for (size_t i = 0; i + 1 < b->reporter.n_kept; i++) { /* the last is @line */
			if (report_line_format(&b->reporter.kept[i].e, old, sizeof(old)) < 0)
				continue;
			write_line(b->events, "", old, "\n");
			b->events_bytes += strlen(old) + 1;
		}
	}
	write_line(b->events, "", line, "\n");
	b->events_bytes += strlen(line) + 1;
}

static void emit(struct boot *b, struct report *e)
{
	char line[REPORT_LINE_MAX];

	e->ms = clock_boot_ms();
	if (!reporter_add(&b->reporter, e) || report_line_format(e, line, sizeof(line)) < 0)
		return;
	if (on_console(b, e))
		write_consoles(b, "", line);
	if (e->state == REPORT_PROGRESS)
		return;
	write_line(b->kmsg, "<7>", line, "\n");
	write_event(b, line);
}

_printf_(4, 0) static void say(struct boot *b, enum report_stage stage, enum report_state state,
			       const char *fmt, va_list ap)
{
	struct report e = { .stage = stage, .state = state };

	b->stage = stage;
	stage_sample_memory(b);
	vsnprintf(e.words, sizeof(e.words), fmt, ap);
	emit(b, &e);
}

void stage_say(struct boot *b, enum report_stage stage, enum report_state state, const char *fmt,
	       ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(b, stage, state, fmt, ap);
	va_end(ap);
}

int stage_fail(struct boot *b, enum report_stage stage, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(b, stage, REPORT_FAIL, fmt, ap);
	va_end(ap);
	return err;
}

void stage_progress(struct boot *b, enum report_stage stage, uint64_t done, uint64_t total,
		    const char *words)
{
	struct report e = {
		.stage = stage, .state = REPORT_PROGRESS, .done = done, .total = total
	};

	snprintf(e.words, sizeof(e.words), "%s", words);
	emit(b, &e);
}

/* Lines that lower rooms log: warnings are events of the stage that runs, the rest goes to the
 * kernel log. */
static void sink(enum log_level level, const char *line)
{
	struct boot *b = stage_boot;

	if (level <= LOG_LEVEL_WARN) {
		stage_warn(b, b->stage, "%s", line);
		return;
	}
	write_line(b->kmsg, "<7>bpboot: ", line, "\n");
	if (b->cmdline.debug)
		write_consoles(b, "bpboot: debug: ", line);
}

/*
 * /dev/console is the last console= of the kernel command line; a person may stand before any of
 * them. The kernel lists them in that order. One that is stuck is not waited for.
 */
static void open_consoles(struct boot *b)
{
	_cleanup_buffer_ struct buffer text = BUFFER(CONSOLES_TEXT_MAX);
	char *names, *name, path[CONSOLE_PATH_MAX];

	while (b->n_consoles > 0)
		fd_close(b->consoles[--b->n_consoles]);
	if (file_read(AT_FDCWD, CONSOLES_FILE, &text) < 0 || text.len == 0)
		return;
	names = (char *)text.data;
	while ((name = strsep(&names, " \n")) && names && *names &&
	       b->n_consoles < BOOT_CONSOLES_MAX) {
		int fd;

		snprintf(path, sizeof(path), "/dev/%s", name);
		fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0)
			b->consoles[b->n_consoles++] = fd;
	}
}

void stage_open(struct boot *b)
{
	stage_boot = b;
	log_set_sink(sink);
	b->console = fd_close(b->console);
	b->kmsg = fd_close(b->kmsg);
	b->events = fd_close(b->events);
	b->console = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	open_consoles(b);
	b->kmsg = open("/dev/kmsg", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	b->events = open(EVENTS_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

void stage_sample_memory(struct boot *b)
{
	struct sysinfo s;
	uint64_t now;

	if (sysinfo(&s) < 0)
		return;
	now = (uint64_t)s.freeram * s.mem_unit;
	if (b->free_start == 0)
		b->free_start = b->free_min = now;
	b->free_min = MIN(b->free_min, now);
}

void stage_say_root(struct boot *b, const char *doing)
{
	uint64_t peak = b->free_start > b->free_min ? b->free_start - b->free_min : 0;
	char image[FORMAT_SIZE_MAX];

	stage_ok(b, REPORT_ROOT,
		 "%s %s; init took %" PRIu64 " ms, peak memory %" PRIu64
		 " bytes with %s%s",
		 doing, b->init, (clock_us() - b->start_us) / 1000, peak,
		 b->disk[0] ? "its root on " : "an image of ",
		 b->disk[0] ? b->disk : format_size(b->index.image_bytes, image));
}

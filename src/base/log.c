/*
 * log.c - one line for a person, and the code for the caller
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static const char *log_name = "bpboot";
static enum log_level log_level_max = LOG_LEVEL_INFO;
static void (*log_wipe)(void);

/* One write a line, so that lines of several processes never mix. */
static void sink_stderr(enum log_level level, const char *line)
{
	static const char *const words[LOG_LEVEL_MAX_] = {
		[LOG_LEVEL_ERR] = "",
		[LOG_LEVEL_WARN] = "warning: ",
		[LOG_LEVEL_INFO] = "",
		[LOG_LEVEL_DEBUG] = "debug: ",
	};
	char out[LOG_LINE_MAX + 64];
	int n = snprintf(out, sizeof(out), "%s: %s%s\n", log_name, words[level], line);

	if (log_wipe)
		log_wipe();
	if (n > 0)
		(void)!write(STDERR_FILENO, out,
			     MIN((size_t)n, sizeof(out) - 1)); /* nowhere to say so */
}

static log_sink log_current = sink_stderr;

void log_setup(const char *name, enum log_level max)
{
	log_name = name;
	log_level_max = max;
}

void log_set_sink(log_sink sink)
{
	log_current = sink ? sink : sink_stderr;
}

void log_set_wipe(void (*wipe)(void))
{
	log_wipe = wipe;
}

enum log_level log_max_level(void)
{
	return log_level_max;
}

int log_line(enum log_level level, int err, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;
	size_t n;

	if (level > log_level_max)
		return err;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n = strlen(line);
	if (err < 0)
		snprintf(line + n, sizeof(line) - n, ": %s", strerror(-err));
	log_current(level, line);
	return err;
}

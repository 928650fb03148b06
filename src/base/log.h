/*
 * log.h - one line for a person, and the code for the caller
 *
 * The function that knows the name logs, once: `return log_err(r, "cannot open '%s'", path);`. The
 * text of the error code is appended ("cannot open 'x': No such file or directory") when the code
 * is not zero. base/ and wire/ never log. Where lines go is a sink: standard error by default; init
 * writes to the console and kmsg.
 *
 * err: gave up. warn: went on, and says how. info: state changed. debug: free.
 */
#pragma once

#include <stddef.h>

#include "base/lang.h"

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_MAX_ };

#define LOG_LINE_MAX 1024 /* bytes of one line with its NUL; longer ones are cut */

/* A sink takes one line without a newline. */
typedef void (*log_sink)(enum log_level level, const char *line);

/*
 * @name stands before each line on standard error ("bpboot: ..."); borrowed. Lines above @max are
 * dropped.
 */
void log_setup(const char *name, enum log_level max);
void log_set_sink(log_sink sink); /* NULL: standard error */
enum log_level log_max_level(void);

/* Called before a line goes to standard error, to take away what is drawn there; NULL: nothing. */
void log_set_wipe(void (*wipe)(void));

/*
 * Return: @err, so that a caller can log and return in one statement. @err is 0 or a negative
 * errno.
 */
int log_line(enum log_level level, int err, const char *fmt, ...) _printf_(3, 4);

#define log_err(err, ...)  log_line(LOG_LEVEL_ERR, err, __VA_ARGS__)
#define log_warn(err, ...) log_line(LOG_LEVEL_WARN, err, __VA_ARGS__)
#define log_info(...)	   ((void)log_line(LOG_LEVEL_INFO, 0, __VA_ARGS__))
#define log_debug(...)	   ((void)log_line(LOG_LEVEL_DEBUG, 0, __VA_ARGS__))

/*
 * bootlog.h - one line of a node's boot log on the front end (docs/protocol.md, "Boot logs")
 *
 * bpmaster keeps STATE/boots/MAC.events for each machine ("52:54:00:12:34:56.events"), with
 * NUMBER.events as a symbolic link to it once the machine has a node number; the boot before that
 * one is MAC.last, NUMBER.last. Files are world-readable, hold one boot each, and are in order of
 * arrival; `bpboot log` sorts by ms if it wants to. A line:
 *
 *   2026-11-22T10:31:02.123Z 52:54:00:12:34:56 1a2b3c4d 7 bpboot: 1.234 dhcp ok: words
 *
 * that is: when bpmaster received it (UTC), machine, boot (8 hexadecimal digits), number of the
 * event in that boot, and the console line of wire/report.h. An event that came late, out of the
 * record that the node keeps in /run/bpboot/events, has the number 0. Done and total of a progress
 * event are in the words.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "wire/report.h"

#define BOOTLOG_LINE_MAX (REPORT_LINE_MAX + 80) /* bytes with NUL, without newline */
#define BOOTLOG_FILE_MAX (1u << 20)		/* bytes of one file; what comes later is dropped */

struct bootlog_entry {
	uint64_t wall_ms;     /* arrival, milliseconds since 1970 UTC */
	struct report report; /* seq is 0 when the event came out of the node's own record */
};

/* The line, without a newline. Return: 0, -ERANGE (the time is past the year 9999), -E2BIG. */
_must_check_ int bootlog_format(const struct bootlog_entry *e, char *buf, size_t n);

/* Parse one line, with or without a newline at its end. Return: 0 or -EBADMSG. */
_must_check_ int bootlog_parse(const char *line, struct bootlog_entry *ret);

/*
 * report.h - one event of a node's boot, as syslog datagram and as console line
 * (docs/boot-events.md)
 *
 * Datagram: RFC 5424 with the event in structured data. Console: "bpboot: 1.234 dhcp ok: words".
 * Both are made from and parsed into the same struct; what a parser accepts can be written and read
 * back the same.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/lang.h"

#define REPORT_WORDS_MAX    400	 /* with NUL */
#define REPORT_DATAGRAM_MAX 1024 /* bytes of a syslog datagram */
#define REPORT_LINE_MAX	    512	 /* bytes of a console line with NUL, without newline */

enum report_stage {
	REPORT_START,	/* init runs */
	REPORT_DRIVERS, /* modules for the hardware are loaded */
	REPORT_LINK,	/* a NIC has carrier */
	REPORT_DHCP,	/* a lease */
	REPORT_INDEX,	/* index fetched, signature good */
	REPORT_MEMORY,	/* the image fits */
	REPORT_FETCH,	/* parts on their way: progress carries done and total */
	REPORT_VERIFY,	/* every part was verified and written */
	REPORT_MOUNT,	/* the root is mounted */
	REPORT_ROOT,	/* switched; about to execute the root's init */
	REPORT_UP,	/* bpslave is registered (said by bpmaster) */
	REPORT_RETRY,	/* an attempt failed: begins again in some seconds */
	REPORT_SHELL,	/* gave up to a person */
	REPORT_STAGE_MAX_,
};

enum report_state {
	REPORT_BEGIN,
	REPORT_PROGRESS,
	REPORT_OK,
	REPORT_WARN,
	REPORT_FAIL,
	REPORT_STATE_MAX_,
};

struct report {
	struct mac mac; /* the machine: the NIC that it boots from, or its first NIC */
	uint32_t boot;	/* random number of this boot */
	uint32_t seq;	/* of this event in this boot, from 1 */
	uint64_t ms;	/* since kernel start */
	enum report_stage stage;
	enum report_state state;
	uint64_t done, total;	      /* bytes, with REPORT_PROGRESS; else 0 */
	char words[REPORT_WORDS_MAX]; /* printable ASCII, for a person */
};

const char *report_stage_name(enum report_stage s);
const char *report_state_name(enum report_state s);

/* Return: 0 with *ret_n bytes in @buf, or -E2BIG. Unprintable bytes in words become '?'. */
_must_check_ int report_format(const struct report *e, void *buf, size_t n, size_t *ret_n);

/* Return: 0 or -EBADMSG. */
_must_check_ int report_parse(const void *buf, size_t n, struct report *ret);

/*
 * The console line, which carries ms, stage, state, words (and done/total as words). Return: 0 or
 * -E2BIG.
 */
_must_check_ int report_line_format(const struct report *e, char *buf, size_t n);

/*
 * Find an event in a line of a console capture (anything may stand before "bpboot: "). mac and boot
 * are not in the line and come out as zero. Return: 0 or -EBADMSG.
 */
_must_check_ int report_line_parse(const char *line, struct report *ret);

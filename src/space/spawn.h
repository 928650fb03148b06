/*
 * spawn.h - from a spec to a running process
 */
#pragma once

#include <sys/types.h>

#include "base/lang.h"
#include "space/carry.h"
#include "space/realm.h"
#include "wire/message.h"

#define SPAWN_NODE	 "BPROC_NODE" /* the node's number, in the environment of each process */
#define SPAWN_RANK	 "BPROC_RANK" /* which of its start's processes it is, when asked for */
#define SPAWN_REPORT_MAX (6 + MESSAGE_WORDS_MAX) /* bytes of the child's report */

struct spawned {
	pid_t pid;     /* leader of its session and group */
	pid_t number;  /* as those in the realm see it */
	int input;     /* write end, nonblocking, or FD_NONE */
	int output[2]; /* read ends of standard output and error, nonblocking, or FD_NONE */
	int report;    /* ends when the program runs; else brings spawn_report */
};

/* What the child says: either that its directory is missing (and it goes on), or why it cannot run.
 */
struct spawn_report {
	bool cwd_missing;
	bool no_command; /* it is the command itself that is missing */
	uint32_t error;	 /* errno, 0: none */
	char words[MESSAGE_WORDS_MAX];
};

/* @pid: the number that it is to have in the realm, or 0; @carry: its files, or NULL; @gate: where
 * it waits to be followed (follow.h), or NULL. Return: 0, or negative errno when there could be
 * no child at all. Caller owns the descriptors. */
_must_check_ int spawn(const struct realm *realm, pid_t pid, const struct message_spec *spec,
		       const struct message_credentials *who, const struct carry *carry,
		       const int *gate, struct spawned *ret);

/* Read what the report descriptor has brought (all of it, up to its end). Return: 0 or -EBADMSG. */
_must_check_ int spawn_report_parse(const void *p, size_t n, struct spawn_report *ret);

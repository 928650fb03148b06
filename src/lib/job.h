/*
 * job.h - one process on one node, as libbproc asks for it and bpghost stands for it
 *
 * The process that stands for a remote one is a program of its own, bpghost: so it is small
 * whatever the program is that starts, has no other threads, and a program that is replaced
 * (bproc_rexec()) is replaced as by execve(). bpghost gets what it needs by one variable of its
 * environment and descriptors that it names:
 *
 *   started:FD:ORDER:INPUT
 *                         the connection to bpmaster, on which the process runs already, and a file
 *                         with its order; INPUT 0: nothing of standard input is sent
 *   run:FD:REPORT:INDEX   a file with an order (job_order_write()), and a pipe to which the
 *                         outcome is written: two numbers of four bytes, INDEX and an errno
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "base/reader.h"
#include "space/caller.h"

#define JOB_AWAY_MS  600000u /* bpmaster may be away */
#define JOB_ENDED_MS 10000u  /* one that has taken its socket away was ended */
#define JOB_VARIABLE  "BPBOOT_GHOST"
#define JOB_ORDER_MAX (2 * MESSAGE_BYTES_MAX)

enum job_stream_kind {
	JOB_CARRIED,   /* by our own descriptor */
	JOB_ELSEWHERE, /* a file on the node */
	JOB_SOCKET,    /* by a connection that is made for it */
	JOB_KIND_MAX_,
};

struct job_stream {
	uint8_t kind;
	uint8_t info; /* say first who we are */
	struct sockaddr_in at;
};

struct job_order {
	const char *socket; /* bpmaster's; borrowed */
	struct job_stream streams[3];
	const uint8_t *run; /* the message; borrowed */
	size_t run_n;
};

_must_check_ int job_order_write(struct buffer *to, const struct job_order *o);
_must_check_ int job_order_read(struct reader *r, struct job_order *ret);

/* What knows the process that is ordered, and its node. Return: 0 or -EBADMSG. */
_must_check_ int job_order_key(const struct job_order *o, struct message_key *ret,
			       uint32_t *ret_node);

/* Make the connections; FD_NONE where there is none. Return: 0 or negative errno. */
_must_check_ int job_streams_open(const struct job_stream streams[static 3], int ret[static 3]);

/* Put them into the places of standard input, output and error. Return: 0 or negative errno. */
_must_check_ int job_streams_place(int fds[static 3]);

/* Ask for the process and wait until it runs. Return: 0 or negative errno, BE_ codes among them. */
_must_check_ int job_begin(struct caller *c, const struct job_order *o);

/* Stand for the process until it has ended, and end as it did. @title: our own arguments, which a
 * watcher does not show. */
_noreturn_ void ghost_run(struct caller *c, const struct job_order *o, bool input, char *title,
			  size_t title_bytes);

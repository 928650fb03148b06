/*
 * netlink.h - one request to the kernel's rtnetlink and its answer
 *
 * Requests are built in a fixed buffer with the bounds-checked writer, sent, and answered by the
 * kernel in the same system call; answers are read with the bounds-checked reader. For the files of
 * this room only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "base/reader.h"
#include "base/writer.h"

#define NETLINK_REQUEST_MAX 256	  /* bytes of a request */
#define NETLINK_ANSWER_MAX  32768 /* bytes of one datagram of answers, which the kernel keeps to */

struct netlink_request {
	uint8_t buf[NETLINK_REQUEST_MAX];
	struct writer w;
};

/*
 * Called for every message of an answer; @body is what follows the header. Return: 0 or negative
 * errno to stop.
 */
typedef int (*netlink_message_fn)(void *ctx, uint16_t type, struct reader body);

/*
 * Open a socket that hears the multicast @groups (0: none). Return: descriptor or negative errno.
 */
_must_check_ int netlink_open(uint32_t groups);

/*
 * Begin a request: @type RTM_*, @flags NLM_F_* beyond REQUEST; the fixed part @fixed of @n bytes.
 */
void netlink_begin(struct netlink_request *q, uint16_t type, uint16_t flags, const void *fixed,
		   size_t n);
void netlink_attr(struct netlink_request *q, uint16_t type, const void *p, size_t n);

/*
 * Send and read the answer until its acknowledgement or the end of the dump. @fn may be NULL.
 * Return: 0 or the kernel's negative errno.
 */
_must_check_ int netlink_ask(struct netlink_request *q, netlink_message_fn fn, void *ctx);

/*
 * Read what has come on a monitoring socket. Return: 0; -ENOBUFS: messages were lost, list again.
 */
_must_check_ int netlink_read(int fd, netlink_message_fn fn, void *ctx);

/* Next attribute of @r in @ret_type and @ret. Return: 1, or 0 at the end or at a malformed one. */
int netlink_next_attr(struct reader *r, uint16_t *ret_type, struct reader *ret);

/* A number in the machine's own byte order, as netlink has them; sticky error as reader_*(). */
uint32_t netlink_u32(struct reader *r);
uint16_t netlink_u16(struct reader *r);

/*
 * netlink.c - one request to the kernel's rtnetlink and its answer
 *
 * The kernel answers within the sendmsg() call, so the blocking read that follows never waits for
 * anything but memory.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/netlink.h"

uint32_t netlink_u32(struct reader *r)
{
	uint32_t v = 0;

	reader_copy(r, &v, sizeof(v));
	return v;
}

uint16_t netlink_u16(struct reader *r)
{
	uint16_t v = 0;

	reader_copy(r, &v, sizeof(v));
	return v;
}

int netlink_open(uint32_t groups)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int flags = SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0);
	_cleanup_close_ int fd = socket(AF_NETLINK, flags, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

void netlink_begin(struct netlink_request *q, uint16_t type, uint16_t flags, const void *fixed,
		   size_t n)
{
	struct nlmsghdr h = {
		.nlmsg_type = type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		.nlmsg_seq = 1,
	};

	q->w = WRITER(q->buf, sizeof(q->buf));
	writer_bytes(&q->w, &h, sizeof(h)); /* the length is set when it is known */
	writer_bytes(&q->w, fixed, n);
	writer_zero(&q->w, NLMSG_ALIGN(n) - n);
}

void netlink_attr(struct netlink_request *q, uint16_t type, const void *p, size_t n)
{
	struct rtattr a = { .rta_len = (uint16_t)RTA_LENGTH(n), .rta_type = type };

	writer_bytes(&q->w, &a, sizeof(a));
	writer_bytes(&q->w, p, n);
	writer_zero(&q->w, RTA_ALIGN(n) - n);
}

int netlink_next_attr(struct reader *r, uint16_t *ret_type, struct reader *ret)
{
	struct reader sub;
	uint16_t len, type;

	if (r->left < sizeof(struct rtattr))
		return 0;
	len = netlink_u16(r);
	type = netlink_u16(r);
	if (len < sizeof(struct rtattr))
		return 0;
	len = (uint16_t)(len - sizeof(struct rtattr));
	sub = reader_sub(r, len);
	if (sub.err)
		return 0;
	reader_skip(r, MIN(r->left, (size_t)(RTA_ALIGN(len) - len)));
	*ret_type = type & NLA_TYPE_MASK;
	*ret = sub;
	return 1;
}

/*
 * One datagram. Return: 1 when it ended the answer, 0 when more follows, negative errno of the
 * kernel or of @fn.
 */
static int datagram_read(const uint8_t *buf, size_t n, netlink_message_fn fn, void *ctx)
{
	struct reader r = READER(buf, n);

	while (r.left >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		struct reader body;
		int e = 0;

		reader_copy(&r, &h, sizeof(h));
		if (h.nlmsg_len < sizeof(h))
			return -EBADMSG;
		body = reader_sub(&r, h.nlmsg_len - sizeof(h));
		reader_skip(&r, MIN(r.left, (size_t)(NLMSG_ALIGN(h.nlmsg_len) - h.nlmsg_len)));
		if (body.err)
			return -EBADMSG;
		if (h.nlmsg_type == NLMSG_DONE)
			return 1;
		if (h.nlmsg_type == NLMSG_ERROR) {
			e = (int)netlink_u32(&body);
			return e < 0 ? e : 1;
		}
		if (fn && h.nlmsg_type >= NLMSG_MIN_TYPE)
			e = fn(ctx, h.nlmsg_type, body);
		if (e < 0)
			return e;
	}
	return 0;
}

static ssize_t datagram_recv(int fd, uint8_t *buf, size_t n)
{
	struct sockaddr_nl from;
	struct iovec v = { buf, n };
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &v, .msg_iovlen = 1
	};

	for (;;) {
		ssize_t len = recvmsg(fd, &m, 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (from.nl_pid != 0) /* only the kernel is believed */
			continue;
		return m.msg_flags & MSG_TRUNC ? -ENOBUFS : len;
	}
}

int netlink_ask(struct netlink_request *q, netlink_message_fn fn, void *ctx)
{
	uint8_t buf[NETLINK_ANSWER_MAX];
	struct nlmsghdr h;
	size_t n;
	_cleanup_close_ int fd = netlink_open(0);
	int r = writer_end(&q->w, &n);

	if (r < 0)
		return r;
	if (fd < 0)
		return fd;
	memcpy(&h, q->buf, sizeof(h));
	h.nlmsg_len = (uint32_t)n;
	/* A listing ends by itself, a change has to be acknowledged. The type tells them (NEW, DEL,
	 * GET, SET); the bits of NLM_F_DUMP do not, as they mean something else in a change. */
	if ((h.nlmsg_type - RTM_BASE) % 4 != RTM_GETLINK - RTM_BASE)
		h.nlmsg_flags |= NLM_F_ACK;
	memcpy(q->buf, &h, sizeof(h));
	if (send(fd, q->buf, n, 0) < 0)
		return -errno;
	do {
		ssize_t len = datagram_recv(fd, buf, sizeof(buf));

		r = len < 0 ? (int)len : datagram_read(buf, (size_t)len, fn, ctx);
	} while (r == 0);
	return r < 0 ? r : 0;
}

int netlink_read(int fd, netlink_message_fn fn, void *ctx)
{
	uint8_t buf[NETLINK_ANSWER_MAX];

	for (;;) {
		ssize_t len = datagram_recv(fd, buf, sizeof(buf));
		int r;

		if (len == -EAGAIN)
			return 0;
		if (len < 0)
			return (int)len;
		r = datagram_read(buf, (size_t)len, fn, ctx);
		if (r < 0)
			return r;
	}
}

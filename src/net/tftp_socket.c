/*
 * tftp_socket.c - the socket of a TFTP transfer, and what can be asked for over it
 */
#include <errno.h>
#include <time.h> /* before errqueue.h, which needs it */
#include <linux/errqueue.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/tftp_socket.h"

#define UDP_HEADERS  32 /* IP, UDP and TFTP header */
#define UDP_HEADERS6 52 /* with IPv6 */
#define UTIMEOUT_US \
	50000 /* asked of the server for its own timer; only tftpd-hpa knows this option */
#define RCVBUF_MAX	(4u << 20)
#define RCVBUF_OVERHEAD 2816 /* what a packet costs of the receive buffer beyond its bytes */

/* The MTU of the route to the server. */
static int route_mtu(int fd, const union ip_sock *to, size_t *ret)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	bool v6 = to->sa.sa_family == AF_INET6;
	int mtu = 0;
	socklen_t n = sizeof(mtu);

	if (connect(fd, &to->sa, ip_sock_bytes(to)) < 0 ||
	    getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU : IP_MTU, &mtu, &n) < 0 ||
	    connect(fd, &nowhere, sizeof(nowhere)) < 0)
		return -errno;
	*ret = (size_t)MAX(mtu, 0);
	return 0;
}

/*
 * A window that overflows the receive buffer is lost every time: raise the buffer, else lower the
 * window.
 */
static unsigned window_fit(int fd, unsigned window, uint16_t blksize)
{
	size_t each = (size_t)blksize + RCVBUF_OVERHEAD;
	int want = (int)MIN(window * each, (size_t)RCVBUF_MAX), room;
	socklen_t n = sizeof(room);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want,
				 sizeof(want)); /* as far as it goes */
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, &n) < 0)
		return 1;
	return MIN(window, (unsigned)((size_t)room / each));
}

int tftp_socket_open(const union ip_sock *server, uint16_t blksize, unsigned window,
		     struct tftp_options *ret)
{
	bool v6 = server->sa.sa_family == AF_INET6;
	_cleanup_close_ int fd =
		socket(server->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct tftp_options o = { .has_tsize = true, .utimeout_us = UTIMEOUT_US };
	uint16_t fits = TFTP_BLKSIZE_DEFAULT;
	size_t mtu = 0, headers = v6 ? UDP_HEADERS6 : UDP_HEADERS;
	int on = 1, r;

	if (fd < 0)
		return -errno;
	/* else only slower to notice */
	(void)setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &on,
			 sizeof(on));
	r = route_mtu(fd, server, &mtu);
	if (r < 0)
		return r;
	if (mtu > headers + TFTP_BLKSIZE_MIN)
		fits = (uint16_t)MIN(mtu - headers, (size_t)TFTP_BLKSIZE_MAX);
	o.blksize = blksize ? blksize : fits;
	window = window_fit(fd, window, o.blksize);
	o.windowsize = window > 1 ? (uint16_t)window : 0;
	*ret = o;
	return TAKE_FD(fd);
}

bool tftp_socket_refused(int fd, const union ip_sock *other)
{
	uint8_t data[64], control[512];
	struct iovec v = { data, sizeof(data) };
	bool refused = false;

	for (;;) {
		union ip_sock to = { .in6 = { 0 } };
		struct msghdr m = {
			.msg_name = &to,
			.msg_namelen = sizeof(to),
			.msg_iov = &v,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};

		if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return refused;
		for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
			struct sock_extended_err e;

			if (!((h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_RECVERR) ||
			      (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_RECVERR)) ||
			    h->cmsg_len < CMSG_LEN(sizeof(e)))
				continue;
			memcpy(&e, CMSG_DATA(h), sizeof(e));
			refused |= e.ee_errno == ECONNREFUSED &&
				   ip_sock_port(&to) == ip_sock_port(other) &&
				   ip_sock_same_host(&to, other);
		}
	}
}

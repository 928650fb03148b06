/*
 * packet.c - UDP without an address: datagrams through a packet socket on one link
 *
 * The socket is of the cooked kind: the kernel makes and takes off the link's own header. The
 * filter is attached before the socket is bound, so that no other packet is ever queued.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/packet.h"

/* UDP, not a later fragment, to @port; offsets are those of the IP packet. */
static int filter_attach(int fd, uint16_t port)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 6),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 4, 0),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, PACKET_BYTES_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

int packet_open(int ifindex, uint16_t port)
{
	struct sockaddr_ll a = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = ifindex,
	};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, r;

	if (fd < 0)
		return -errno;
	r = filter_attach(fd, port);
	if (r < 0)
		return r;
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int send_all(int fd, int ifindex, uint16_t protocol, const void *p, size_t n)
{
	struct sockaddr_ll a = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = ifindex,
		.sll_halen = ETH_ALEN,
		.sll_addr = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	};

	return sendto(fd, p, n, 0, (const struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
}

int packet_open_arp(void)
{
	struct sockaddr_ll a = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP),
	};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int packet_send_arp(int fd, int ifindex, const struct arp *a)
{
	uint8_t buf[ARP_BYTES];

	arp_format(a, buf);
	return send_all(fd, ifindex, ETH_P_ARP, buf, sizeof(buf));
}

int packet_receive_arp(int fd, int *ret_ifindex, struct arp *ret)
{
	uint8_t buf[2 * ARP_BYTES]; /* what is longer is cut: it is padding */
	struct sockaddr_ll from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	*ret_ifindex = from.sll_ifindex;
	return arp_parse(buf, (size_t)n, ret);
}

int packet_broadcast(int fd, int ifindex, const struct udp_datagram *d)
{
	uint8_t buf[PACKET_BYTES_MAX];
	size_t n;
	int r = udp_format(d, buf, sizeof(buf), &n);

	if (r < 0)
		return r;
	return send_all(fd, ifindex, ETH_P_IP, buf, n);
}

/* Whether the kernel says that the checksum was left to hardware and is not in the packet. */
static bool checksum_later(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
		    c->cmsg_len < CMSG_LEN(sizeof(aux)))
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		return aux.tp_status & TP_STATUS_CSUMNOTREADY;
	}
	return false;
}

int packet_receive(int fd, uint8_t buf[static PACKET_BYTES_MAX], int *ret_ifindex,
		   struct udp_datagram *ret)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct iovec v = { buf, PACKET_BYTES_MAX };
	struct sockaddr_ll from = { 0 };
	struct msghdr m = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (m.msg_flags & MSG_TRUNC)
		return -EBADMSG;
	if (ret_ifindex)
		*ret_ifindex = from.sll_ifindex;
	return udp_parse(buf, (size_t)n, checksum_later(&m), ret);
}

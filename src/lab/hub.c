/*
 * hub.c - the lab's network: a switch of our own between QEMU machines and one interface of the
 * front end
 *
 * A frame goes where its destination says: the MACs are ours, so the last byte is the node;
 * anything else that is not for a group is the front end's. To a machine frames travel in QEMU's
 * stream format, a length of 32 bits in network order before each. What a machine does not take at
 * once waits in its queue; frames beyond the queue are dropped, as a switch does.
 *
 * The veth's offloads are switched off: a packet socket would see segments of 64 KB and checksums
 * that are not there yet. What is not here: learning, spanning trees, VLANs.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "lab/hub.h"
#include "lab/namespace.h"

#define UPLINK "lab1" /* the veth's other end */

enum {
	LENGTH_BYTES = 4,
	READ_BYTES = 64 << 10,
	UPLINK_BURST = 64, /* frames taken from the uplink before others get their turn */
	UPLINK_BUFFER = 4 << 20,
};

struct port {
	ev_io readable, writable;
	struct hub *hub;
	int fd;
	struct buffer in;  /* a frame that is not whole yet */
	struct buffer out; /* frames that wait */
};

struct hub {
	struct ev_loop *loop;
	ev_io uplink;
	int fd; /* packet socket */
	size_t n;
	struct port ports[];
};

static const uint8_t mac_prefix[] = { 0x52, 0x54, 0x00, 0xb0, 0x00 };

struct mac hub_mac(size_t number)
{
	struct mac m;

	memcpy(m.b, mac_prefix, sizeof(mac_prefix));
	m.b[5] = (uint8_t)number;
	return m;
}

bool hub_has_ipv6(void)
{
	return access("/proc/net/if_inet6", F_OK) == 0;
}

static void port_close(struct port *p)
{
	if (p->fd < 0)
		return;
	ev_io_stop(p->hub->loop, &p->readable);
	ev_io_stop(p->hub->loop, &p->writable);
	p->fd = fd_close(p->fd);
	buffer_clear(&p->in);
	buffer_clear(&p->out);
}

static void port_flush(struct port *p)
{
	while (p->out.len > 0) {
		ssize_t n = send(p->fd, p->out.data, p->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			port_close(p); /* QEMU is gone; the supervisor sees its end */
			return;
		}
		if (n < 0)
			break;
		buffer_consume(&p->out, (size_t)n);
	}
	if (p->out.len > 0)
		ev_io_start(p->hub->loop, &p->writable);
	else
		ev_io_stop(p->hub->loop, &p->writable);
}

static void port_send(struct port *p, const uint8_t *frame, size_t n)
{
	uint8_t head[LENGTH_BYTES];
	struct writer w = WRITER(head, sizeof(head));

	if (p->fd < 0)
		return;
	writer_be32(&w, (uint32_t)n);
	if (buffer_reserve(&p->out, LENGTH_BYTES + n) < 0)
		return; /* the queue is full: dropped */
	if (buffer_append(&p->out, head, sizeof(head)) == 0 &&
	    buffer_append(&p->out, frame, n) == 0)
		port_flush(p);
}

/* From @from, or from the front end when it is NULL. */
static void forward(struct hub *h, const struct port *from, const uint8_t *frame, size_t n)
{
	struct reader r = READER(frame, n);
	const uint8_t *to = reader_bytes(&r, MAC_BYTES);
	bool group, ours;

	if (!to || n < ETH_HLEN)
		return;
	group = to[0] & 1;
	ours = !memcmp(to, mac_prefix, sizeof(mac_prefix)) && to[5] < h->n;
	for (size_t i = 0; i < h->n; i++) {
		if ((group || (ours && to[5] == i)) && &h->ports[i] != from)
			port_send(&h->ports[i], frame, n);
	}
	if (from && !ours)
		(void)!send(h->fd, frame, n, MSG_DONTWAIT); /* a network may lose a frame */
}

/* Take whole frames off the front of what a machine sent. */
static void port_take(struct port *p)
{
	size_t taken = 0;

	while (p->in.len - taken >= LENGTH_BYTES) {
		struct reader r = READER(p->in.data + taken, p->in.len - taken);
		uint32_t n = reader_be32(&r);
		const uint8_t *frame;

		if (n > HUB_FRAME_MAX) {
			port_close(p);
			return;
		}
		frame = reader_bytes(&r, n);
		if (!frame)
			break;
		forward(p->hub, p, frame, n);
		taken += LENGTH_BYTES + n;
	}
	buffer_consume(&p->in, taken);
}

static void on_port(struct ev_loop *loop, ev_io *w, int events)
{
	struct port *p = (struct port *)w->data;
	ssize_t n;

	if (events & EV_WRITE)
		port_flush(p);
	if (p->fd < 0 || !(events & EV_READ))
		return;
	if (buffer_reserve(&p->in, READ_BYTES) < 0)
		return;
	n = recv(p->fd, p->in.data + p->in.len, READ_BYTES, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		port_close(p);
		return;
	}
	p->in.len += (size_t)n;
	port_take(p);
}

static void on_uplink(struct ev_loop *loop, ev_io *w, int events)
{
	struct hub *h = w->data;
	static uint8_t frame[HUB_FRAME_MAX]; /* one loop, one frame at a time */

	for (int i = 0; i < UPLINK_BURST; i++) {
		ssize_t n = recv(h->fd, frame, sizeof(frame), MSG_DONTWAIT);

		if (n <= 0)
			return;
		forward(h, NULL, frame, (size_t)n);
	}
}

/* No segmentation and no checksums left to hardware that is not there. */
static int offloads_off(void)
{
	static const uint32_t off[] = { ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return log_err(-errno, "cannot open a socket");
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		struct ethtool_value v = { .cmd = off[i] };
		struct ifreq ifr = { .ifr_name = HUB_INTERFACE };

		ifr.ifr_data = (void *)&v;
		/* TSO and GSO follow the checksum where the kernel has no call for them */
		if (ioctl(fd, SIOCETHTOOL, &ifr) < 0 && off[i] == ETHTOOL_STXCSUM)
			return log_err(-errno, "cannot switch checksum offload off on '%s'",
				       HUB_INTERFACE);
	}
	return 0;
}

static int uplink_open(int *ret)
{
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int one = 1, size = UPLINK_BUFFER;

	if (fd < 0)
		return log_err(-errno, "cannot open a packet socket");
	at.sll_ifindex = (int)if_nametoindex(UPLINK);
	/* more room than the limit needs rights over the machine; less is no harm but drops */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return log_err(-errno, "cannot attach a packet socket to '%s'", UPLINK);
	*ret = TAKE_FD(fd);
	return 0;
}

int hub_new(struct ev_loop *loop, size_t n_nodes, struct hub **ret)
{
	int fd = FD_NONE, r;
	struct hub *h;

	if (n_nodes > HUB_NODES_MAX)
		return log_err(-E2BIG, "%zu nodes: expected at most %d", n_nodes, HUB_NODES_MAX);
	r = namespace_ip("link set lo up\n"
			 "link add " HUB_INTERFACE " type veth peer name " UPLINK "\n"
			 "link set " HUB_INTERFACE " addrgenmode none\n"
			 "link set " UPLINK " addrgenmode none\n"
			 "addr add 10.77.0.1/24 dev " HUB_INTERFACE "\n"
			 "link set " HUB_INTERFACE " up\n"
			 "link set " UPLINK " up\n");
	if (r == 0 && hub_has_ipv6())
		r = namespace_ip("addr add fe80::1/64 dev " HUB_INTERFACE " nodad\n"
				 "addr add fd77::1/64 dev " HUB_INTERFACE " nodad\n");
	if (r == 0)
		r = offloads_off();
	if (r == 0)
		r = uplink_open(&fd);
	if (r < 0)
		return r;
	h = calloc(1, sizeof(*h) + n_nodes * sizeof(h->ports[0]));
	if (!h) {
		(void)fd_close(fd);
		return log_err(-ENOMEM, "cannot make the switch");
	}
	h->loop = loop;
	h->fd = fd;
	h->n = n_nodes;
	for (size_t i = 0; i < n_nodes; i++)
		h->ports[i] = (struct port){ .hub = h, .fd = FD_NONE };
	ev_io_init(&h->uplink, on_uplink, fd, EV_READ);
	h->uplink.data = h;
	ev_io_start(loop, &h->uplink);
	*ret = h;
	return 0;
}

void hub_free(struct hub *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++)
		port_close(&h->ports[i]);
	ev_io_stop(h->loop, &h->uplink);
	(void)fd_close(h->fd);
	free(h);
}

int hub_plug(struct hub *h, size_t number, int *ret_fd)
{
	struct port *p = &h->ports[number];
	int ends[2];

	port_close(p);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	p->fd = ends[0];
	p->in = BUFFER(2 * (HUB_FRAME_MAX + LENGTH_BYTES) + READ_BYTES);
	p->out = BUFFER(HUB_QUEUE_MAX);
	ev_io_init(&p->readable, on_port, p->fd, EV_READ);
	ev_io_init(&p->writable, on_port, p->fd, EV_WRITE);
	p->readable.data = p->writable.data = p;
	ev_io_start(h->loop, &p->readable);
	*ret_fd = ends[1];
	return 0;
}

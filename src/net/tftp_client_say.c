/*
 * tftp_client_say.c - what a TFTP transfer says: requests, acknowledgements, errors
 *
 * Acknowledgements that are due at the same time go to the kernel as one batch, which it cuts into
 * datagrams behind most of its own work (UDP_SEGMENT, Linux 4.18): sent ahead they come in dozens,
 * and half of what a transfer costs is sending them. A route that cannot do that gets one by one.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/tftp_client_internal.h"

static void send_to(struct tftp_client *c, const union ip_sock *to, const void *p, size_t n)
{
	/* a packet that could not be sent is a packet lost: the timer sees to it */
	(void)sendto(c->fd, p, n, MSG_DONTWAIT, &to->sa, ip_sock_bytes(to));
}

/* All acknowledgements that wait, as one batch. Return: false when this route takes none. */
static bool send_batch(struct tftp_client *c)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
	} control = { .bytes = { 0 } };
	struct iovec v = { c->acks, c->n_acks * sizeof(c->acks[0]) };
	struct msghdr m = {
		.msg_name = &c->peer,
		.msg_namelen = ip_sock_bytes(&c->peer),
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	uint16_t each = sizeof(c->acks[0]);

	h->cmsg_level = SOL_UDP;
	h->cmsg_type = UDP_SEGMENT;
	h->cmsg_len = CMSG_LEN(sizeof(each));
	memcpy(CMSG_DATA(h), &each, sizeof(each));
	if (sendmsg(c->fd, &m, MSG_DONTWAIT) >= 0)
		return true;
	return errno != EIO && errno != EINVAL && errno != ENOPROTOOPT && errno != EOPNOTSUPP;
}

void tftp_client_flush(struct tftp_client *c)
{
	if (c->n_acks > 1 && !c->no_segments) {
		if (send_batch(c))
			c->n_acks = 0;
		else
			c->no_segments = true;
	}
	for (size_t i = 0; i < c->n_acks; i++)
		send_to(c, &c->peer, c->acks[i], sizeof(c->acks[i]));
	c->n_acks = 0;
}

void tftp_client_send_error(struct tftp_client *c, const union ip_sock *to, uint16_t error,
			    const char *message)
{
	struct tftp_packet p = { .op = TFTP_ERROR, .error = error };
	uint8_t buf[TFTP_MESSAGE_MAX + TFTP_HEADER_BYTES];
	size_t n;

	tftp_client_flush(c);
	snprintf(p.message, sizeof(p.message), "%s", message);
	if (tftp_packet_format(&p, buf, sizeof(buf), &n) == 0)
		send_to(c, to, buf, n);
}

static void said(struct tftp_client *c, bool again)
{
	c->sent_at = c->active_at = ev_now(c->loop);
	if (!c->measured || again)
		c->asked_at = c->sent_at;
	c->sent_twice = again;
}

static void queue_ack(struct tftp_client *c, uint16_t block, bool again)
{
	struct tftp_packet p = { .op = TFTP_ACK, .block = block };
	size_t n;

	if (c->n_acks == TFTP_ACKS_MAX)
		tftp_client_flush(c);
	if (tftp_packet_format(&p, c->acks[c->n_acks], sizeof(c->acks[0]), &n) == 0)
		c->n_acks++;
	c->in_window = 0;
	said(c, again);
}

void tftp_client_send_ack(struct tftp_client *c, bool again)
{
	queue_ack(c, c->block, again);
}

void tftp_client_send_acks(struct tftp_client *c, uint32_t first, uint32_t n, bool again)
{
	if (again)
		c->measured = 0;
	for (uint32_t i = 0; i < n; i++)
		queue_ack(c, (uint16_t)(first + i), again);
	if (!again && !c->measured)
		c->measured = first + n;
}

int tftp_client_send_request(struct tftp_client *c, bool again)
{
	struct tftp_packet p = { .op = TFTP_RRQ, .path = c->path, .options = c->asked };
	uint8_t buf[TFTP_REQUEST_MAX];
	size_t n;
	int r = tftp_packet_format(&p, buf, sizeof(buf), &n);

	if (r < 0)
		return r;
	said(c, again);
	c->requests++;
	return sendto(c->fd, buf, n, MSG_DONTWAIT, &c->server.sa, ip_sock_bytes(&c->server)) < 0
		       ? -errno
		       : 0;
}

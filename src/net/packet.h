/*
 * packet.h - UDP without an address: datagrams through a packet socket on one link
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"
#include "wire/arp.h"
#include "wire/udp.h"

#define PACKET_BYTES_MAX 4200 /* of an IP packet that we take or send */

/*
 * Open for UDP datagrams to @port that come over the link (@ifindex 0: over any); nothing else gets
 * in. Return: descriptor or errno.
 */
_must_check_ int packet_open(int ifindex, uint16_t port);

/* Open for the ARP packets of all links. Return: descriptor or errno. */
_must_check_ int packet_open_arp(void);

/* Send an ARP packet to everyone on the link. Return: 0 or negative errno. */
_must_check_ int packet_send_arp(int fd, int ifindex, const struct arp *a);

/* Take the next ARP packet. Return: 0, -EAGAIN when there is none, -EBADMSG for one to be skipped.
 */
_must_check_ int packet_receive_arp(int fd, int *ret_ifindex, struct arp *ret);

/* Send to everyone on the link. Return: 0 or negative errno. */
_must_check_ int packet_broadcast(int fd, int ifindex, const struct udp_datagram *d);

/*
 * Take the next datagram; its data is in @buf, @ret_ifindex (or NULL) the link. Return: 0, -EAGAIN
 * when there is none, -EBADMSG for one to be skipped, or another errno of the link (-ENETDOWN).
 */
_must_check_ int packet_receive(int fd, uint8_t buf[static PACKET_BYTES_MAX], int *ret_ifindex,
				struct udp_datagram *ret);

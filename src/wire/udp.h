/*
 * udp.h - a UDP datagram in an IPv4 packet, as a packet socket carries it (RFC 768, 791, 1071)
 *
 * For talk before there is an address, when the kernel's own UDP cannot be used. No fragments, no
 * options sent.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lang.h"

#define UDP_IP_HEADER_BYTES 28 /* of the two headers that we send */

struct udp_datagram {
	struct in_addr src, dst;
	uint16_t src_port, dst_port; /* host order */
	const uint8_t *data;	     /* borrowed */
	size_t bytes;
};

/*
 * Parse an IPv4 packet that holds a whole UDP datagram; what is behind its length (Ethernet
 * padding) is ignored. With @checksum_later the UDP checksum is not filled in yet
 * (TP_STATUS_CSUMNOTREADY: the sender is on this machine and left it to hardware) and is not
 * checked. Return: 0 or -EBADMSG.
 */
_must_check_ int udp_parse(const void *buf, size_t n, bool checksum_later,
			   struct udp_datagram *ret);

/* Write both headers and the data. Return: 0 with *ret_n set, or -E2BIG. */
_must_check_ int udp_format(const struct udp_datagram *d, void *buf, size_t n, size_t *ret_n);

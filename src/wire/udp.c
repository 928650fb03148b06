/*
 * udp.c - a UDP datagram in an IPv4 packet
 */
#include <errno.h>
#include <string.h>

#include "base/reader.h"
#include "base/writer.h"
#include "wire/udp.h"

#define IP_HEADER_BYTES	 20
#define UDP_HEADER_BYTES 8
#define TTL		 64
#define IP_FRAGMENT_MASK 0x3fff /* more fragments, and the offset */

/* Sum of 16-bit words in network order, an odd byte padded with zero, not folded. */
static uint32_t sum(const uint8_t *p, size_t n, uint32_t s)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)p[i] << 8 | p[i + 1];
	if (n % 2)
		s += (uint32_t)p[n - 1] << 8;
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static uint32_t pseudo_sum(struct in_addr src, struct in_addr dst, size_t udp_bytes)
{
	uint32_t a = ntohl(src.s_addr), b = ntohl(dst.s_addr);

	return (a >> 16) + (a & 0xffff) + (b >> 16) + (b & 0xffff) + IPPROTO_UDP +
	       (uint32_t)udp_bytes;
}

/* The IP header. Return: 0 with the UDP part in *ret, or -EBADMSG. */
static int ip_parse(const uint8_t *buf, size_t n, struct udp_datagram *d, struct reader *ret)
{
	struct reader r = READER(buf, n);
	uint8_t version = reader_u8(&r), protocol;
	size_t header = (version & 0x0fu) * 4u;
	uint16_t total, fragment;

	reader_skip(&r, 1); /* type of service */
	total = reader_be16(&r);
	reader_skip(&r, 2); /* identification */
	fragment = reader_be16(&r);
	reader_skip(&r, 1); /* time to live */
	protocol = reader_u8(&r);
	reader_skip(&r, 2); /* checksum, summed below */
	d->src.s_addr = htonl(reader_be32(&r));
	d->dst.s_addr = htonl(reader_be32(&r));
	if (r.err || version >> 4 != 4 || header < IP_HEADER_BYTES || protocol != IPPROTO_UDP ||
	    fragment & IP_FRAGMENT_MASK || total > n || total < header + UDP_HEADER_BYTES)
		return -EBADMSG;
	if (fold(sum(buf, header, 0)) != 0xffff)
		return -EBADMSG;
	reader_skip(&r, header - IP_HEADER_BYTES);
	*ret = reader_sub(&r, total - header);
	return ret->err;
}

int udp_parse(const void *buf, size_t n, bool checksum_later, struct udp_datagram *ret)
{
	struct udp_datagram d = { 0 };
	struct reader r;
	const uint8_t *start;
	uint16_t len, check;

	if (ip_parse(buf, n, &d, &r) < 0)
		return -EBADMSG;
	start = r.p;
	d.src_port = reader_be16(&r);
	d.dst_port = reader_be16(&r);
	len = reader_be16(&r);
	check = reader_be16(&r);
	if (r.err || len < UDP_HEADER_BYTES || len - UDP_HEADER_BYTES > (ssize_t)r.left)
		return -EBADMSG;
	/* a sender may leave the checksum out: zero */
	if (check && !checksum_later &&
	    fold(sum(start, len, pseudo_sum(d.src, d.dst, len))) != 0xffff)
		return -EBADMSG;
	d.bytes = len - UDP_HEADER_BYTES;
	d.data = reader_bytes(&r, d.bytes);
	*ret = d;
	return 0;
}

int udp_format(const struct udp_datagram *d, void *buf, size_t n, size_t *ret_n)
{
	struct writer w = WRITER(buf, n);
	size_t udp_bytes = UDP_HEADER_BYTES + d->bytes;
	uint8_t *p = buf;
	uint16_t check;

	if (udp_bytes + IP_HEADER_BYTES > UINT16_MAX)
		return -E2BIG;
	writer_u8(&w, 0x45);
	writer_u8(&w, 0);
	writer_be16(&w, (uint16_t)(IP_HEADER_BYTES + udp_bytes));
	writer_be16(&w, 0);
	writer_be16(&w, 0x4000); /* do not fragment */
	writer_u8(&w, TTL);
	writer_u8(&w, IPPROTO_UDP);
	writer_be16(&w, 0);
	writer_be32(&w, ntohl(d->src.s_addr));
	writer_be32(&w, ntohl(d->dst.s_addr));
	writer_be16(&w, d->src_port);
	writer_be16(&w, d->dst_port);
	writer_be16(&w, (uint16_t)udp_bytes);
	writer_be16(&w, 0);
	writer_bytes(&w, d->data, d->bytes);
	if (w.err)
		return w.err;
	check = (uint16_t)~fold(sum(p, IP_HEADER_BYTES, 0));
	p[10] = (uint8_t)(check >> 8);
	p[11] = (uint8_t)check;
	check = (uint16_t)~fold(
		sum(p + IP_HEADER_BYTES, udp_bytes, pseudo_sum(d->src, d->dst, udp_bytes)));
	if (check == 0) /* zero means none */
		check = 0xffff;
	p[26] = (uint8_t)(check >> 8);
	p[27] = (uint8_t)check;
	return writer_end(&w, ret_n);
}

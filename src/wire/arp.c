/*
 * arp.c - ARP for IPv4 over Ethernet
 */
#include <errno.h>

#include "base/reader.h"
#include "base/writer.h"
#include "wire/arp.h"

#define HTYPE_ETHER 1
#define PTYPE_IPV4  0x0800
#define OP_REQUEST  1
#define OP_REPLY    2

int arp_parse(const void *buf, size_t n, struct arp *ret)
{
	struct reader r = READER(buf, n);
	struct arp a = { 0 };
	uint16_t htype = reader_be16(&r), ptype = reader_be16(&r), lengths = reader_be16(&r);

	a.op = reader_be16(&r);
	reader_copy(&r, a.sender_mac.b, MAC_BYTES);
	reader_copy(&r, &a.sender, sizeof(a.sender));
	reader_copy(&r, a.target_mac.b, MAC_BYTES);
	reader_copy(&r, &a.target, sizeof(a.target));
	if (r.err || htype != HTYPE_ETHER || ptype != PTYPE_IPV4 ||
	    lengths != (MAC_BYTES << 8 | sizeof(a.sender)) ||
	    (a.op != OP_REQUEST && a.op != OP_REPLY))
		return -EBADMSG;
	*ret = a;
	return 0;
}

void arp_format(const struct arp *a, uint8_t ret[static ARP_BYTES])
{
	struct writer w = WRITER(ret, ARP_BYTES);

	writer_be16(&w, HTYPE_ETHER);
	writer_be16(&w, PTYPE_IPV4);
	writer_u8(&w, MAC_BYTES);
	writer_u8(&w, sizeof(a->sender));
	writer_be16(&w, a->op);
	writer_bytes(&w, a->sender_mac.b, MAC_BYTES);
	writer_bytes(&w, &a->sender, sizeof(a->sender));
	writer_bytes(&w, a->target_mac.b, MAC_BYTES);
	writer_bytes(&w, &a->target, sizeof(a->target));
}

struct arp arp_probe(const struct mac *own, struct in_addr a)
{
	return (struct arp){ .op = OP_REQUEST, .sender_mac = *own, .target = a };
}

bool arp_conflicts(const struct arp *p, const struct mac *own, struct in_addr a)
{
	if (mac_equal(&p->sender_mac, own))
		return false;
	return p->sender.s_addr == a.s_addr ||
	       (p->op == OP_REQUEST && p->sender.s_addr == 0 && p->target.s_addr == a.s_addr);
}

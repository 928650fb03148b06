/*
 * dhcp6.c - DHCPv6 messages of a client
 *
 * Options nest once in what we read: an IA_NA holds addresses and a status. An option of a wrong
 * length makes the message malformed when it is one that we need, and counts as absent else.
 */
#include <errno.h>
#include <string.h>

#include "base/reader.h"
#include "base/writer.h"
#include "wire/dhcp6.h"
#include "wire/dns.h"

#define DUID_LL	      3
#define HTYPE_ETHER   1
#define XID_MASK      0xffffffu
#define ADDRESS_BYTES 24
#define IA_BYTES      12

enum {
	OPT_CLIENT_ID = 1,
	OPT_SERVER_ID = 2,
	OPT_IA_NA = 3,
	OPT_ADDRESS = 5,
	OPT_ASKED = 6,
	OPT_PREFERENCE = 7,
	OPT_ELAPSED = 8,
	OPT_STATUS = 13,
	OPT_RAPID = 14,
	OPT_DNS = 23,
	OPT_SEARCH = 24,
	OPT_BOOT_URL = 59,
	OPT_CLIENT_ARCH = 61,
};

uint32_t dhcp6_iaid(const struct mac *m)
{
	return (uint32_t)m->b[2] << 24 | (uint32_t)m->b[3] << 16 | (uint32_t)m->b[4] << 8 | m->b[5];
}

void dhcp6_duid(const struct mac *mac, struct dhcp6_duid *ret)
{
	static const uint8_t head[] = { 0, DUID_LL, 0, HTYPE_ETHER };

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->b, head, sizeof(head));
	memcpy(ret->b + sizeof(head), mac->b, MAC_BYTES);
	ret->n = sizeof(head) + MAC_BYTES;
}

/* --- reading --- */

/* Text as a person can read it. */
static void take_text(struct reader r, char *to, size_t max)
{
	size_t n = MIN(r.left, max - 1);

	for (size_t i = 0; i < n; i++)
		to[i] = r.p[i] >= 0x20 && r.p[i] < 0x7f ? (char)r.p[i] : '?';
	memset(to + n, 0, max - n);
}

static void take_duid(struct reader r, struct dhcp6_duid *to)
{
	memset(to, 0, sizeof(*to));
	if (r.left > 0 && r.left <= DHCP6_DUID_MAX) {
		to->n = r.left;
		reader_copy(&r, to->b, to->n);
	}
}

static void take_status(struct reader r, struct dhcp6_reply *p)
{
	uint16_t status = reader_be16(&r);

	if (r.err || status == 0 || p->status != 0)
		return;
	p->status = status;
	take_text(r, p->words, sizeof(p->words));
}

static void take_dns(struct reader r, struct dhcp6_reply *p)
{
	if (r.left % sizeof(p->dns[0]) != 0)
		return;
	memset(p->dns, 0, sizeof(p->dns));
	for (p->n_dns = 0; r.left > 0 && p->n_dns < DHCP6_DNS_MAX; p->n_dns++)
		reader_copy(&r, &p->dns[p->n_dns], sizeof(p->dns[0]));
}

static struct reader next_option(struct reader *r, uint16_t *ret_code)
{
	uint16_t code = reader_be16(r), len = reader_be16(r);

	*ret_code = code;
	return reader_sub(r, len);
}

/* The first address of our own IA. Return: 0 or -EBADMSG. */
static int take_ia(struct reader r, uint32_t id, struct dhcp6_reply *p)
{
	uint32_t got = reader_be32(&r), renew = reader_be32(&r), rebind = reader_be32(&r);

	if (r.err)
		return -EBADMSG;
	if (got != id)
		return 0;
	while (r.left > 0) {
		uint16_t code;
		struct reader v = next_option(&r, &code);
		struct in6_addr a;

		if (v.err)
			return -EBADMSG;
		if (code == OPT_STATUS)
			take_status(v, p);
		if (code != OPT_ADDRESS || p->have_address)
			continue;
		reader_copy(&v, &a, sizeof(a));
		p->preferred_s = reader_be32(&v);
		p->valid_s = reader_be32(&v);
		if (v.err)
			return -EBADMSG;
		p->address = a;
		p->have_address = p->valid_s > 0 && p->preferred_s <= p->valid_s &&
				  !IN6_IS_ADDR_UNSPECIFIED(&a) && !IN6_IS_ADDR_MULTICAST(&a);
		if (!p->have_address) {
			p->address = (struct in6_addr){ 0 };
			p->preferred_s = p->valid_s = 0;
		}
	}
	if (p->have_address) {
		p->renew_s = renew ? renew : p->preferred_s / 2;
		p->rebind_s = rebind ? rebind : (uint32_t)((uint64_t)p->preferred_s * 4 / 5);
	}
	return 0;
}

static int take_option(uint16_t code, struct reader v, uint32_t id, struct dhcp6_reply *p)
{
	switch (code) {
	case OPT_CLIENT_ID:
		take_duid(v, &p->client);
		break;
	case OPT_SERVER_ID:
		take_duid(v, &p->server);
		break;
	case OPT_IA_NA:
		return p->have_address ? 0 : take_ia(v, id, p);
	case OPT_PREFERENCE:
		p->preference = reader_u8(&v);
		break;
	case OPT_STATUS:
		take_status(v, p);
		break;
	case OPT_RAPID:
		p->rapid = true;
		break;
	case OPT_DNS:
		take_dns(v, p);
		break;
	case OPT_SEARCH:
		dns_search_read(v.p, v.left, p->search, sizeof(p->search));
		break;
	case OPT_BOOT_URL:
		if (v.left < sizeof(p->boot_url))
			take_text(v, p->boot_url, sizeof(p->boot_url));
		break;
	}
	return 0;
}

int dhcp6_reply_parse(const void *buf, size_t n, const struct mac *mac, struct dhcp6_reply *ret)
{
	struct reader r = READER(buf, n);
	struct dhcp6_reply p;
	uint32_t head = reader_be32(&r);

	memset(&p, 0, sizeof(p));
	p.type = head >> 24;
	p.xid = head & XID_MASK;
	if (r.err || n > DHCP6_MESSAGE_MAX || (p.type != DHCP6_ADVERTISE && p.type != DHCP6_REPLY))
		return -EBADMSG;
	while (r.left > 0) {
		uint16_t code;
		struct reader v = next_option(&r, &code);

		if (v.err || take_option(code, v, dhcp6_iaid(mac), &p) < 0)
			return -EBADMSG;
	}
	*ret = p;
	return 0;
}

/* --- writing --- */

static void put(struct writer *w, uint16_t code, const void *p, size_t n)
{
	writer_be16(w, code);
	writer_be16(w, (uint16_t)n);
	writer_bytes(w, p, n);
}

static void put_ia(struct writer *w, const struct mac *mac, const struct in6_addr *a,
		   const struct dhcp6_reply *p)
{
	bool address = !IN6_IS_ADDR_UNSPECIFIED(a);

	writer_be16(w, OPT_IA_NA);
	writer_be16(w, IA_BYTES + (address ? 4 + ADDRESS_BYTES : 0));
	writer_be32(w, dhcp6_iaid(mac));
	writer_be32(w, p ? p->renew_s : 0);
	writer_be32(w, p ? p->rebind_s : 0);
	if (!address)
		return;
	writer_be16(w, OPT_ADDRESS);
	writer_be16(w, ADDRESS_BYTES);
	writer_bytes(w, a, sizeof(*a));
	writer_be32(w, p ? p->preferred_s : 0);
	writer_be32(w, p ? p->valid_s : 0);
}

int dhcp6_request_format(const struct dhcp6_request *q, void *buf, size_t n, size_t *ret_n)
{
	static const uint8_t asked[] = { 0, OPT_DNS, 0, OPT_SEARCH, 0, OPT_BOOT_URL };
	struct writer w = WRITER(buf, n);
	struct dhcp6_duid own;

	dhcp6_duid(&q->mac, &own);
	writer_be32(&w, (uint32_t)q->type << 24 | (q->xid & XID_MASK));
	put(&w, OPT_CLIENT_ID, own.b, own.n);
	if (q->to.n)
		put(&w, OPT_SERVER_ID, q->to.b, q->to.n);
	writer_be16(&w, OPT_ELAPSED);
	writer_be16(&w, 2);
	writer_be16(&w, q->elapsed_cs);
	put(&w, OPT_ASKED, asked, sizeof(asked));
	if (q->type != DHCP6_INFORMATION)
		put_ia(&w, &q->mac, &q->address, NULL);
	if (q->type == DHCP6_SOLICIT)
		put(&w, OPT_RAPID, NULL, 0);
	return writer_end(&w, ret_n);
}

static void put_search(struct writer *w, const char *s)
{
	uint8_t value[2 * DHCP6_SEARCH_MAX];
	struct writer v = WRITER(value, sizeof(value));

	dns_search_write(&v, s);
	if (v.len > 0)
		put(w, OPT_SEARCH, value, v.len);
}

int dhcp6_reply_format(const struct dhcp6_reply *p, const struct mac *mac, void *buf, size_t n,
		       size_t *ret_n)
{
	struct writer w = WRITER(buf, n);

	writer_be32(&w, (uint32_t)p->type << 24 | (p->xid & XID_MASK));
	if (p->client.n)
		put(&w, OPT_CLIENT_ID, p->client.b, p->client.n);
	if (p->server.n)
		put(&w, OPT_SERVER_ID, p->server.b, p->server.n);
	if (p->rapid)
		put(&w, OPT_RAPID, NULL, 0);
	if (p->preference)
		put(&w, OPT_PREFERENCE, &p->preference, 1);
	if (p->status) {
		writer_be16(&w, OPT_STATUS);
		writer_be16(&w, (uint16_t)(2 + strlen(p->words)));
		writer_be16(&w, p->status);
		writer_text(&w, p->words);
	}
	if (p->have_address)
		put_ia(&w, mac, &p->address, p);
	if (p->n_dns)
		put(&w, OPT_DNS, p->dns, p->n_dns * sizeof(p->dns[0]));
	put_search(&w, p->search);
	if (*p->boot_url)
		put(&w, OPT_BOOT_URL, p->boot_url, strlen(p->boot_url));
	return writer_end(&w, ret_n);
}

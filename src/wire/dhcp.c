/*
 * dhcp.c - DHCP messages: bytes to lease and back
 *
 * Reading goes in two steps. First the option areas (options, then file and sname when option 52
 * says so) are walked and the pieces of each option put together in one arena; then each option
 * that we know is read from its whole value. The arena is as large as the longest message, so
 * nothing in a message decides an allocation.
 *
 * An option of a wrong length counts as absent. Only the framing itself can make a message
 * malformed: a short header, a wrong cookie, an option that runs past its area, a message type or
 * overload that is not one.
 */
#include <errno.h>
#include <string.h>

#include "base/reader.h"
#include "base/writer.h"
#include "wire/dhcp.h"
#include "wire/dns.h"

#define BOOTREQUEST    1
#define BOOTREPLY      2
#define HTYPE_ETHER    1
#define COOKIE	       0x63825363u
#define CHADDR_LEN     16
#define SNAME_LEN      64
#define FILE_LEN       128
#define FLAG_BCAST     0x8000
#define OVERLOAD_FILE  1
#define OVERLOAD_SNAME 2

enum {
	OPT_PAD = 0,
	OPT_MASK = 1,
	OPT_ROUTERS = 3,
	OPT_DNS = 6,
	OPT_HOSTNAME = 12,
	OPT_DOMAIN = 15,
	OPT_ROOT_PATH = 17,
	OPT_MTU = 26,
	OPT_BROADCAST = 28,
	OPT_NTP = 42,
	OPT_VENDOR = 43,
	OPT_REQUESTED = 50,
	OPT_LEASE = 51,
	OPT_OVERLOAD = 52,
	OPT_TYPE = 53,
	OPT_SERVER_ID = 54,
	OPT_PARAMETERS = 55,
	OPT_MESSAGE = 56,
	OPT_MAX_SIZE = 57,
	OPT_RENEW = 58,
	OPT_REBIND = 59,
	OPT_VENDOR_CLASS = 60,
	OPT_CLIENT_ID = 61,
	OPT_SERVER_NAME = 66,
	OPT_BOOT_FILE = 67,
	OPT_SEARCH = 119,
	OPT_ROUTES = 121,
	OPT_END = 255,
};

static const uint8_t parameters[] = {
	OPT_MASK,  OPT_ROUTERS,	  OPT_DNS,	   OPT_HOSTNAME,  OPT_DOMAIN, OPT_ROOT_PATH,
	OPT_MTU,   OPT_BROADCAST, OPT_NTP,	   OPT_VENDOR,	  OPT_LEASE,  OPT_SERVER_ID,
	OPT_RENEW, OPT_REBIND,	  OPT_SERVER_NAME, OPT_BOOT_FILE, OPT_SEARCH, OPT_ROUTES,
};

/* Every option's value in one piece (RFC 3396). */
struct options {
	uint16_t off[256], len[256];
	uint8_t arena[DHCP_MESSAGE_MAX];
};

static const char *const type_names[] = {
	[DHCP_NONE] = "BOOTP",	    [DHCP_DISCOVER] = "DISCOVER", [DHCP_OFFER] = "OFFER",
	[DHCP_REQUEST] = "REQUEST", [DHCP_DECLINE] = "DECLINE",	  [DHCP_ACK] = "ACK",
	[DHCP_NAK] = "NAK",	    [DHCP_RELEASE] = "RELEASE",	  [DHCP_INFORM] = "INFORM",
};

const char *dhcp_type_name(enum dhcp_type t)
{
	return (unsigned)t < DHCP_TYPE_MAX_ ? type_names[t] : "unknown";
}

void dhcp_client_id(const struct mac *mac, uint8_t ret[static DHCP_CLIENT_ID_BYTES])
{
	ret[0] = HTYPE_ETHER;
	memcpy(ret + 1, mac->b, MAC_BYTES);
}

/* --- reading --- */

/* Walk one area. With @fill the values are copied to the arena, else their lengths are added up. */
static int area_walk(struct reader r, struct options *o, bool fill)
{
	while (r.left > 0) {
		uint8_t code = reader_u8(&r);
		uint8_t len;

		if (code == OPT_PAD)
			continue;
		if (code == OPT_END)
			return 0;
		len = reader_u8(&r);
		if (fill)
			reader_copy(&r, o->arena + o->off[code] + o->len[code], len);
		else
			reader_skip(&r, len);
		if (r.err)
			return -EBADMSG;
		o->len[code] = (uint16_t)(o->len[code] + len);
	}
	return 0; /* no END: the area's end is one */
}

/*
 * The areas in the order that RFC 2131 gives them; the fixed fields only where @overload says so.
 */
static int areas_walk(const struct reader area[static 3], unsigned overload, struct options *o,
		      bool fill)
{
	int e = area_walk(area[0], o, fill);

	if (e == 0 && overload & OVERLOAD_FILE)
		e = area_walk(area[1], o, fill);
	if (e == 0 && overload & OVERLOAD_SNAME)
		e = area_walk(area[2], o, fill);
	return e;
}

/* Find option 52 in the main area. It must be said once and be 1, 2 or 3. */
static int overload_parse(struct reader r, unsigned *ret)
{
	unsigned v = 0;

	while (r.left > 0) {
		uint8_t code = reader_u8(&r);
		struct reader value;

		if (code == OPT_PAD)
			continue;
		if (code == OPT_END)
			break;
		value = reader_sub(&r, reader_u8(&r));
		if (r.err)
			return -EBADMSG;
		if (code != OPT_OVERLOAD)
			continue;
		if (v || value.left != 1)
			return -EBADMSG;
		v = reader_u8(&value);
		if (v < 1 || v > 3)
			return -EBADMSG;
	}
	*ret = v;
	return 0;
}

static int options_collect(const struct reader area[static 3], struct options *o, unsigned *ret)
{
	unsigned overload = 0, at = 0;
	int e = overload_parse(area[0], &overload);

	memset(o->len, 0, sizeof(o->len));
	if (e == 0)
		e = areas_walk(area, overload, o, false);
	if (e < 0)
		return e;
	for (size_t code = 0; code < 256; code++) {
		o->off[code] = (uint16_t)at;
		at += o->len[code];
		o->len[code] = 0;
	}
	*ret = overload;
	return areas_walk(area, overload, o, true);
}

static struct reader option(const struct options *o, uint8_t code)
{
	return READER(o->arena + o->off[code], o->len[code]);
}

static uint32_t option_u32(const struct options *o, uint8_t code, uint32_t absent)
{
	struct reader r = option(o, code);

	return r.left == 4 ? reader_be32(&r) : absent;
}

static struct in_addr reader_addr(struct reader *r)
{
	return (struct in_addr){ .s_addr = htonl(reader_be32(r)) };
}

static struct in_addr option_addr(const struct options *o, uint8_t code)
{
	return (struct in_addr){ .s_addr = htonl(option_u32(o, code, 0)) };
}

/* A list of addresses; further ones than @max are left out. */
static size_t option_addrs(const struct options *o, uint8_t code, struct in_addr *to, size_t max)
{
	struct reader r = option(o, code);
	size_t n = 0;

	if (r.left % 4 != 0)
		return 0;
	while (r.left > 0 && n < max)
		to[n++] = reader_addr(&r);
	return n;
}

/* Text up to the first NUL, as a person can read it, cut to what fits. */
static void text_copy(char *to, size_t max, const uint8_t *s, size_t n)
{
	size_t len = 0;

	while (len < n && len < max - 1 && s[len] != 0) {
		to[len] = s[len] >= 0x20 && s[len] < 0x7f ? (char)s[len] : '?';
		len++;
	}
	memset(to + len, 0, max - len); /* nothing of what stood there before stays */
}

static void option_text(const struct options *o, uint8_t code, char *to, size_t max)
{
	text_copy(to, max, o->arena + o->off[code], o->len[code]);
}

/* RFC 3442: prefix, as many octets of the network as the prefix needs, gateway. All or nothing. */
static size_t option_routes(const struct options *o, struct dhcp_route *to)
{
	struct dhcp_route routes[DHCP_ROUTES_MAX] = { 0 };
	struct reader r = option(o, OPT_ROUTES);
	size_t n = 0;

	while (r.left > 0 && n < DHCP_ROUTES_MAX) {
		uint8_t prefix = reader_u8(&r), net[4] = { 0 };

		if (prefix > 32)
			return 0;
		reader_copy(&r, net, (prefix + 7u) / 8);
		routes[n].prefix = prefix;
		memcpy(&routes[n].dst, net, sizeof(net));
		routes[n].dst.s_addr &= ipv4_mask(prefix).s_addr;
		routes[n].gateway = reader_addr(&r);
		if (r.err)
			return 0;
		n++;
	}
	memcpy(to, routes, n * sizeof(*to));
	return n;
}

static uint8_t prefix_of(const struct options *o, struct in_addr a)
{
	struct in_addr mask = option_addr(o, OPT_MASK);
	uint32_t h = ntohl(a.s_addr);
	unsigned prefix;

	if (mask.s_addr && ipv4_prefix(mask, &prefix) == 0)
		return (uint8_t)prefix;
	return h < 0x80000000u ? 8 : h < 0xc0000000u ? 16 : 24;
}

static void times_read(const struct options *o, struct dhcp_lease *l)
{
	uint32_t s = option_u32(o, OPT_LEASE, 0);

	l->lease_s = s ? s : DHCP_LEASE_DEFAULT_S;
	l->renew_s = option_u32(o, OPT_RENEW, 0);
	l->rebind_s = option_u32(o, OPT_REBIND, 0);
	if (l->rebind_s == 0 || l->rebind_s > l->lease_s)
		l->rebind_s = (uint32_t)((uint64_t)l->lease_s * 7 / 8);
	if (l->renew_s == 0 || l->renew_s > l->rebind_s)
		l->renew_s = MIN(l->lease_s / 2, l->rebind_s);
}

static void lease_read(const struct options *o, struct dhcp_lease *l)
{
	struct reader mtu = option(o, OPT_MTU);
	struct in_addr named;

	l->prefix = prefix_of(o, l->address);
	l->server_id = option_addr(o, OPT_SERVER_ID);
	l->broadcast = option_addr(o, OPT_BROADCAST);
	l->n_routes = option_routes(o, l->routes);
	if (l->n_routes == 0)
		l->n_routers = option_addrs(o, OPT_ROUTERS, l->routers, DHCP_ROUTERS_MAX);
	l->n_dns = option_addrs(o, OPT_DNS, l->dns, DHCP_SERVERS_MAX);
	l->n_ntp = option_addrs(o, OPT_NTP, l->ntp, DHCP_SERVERS_MAX);
	times_read(o, l);
	l->mtu = mtu.left == 2 ? reader_be16(&mtu) : 0;
	if (l->mtu < DHCP_MTU_MIN)
		l->mtu = 0;
	option_text(o, OPT_HOSTNAME, l->hostname, sizeof(l->hostname));
	option_text(o, OPT_DOMAIN, l->domain, sizeof(l->domain));
	option_text(o, OPT_ROOT_PATH, l->root_path, sizeof(l->root_path));
	if (o->len[OPT_SERVER_NAME])
		option_text(o, OPT_SERVER_NAME, l->server_name, sizeof(l->server_name));
	if (o->len[OPT_BOOT_FILE])
		option_text(o, OPT_BOOT_FILE, l->boot_file, sizeof(l->boot_file));
	dns_search_read(o->arena + o->off[OPT_SEARCH], o->len[OPT_SEARCH], l->search,
			sizeof(l->search));
	if (!l->next_server.s_addr && ipv4_parse(l->server_name, &named) == 0)
		l->next_server = named;
}

int dhcp_reply_parse(const void *buf, size_t n, struct dhcp_reply *ret)
{
	struct dhcp_reply p = { 0 };
	struct reader r = READER(buf, n), area[3], type;
	struct options o;
	unsigned overload = 0;
	uint8_t op, htype, hlen;

	if (n > DHCP_MESSAGE_MAX)
		return -EBADMSG;
	op = reader_u8(&r);
	htype = reader_u8(&r);
	hlen = reader_u8(&r);
	reader_skip(&r, 1); /* hops */
	p.xid = reader_be32(&r);
	reader_skip(&r, 2 + 2 + 4); /* secs, flags, ciaddr */
	p.lease.address = reader_addr(&r);
	p.lease.next_server = reader_addr(&r);
	reader_skip(&r, 4); /* giaddr */
	reader_copy(&r, p.mac.b, MAC_BYTES);
	reader_skip(&r, CHADDR_LEN - MAC_BYTES);
	area[2] = reader_sub(&r, SNAME_LEN);
	area[1] = reader_sub(&r, FILE_LEN);
	if (op != BOOTREPLY || htype != HTYPE_ETHER || hlen != MAC_BYTES ||
	    reader_be32(&r) != COOKIE || r.err)
		return -EBADMSG;
	area[0] = r;
	if (options_collect(area, &o, &overload) < 0)
		return -EBADMSG;
	if (!(overload & OVERLOAD_FILE))
		text_copy(p.lease.boot_file, sizeof(p.lease.boot_file), area[1].p, FILE_LEN);
	if (!(overload & OVERLOAD_SNAME))
		text_copy(p.lease.server_name, sizeof(p.lease.server_name), area[2].p, SNAME_LEN);

	type = option(&o, OPT_TYPE);
	if (type.left > 0) {
		p.type = type.left == 1 ? reader_u8(&type) : DHCP_TYPE_MAX_;
		if (p.type == DHCP_NONE || p.type >= DHCP_TYPE_MAX_)
			return -EBADMSG;
	}
	lease_read(&o, &p.lease);
	option_text(&o, OPT_MESSAGE, p.message, sizeof(p.message));
	*ret = p;
	return 0;
}

/* --- writing --- */

static void put(struct writer *w, uint8_t code, const void *p, size_t n)
{
	const uint8_t *d = p;

	while (n > 0) { /* RFC 3396: longer values in several pieces */
		uint8_t piece = (uint8_t)MIN(n, (size_t)255);

		writer_u8(w, code);
		writer_u8(w, piece);
		writer_bytes(w, d, piece);
		d += piece;
		n -= piece;
	}
}

static void put_u8(struct writer *w, uint8_t code, uint8_t v)
{
	put(w, code, &v, 1);
}

static void put_u16(struct writer *w, uint8_t code, uint16_t v)
{
	uint16_t be = htons(v);

	put(w, code, &be, sizeof(be));
}

static void put_u32(struct writer *w, uint8_t code, uint32_t v)
{
	uint32_t be = htonl(v);

	put(w, code, &be, sizeof(be));
}

static void put_addr(struct writer *w, uint8_t code, struct in_addr a)
{
	if (a.s_addr)
		put(w, code, &a.s_addr, sizeof(a.s_addr));
}

static void put_text(struct writer *w, uint8_t code, const char *s)
{
	if (s && *s)
		put(w, code, s, strlen(s));
}

static void header_write(struct writer *w, uint8_t op, uint32_t xid, const struct mac *mac)
{
	writer_u8(w, op);
	writer_u8(w, HTYPE_ETHER);
	writer_u8(w, MAC_BYTES);
	writer_u8(w, 0);
	writer_be32(w, xid);
}

int dhcp_request_format(const struct dhcp_request *q, void *buf, size_t n, size_t *ret_n)
{
	bool asks = q->type == DHCP_DISCOVER || q->type == DHCP_REQUEST;
	struct writer w = WRITER(buf, n);
	uint8_t id[DHCP_CLIENT_ID_BYTES];

	dhcp_client_id(&q->mac, id);
	header_write(&w, BOOTREQUEST, q->xid, &q->mac);
	writer_be16(&w, q->secs);
	writer_be16(&w, q->broadcast ? FLAG_BCAST : 0);
	writer_be32(&w, ntohl(q->ciaddr.s_addr));
	writer_zero(&w, 4 + 4 + 4); /* yiaddr, siaddr, giaddr */
	writer_bytes(&w, q->mac.b, MAC_BYTES);
	writer_zero(&w, CHADDR_LEN - MAC_BYTES + SNAME_LEN + FILE_LEN);
	writer_be32(&w, COOKIE);

	put_u8(&w, OPT_TYPE, (uint8_t)q->type);
	put(&w, OPT_CLIENT_ID, id, sizeof(id));
	put_addr(&w, OPT_REQUESTED, q->requested);
	put_addr(&w, OPT_SERVER_ID, q->server_id);
	if (asks) {
		put_u16(&w, OPT_MAX_SIZE, DHCP_MESSAGE_ASK);
		put_text(&w, OPT_VENDOR_CLASS, q->vendor_class);
		put_text(&w, OPT_HOSTNAME, q->hostname);
		put(&w, OPT_PARAMETERS, parameters, sizeof(parameters));
	}
	writer_u8(&w, OPT_END);
	if (w.len < DHCP_MESSAGE_MIN)
		writer_zero(&w, DHCP_MESSAGE_MIN - w.len);
	return writer_end(&w, ret_n);
}

static void put_routes(struct writer *w, const struct dhcp_lease *l)
{
	uint8_t value[DHCP_ROUTES_MAX * 9];
	struct writer v = WRITER(value, sizeof(value));

	for (size_t i = 0; i < l->n_routes; i++) {
		const struct dhcp_route *rt = &l->routes[i];

		writer_u8(&v, rt->prefix);
		writer_bytes(&v, &rt->dst, (rt->prefix + 7u) / 8);
		writer_be32(&v, ntohl(rt->gateway.s_addr));
	}
	put(w, OPT_ROUTES, value, v.len);
}

static void put_search(struct writer *w, const char *s)
{
	uint8_t value[2 * DHCP_SEARCH_MAX];
	struct writer v = WRITER(value, sizeof(value));

	dns_search_write(&v, s);
	put(w, OPT_SEARCH, value, v.len);
}

int dhcp_reply_format(const struct dhcp_reply *p, void *buf, size_t n, size_t *ret_n)
{
	const struct dhcp_lease *l = &p->lease;
	struct writer w = WRITER(buf, n);

	header_write(&w, BOOTREPLY, p->xid, &p->mac);
	writer_zero(&w, 2 + 2 + 4); /* secs, flags, ciaddr */
	writer_be32(&w, ntohl(l->address.s_addr));
	writer_be32(&w, ntohl(l->next_server.s_addr));
	writer_zero(&w, 4); /* giaddr */
	writer_bytes(&w, p->mac.b, MAC_BYTES);
	writer_zero(&w, CHADDR_LEN - MAC_BYTES + SNAME_LEN + FILE_LEN);
	writer_be32(&w, COOKIE);

	if (p->type != DHCP_NONE)
		put_u8(&w, OPT_TYPE, (uint8_t)p->type);
	put_addr(&w, OPT_SERVER_ID, l->server_id);
	if (l->prefix)
		put_addr(&w, OPT_MASK, ipv4_mask(l->prefix));
	put_addr(&w, OPT_BROADCAST, l->broadcast);
	put(&w, OPT_ROUTERS, l->routers, l->n_routers * sizeof(l->routers[0]));
	put_routes(&w, l);
	put(&w, OPT_DNS, l->dns, l->n_dns * sizeof(l->dns[0]));
	put(&w, OPT_NTP, l->ntp, l->n_ntp * sizeof(l->ntp[0]));
	put_u32(&w, OPT_LEASE, l->lease_s);
	put_u32(&w, OPT_RENEW, l->renew_s);
	put_u32(&w, OPT_REBIND, l->rebind_s);
	if (l->mtu)
		put_u16(&w, OPT_MTU, l->mtu);
	put_text(&w, OPT_HOSTNAME, l->hostname);
	put_text(&w, OPT_DOMAIN, l->domain);
	put_text(&w, OPT_ROOT_PATH, l->root_path);
	put_text(&w, OPT_SERVER_NAME, l->server_name);
	put_text(&w, OPT_BOOT_FILE, l->boot_file);
	put_text(&w, OPT_MESSAGE, p->message);
	put_search(&w, l->search);
	writer_u8(&w, OPT_END);
	if (w.len < DHCP_MESSAGE_MIN)
		writer_zero(&w, DHCP_MESSAGE_MIN - w.len);
	return writer_end(&w, ret_n);
}

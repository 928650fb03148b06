/*
 * leasefile.c - the file /run/bpboot/lease: what init knows of the node's address
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "wire/leasefile.h"

/* --- writing --- */

static int put(struct buffer *to, const char *key, const char *value)
{
	return *value ? buffer_printf(to, "%s=%s\n", key, value) : 0;
}

static int put_address(struct buffer *to, const char *key, struct in_addr a)
{
	char text[INET_ADDRSTRLEN];

	return a.s_addr ? put(to, key, ipv4_format(a, text)) : 0;
}

static int put_number(struct buffer *to, const char *key, uint64_t v)
{
	return buffer_printf(to, "%s=%" PRIu64 "\n", key, v);
}

/* What a shell may source: letters, digits and what names are made of; others become '_'. */
static int put_text(struct buffer *to, const char *key, const char *value)
{
	char text[DHCP_SEARCH_MAX];
	size_t n = 0;

	for (; value[n] && n < sizeof(text) - 1; n++)
		text[n] =
			strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._ ",
			       value[n])
				? value[n]
				: '_';
	text[n] = 0;
	return put(to, key, text);
}

static int put_dns(struct buffer *to, const struct leasefile *f)
{
	char text[IP_STR_MAX];
	int r = f->n_dns ? buffer_printf(to, "DNS=") : 0;

	for (size_t i = 0; i < f->n_dns && r == 0; i++)
		r = buffer_printf(to, "%s%s", i ? " " : "", ip_format(&f->dns[i], text));
	return r == 0 && f->n_dns ? buffer_printf(to, "\n") : r;
}

static int put_ntp(struct buffer *to, const struct dhcp_lease *l)
{
	char text[INET_ADDRSTRLEN];
	int r = l->n_ntp ? buffer_printf(to, "NTP=") : 0;

	for (size_t i = 0; i < l->n_ntp && r == 0; i++)
		r = buffer_printf(to, "%s%s", i ? " " : "", ipv4_format(l->ntp[i], text));
	return r == 0 && l->n_ntp ? buffer_printf(to, "\n") : r;
}

static int put_routes(struct buffer *to, const struct dhcp_lease *l)
{
	char dst[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN];
	int r = l->n_routes ? buffer_printf(to, "ROUTES=") : 0;

	for (size_t i = 0; i < l->n_routes && r == 0; i++)
		r = buffer_printf(to, "%s%s/%u,%s", i ? " " : "",
				  ipv4_format(l->routes[i].dst, dst), l->routes[i].prefix,
				  ipv4_format(l->routes[i].gateway, gateway));
	return r == 0 && l->n_routes ? buffer_printf(to, "\n") : r;
}

static int put_lease(struct buffer *to, const struct leasefile *f)
{
	const struct dhcp_lease *l = &f->lease;
	char id[2 * DHCP_CLIENT_ID_BYTES + 1];
	uint8_t raw[DHCP_CLIENT_ID_BYTES];
	int r = put_address(to, "SERVER", l->server_id);

	dhcp_client_id(&f->mac, raw);
	format_hex(raw, sizeof(raw), id);
	r = r ? r : put_number(to, "LEASE_SECONDS", l->lease_s);
	r = r ? r : put_number(to, "RENEW_SECONDS", l->renew_s);
	r = r ? r : put_number(to, "REBIND_SECONDS", l->rebind_s);
	r = r ? r : put_number(to, "OBTAINED_MS", f->obtained_ms);
	return r ? r : put(to, "CLIENT_ID", id);
}

static int put_ip6(struct buffer *to, const struct leasefile *f)
{
	struct ipaddr a = { .family = AF_INET6, .v6 = f->address6 };
	char text[IP_STR_MAX];
	int r = buffer_printf(to, "ADDRESS6=%s/%u\n", ip_format(&a, text), f->prefix6);

	a.v6 = f->gateway6;
	if (r == 0 && f->valid6_s) {
		r = put_number(to, "LEASE6_SECONDS", f->valid6_s);
		r = r ? r : put_number(to, "RENEW6_SECONDS", f->renew6_s);
		if (r == 0 && !f->leased)
			r = put_number(to, "OBTAINED_MS", f->obtained_ms);
	}
	return r || IN6_IS_ADDR_UNSPECIFIED(&a.v6) ? r : put(to, "GATEWAY6", ip_format(&a, text));
}

int leasefile_format(const struct leasefile *f, struct buffer *to)
{
	const struct dhcp_lease *l = &f->lease;
	char mac[MAC_STR_MAX], address[INET_ADDRSTRLEN];
	int r = buffer_printf(to, "INTERFACE=%s\nMAC=%s\n", f->interface, mac_format(&f->mac, mac));

	if (r == 0 && l->address.s_addr)
		r = buffer_printf(to, "ADDRESS=%s/%u\n", ipv4_format(l->address, address),
				  l->prefix);
	if (r == 0 && l->n_routers)
		r = put_address(to, "GATEWAY", l->routers[0]);
	if (r == 0 && f->have6)
		r = put_ip6(to, f);
	if (r == 0 && f->leased)
		r = put_lease(to, f);
	r = r ? r : put_text(to, "HOSTNAME", l->hostname);
	r = r ? r : put_text(to, "DOMAIN", l->domain);
	r = r ? r : put_text(to, "SEARCH", l->search);
	r = r ? r : put_dns(to, f);
	r = r ? r : put_ntp(to, l);
	r = r || !l->mtu ? r : put_number(to, "MTU", l->mtu);
	return r ? r : put_routes(to, l);
}

/* --- reading --- */

static int take_prefixed(char *value, int family, void *address, size_t bytes, uint32_t max,
			 uint8_t *ret_prefix)
{
	char *slash = strchr(value, '/');
	struct ipaddr a;
	uint32_t prefix;

	if (!slash)
		return -EBADMSG;
	*slash = 0;
	if (ip_parse(value, &a) < 0 || a.family != family || parse_u32(slash + 1, 0, max, &prefix))
		return -EBADMSG;
	memcpy(address, &a.v6, bytes); /* both families begin at the same place */
	*ret_prefix = (uint8_t)prefix;
	return 0;
}

static int take_dns(char *value, struct leasefile *f)
{
	f->n_dns = 0;
	for (char *word; (word = strsep(&value, " ")) && f->n_dns < LEASEFILE_DNS_MAX;) {
		if (ip_parse(word, &f->dns[f->n_dns++]) < 0)
			return -EBADMSG;
	}
	return 0;
}

static int take_ntp(char *value, struct dhcp_lease *l)
{
	l->n_ntp = 0;
	for (char *word; (word = strsep(&value, " ")) && l->n_ntp < DHCP_SERVERS_MAX;) {
		if (ipv4_parse(word, &l->ntp[l->n_ntp++]) < 0)
			return -EBADMSG;
	}
	return 0;
}

static int take_routes(char *value, struct dhcp_lease *l)
{
	l->n_routes = 0;
	for (char *word; (word = strsep(&value, " ")) && l->n_routes < DHCP_ROUTES_MAX;) {
		struct dhcp_route *rt = &l->routes[l->n_routes++];
		char *comma = strchr(word, ',');

		if (!comma)
			return -EBADMSG;
		*comma = 0;
		if (take_prefixed(word, AF_INET, &rt->dst, sizeof(rt->dst), 32, &rt->prefix) < 0 ||
		    ipv4_parse(comma + 1, &rt->gateway) < 0)
			return -EBADMSG;
	}
	return 0;
}

static int take_text(const char *value, char *to, size_t max)
{
	if (strlen(value) >= max)
		return -EBADMSG;
	memcpy(to, value, strlen(value) + 1);
	return 0;
}

static int take_number(const char *value, uint32_t *ret)
{
	return parse_u32(value, 0, UINT32_MAX, ret) < 0 ? -EBADMSG : 0;
}

static int take_line(struct leasefile *f, const char *key, char *value)
{
	struct dhcp_lease *l = &f->lease;
	struct ipaddr a = { 0 };
	uint32_t v = 0;
	int r = 0;

	if (!strcmp(key, "INTERFACE"))
		return take_text(value, f->interface, sizeof(f->interface));
	if (!strcmp(key, "MAC"))
		return mac_parse(value, &f->mac);
	if (!strcmp(key, "ADDRESS"))
		return take_prefixed(value, AF_INET, &l->address, sizeof(l->address), 32,
				     &l->prefix);
	if (!strcmp(key, "ADDRESS6")) {
		f->have6 = true;
		return take_prefixed(value, AF_INET6, &f->address6, sizeof(f->address6), 128,
				     &f->prefix6);
	}
	if (!strcmp(key, "GATEWAY6")) {
		r = ip_parse(value, &a);
		f->gateway6 = a.v6;
		return r || a.family != AF_INET6 ? -EBADMSG : 0;
	}
	if (!strcmp(key, "GATEWAY")) {
		l->n_routers = 1;
		return ipv4_parse(value, &l->routers[0]);
	}
	if (!strcmp(key, "SERVER"))
		return ipv4_parse(value, &l->server_id);
	if (!strcmp(key, "LEASE_SECONDS")) {
		f->leased = true;
		return take_number(value, &l->lease_s);
	}
	if (!strcmp(key, "LEASE6_SECONDS"))
		return take_number(value, &f->valid6_s);
	if (!strcmp(key, "RENEW6_SECONDS"))
		return take_number(value, &f->renew6_s);
	if (!strcmp(key, "RENEW_SECONDS"))
		return take_number(value, &l->renew_s);
	if (!strcmp(key, "REBIND_SECONDS"))
		return take_number(value, &l->rebind_s);
	if (!strcmp(key, "OBTAINED_MS"))
		return parse_u64(value, 0, UINT64_MAX, &f->obtained_ms);
	if (!strcmp(key, "MTU")) {
		r = parse_u32(value, DHCP_MTU_MIN, UINT16_MAX, &v);
		l->mtu = (uint16_t)v;
		return r;
	}
	if (!strcmp(key, "HOSTNAME"))
		return take_text(value, l->hostname, sizeof(l->hostname));
	if (!strcmp(key, "DOMAIN"))
		return take_text(value, l->domain, sizeof(l->domain));
	if (!strcmp(key, "SEARCH"))
		return take_text(value, l->search, sizeof(l->search));
	if (!strcmp(key, "DNS"))
		return take_dns(value, f);
	if (!strcmp(key, "NTP"))
		return take_ntp(value, l);
	return strcmp(key, "ROUTES") ? 0 : take_routes(value, l);
}

int leasefile_parse(const char *text, size_t n, struct leasefile *ret, const char **ret_why)
{
	_cleanup_free_ char *copy = strndup(text, n);
	_cleanup_free_ struct leasefile *f = calloc(1, sizeof(*f));
	char *line, *rest = copy;

	if (!copy || !f)
		return -ENOMEM;
	*ret_why = "a value makes no sense";
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *value = strchr(line, '=');

		if (!value)
			continue;
		*value++ = 0;
		if (take_line(f, line, value) < 0)
			return -EBADMSG;
	}
	*ret_why = "it has no INTERFACE or address";
	if (!f->interface[0] || (!f->lease.address.s_addr && !f->have6))
		return -EBADMSG;
	*ret_why = "its times are not in order";
	if (f->lease.renew_s > f->lease.rebind_s || f->lease.rebind_s > f->lease.lease_s ||
	    f->renew6_s > f->valid6_s)
		return -EBADMSG;
	*ret = *f;
	return 0;
}

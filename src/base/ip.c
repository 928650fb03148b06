/*
 * ip.c - an address of either family, and the socket address that it makes
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/ip.h"
#include "base/parse.h"

struct ipaddr ip_from_v4(struct in_addr a)
{
	return (struct ipaddr){ .family = a.s_addr ? AF_INET : 0, .v4 = a };
}

int ip_parse(const char *s, struct ipaddr *ret)
{
	struct ipaddr a = { .family = AF_INET };

	if (ipv4_parse(s, &a.v4) < 0) {
		a.family = AF_INET6;
		if (inet_pton(AF_INET6, s, &a.v6) != 1)
			return -EINVAL;
	}
	*ret = a;
	return 0;
}

int ip_parse_port(const char *s, uint16_t port, struct ipaddr *ret, uint16_t *ret_port)
{
	char text[IP_STR_MAX], *host = text, *end;
	const char *rest = NULL;
	uint32_t v = port;
	struct ipaddr a;

	if ((size_t)snprintf(text, sizeof(text), "%s", s) >= sizeof(text))
		return -EINVAL;
	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		rest = end[1] ? end + 2 : NULL;
		*end = 0;
	} else {
		end = strchr(host, ':');
		if (end && !strchr(end + 1, ':')) {
			rest = end + 1;
			*end = 0;
		}
	}
	if (ip_parse(host, &a) < 0 || (host != text && a.family != AF_INET6) ||
	    (rest && parse_u32(rest, 1, UINT16_MAX, &v) < 0))
		return -EINVAL;
	*ret = a;
	*ret_port = (uint16_t)v;
	return 0;
}

const char *ip_format(const struct ipaddr *a, char ret[static IP_STR_MAX])
{
	*ret = 0;
	if (a->family == AF_INET)
		return ipv4_format(a->v4, ret);
	if (a->family == AF_INET6)
		(void)inet_ntop(AF_INET6, &a->v6, ret, IP_STR_MAX); /* always fits */
	return ret;
}

bool ip_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	if (a->family != b->family)
		return false;
	return a->family == AF_INET6 ? memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0
				     : a->v4.s_addr == b->v4.s_addr;
}

union ip_sock ip_sock(const struct ipaddr *a, uint16_t port)
{
	union ip_sock s = { .in6 = { 0 } };

	s.sa.sa_family = a->family;
	if (a->family == AF_INET6) {
		s.in6.sin6_addr = a->v6;
		s.in6.sin6_scope_id = a->scope;
		s.in6.sin6_port = htons(port);
	} else {
		s.in.sin_addr = a->v4;
		s.in.sin_port = htons(port);
	}
	return s;
}

socklen_t ip_sock_bytes(const union ip_sock *s)
{
	return s->sa.sa_family == AF_INET6 ? sizeof(s->in6) : sizeof(s->in);
}

struct ipaddr ip_sock_host(const union ip_sock *s)
{
	struct ipaddr a = { .family = s->sa.sa_family };

	if (a.family == AF_INET6) {
		a.v6 = s->in6.sin6_addr;
		a.scope = s->in6.sin6_scope_id;
	} else {
		a.v4 = s->in.sin_addr;
	}
	return a;
}

uint16_t ip_sock_port(const union ip_sock *s)
{
	return ntohs(s->sa.sa_family == AF_INET6 ? s->in6.sin6_port : s->in.sin_port);
}

bool ip_sock_same_host(const union ip_sock *a, const union ip_sock *b)
{
	struct ipaddr x = ip_sock_host(a), y = ip_sock_host(b);

	return ip_equal(&x, &y);
}

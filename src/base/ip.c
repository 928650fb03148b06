/*
 * ip.c - an address of either family, and the socket address that it makes
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/fd.h"
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

	if (a.family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&s->in6.sin6_addr)) {
		a.family = AF_INET;
		memcpy(&a.v4, s->in6.sin6_addr.s6_addr + 12, sizeof(a.v4));
	} else if (a.family == AF_INET6) {
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

static int bind_one(const union ip_sock *at, int type, int *ret_fd)
{
	_cleanup_close_ int fd = socket(at->sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1, off = 0;

	if (fd < 0 ||
	    (type == SOCK_STREAM &&
	     setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
	    (at->sa.sa_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
	    bind(fd, &at->sa, ip_sock_bytes(at)) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int ip_bind(const struct ipaddr *at, uint16_t port, int type, int *ret_fd)
{
	const struct ipaddr all4 = { .family = AF_INET }, all6 = { .family = AF_INET6 };
	union ip_sock s = ip_sock(ip_is_set(at) ? at : &all6, port);
	int r = bind_one(&s, type, ret_fd);

	if (ip_is_set(at) || (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL))
		return r;
	s = ip_sock(&all4, port);
	return bind_one(&s, type, ret_fd);
}

/*
 * ip.h - an address of either family, and the socket address that it makes
 *
 * For what does not care which one it is: URLs, transfers, reports. A struct ipaddr of family 0 is
 * no address.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/lang.h"

#define IP_STR_MAX INET6_ADDRSTRLEN

struct ipaddr {
	sa_family_t family; /* AF_INET, AF_INET6; 0: none */
	uint32_t scope;	    /* ifindex of a link-local IPv6 address; 0: none */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

union ip_sock {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* 0.0.0.0 becomes no address. */
struct ipaddr ip_from_v4(struct in_addr a);

/* Dotted quad, or IPv6 without brackets. Return: 0 or -EINVAL. */
_must_check_ int ip_parse(const char *s, struct ipaddr *ret);

/*
 * "A.B.C.D", "A.B.C.D:PORT", "[IPv6]:PORT", "[IPv6]" or bare IPv6; the port is @port when none
 * is said. Return: 0 or -EINVAL.
 */
_must_check_ int ip_parse_port(const char *s, uint16_t port, struct ipaddr *ret,
			       uint16_t *ret_port);

/* "" for no address. Return: @ret. */
const char *ip_format(const struct ipaddr *a, char ret[static IP_STR_MAX]);

bool ip_equal(const struct ipaddr *a, const struct ipaddr *b);

static inline bool ip_is_set(const struct ipaddr *a)
{
	return a->family != 0;
}

/* The socket address of @a and @port (host order). */
union ip_sock ip_sock(const struct ipaddr *a, uint16_t port);
socklen_t ip_sock_bytes(const union ip_sock *s);
struct ipaddr ip_sock_host(const union ip_sock *s); /* an IPv4-mapped one as IPv4 */
uint16_t ip_sock_port(const union ip_sock *s); /* host order */
bool ip_sock_same_host(const union ip_sock *a, const union ip_sock *b);

/*
 * A bound socket of @type (SOCK_STREAM, SOCK_DGRAM) that does not block; @at not set: on all
 * addresses of both families, or of IPv4 where the kernel has no IPv6. Return: 0 or negative errno.
 */
_must_check_ int ip_bind(const struct ipaddr *at, uint16_t port, int type, int *ret_fd);

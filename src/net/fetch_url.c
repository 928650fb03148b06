/*
 * fetch_url.c - the URLs that we fetch from
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/parse.h"
#include "net/fetch.h"
#include "wire/http.h"
#include "wire/tftp.h"

static const struct {
	const char *prefix;
	uint16_t port;
} schemes[] = {
	[FETCH_TFTP] = { "tftp://", TFTP_PORT },
	[FETCH_HTTP] = { "http://", HTTP_PORT },
};

static int host_parse(const char *s, size_t n, struct fetch_url *u)
{
	char host[INET_ADDRSTRLEN + sizeof(":65535")], *colon;
	uint32_t port;

	if (n >= sizeof(host))
		return -EINVAL;
	memcpy(host, s, n);
	host[n] = 0;
	colon = strchr(host, ':');
	if (colon) {
		*colon = 0;
		if (parse_u32(colon + 1, 1, 65535, &port) < 0)
			return -EINVAL;
		u->port = (uint16_t)port;
	}
	return ipv4_parse(host, &u->host);
}

/* Decode %XX. Return: 0 or -EINVAL: empty, too long, a byte that no file name should have. */
static int path_decode(const char *s, char ret[static FETCH_PATH_MAX])
{
	size_t n = 0;

	for (; *s; s++) {
		uint8_t c = (uint8_t)*s;

		if (c == '%') {
			char hex[3] = { s[1], s[1] ? s[2] : 0, 0 };

			if (parse_hex(hex, &c, 1) < 0)
				return -EINVAL;
			s += 2;
		}
		if (c < 0x20 || c == 0x7f || n + 1 >= FETCH_PATH_MAX)
			return -EINVAL;
		ret[n++] = (char)c;
	}
	ret[n] = 0;
	return n ? 0 : -EINVAL;
}

int fetch_url_parse(const char *s, struct fetch_url *ret, const char **ret_why)
{
	struct fetch_url u = { 0 };
	const char *slash;
	size_t i = 0;

	while (i < FETCH_SCHEME_MAX_ &&
	       strncmp(s, schemes[i].prefix, strlen(schemes[i].prefix)) != 0)
		i++;
	if (i == FETCH_SCHEME_MAX_) {
		*ret_why = "expected tftp://ADDRESS[:PORT]/PATH or http://ADDRESS[:PORT]/PATH";
		return -EPROTONOSUPPORT;
	}
	u.scheme = (enum fetch_scheme)i;
	u.port = schemes[i].port;
	s += strlen(schemes[i].prefix);
	slash = strchr(s, '/');
	if (!slash) {
		*ret_why = "expected a path behind the host";
		return -EINVAL;
	}
	if (host_parse(s, (size_t)(slash - s), &u) < 0) {
		*ret_why = "expected an IPv4 address as host, with :PORT or without";
		return -EINVAL;
	}
	if (path_decode(slash + 1, u.path) < 0) {
		*ret_why = "expected a path of 1 to 511 printable bytes, %XX for others";
		return -EINVAL;
	}
	*ret = u;
	return 0;
}

const char *fetch_url_format(const struct fetch_url *u, char ret[static FETCH_URL_MAX])
{
	char host[INET_ADDRSTRLEN];
	int n = snprintf(ret, FETCH_URL_MAX, "%s%s", schemes[u->scheme].prefix,
			 ipv4_format(u->host, host));

	if (u->port != schemes[u->scheme].port)
		n += snprintf(ret + n, FETCH_URL_MAX - (size_t)n, ":%u", u->port);
	ret[n++] = '/';
	for (const char *p = u->path; *p && n + 4 < FETCH_URL_MAX; p++) {
		uint8_t c = (uint8_t)*p;

		if (c > 0x20 && c < 0x7f && c != '%')
			ret[n++] = *p;
		else
			n += snprintf(ret + n, FETCH_URL_MAX - (size_t)n, "%%%02x", c);
	}
	ret[n] = 0;
	return ret;
}

int fetch_url_sibling(const struct fetch_url *u, const char *name, struct fetch_url *ret)
{
	const char *slash = strrchr(u->path, '/');
	size_t dir = slash ? (size_t)(slash - u->path) + 1 : 0, n = strlen(name);
	struct fetch_url s = *u;

	if (dir + n >= sizeof(s.path))
		return -ENAMETOOLONG;
	memcpy(s.path + dir, name, n + 1);
	*ret = s;
	return 0;
}

/*
 * fetch_url.c - the URLs that we fetch from
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "net/fetch.h"
#include "wire/http.h"
#include "wire/tftp.h"

#define LABEL_MAX 63 /* RFC 1035 */

static const struct {
	const char *prefix;
	uint16_t port;
} schemes[] = {
	[FETCH_TFTP] = { "tftp://", TFTP_PORT },
	[FETCH_HTTP] = { "http://", HTTP_PORT },
};

/*
 * Letters, digits, hyphens and dots, no label empty or longer than DNS has them, and the last one
 * not of digits alone, so that a wrong address is not taken for a name.
 */
static bool is_name(const char *s)
{
	size_t label = 0;
	bool digits = true;

	for (; *s; s++) {
		if (*s == '.') {
			if (label == 0)
				return false;
			label = 0;
			digits = true;
			continue;
		}
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
			    *s) ||
		    ++label > LABEL_MAX)
			return false;
		digits = digits && *s >= '0' && *s <= '9';
	}
	return label > 0 && !digits;
}

static int host_parse(const char *s, size_t n, struct fetch_url *u)
{
	char text[FETCH_HOST_MAX], *host = text, *end;
	uint32_t port;

	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = 0;
	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end)
			return -EINVAL;
		*end++ = 0;
		if (*end && *end != ':')
			return -EINVAL;
	} else {
		end = strchrnul(host, ':');
	}
	if (*end) {
		*end = 0;
		if (parse_u32(end + 1, 1, 65535, &port) < 0)
			return -EINVAL;
		u->port = (uint16_t)port;
	}
	if (ip_parse(host, &u->host) == 0)
		return (u->host.family == AF_INET6) == (host != text) ? 0 : -EINVAL;
	if (host != text || strlen(host) >= sizeof(u->name) || !is_name(host))
		return -EINVAL;
	memcpy(u->name, host, strlen(host) + 1);
	return 0;
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
		*ret_why = "expected tftp://HOST[:PORT]/PATH or http://HOST[:PORT]/PATH";
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
		*ret_why = "expected A.B.C.D, [IPv6 address] or a name as host, with :PORT or "
			   "without";
		return -EINVAL;
	}
	if (path_decode(slash + 1, u.path) < 0) {
		*ret_why = "expected a path of 1 to 511 printable bytes, %XX for others";
		return -EINVAL;
	}
	*ret = u;
	return 0;
}

const char *fetch_url_host(const struct fetch_url *u, char ret[static FETCH_HOST_MAX])
{
	char address[IP_STR_MAX];
	const char *host = *u->name ? u->name : ip_format(&u->host, address);
	bool v6 = !*u->name && u->host.family == AF_INET6;
	int n = snprintf(ret, FETCH_HOST_MAX, v6 ? "[%s]" : "%s", host);

	if (u->port != schemes[u->scheme].port)
		snprintf(ret + n, FETCH_HOST_MAX - (size_t)n, ":%u", u->port);
	return ret;
}

const char *fetch_url_format(const struct fetch_url *u, char ret[static FETCH_URL_MAX])
{
	char host[FETCH_HOST_MAX];
	int n = snprintf(ret, FETCH_URL_MAX, "%s%s/", schemes[u->scheme].prefix,
			 fetch_url_host(u, host));

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

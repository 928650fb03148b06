/*
 * addr.c - MAC and IPv4 addresses as text
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/parse.h"

int mac_parse(const char *s, struct mac *ret)
{
	struct mac m;

	if (strlen(s) != 3 * MAC_BYTES - 1)
		return -EINVAL;
	for (size_t i = 0; i < MAC_BYTES; i++) {
		char two[3] = { s[3 * i], s[3 * i + 1], 0 };
		char sep = s[3 * i + 2];

		if (parse_hex(two, &m.b[i], 1) < 0 || (sep && sep != ':' && sep != '-'))
			return -EINVAL;
	}
	*ret = m;
	return 0;
}

const char *mac_format(const struct mac *m, char ret[static MAC_STR_MAX])
{
	snprintf(ret, MAC_STR_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1], m->b[2],
		 m->b[3], m->b[4], m->b[5]);
	return ret;
}

bool mac_equal(const struct mac *a, const struct mac *b)
{
	return memcmp(a->b, b->b, MAC_BYTES) == 0;
}

int ipv4_parse(const char *s, struct in_addr *ret)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1)
		return -EINVAL;
	*ret = a;
	return 0;
}

const char *ipv4_format(struct in_addr a, char ret[static INET_ADDRSTRLEN])
{
	const uint8_t *b = (const uint8_t *)&a.s_addr;

	snprintf(ret, INET_ADDRSTRLEN, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	return ret;
}

struct in_addr ipv4_mask(unsigned prefix)
{
	uint32_t m = prefix == 0 ? 0 : UINT32_MAX << (32 - MIN(prefix, 32u));

	return (struct in_addr){ .s_addr = htonl(m) };
}

int ipv4_prefix(struct in_addr mask, unsigned *ret)
{
	uint32_t m = ntohl(mask.s_addr);
	unsigned n = (unsigned)__builtin_popcount(m);

	if (ipv4_mask(n).s_addr != mask.s_addr)
		return -EINVAL;
	*ret = n;
	return 0;
}

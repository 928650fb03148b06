/*
 * addr.h - MAC and IPv4 addresses as text
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"

#define MAC_BYTES   6
#define MAC_STR_MAX 18 /* "52:54:00:12:34:56" and NUL */

struct mac {
	uint8_t b[MAC_BYTES];
};

/* "52:54:00:12:34:56" or with dashes, either case. Return: 0 or -EINVAL. */
_must_check_ int mac_parse(const char *s, struct mac *ret);

/* Lower case with colons. Return: @ret. */
const char *mac_format(const struct mac *m, char ret[static MAC_STR_MAX]);

bool mac_equal(const struct mac *a, const struct mac *b);

/* Dotted quad. Return: 0 or -EINVAL. */
_must_check_ int ipv4_parse(const char *s, struct in_addr *ret);
const char *ipv4_format(struct in_addr a, char ret[static INET_ADDRSTRLEN]);

/*
 * Netmask of a prefix length of 0 to 32, in network order; and back (-EINVAL: holes in the mask).
 */
struct in_addr ipv4_mask(unsigned prefix);
_must_check_ int ipv4_prefix(struct in_addr mask, unsigned *ret);

/*
 * leasefile.h - the file /run/bpboot/lease: what init knows of the address (docs/handover.md)
 *
 * Text, KEY=value lines. init writes it, bpslave reads it, renews the lease and writes it anew, and
 * a root's own scripts may source it: values hold no quotes and no blanks but those between the
 * items of a list.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buffer.h"
#include "base/ip.h"
#include "base/lang.h"
#include "wire/dhcp.h"

#define LEASEFILE_BYTES_MAX 8192
#define LEASEFILE_DNS_MAX   8

struct leasefile {
	char interface[IFNAMSIZ];
	struct mac mac;
	bool leased;		 /* by DHCP: times, server and client id are said */
	struct dhcp_lease lease; /* its address is 0.0.0.0 when there is none of IPv4 */
	uint64_t obtained_ms;	 /* since kernel start */
	bool have6;
	struct in6_addr address6, gateway6; /* gateway :: none */
	uint8_t prefix6;
	uint32_t valid6_s, renew6_s;	      /* of DHCPv6; valid 0: it was not leased */
	struct ipaddr dns[LEASEFILE_DNS_MAX]; /* in place of the lease's */
	size_t n_dns;
};

/* Append the text. Return: 0, -E2BIG or -ENOMEM. */
_must_check_ int leasefile_format(const struct leasefile *f, struct buffer *to);

/* Unknown keys are passed over. Return: 0, or -EBADMSG with *ret_why set. */
_must_check_ int leasefile_parse(const char *text, size_t n, struct leasefile *ret,
				 const char **ret_why);

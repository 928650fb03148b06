/*
 * ip6_client.h - an IPv6 address on one of all NICs: by router advertisement, by DHCPv6, or both
 *
 * The counterpart of dhcp_client.h. The kernel makes addresses and routes of the advertisements by
 * itself; what is done here is to wait for them, to take the name servers out of them, and to ask
 * by DHCPv6 (RFC 8415) when the router says so, or the caller. The first NIC that has an address
 * wins, the others are set down again if they were down before. Advertised addresses are renewed by
 * the kernel; those of DHCPv6 are leased without end in the kernel's eyes.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lang.h"
#include "net/link.h"
#include "wire/dhcp6.h"

struct ev_loop;
struct ip6_client;

#define IP6_CLIENT_WHY_MAX 400

enum ip6_mode {
	IP6_AUTO,   /* as the router says (ip=auto6) */
	IP6_DHCP,   /* an address by DHCPv6, whatever the router says (ip=dhcp6) */
	IP6_EITHER, /* as the router says; when none is heard for a while, by DHCPv6 */
};

struct ip6_client_config {
	enum ip6_mode mode;
	uint32_t timeout_ms, carrier_ms; /* as in dhcp_client.h */
	struct mac prefer;
	const char *interface;
};

struct ip6_lease {
	struct in6_addr address;
	uint8_t prefix;
	bool have_gateway, by_dhcp;
	struct in6_addr gateway;
	struct in6_addr dns[DHCP6_DNS_MAX];
	size_t n_dns;
	char search[DHCP6_SEARCH_MAX];
	char boot_url[DHCP6_URL_MAX];
	uint32_t valid_s, renew_s, rebind_s; /* of DHCPv6 */
};

struct ip6_client_ops {
	void (*bound)(void *ctx, const struct link *l, const struct ip6_lease *lease);
	void (*failed)(void *ctx, int err, const char *why);
	void (*link)(void *ctx, const struct link *l);
};

/* Contract and error codes of dhcp_client_new(). */
_must_check_ int ip6_client_new(struct ev_loop *loop, struct links *links,
				const struct ip6_client_config *config,
				const struct ip6_client_ops *ops, void *ctx,
				struct ip6_client **ret);
void ip6_client_free(struct ip6_client *c);

/*
 * dhcp6.h - DHCPv6 messages of a client: bytes to struct and back (RFC 8415, 3646, 5970)
 *
 * What a booting node asks for: one address (IA_NA), name servers, search list, boot file URL. A
 * message that it sends is built from struct dhcp6_request, a server's is read into struct
 * dhcp6_reply. Relays' messages are not for clients and not read.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/lang.h"

#define DHCP6_SERVER_PORT 547
#define DHCP6_CLIENT_PORT 546
#define DHCP6_MESSAGE_MAX 4096
#define DHCP6_REQUEST_MAX 512
#define DHCP6_DUID_MAX	  130
#define DHCP6_DNS_MAX	  4
#define DHCP6_SEARCH_MAX  256 /* with NUL */
#define DHCP6_URL_MAX	  800 /* with NUL; longer ones are taken as absent */
#define DHCP6_WORDS_MAX	  128 /* with NUL */

enum dhcp6_type {
	DHCP6_SOLICIT = 1,
	DHCP6_ADVERTISE = 2,
	DHCP6_REQUEST = 3,
	DHCP6_RENEW = 5,
	DHCP6_REBIND = 6,
	DHCP6_REPLY = 7,
	DHCP6_RELEASE = 8,
	DHCP6_DECLINE = 9,
	DHCP6_INFORMATION = 11,
};

struct dhcp6_duid {
	uint8_t b[DHCP6_DUID_MAX];
	size_t n;
};

struct dhcp6_request {
	enum dhcp6_type type;
	uint32_t xid;		 /* 24 bits */
	uint16_t elapsed_cs;	 /* hundredths of a second since the first one */
	struct mac mac;		 /* the DUID is made of it (DUID-LL), the IAID too */
	struct dhcp6_duid to;	 /* the server; n 0: any */
	struct in6_addr address; /* that is asked for; :: none */
};

struct dhcp6_reply {
	enum dhcp6_type type;
	uint32_t xid;
	struct dhcp6_duid client, server;
	bool rapid; /* a REPLY to a SOLICIT */
	uint8_t preference;
	uint16_t status; /* 0: success; of the message, else of the address */
	char words[DHCP6_WORDS_MAX];
	bool have_address;
	struct in6_addr address;
	uint32_t preferred_s, valid_s, renew_s, rebind_s;
	struct in6_addr dns[DHCP6_DNS_MAX];
	size_t n_dns;
	char search[DHCP6_SEARCH_MAX]; /* blank-separated */
	char boot_url[DHCP6_URL_MAX];
};

/* The DUID of a machine: type 3 (link-layer), Ethernet, its MAC. */
void dhcp6_duid(const struct mac *mac, struct dhcp6_duid *ret);

/* The number of a machine's one address (IAID): the last four bytes of its MAC. */
uint32_t dhcp6_iaid(const struct mac *mac);

_must_check_ int dhcp6_request_format(const struct dhcp6_request *q, void *buf, size_t n,
				      size_t *ret_n);

/* Return: 0 or -EBADMSG. Addresses of another IAID than that of @mac are left out. */
_must_check_ int dhcp6_reply_parse(const void *buf, size_t n, const struct mac *mac,
				   struct dhcp6_reply *ret);

/* Write a server's message, as a test's server or a fuzzer needs it. Return: 0 or -E2BIG. */
_must_check_ int dhcp6_reply_format(const struct dhcp6_reply *p, const struct mac *mac, void *buf,
				    size_t n, size_t *ret_n);

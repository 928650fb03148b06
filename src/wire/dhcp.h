/*
 * dhcp.h - DHCP messages: bytes to lease and back (RFC 2131, 2132, 3396, 3397, 3442)
 *
 * A pure codec for the client's side: what a client sends is built from struct dhcp_request, what a
 * server answers is read into struct dhcp_reply. Option overload (52) and options split over
 * several (RFC 3396) are put together first. Every received length is checked against its option's
 * table row; an option of a wrong length is taken as absent when we can live without it, and makes
 * the message malformed when we cannot.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/lang.h"

#define DHCP_SERVER_PORT     67
#define DHCP_CLIENT_PORT     68
#define DHCP_MESSAGE_MAX     4096 /* bytes of a message that we take or send, without UDP header */
#define DHCP_MESSAGE_ASK     1472 /* the longest that we ask servers for (option 57) */
#define DHCP_MESSAGE_MIN     300  /* sent messages are padded to this, as BOOTP relays expect */
#define DHCP_ROUTERS_MAX     4
#define DHCP_SERVERS_MAX     4 /* name servers, NTP servers */
#define DHCP_ROUTES_MAX	     16
#define DHCP_TEXT_MAX	     256  /* with NUL; printable ASCII */
#define DHCP_SEARCH_MAX	     512  /* with NUL; blank-separated */
#define DHCP_LEASE_DEFAULT_S 3600 /* when a server does not say */
#define DHCP_MTU_MIN	     576  /* smaller ones are taken as absent */

enum dhcp_type {
	DHCP_NONE, /* BOOTP: no option 53 */
	DHCP_DISCOVER,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
	DHCP_INFORM,
	DHCP_TYPE_MAX_,
};

/* A route of option 121; gateway 0.0.0.0 means on the link. */
struct dhcp_route {
	struct in_addr dst;
	struct in_addr gateway;
	uint8_t prefix; /* 0 to 32 */
};

/*
 * What a server gave. Absent things are zero or "". Text is printable ASCII: a message whose text
 * holds anything else has '?' in its place. Nothing here is checked for sense beyond its form.
 */
struct dhcp_lease {
	struct in_addr address;	  /* yiaddr */
	uint8_t prefix;		  /* of option 1, else of the address's class */
	struct in_addr server_id; /* option 54: who leased it */
	struct in_addr
		next_server; /* boot server: siaddr, else option 66 when it is a dotted quad */
	struct in_addr broadcast;
	struct in_addr routers[DHCP_ROUTERS_MAX];
	size_t n_routers; /* 0 when option 121 is there, which replaces them (RFC 3442) */
	struct dhcp_route routes[DHCP_ROUTES_MAX];
	size_t n_routes;
	struct in_addr dns[DHCP_SERVERS_MAX];
	size_t n_dns;
	struct in_addr ntp[DHCP_SERVERS_MAX];
	size_t n_ntp;
	uint32_t lease_s;  /* UINT32_MAX: for ever */
	uint32_t renew_s;  /* option 58, else half of the lease */
	uint32_t rebind_s; /* option 59, else 7/8 of the lease */
	uint16_t mtu;
	char hostname[DHCP_TEXT_MAX];
	char domain[DHCP_TEXT_MAX];
	char search[DHCP_SEARCH_MAX];
	char root_path[DHCP_TEXT_MAX];
	char server_name[DHCP_TEXT_MAX]; /* option 66, else sname */
	char boot_file[DHCP_TEXT_MAX];	 /* option 67, else file */
};

struct dhcp_reply {
	enum dhcp_type type;
	uint32_t xid;
	struct mac mac; /* chaddr */
	struct dhcp_lease lease;
	char message[DHCP_TEXT_MAX]; /* option 56: why a NAK */
};

/* What a client sends. */
struct dhcp_request {
	enum dhcp_type type; /* DISCOVER, REQUEST, DECLINE or RELEASE */
	uint32_t xid;
	uint16_t secs;
	struct mac mac;		  /* chaddr; the client id is 01 and this, as firmware's */
	bool broadcast;		  /* ask for an answer by broadcast */
	struct in_addr ciaddr;	  /* own address: RELEASE and renewal only */
	struct in_addr requested; /* option 50 when not 0.0.0.0 */
	struct in_addr server_id; /* option 54 when not 0.0.0.0 */
	const char *vendor_class; /* option 60, or NULL */
	const char *hostname;	  /* option 12, or NULL */
};

/* The client id of a NIC: 01 and its MAC, which is what iPXE and PXE firmware say. */
#define DHCP_CLIENT_ID_BYTES (1 + MAC_BYTES)
void dhcp_client_id(const struct mac *mac, uint8_t ret[static DHCP_CLIENT_ID_BYTES]);

/* Write the message. Return: 0 with *ret_n bytes in @buf (at least DHCP_MESSAGE_MIN), or -E2BIG. */
_must_check_ int dhcp_request_format(const struct dhcp_request *q, void *buf, size_t n,
				     size_t *ret_n);

/* Parse a server's message. Return: 0 or -EBADMSG. */
_must_check_ int dhcp_reply_parse(const void *buf, size_t n, struct dhcp_reply *ret);

/* Write a server's message, as a test's server or a fuzzer needs it. Return: 0 or -E2BIG. */
_must_check_ int dhcp_reply_format(const struct dhcp_reply *p, void *buf, size_t n, size_t *ret_n);

const char *dhcp_type_name(enum dhcp_type t); /* "OFFER" */

/*
 * dhcp_ask.h - what a machine says of itself when it asks for an address (RFC 2131, 3004, 4578)
 *
 * The other side of dhcp.h, as far as one must know it to tell machines apart. Options are read
 * from the options field alone: nobody overloads a DISCOVER.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/lang.h"
#include "wire/dhcp.h"

#define DHCP_ASK_TEXT_MAX 64	 /* with NUL; printable ASCII, else '?' */
#define DHCP_ASK_NO_ARCH  0xffff /* it did not say */

struct dhcp_ask {
	enum dhcp_type type;
	struct mac mac;
	uint16_t arch;			      /* option 93 */
	char vendor_class[DHCP_ASK_TEXT_MAX]; /* option 60; "" if not said, like the next two */
	char user_class[DHCP_ASK_TEXT_MAX];   /* option 77 */
	char hostname[DHCP_ASK_TEXT_MAX];     /* option 12 */
};

/* Parse a client's message over Ethernet. Return: 0 or -EBADMSG. */
_must_check_ int dhcp_ask_parse(const void *buf, size_t n, struct dhcp_ask *ret);

/* "x64 UEFI"; "architecture 99" is put into @buf. */
const char *dhcp_arch_name(uint16_t arch, char buf[static 24]);

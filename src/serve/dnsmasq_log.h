/*
 * dnsmasq_log.h - what dnsmasq's log says of the nodes, line by line, as things that happened
 *
 * With log-dhcp. Lines are dnsmasq's own, but names of files and hosts in them come from the
 * network: text is cut and made printable.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "base/addr.h"
#include "base/lang.h"

#define DNSMASQ_LOG_TEXT_MAX 256

enum dnsmasq_event {
	DNSMASQ_NOTHING, /* no news in this line */
	DNSMASQ_STARTED,
	DNSMASQ_LEASED,	 /* mac has address; who asked is in client */
	DNSMASQ_REFUSED, /* mac gets no answer */
	DNSMASQ_SENT,	 /* a file, to address */
	DNSMASQ_MISSING, /* a file that address asked for is not there, or cannot be read */
	DNSMASQ_BROKEN,	 /* a transfer to address ended before its end */
	DNSMASQ_TROUBLE, /* dnsmasq complains; words are its own */
};

enum dnsmasq_client { DNSMASQ_FIRMWARE, DNSMASQ_IPXE, DNSMASQ_INIT };

struct dnsmasq_log {
	enum dnsmasq_client client; /* whose request the lines are about */

	/* of the last event */
	struct mac mac;
	struct in_addr address;
	char text[DNSMASQ_LOG_TEXT_MAX]; /* the file, or words */
};

/* Take one line, without its newline. */
enum dnsmasq_event dnsmasq_log_take(struct dnsmasq_log *l, const char *line);

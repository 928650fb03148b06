/*
 * dnsmasq.h - the cluster as configuration of dnsmasq: DHCP and TFTP, no DNS
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/lang.h"
#include "serve/cluster.h"
#include "serve/nodes.h"

#define DNSMASQ_BYTES_MAX                                                       \
	(32u << 20) /* NODES_MAX, each with an image of its own on many servers \
		     */
#define DNSMASQ_TFTP_MAX \
	1000 /* transfers at once: dnsmasq's own 50 stop a rack that boots together */
#define DNSMASQ_VENDOR_CLASS "bpboot" /* what our init calls itself in DHCP option 60 */
#define DNSMASQ_SCRIPT	     "boot.ipxe"

/* What it is to be on the nodes' network. */
enum dnsmasq_role {
	DNSMASQ_WHOLE,	    /* the DHCP and TFTP server */
	DNSMASQ_PROXY,	    /* a proxy beside another DHCP server, and TFTP */
	DNSMASQ_DHCP,	    /* DHCP alone */
	DNSMASQ_TFTP,	    /* TFTP alone */
	DNSMASQ_PROXY_DHCP, /* the proxy alone */
};

/* Can the node get an address? Return: 0, or -EINVAL, logged. */
_must_check_ int dnsmasq_check_address(const struct cluster *c, const struct node *n);

/*
 * Append the configuration. Return: 0; -EINVAL when a node can get no address, or an image has too
 * many servers (logged); -E2BIG, -ENOMEM.
 */
_must_check_ int dnsmasq_format(const struct cluster *c, const struct nodes *t,
				enum dnsmasq_role role, struct buffer *to);

/*
 * dnsmasq.h - the cluster as configuration of dnsmasq: DHCP and TFTP, no DNS
 */
#pragma once

#include "base/buffer.h"
#include "base/lang.h"
#include "serve/cluster.h"
#include "serve/nodes.h"

#define DNSMASQ_BYTES_MAX (4u << 20)
#define DNSMASQ_TFTP_MAX \
	1000 /* transfers at once: dnsmasq's own 50 stop a rack that boots together */
#define DNSMASQ_VENDOR_CLASS "bpboot" /* what our init calls itself in DHCP option 60 */
#define DNSMASQ_SCRIPT	     "boot.ipxe"

/* The network boot programs that firmware is told to load, 0 and up; NULL behind the last. */
const char *dnsmasq_boot_program(size_t number);

/*
 * Append the configuration.
 * Return: 0; -EINVAL when a node can get no address (logged); -E2BIG, -ENOMEM.
 */
_must_check_ int dnsmasq_format(const struct cluster *c, const struct nodes *t, struct buffer *to);

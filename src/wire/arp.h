/*
 * arp.h - ARP for IPv4 over Ethernet: bytes to struct and back (RFC 826, 5227)
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/lang.h"

#define ARP_BYTES 28

struct arp {
	uint16_t op; /* 1: who has target? 2: sender has */
	struct mac sender_mac, target_mac;
	struct in_addr sender, target;
};

/* What follows the packet (padding) is ignored. Return: 0 or -EBADMSG. */
_must_check_ int arp_parse(const void *buf, size_t n, struct arp *ret);

void arp_format(const struct arp *a, uint8_t ret[static ARP_BYTES]);

/* "Has anybody @a?", asked by one who does not use it yet. */
struct arp arp_probe(const struct mac *own, struct in_addr a);

/* Whether the packet shows that another one than @own has or wants @a (RFC 5227, section 2.1.1). */
bool arp_conflicts(const struct arp *p, const struct mac *own, struct in_addr a);
